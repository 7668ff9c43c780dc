"""Is a planted cause named as what it is? Worlds whose causes of recession are known (bench/nowcast.py)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from heedful.files.panel import Panel
from heedful.recall.nowcast.model import Nowcast
from heedful.recall.nowcast.reading import explain

MATTERS = 0.1  # rise of the probability
STRENGTHS = ((4.0, 0.5), (6.0, 1.0), (8.0, 1.5), (12.0, 2.0))  # standard deviations


def planted(panel: Panel, *, runs: int = 100, method: str = "heads", strengths=STRENGTHS) -> list[dict]:
    """Recessions caused by oil spikes three months before, or by a year of falling sentiment.

    The other indicators are the real ones, shifted in a circle, so that they have nothing to do with the
    planted recessions. Each run learns from the first 50 years and explains the last two onsets.
    """
    rows = []
    for spike, slow in strengths:
        found: dict[str, list[tuple[bool, bool, float]]] = {"spike": [], "slow": []}
        for seed in range(runs):
            for kind, named, right, moved in _one_world(panel, seed, spike, slow, method):
                found[kind].append((named, named and right, moved))
        words = {"spike": f"oil price: one jump of {spike:g} sd, three months before",
                 "slow": f"consumer sentiment: {slow:g} sd down a month, for twelve months"}
        for kind, v in found.items():
            told = [(a, b) for a, b, moved in v if moved >= MATTERS]
            rows.append({
                "planted": words[kind], "runs": len(v), "named first": f"{np.mean([a for a, _, _ in v]):.2f}",
                "named first, and as what it is": f"{np.mean([b for _, b, _ in v]):.2f}",
                "raised p by (median)": f"{np.median([moved for *_, moved in v]):.2f}",
                f"runs in which it raised p by {MATTERS:g}": len(told),
                "named first there": f"{np.mean([a for a, _ in told]):.2f}" if told else "",
                "and as what it is": f"{np.mean([b for _, b in told]):.2f}" if told else "",
            })
    return rows


def _one_world(panel: Panel, seed: int, spike: float, slow: float, method: str):
    """(kind, named first, as what it is, rise of p by it) for the last two planted onsets."""
    world, y, onsets = plant(panel, seed, spike, slow)
    cut = max(600, max(at for at, _ in onsets[:-2]) + 12)
    past = replace(world, values=world.values.iloc[:cut])
    model = Nowcast(indicators=list(world.values.columns), method=method).fit(past, y[:cut])
    for at, kind in onsets[-2:]:
        when = world.values.index[at]
        without, _, _ = plant(panel, seed, spike, slow, leave_out=at)
        moved = model.nowcast(world)[when] - model.nowcast(without)[when]
        first = explain(model, world, when).groups.iloc[0]
        name = {"spike": "OILPRICEx", "slow": "UMCSENTx"}[kind]
        right = first["kind"] == kind and (first["from_lag"] <= 3 <= first["to_lag"] if kind == "spike"
                                           else first["to_lag"] - first["from_lag"] >= 5)
        yield kind, first["indicator"] == name, bool(right), float(moved)


def plant(panel: Panel, seed: int, spike: float, slow: float, leave_out: int | None = None):
    """A panel in which only two indicators matter; labels; onsets with their causes.

    ``leave_out`` names an onset whose cause is not planted: the same world without it.
    """
    rng = np.random.default_rng(seed)
    names = ["T10YFFM", "S&P 500", "PERMIT", "CLAIMSx", "PAYEMS", "UNRATE", "INDPRO", "W875RX1", "AWHMAN",
             "AMDMNOx", "FEDFUNDS", "HWI", "CUMFNS"]
    values = panel.values[names].interpolate().bfill().ffill().copy()
    n = len(values)
    values = pd.DataFrame(np.roll(values.to_numpy(), int(rng.integers(60, n - 60)), 0), values.index, names)
    onsets, at = [], 30
    while (at := at + int(rng.integers(36, 60))) < n - 14:
        onsets.append(at)
    kinds = rng.permuted(np.resize(["spike", "slow"], len(onsets) - 2)).tolist() + rng.permuted(
        ["spike", "slow"]).tolist()
    oil, mood, y = rng.normal(size=n), rng.normal(size=n), np.zeros(n)
    for start, kind in zip(onsets, kinds, strict=True):
        y[start : start + 9] = 1
        if start == leave_out:
            continue
        if kind == "spike":
            oil[start - 3] += spike
        else:
            mood[start - 11 : start + 1] -= slow
    values["OILPRICEx"] = 20 * np.exp(0.05 * (np.cumsum(oil) - np.arange(n) * oil.mean()))
    values["UMCSENTx"] = 90 + 3 * np.cumsum(mood)
    return Panel(values, {}, "planted"), y, list(zip(onsets, kinds, strict=True))
