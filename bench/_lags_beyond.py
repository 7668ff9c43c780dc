"""Beyond the floors of the lags benchmark: intervals, unit roots, variances, shocks, the literal idea."""

from __future__ import annotations

import numpy as np

from heedful.recall.lags import LagScan, PlainAttention, planted
from heedful.recall.lags.plain import exact_share

from ._lags import FRESH, L, f1, hits, interval, level, tell

BEGIN = FRESH + 50_000


def lag_intervals(out=print, *, quick: bool = False) -> list[dict]:
    """How often the 95 % interval of a lag holds the planted one."""
    rows, panels = [], 6 if quick else 40
    for T in (300, 1000):
        held, width = [], []
        for s in range(panels):
            data = planted("auto", T=T, seed=BEGIN + s)
            lag = {(k.source, k.target): k.lag for k in data.links}
            for link in LagScan(L, variance=False).fit(data.values).links.itertuples():
                key = int(link.source[1:]), int(link.target[1:])
                if key in lag:
                    held.append(link.low <= lag[key] <= link.high)
                    width.append(link.high - link.low + 1)
        rows.append(
            {
                "work": f"95 % lag interval holds the lag, AR .85-.95, T={T} ({len(held)} links)",
                "ours": f"{np.mean(held):.3f} ± {np.std(held) / np.sqrt(len(held)):.3f}",
                "note": f"mean width {np.mean(width):.2f} lags of {L}",
            }
        )
        out(rows[-1])
    return rows


def unit_roots(out=print, *, quick: bool = False) -> list[dict]:
    """Both ways of treating series near a unit root, and what the safe one costs."""
    rows, panels = [], 6 if quick else 40
    for way in ("both", "keep"):

        def p_matrix(data, way=way):
            return LagScan(L, variance=False, near_unit_root=way).fit(data.values).p_matrix

        found = [level(p_matrix(planted("unit", seed=BEGIN + s))) for s in range(panels * 5)]
        counts = []
        for s in range(panels):
            data = planted("auto", seed=BEGIN + s)
            counts.append(hits(p_matrix(data), data.truth(L)))
        rows.append(
            {
                "work": f"near_unit_root={way!r}: no links, AR .98-.99 ({len(found)} panels)",
                "ours": tell(found),
                "note": f"F1 at AR .85-.95 {f1(np.sum(counts, axis=0)):.3f} ({panels} panels)",
            }
        )
        out(rows[-1])
    return rows


def variance(out=print, *, quick: bool = False) -> list[dict]:
    """Links to a variance: found where planted, and how often where there is none."""
    rows, panels = [], 6 if quick else 40
    for noise, T in (("normal", 300), ("t3", 300), ("normal", 1000)):
        counts = []
        for s in range(panels):
            data = planted("variance", noise=noise, T=T, seed=BEGIN + s)
            counts.append(hits(LagScan(L).fit(data.values).variance_p_matrix, data.truth(L)))
        low, high = interval(np.array(counts))
        rows.append(
            {
                "work": f"links to a variance, {noise}, T={T} ({panels} panels)",
                "ours": f"F1 exact lag {f1(np.sum(counts, axis=0)):.3f} [{low:.3f}, {high:.3f}]",
                "note": "PCMCI with ParCorr tests means, so it has no column here",
            }
        )
        out(rows[-1])
    for kind, noise in (("null", "normal"), ("null", "t3"), ("null", "garch"), ("unseen", "normal")):
        found = [
            level(LagScan(L).fit(planted(kind, noise=noise, seed=BEGIN + s).values).variance_p_matrix)
            for s in range(panels * 5)
        ]
        name = {"null": "no links, AR .85-.95", "unseen": "links to the mean alone"}[kind]
        rows.append(
            {
                "work": f"a variance falsely driven: {name}, {noise} ({len(found)} panels)",
                "ours": tell(found),
            }
        )
        out(rows[-1])
    return rows


def shared_shocks(out=print, *, quick: bool = False) -> list[dict]:
    """Pairs that move together within one step."""
    told = accused = 0
    panels = 6 if quick else 40
    for s in range(panels):
        x = planted("linear", seed=BEGIN + s).values.copy()
        x[:, :2] += 0.6 * np.random.default_rng(s).normal(size=(len(x), 1))
        pairs = LagScan(L, variance=False).fit(x).together
        told += bool(((pairs["one"] == "x0") & (pairs["other"] == "x1")).any())
        alone = LagScan(L, variance=False).fit(planted("null", seed=BEGIN + s).values)
        accused += len(alone.together) > 0
    row = {
        "work": f"shock shared within a step ({panels} panels)",
        "ours": f"told in {told / panels:.2f}",
        "note": f"panels without one accused: {accused / panels:.3f}",
    }
    out(row)
    return [row]


def literal(out=print, *, quick: bool = False) -> list[dict]:
    """The literal attention: planted pairs whose largest weight, or contribution, is at the exact lag."""
    rows = []
    for kind in ("nonlinear", "linear", "auto"):
        share = {}
        for label, content, position in (
            ("both", True, True),
            ("position alone", False, True),
            ("content alone", True, False),
        ):
            read = [[], []]
            for s in range(2 if quick else 5):
                data = planted(kind, seed=BEGIN + s)
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


BEYOND = {
    "intervals": lag_intervals,
    "unit": unit_roots,
    "variance": variance,
    "shocks": shared_shocks,
    "literal": literal,
}
