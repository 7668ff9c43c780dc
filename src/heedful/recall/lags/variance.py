"""Links that change a target's variance and not its mean: the same score test on the size of its residual."""

from __future__ import annotations

import copy

import numpy as np
from scipy import signal, special, stats

from .rows import Tokens
from .select import TargetScan, scan_target

FORGET = 0.8  # of a target's own variance, a step


def scan_variance(tokens: Tokens, target: int, e: np.ndarray) -> TargetScan:
    """Which tokens drive the size of a target's residual, given those selected for it.

    The target is u_t, the normal scores of |e_t|, where e is the whitened residual of the target's full
    model: a monotone function of its size, with no heavy tail. Its own lag 1, and its earlier past forgotten
    at rate .8 where that matters, are in the model from the start, so that swings of variance that the
    target makes itself (GARCH is an ARMA process of the squares) are not laid to others.

    Parameters
    ----------
    tokens : Tokens
    target : int
    e : array (n,)
        `TargetScan.e`; 0 on rows left out.

    Returns
    -------
    TargetScan of u: p, signed partial R (positive: larger values of the source, larger variance), ...

    Source: the ARCH test of Engle (1982) and Granger causality in variance (Cheung and Ng 1996), with the
    blocks and the selection of this study.
    """
    inside = e != 0.0
    u = np.zeros_like(e)
    u[inside] = special.ndtri((stats.rankdata(np.abs(e[inside])) - 0.5) / inside.sum())
    second = copy.copy(tokens)
    second.y, second.own = tokens.y.copy(), tokens.own.copy()
    second.y[target], second.own[target] = u, np.r_[0.0, u[:-1]]
    past = signal.lfilter([0.0, 0.0, 1.0], [1.0, -FORGET], u)
    second.habits = [([], [])] * tokens.N
    second.past = {target: past[None]} if _matters(past, u, second.own[target]) else {}
    second.y_seen, second.own_seen = tokens.y_seen.copy(), tokens.own_seen.copy()
    second.y_seen[target], second.own_seen[target] = inside, np.r_[False, inside[:-1]]
    second.share_rows(tokens)
    return scan_target(second, target, products=False)


def _matters(past: np.ndarray, u: np.ndarray, own: np.ndarray) -> bool:
    """Whether u follows its forgotten past beyond its lag 1 (t-test, 5 %)."""
    X = np.column_stack([np.ones(len(u)), own, past])
    beta, rss, rank, _ = np.linalg.lstsq(X, u, rcond=None)
    if rank < 3:
        return False
    variance = rss[0] / (len(u) - 3) * np.linalg.inv(X.T @ X)[2, 2]
    return bool(beta[2] ** 2 > 3.84 * variance)
