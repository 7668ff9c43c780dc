"""Causal lags against PCMCI with ParCorr (tigramite), on generators that the recipe was not chosen on.

Run with a Python that has tigramite (`pip install tigramite`, GPL-3, never a dependency):
`python -m bench.lags [--quick] [--write]`. Both methods see the same panels, in one process, in turn; both
are decided by Benjamini-Hochberg at 5 % over the links between different series; an exact-lag hit is the
right source, target and lag. CPU time is `time.process_time`.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from heedful.recall.lags import LagScan, planted
from heedful.recall.lags.select import benjamini_hochberg

L = 5
# seeds below 10,000 were looked at while this was built; these were not
FRESH = 500_000
CELLS = [
    # name, kind, noises, sizes (N), panels in each cell, floor, goal
    ("nonlinear", "nonlinear", ("normal",), (5,), 40, 0.93, 0.96),
    ("link functions unseen", "unseen", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.93, 0.96),
    ("linear", "linear", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.95, 0.98),
    ("autocorrelated .85-.95", "auto", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.70, 0.78),
    ("products of two", "product", ("normal", "t3", "laplace", "garch"), (5, 10, 20), 12, 0.90, 0.95),
]


def parcorr(values: np.ndarray) -> np.ndarray:
    """p-values (N, N, L + 1) of PCMCI with ParCorr, tigramite's own settings."""
    from tigramite import data_processing
    from tigramite.independence_tests.parcorr import ParCorr
    from tigramite.pcmci import PCMCI

    frame = data_processing.DataFrame(values)
    found = PCMCI(dataframe=frame, cond_ind_test=ParCorr(), verbosity=0).run_pcmci(
        tau_min=1, tau_max=L, pc_alpha=0.2
    )
    return found["p_matrix"]


def ours(values: np.ndarray) -> np.ndarray:
    return LagScan(L).fit(values).p_matrix


def have_tigramite() -> bool:
    try:
        import tigramite  # noqa: F401
    except ImportError:
        print("tigramite is not installed here: its column stays empty (pip install tigramite)")
        return False
    return True


def hits(p: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """True links found, false ones, missed ones, and pairs likewise."""
    off = ~np.eye(len(p), dtype=bool)
    graph = np.zeros(truth.shape, dtype=bool)
    part = np.zeros_like(p[off], dtype=bool)
    part[:, 1:] = benjamini_hochberg(p[off][:, 1:], 0.05)
    graph[off] = part
    pair, pair_truth = graph.any(-1), truth.any(-1)
    return np.array(
        [
            (graph & truth).sum(),
            (graph & ~truth).sum(),
            (truth & ~graph).sum(),
            (pair & pair_truth).sum(),
            (pair & ~pair_truth).sum(),
            (pair_truth & ~pair).sum(),
        ]
    )


def f1(c: np.ndarray) -> float:
    return float(2 * c[0] / max(2 * c[0] + c[1] + c[2], 1))


def interval(counts: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of F1 over panels."""
    rng = np.random.default_rng(seed)
    draws = [f1(counts[rng.integers(0, len(counts), len(counts))].sum(0)) for _ in range(1000)]
    return float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def links(out=print, *, quick: bool = False, peer: bool = True) -> list[dict]:
    rows = []
    for name, kind, noises, sizes, panels, floor, goal in CELLS:
        mine, theirs, cpu = [], [], np.zeros(2)
        by: dict[str, list[np.ndarray]] = {}
        for noise in noises:
            for N in sizes:
                for s in range(max(2, panels // 6) if quick else panels):
                    data = planted(kind, N=N, noise=noise, seed=FRESH + s)
                    truth = data.truth(L)
                    start = time.process_time()
                    count = hits(ours(data.values), truth)
                    cpu[0] += time.process_time() - start
                    mine.append(count)
                    by.setdefault(noise, []).append(count)
                    by.setdefault(f"N={N}", []).append(count)
                    if peer and (N < 20 or s < 3):  # PCMCI at N = 20 takes seconds a panel
                        start = time.process_time()
                        theirs.append(hits(parcorr(data.values), truth))
                        cpu[1] += time.process_time() - start
        mine_all = np.array(mine)
        low, high = interval(mine_all)
        c = mine_all.sum(0)
        rows.append(
            {
                "work": f"F1 exact lag, {name} ({len(mine)} panels)",
                "floor": floor,
                "goal": goal,
                "ours": f"{f1(c):.3f} [{low:.3f}, {high:.3f}]",
                "PCMCI-ParCorr": f"{f1(np.array(theirs).sum(0)):.3f} ({len(theirs)} panels)"
                if theirs
                else "not run",
                "right pair, any lag": f"{f1(c[3:]):.3f}",
                "by": ", ".join(f"{k} {f1(np.array(v).sum(0)):.3f}" for k, v in by.items())
                if len(by) > 2
                else "",
            }
        )
        out(rows[-1])
    return rows


def nulls(out=print, *, quick: bool = False, peer: bool = True) -> list[dict]:
    rows = []
    off = ~np.eye(5, dtype=bool)
    for label, kind, noise, panels in (
        ("AR .85-.95, normal", "null", "normal", 600),
        ("AR .85-.95, t3", "null", "t3", 300),
        ("AR .85-.95, Laplace", "null", "laplace", 300),
        ("AR .85-.95, GARCH", "null", "garch", 300),
        ("AR .98-.99, normal", "unit", "normal", 300),
    ):
        panels = panels // 10 if quick else panels
        p, cpu = {"ours": [], "theirs": []}, np.zeros(2)
        for s in range(panels):
            x = planted(kind, noise=noise, seed=FRESH + s).values
            start = time.process_time()
            p["ours"].append(ours(x)[off][:, 1:].ravel())
            cpu[0] += time.process_time() - start
            if peer and s < 100:
                start = time.process_time()
                p["theirs"].append(parcorr(x)[off][:, 1:].ravel())
                cpu[1] += time.process_time() - start

        def tell(ps):
            if not ps:
                return "not run"
            ps = np.array(ps)
            false = np.mean([benjamini_hochberg(row, 0.05).any() for row in ps])
            # links of one panel share its residuals: the error is taken over panels
            tail = ", ".join(
                f"{(ps < a).mean():.4f} ± {(ps < a).mean(1).std() / np.sqrt(len(ps)):.4f}"
                for a in (0.05, 0.01, 0.001)
            )
            return f"any false {false:.3f}; p < .05/.01/.001: {tail}"

        rows.append(
            {
                "work": f"no links, {label} ({panels} panels)",
                "floor": "(open gap)" if kind == "unit" else "any false <= .08, tails as stated",
                "goal": "<= .05",
                "ours": tell(p["ours"]),
                "PCMCI-ParCorr (100)": tell(p["theirs"]),
            }
        )
        out(rows[-1])
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
    if not quick:
        import resource

        data = planted("unseen", N=100, T=10_000, seed=FRESH)
        start = time.process_time()
        count = hits(ours(data.values), data.truth(L))
        rows.append(
            {
                "work": "N=100, T=10,000, one process",
                "floor": "runs",
                "goal": "",
                "ratio": f"F1 {f1(count):.3f}",
                "ours": f"{time.process_time() - start:.0f} s CPU, peak "
                f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB",
            }
        )
        out(rows[-1])
    return rows


def extras(out=print, *, quick: bool = False) -> list[dict]:
    """Beyond the floors: lag intervals, series near a unit root, shared shocks, and the literal attention."""
    from heedful.recall.lags import PlainAttention
    from heedful.recall.lags.plain import exact_share

    rows, off = [], ~np.eye(5, dtype=bool)
    panels = 6 if quick else 40
    for T in (300, 1000):
        held, width = [], []
        for s in range(panels):
            data = planted("auto", T=T, seed=FRESH + 50_000 + s)
            lag = {(k.source, k.target): k.lag for k in data.links}
            for link in LagScan(L).fit(data.values).links.itertuples():
                key = int(link.source[1:]), int(link.target[1:])
                if key in lag:
                    held.append(link.low <= lag[key] <= link.high)
                    width.append(link.high - link.low + 1)
        rows.append(
            {
                "work": f"95 % lag interval holds the lag, AR .85-.95, T={T} ({len(held)} links)",
                "ours": f"{np.mean(held):.3f}",
                "note": f"mean width {np.mean(width):.2f} lags of {L}",
            }
        )
        out(rows[-1])
    for way in ("keep", "filter"):
        p, false = [], []
        for s in range(panels * 3):
            values = planted("unit", seed=FRESH + 50_000 + s).values
            p.append(LagScan(L, near_unit_root=way).fit(values).p_matrix[off][:, 1:].ravel())
            false.append(benjamini_hochberg(p[-1], 0.05).any())
        p = np.array(p)
        tail = ", ".join(f"{(p < a).mean():.4f}" for a in (0.05, 0.01, 0.001))
        counts = []
        for s in range(panels):
            data = planted("auto", seed=FRESH + 50_000 + s)
            counts.append(hits(LagScan(L, near_unit_root=way).fit(data.values).p_matrix, data.truth(L)))
        rows.append(
            {
                "work": f"near_unit_root={way!r}: no links, AR .98-.99 ({len(p)} panels)",
                "ours": f"any false {np.mean(false):.3f}; p < .05/.01/.001: {tail}",
                "note": f"price: F1 at AR .85-.95 {f1(np.sum(counts, axis=0)):.3f} ({panels} panels)",
            }
        )
        out(rows[-1])
    told = accused = 0
    for s in range(panels):
        x = planted("linear", seed=FRESH + 50_000 + s).values.copy()
        x[:, :2] += 0.6 * np.random.default_rng(s).normal(size=(len(x), 1))
        pairs = LagScan(L).fit(x).together
        told += bool(((pairs["one"] == "x0") & (pairs["other"] == "x1")).any())
        accused += len(LagScan(L).fit(planted("null", seed=FRESH + 50_000 + s).values).together) > 0
    rows.append(
        {
            "work": f"shock shared within a step ({panels} panels)",
            "ours": f"told in {told / panels:.2f}",
            "note": f"panels without one accused: {accused / panels:.3f}",
        }
    )
    out(rows[-1])
    for kind in ("nonlinear", "linear", "auto"):
        share = {}
        for label, content, position in (
            ("both", True, True),
            ("position alone", False, True),
            ("content alone", True, False),
        ):
            read = [[], []]
            for s in range(max(2, panels // 8)):
                data = planted(kind, seed=FRESH + 50_000 + s)
                plain = PlainAttention(L, content=content, position=position).fit(data.values)
                read[0].append(exact_share(plain.weight, data.links))
                read[1].append(exact_share(plain.contribution, data.links))
            share[label] = f"{label} {np.mean(read[0]):.2f} / {np.mean(read[1]):.2f}"
        rows.append(
            {
                "work": f"literal attention, {kind}: planted pairs whose largest lag is exact",
                "ours": "; ".join(share.values()),
                "note": f"by weight / by contribution; chance {1 / L:.2f}",
            }
        )
        out(rows[-1])
    return rows


NOTES = """- Panels of N = 20 are given to PCMCI three a cell (it takes seconds for each), others twelve or
  forty.
- p-values are conservative in the body (.040 to .047 below .05, outside Monte-Carlo error): token p
  is a union bound over its block and, by Bonferroni, its products, and neighbouring lags of an AR
  .9 series make that bound loose. Blocks alone (`products=False`) give .0487 ± .0023 (150 panels).
  The far tail is exact within error.
- Links of the autocorrelated sets are as strong as was guessed from eight other panels to put PCMCI
  at .45 (it came out at .42).
- Near a unit root the default is anti-conservative, as the page shows; `near_unit_root="filter"` is
  exact and costs F1, so it is left to the user, and the notes of a scan say when it matters.
- A hidden driver that reaches two series at different lags is not told (0 of 4 panels); at one step
  it is.
- Products were made cheaper between the sections of this page (rows, contiguous reads); all scores agree to
  1e-10, which a test checks."""


def run(out=print, *, quick: bool = False) -> list[dict]:
    """All rows; the peer's columns where tigramite is installed."""
    peer = have_tigramite()
    return [row for part in (links, nulls, cost) for row in part(out, quick=quick, peer=peer)] + extras(
        out, quick=quick
    )


def main() -> None:
    from . import _page

    quick = "--quick" in sys.argv
    if "--extra" in sys.argv:  # only the last section; with --write it is added to the page that is there
        body = f"### Beyond the floors\n\n{_page.table(extras(quick=quick))}\n\n### Notes\n\n{NOTES}\n"
        page = _page.HERE / "results" / "lags.md"
        if "--write" in sys.argv and page.exists():
            page.write_text(page.read_text().split("### Beyond the floors")[0].rstrip() + "\n\n" + body)
        print(body)
        return
    peer = have_tigramite()
    sections = [
        ("Links found", links(quick=quick, peer=peer)),
        ("Panels without links", nulls(quick=quick, peer=peer)),
        ("Cost", cost(quick=quick, peer=peer)),
        ("Beyond the floors", extras(quick=quick)),
        ("Notes", NOTES),
    ]
    if "--write" in sys.argv:
        print(_page.write("lags", "Causal lags", sections, ("numpy", "scipy", "tigramite")))
    else:
        for title, rows in sections:
            print(f"\n### {title}\n\n{_page.table(rows)}")


if __name__ == "__main__":
    main()
