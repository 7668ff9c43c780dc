"""How many of the best pairs touch, and how sure a difference between two maps is."""

from __future__ import annotations

import numpy as np


def ranking(scores: np.ndarray, contacts: np.ndarray, separation: int = 6):
    """Pairs (i, j) best first, and whether they touch: three arrays; unknown pairs (NaN) left out."""
    known = np.asarray(contacts, float)
    i, j = np.triu_indices(len(scores), separation)
    some = np.isfinite(known[i, j])
    i, j = i[some], j[some]
    order = np.argsort(-scores[i, j], kind="stable")
    return i[order], j[order], known[i, j][order] > 0.5


def precisions(scores: np.ndarray, contacts: np.ndarray, separation: int = 6) -> dict[str, float]:
    """P@L, P@L/2, P@L/5 and average precision over pairs at least ``separation`` apart.

    Parameters
    ----------
    contacts : (L, L) bool, or float with NaN where unknown (those pairs are left out)
    """
    *_, true = ranking(scores, contacts, separation)
    columns = len(scores)
    out = {
        name: float(true[: max(columns // part, 1)].mean())
        for name, part in (("P@L", 1), ("P@L/2", 2), ("P@L/5", 5))
    }
    out["AP"] = float((np.cumsum(true) / np.arange(1, len(true) + 1))[true].mean()) if true.any() else np.nan
    return out


def precision_draws(
    ours: np.ndarray,
    theirs: np.ndarray,
    contacts: np.ndarray,
    *,
    separation: int = 6,
    part: int | None = 1,
    draws: int = 1000,
    seed: int = 0,
) -> np.ndarray:
    """Differences in P@L/part of two maps over redrawn residues, (draws,).

    Residues are drawn with repetition, so that the contacts of one residue stay together. For P@L/part a pair
    counts half for each of its residues; for average precision (``part=None``) as often as both are drawn.

    Parameters
    ----------
    ours, theirs : (L, L)
    contacts : (L, L) bool, or float with NaN where unknown
    separation : int
    part : int or None
        1, 2, 5: for P@L, P@L/2, P@L/5; None: for average precision.
    """
    length = len(ours)
    rows = np.random.default_rng(seed).integers(0, length, (draws, length))
    if part is not None:
        top = max(length // part, 1)
        share = np.zeros(length)
        for scores, sign in ((ours, 1.0), (theirs, -1.0)):
            i, j, true = ranking(scores, contacts, separation)
            hit = true[:top] * sign / top / 2
            np.add.at(share, i[:top], hit)
            np.add.at(share, j[:top], hit)
        return share[rows].sum(1)
    ranked = [ranking(scores, contacts, separation) for scores in (ours, theirs)]
    out = np.empty(draws)
    for n, row in enumerate(rows):
        times = np.bincount(row, minlength=length)
        out[n] = np.subtract(*(_average_precision(times[i] * times[j], true) for i, j, true in ranked))
    return out


def _average_precision(weight: np.ndarray, true: np.ndarray) -> float:
    """Average precision of ranked pairs that each count ``weight`` times."""
    hits = weight * true
    seen = np.cumsum(weight)
    return float((hits * np.cumsum(hits) / np.maximum(seen, 1)).sum() / max(hits.sum(), 1))


def precision_interval(ours, theirs, contacts, **settings) -> tuple[float, float]:
    """95 % interval of `precision_draws`."""
    low, high = np.quantile(precision_draws(ours, theirs, contacts, **settings), [0.025, 0.975])
    return float(low), float(high)
