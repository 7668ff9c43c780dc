"""A panel with planted lags: what the scan finds, what the literal attention reads, beside linear Granger."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...reading.story import Score, Story
from ...trust.stability import mean_interval
from .claims import verdicts
from .model import LagScan
from .peers import granger_f
from .plain import PlainAttention, exact_share
from .select import benjamini_hochberg
from .synthetic import planted

NAMES = ["sunshine", "algae", "oxygen", "grazers", "nutrients"]


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Planted nonlinear links and products, found again; four panels when quick, twelve otherwise.

    Parameters
    ----------
    seed : int
    quick : bool

    Returns
    -------
    Story
    """
    from .pictures import all_pictures
    from .reading import read

    L, kinds = 5, ["unseen", "product", "auto", "nonlinear"] * (1 if quick else 3)
    counts = {"ours": np.zeros(3), "granger": np.zeros(3)}
    paired = []
    for n, kind in enumerate(kinds):
        data = planted(kind, seed=7000 + 100 * seed + n)
        truth = data.truth(L)
        scan = LagScan(L).fit(data.values)
        both = []
        for who, p in (("ours", scan.p_matrix), ("granger", granger_f(data.values, L))):
            hit = _hits(p, truth)
            counts[who] += hit
            both.append(_f1(hit))
        paired.append(both)
        if n == 0:
            first, first_data = LagScan(L).fit(pd.DataFrame(data.values, columns=NAMES)), data
    judged = verdicts(first, seed=seed)
    low, high = mean_interval(np.subtract(*np.transpose(paired)), seed=seed)
    rows = []
    for label, content, position in (
        ("content and position", True, True),
        ("position alone", False, True),
        ("content alone", True, False),
    ):
        plain = PlainAttention(L, content=content, position=position, seed=seed, steps=150).fit(
            first_data.values
        )
        rows.append(
            {
                "literal attention on": label,
                "exact lag by weight": exact_share(plain.weight, first_data.links),
                "exact lag by contribution": exact_share(plain.contribution, first_data.links),
                "chance": 1 / L,
            }
        )
    found = [f"{r.source} → {r.target} after {r.lag}" for r in first.links.head(3).itertuples()]
    return Story(
        study="lags",
        title="Which series drives which, and when",
        data=f"{len(kinds)} generated panels of 5 series and 300 times, links planted at lags 1 to {L}",
        headline=f"In the first panel {len(first.links)} links, the surest: {'; '.join(found)}.",
        scores=[
            Score(
                "F1 of links with the exact lag",
                _f1(counts["ours"]),
                _f1(counts["granger"]),
                "linear Granger test (VAR)",
                interval=(low, high),
            )
        ],
        pictures=all_pictures(first, judged[0] if judged else None),
        verdicts=judged,
        tables={
            "links": first.links,
            "own past": first.self_links,
            "the literal attention, read directly": pd.DataFrame(rows),
        },
        notes=[
            "The literal attention ranks; it tests nothing, so it decides no link.",
            "A hidden common driver makes links that are not there, here as in every method of this kind.",
            *first.notes,
        ],
        reading=read(first),
    )


def _hits(p: np.ndarray, truth: np.ndarray) -> np.ndarray:
    off = ~np.eye(len(p), dtype=bool)
    graph, flags = benjamini_hochberg(p[off][:, 1:], 0.05), truth[off][:, 1:]
    return np.array([(graph & flags).sum(), (graph & ~flags).sum(), (flags & ~graph).sum()])


def _f1(c: np.ndarray) -> float:
    return float(2 * c[0] / max(2 * c[0] + c[1] + c[2], 1))
