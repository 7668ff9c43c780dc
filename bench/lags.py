"""Causal lags against PCMCI with ParCorr (tigramite), on generators that the recipe was not chosen on.

Run with a Python that has tigramite (`pip install tigramite`, GPL-3, never a dependency):
`python -m bench.lags [--quick] [--write] [--only links,nulls,...] [--no-peer]`. Each panel's result is
kept in bench/.cache under a hash of the code that made it, so that a run can be taken up again. Both
methods see the same panels; both are decided by Benjamini-Hochberg at 5 % over the links between different
series; an exact-lag hit is the right source, target and lag. CPU time is `time.process_time`, both in one
process, in turn.
"""

from __future__ import annotations

import sys
import time
from functools import partial

import numpy as np

from heedful.recall.lags import planted

from . import _page
from ._lags import FRESH, L, f1, have_tigramite, hits, interval, kept, level, ours, parcorr, tell
from ._lags_beyond import BEYOND
from ._lags_own import habits

CELLS = [
    # name, kind, noises, sizes (N), panels in each cell, floor, goal
    ("nonlinear", "nonlinear", ("normal",), (5,), 40, 0.93, 0.96),
    ("link functions unseen", "unseen", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.93, 0.96),
    ("linear", "linear", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.95, 0.98),
    ("autocorrelated .85-.95", "auto", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.70, 0.78),
    ("products of two", "product", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.90, 0.95),
]


THEIRS = {5: 12, 10: 0, 20: 0}  # panels of a cell given to PCMCI, by size: larger ones take seconds


def links(out=print, *, quick: bool = False, peer: bool = True) -> list[dict]:
    """F1 of links with the exact lag."""
    rows, store = [], kept()
    for name, kind, noises, sizes, panels, floor, goal in CELLS:
        mine, theirs, same = [], [], []
        by: dict[str, list[np.ndarray]] = {}
        for noise in noises:
            for N in sizes:
                for s in range(max(2, panels // 6) if quick else panels):
                    data = planted(kind, N=N, noise=noise, seed=FRESH + s)
                    key, truth = (kind, noise, N, FRESH + s), data.truth(L)
                    count = store("ours", *key, make=lambda d=data, t=truth: hits(ours(d.values), t))
                    mine.append(count)
                    by.setdefault(noise, []).append(count)
                    by.setdefault(f"N={N}", []).append(count)
                    if (peer and s < THEIRS[N]) or store.has("parcorr", *key):  # it takes seconds a panel
                        same.append(count)
                        theirs.append(
                            store("parcorr", *key, make=lambda d=data, t=truth: hits(parcorr(d.values), t))
                        )
        mine_all = np.array(mine)
        low, high = interval(mine_all)
        c = mine_all.sum(0)
        rows.append(
            {
                "work": f"F1 exact lag, {name} ({len(mine)} panels)",
                "floor": floor,
                "goal": goal,
                "ours": f"{f1(c):.3f} [{low:.3f}, {high:.3f}]",
                "PCMCI-ParCorr, same panels": f"{f1(np.array(theirs).sum(0)):.3f} "
                f"(ours {f1(np.array(same).sum(0)):.3f}; {len(theirs)} panels)"
                if theirs
                else "not run",
                "right pair, any lag": f"{f1(c[3:]):.3f}",
                "by": ", ".join(f"{k} {f1(np.array(v).sum(0)):.3f}" for k, v in by.items())
                if len(by) > 2
                else "",
            }
        )
        out(rows[-1])
        store.save()
    return rows


def nulls(out=print, *, quick: bool = False, peer: bool = True) -> list[dict]:
    """Panels without links: how often one is called, and the tails of p."""
    rows, store = [], kept()
    for label, kind, noise, panels in (
        ("AR .85-.95, normal", "null", "normal", 600),
        ("AR .85-.95, t3", "null", "t3", 300),
        ("AR .85-.95, Laplace", "null", "laplace", 300),
        ("AR .85-.95, GARCH", "null", "garch", 300),
        ("AR .98-.99, normal", "unit", "normal", 300),
    ):
        panels = panels // 10 if quick else panels
        mine, theirs = [], []
        for s in range(panels):
            key = (kind, noise, 5, FRESH + s)
            x = planted(kind, noise=noise, seed=FRESH + s).values
            mine.append(store("ours", *key, make=lambda x=x: level(ours(x))))
            if (peer and s < 24) or store.has("parcorr", *key):
                theirs.append(store("parcorr", *key, make=lambda x=x: level(parcorr(x))))
        rows.append(
            {
                "work": f"no links, {label} ({panels} panels)",
                "floor": "(open gap)" if kind == "unit" else "any false <= .08, tails as stated",
                "goal": "<= .05",
                "ours": tell(mine),
                "PCMCI-ParCorr": f"{tell(theirs)} ({len(theirs)} panels)",
            }
        )
        out(rows[-1])
        store.save()
    return rows


def cost(out=print, *, quick: bool = False, peer: bool = True) -> list[dict]:
    rows = []
    for kind, N, T, repeats in (
        ("unseen", 5, 300, 8),
        ("auto", 5, 300, 8),
        ("null", 5, 300, 8),
        ("unseen", 10, 300, 4),
        ("unseen", 10, 1000, 2),
    ):
        mine = theirs = 0.0
        ours(planted(kind, N=N, T=T, seed=1).values)
        for s in range(2 if quick else repeats):
            x = planted(kind, N=N, T=T, seed=FRESH + s).values
            start = time.process_time()
            ours(x)
            mine += time.process_time() - start
            if peer:
                start = time.process_time()
                parcorr(x)
                theirs += time.process_time() - start
        rows.append(
            {
                "work": f"CPU, {kind} N={N} T={T}",
                "floor": "<= .5 of ParCorr",
                "goal": "<= .2",
                "ours": f"{mine / repeats:.3f} s",
                "ratio": f"{mine / theirs:.3f}" if theirs else "not run",
            }
        )
        out(rows[-1])
    return rows


def large(out=print, *, quick: bool = False, peer: bool = True) -> list[dict]:
    """A hundred series of 2,000 and of 10,000 steps in one process (quick: 30 of 2,000)."""
    import resource

    rows = []
    for N, T in ((30, 2_000),) if quick else ((100, 2_000), (100, 10_000)):
        data = planted("unseen", N=N, T=T, seed=FRESH)
        start = time.process_time()
        count = hits(ours(data.values), data.truth(L))
        seconds, peak = (
            time.process_time() - start,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        )
        rows.append(
            {
                "work": f"N={N}, T={T:,}, one process",
                "floor": "runs",
                "goal": "",
                "ours": f"{seconds:.0f} s CPU, peak {peak:.1f} GiB",
                "ratio": f"F1 {f1(count):.3f}",
            }
        )
        out(rows[-1])
    return rows


NOTES = """- All rows are of one build. The peer's column is of panels of N = 5, twelve a cell (larger
  ones take it seconds each). With four a cell of N = 10 and one of N = 20 among them, on 40 to 108 panels
  with seeds from 500,000 on, it came to .580, .706, .951, .422 and .027.
- Series with habits of their own: before this build .95 of panels of seasonal AR held a false link, .98 of
  those with a fixed season, 1.0 with trends, .98 with shifts of level, .68 of log-normal ones, .30 of those
  that are mostly zero (40 panels each, max_lag 5). What was done, each on seeds from 7,000,000 on: own lags
  from 2 to a fifth of the length, by their values, and lines of the periodogram stand in the target's model
  where they are found, and own lags leave it again where the drivers explain them; links between two series
  with trends or shifts must show by values and by news; lopsided series are read by normal scores with ties
  broken at random. F1 of linear links under a season rose from .44 to .96, with trends from .45 to .87,
  through exp from .82 to .95 (8 panels each).
- What is left there: own lags that are too weak to be found one by one (ARMA with a root nearly cancelled,
  long memory, a moving average) leave p < .05 at .066 to .070; a seasonal own lag at .8 is biased down
  as an own lag 1 is, and only that one is corrected; swings of volatility by a factor of ten reach the far
  tail of products. A two-valued AR .9 (.107 of panels), that volatility (.100) and series zero in 70 % (.093,
  p < .05 at .050) stay above .08, the last within Monte-Carlo error (.024).
- How p became exact, p < .05 on panels without links (normal noise): a union bound with Bonferroni over a
  token's products .042; Hunter's bound with the correlations of neighbouring products .046 (300 panels);
  then the rest was traced to terms that got in by luck and explain their neighbours away (without any
  selection .0487, blocks alone .0502). First attempt: only terms at a tenth of the entry p stay for the final
  tests: .0485, but at N = 20 weak true drivers fell out and their neighbours took their place (F1 at AR
  .85-.95 from .82 to .66 on seeds from 900,000 on). Second: terms stay that pass Benjamini-Hochberg over the
  whole panel: .0499, and no F1 lost.
- Near a unit root three ways were tried on other seeds. News alone: exact, F1 at AR .85-.95 less .03 to .08.
  News scored, levels in the model: exact, no loss at N = 5, .10 at N = 20. Both must speak (now):
  conservative, no loss found.
- Links of the autocorrelated sets are as strong as was guessed from eight other panels to put PCMCI at .45.
- Links to a variance under GARCH are called too often (the row says how often): the target's own swings
  are an ARMA process of which one lag and one forgotten past are in the model.
- A hidden driver that reaches two series at different lags makes a false link (59 of 60 panels) and is not
  told. Tried as a flag: pairs linked both ways or at several lags. It marks 12 of 60 such pairs, and another
  pair in 39 of these 60 panels; it is not in the product. A shock shared within one step is told."""


PARTS = {
    "links": ("Links found", links),
    "nulls": ("Panels without links", nulls),
    "cost": ("Cost", cost),
    "large": ("Cost", large),
    "habits": ("Panels without links whose series have habits of their own", habits),
    **{name: ("Beyond the floors", made) for name, made in BEYOND.items()},
}


def run(out=print, *, quick: bool = False) -> list[dict]:
    """All rows; the peer's columns where tigramite is installed."""
    return [row for name in PARTS for row in part(name, out, quick=quick)]


def part(name: str, out=print, *, quick: bool = False, peer: bool = True) -> list[dict]:
    """Rows of one part."""
    made = PARTS[name][1]
    if name in (*BEYOND, "habits"):
        return made(out, quick=quick)
    return made(out, quick=quick, peer=peer and have_tigramite())


def main() -> None:
    _page.usage(__doc__)
    from ._parts import rows_of, show

    how = {"quick": "--quick" in sys.argv, "peer": "--no-peer" not in sys.argv}
    rows = rows_of("lags", {name: partial(part, name, **how) for name in PARTS})
    bodies: dict[str, list[dict]] = {}
    for name, (title, _) in PARTS.items():
        bodies.setdefault(title, []).extend(rows[name])
    sections = [(title, body or "not run") for title, body in bodies.items()]
    show("lags", "Causal lags", [*sections, ("Notes", NOTES)], ("numpy", "scipy", "tigramite"))


if __name__ == "__main__":
    main()
