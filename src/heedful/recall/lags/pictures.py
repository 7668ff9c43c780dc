"""Pictures of a lag scan, as data."""

from __future__ import annotations

import numpy as np

from ...reading import pictures as pic
from .model import LagScan
from .reading import link_names


def graph(scan: LagScan, verdict=None) -> pic.Network:
    """Series on a circle, an arrow for each link found, its width the signed partial R."""
    N = len(scan.names)
    angle = 2 * np.pi * np.arange(N) / N
    index = {name: i for i, name in enumerate(scan.names)}
    links = scan.links
    i = np.array([index[s] for s in links["source"]], dtype=int)
    j = np.array([index[t] for t in links["target"]], dtype=int)
    return pic.Network(
        "Which series drives which",
        np.cos(angle),
        np.sin(angle),
        labels=scan.names,
        edges=(i, j, links["value"].to_numpy(dtype=float)),
        directed=True,
        relation="drives",
        verdict=verdict,
        caption=f"Links at a false discovery rate of {scan.alpha:g} among different series; an arrow's "
        "weight is the signed partial R. The delay of each is in the next picture.",
    )


def lags(scan: LagScan) -> pic.Matrix:
    """For each link, the attention over the lags at which it could stand."""
    index = {name: i for i, name in enumerate(scan.names)}
    rows = list(scan.links.itertuples())
    weight = np.stack([scan.lag_attention(index[r.source], index[r.target], int(r.lag)) for r in rows])
    marks = np.zeros(weight.shape, dtype=bool)
    marks[np.arange(len(rows)), [int(r.lag) - 1 for r in rows]] = True
    return pic.Matrix(
        "With what delay",
        weight,
        link_names(scan),
        [f"{lag}" for lag in range(1, scan.max_lag + 1)],
        marks=marks,
        row_label="link",
        column_label="lag (steps)",
        caption="Attention of each link over the lags: how well the link would stand at that lag instead "
        "(softmax of the log-likelihood). A wide row is a link whose delay the data cannot tell.",
    )


def profile(scan: LagScan) -> pic.Matrix:
    """-log10 p for every pair at its best lag."""
    p = scan.p_matrix[..., 1:].min(-1)
    return pic.Matrix(
        "How surely, pair by pair",
        -np.log10(np.maximum(p, 1e-30)),
        scan.names,
        scan.names,
        marks=scan.graph.any(-1),
        row_label="source",
        column_label="target",
        unit="-log10 p",
        caption="Smallest p over the lags, given everything else that was selected for the target. Marked: "
        "links found. The diagonal is a series' own past, decided in a family of its own.",
    )


def all_pictures(scan: LagScan, verdict=None) -> list:
    """What a report shows."""
    if not len(scan.links):
        return [profile(scan)]
    return [graph(scan, verdict), lags(scan), profile(scan)]
