"""The law of the best of many correlated scores, and of two families of them.

A token's products with neighbouring lags of one partner are nearly the same number when the partner moves
slowly, so Bonferroni's factor (their count) is far too large. Hunter's bound takes the overlaps of
neighbours off; what is left over at AR .9 is small, and the bound stays a bound.
"""

from __future__ import annotations

import numpy as np
from scipy import special


def both_exceed(p: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """P(|z_1| > c and |z_2| > c) of two standard normals of correlation ``rho``, where P(|z_1| > c) = p.

    With Owen's T, P(z_1 > c, z_2 > c) = Q(c) - 2 T(c, sqrt((1 - rho) / (1 + rho))), and the same with -rho.

    Source: Owen (1956), "Tables for computing bivariate normal probabilities".

    Examples
    --------
    >>> np.round(both_exceed(np.array([0.05, 0.05, 0.05]), np.array([0.0, 0.9, 1.0])), 4)
    array([0.0025, 0.0296, 0.05  ])
    """
    p, rho = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.clip(rho, -1.0, 1.0))
    c = -special.ndtri(p / 2)
    ratio = np.sqrt((1 - rho) / np.maximum(1 + rho, 1e-12))
    same = p / 2 - 2 * special.owens_t(c, ratio)
    opposite = p / 2 - 2 * special.owens_t(c, 1 / np.maximum(ratio, 1e-12))
    return np.clip(2 * (same + opposite), p**2, p)


def hunter(p: np.ndarray, count: int, rho: np.ndarray) -> np.ndarray:
    """Upper bound of P(any of ``count`` scores is as extreme as p), their chains' correlations given.

    Parameters
    ----------
    p : array (M,)
        Smallest two-sided p of each family.
    count : int
        Scores in a family.
    rho : array (M, E)
        Correlations along the edges of a forest on the scores: neighbours in the same chain.

    Returns
    -------
    array (M,), at most 1: count p - sum over edges P(both).

    Source: Hunter (1976), "An upper bound for the probability of a union"; Worsley (1982).

    Examples
    --------
    >>> hunter(np.array([0.01]), 3, np.array([[1.0, 1.0]]))  # three times the same score
    array([0.01])
    """
    return np.clip(count * p - both_exceed(p[:, None], rho).sum(-1), p, 1.0)


def either(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """p of the better of two independent p-values, the first holding ``share`` of the error.

    With t = min(first / share, second / (1 - share)), P(T <= t) = 1 - (1 - share t)(1 - (1 - share) t).

    Source: Tippett (1931), weighted.

    Examples
    --------
    >>> np.round(either(np.array([0.04]), np.array([1.0]), 0.8), 4)
    array([0.0496])
    """
    t = np.minimum(first / share, second / (1 - share))
    one, other = np.minimum(share * t, 1.0), np.minimum((1 - share) * t, 1.0)
    return one + other - one * other  # written so, a p of 1e-30 does not round to 0
