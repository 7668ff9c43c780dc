"""How alike readings are over fits, and intervals over few of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; 0 where one of the two does not vary."""
    from scipy.stats import rankdata

    a, b = rankdata(a), rankdata(b)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def t_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % by Student's t for the mean of independent values."""
    from scipy.stats import t

    n = len(values)
    half = t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n) if n > 1 else np.inf
    return float(np.mean(values) - half), float(np.mean(values) + half)


def mean_interval(
    values: np.ndarray, *, seed: int | Sequence[int] = 0, draws: int = 2000
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of independent values (n,).

    >>> mean_interval(np.full(5, 0.25))
    (0.25, 0.25)
    """
    values = np.asarray(values, float)
    means = values[np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))].mean(1)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def rank_stability(profiles: Sequence[np.ndarray]) -> tuple[float, tuple[float, float]]:
    """Mean Spearman correlation over all pairs of fits, and its 95 % interval.

    Pairs share fits and are not independent; the interval is the jackknife's, which leaves out one fit with
    all its pairs, with Student's t.

    Parameters
    ----------
    profiles : sequence of array (Nk,)
        A key profile of each fit, at least three.

    Examples
    --------
    >>> rank_stability([np.arange(9.0)] * 4)
    (1.0, (1.0, 1.0))
    """
    from scipy.stats import t

    m = len(profiles)
    alike = np.array([[spearman(a, b) for b in profiles] for a in profiles])
    np.fill_diagonal(alike, 0.0)
    total = alike.sum()
    mean = total / (m * (m - 1))
    if m < 3:
        return float(mean), (-1.0, 1.0)
    left = (total - 2 * alike.sum(0)) / ((m - 1) * (m - 2))
    half = t.ppf(0.975, m - 1) * np.sqrt((m - 1) / m * ((left - left.mean()) ** 2).sum())
    return float(mean), (max(float(mean - half), -1.0), min(float(mean + half), 1.0))
