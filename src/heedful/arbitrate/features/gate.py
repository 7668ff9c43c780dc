"""The gate over sources: a class query conditioned on context, one key per expert, a softmax.

w_i = softmax(U phi(c_i) + g + b): phi is the context's basis with a leading one, a row of U an expert's
key, g what
the caller asks for (raise or lower a source), b the prior that favours the joint expert. Trained on
held-out log-odds
through the mix itself; the penalty draws it to the prior, so that a hundred patients do not invent a story.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize


@dataclass
class Gate:
    """keys (E, d), bias (E,): what was learned and what was asked for."""

    keys: np.ndarray
    bias: np.ndarray

    def shrunk(self, share: float) -> Gate:
        """The same gate with the context's part of its keys times ``share``: 0 is the same for all."""
        keys = self.keys.copy()
        keys[:, 1:] *= share
        return Gate(keys, self.bias)

    def weights(self, phi: np.ndarray) -> np.ndarray:
        """(n, E)."""
        s = phi @ self.keys.T + self.bias
        e = np.exp(s - s.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)


def fit_gate(
    phi: np.ndarray,
    z: np.ndarray,
    y: np.ndarray,
    bias: np.ndarray,
    *,
    ridge: float = 2.0,
    context_ridge: float = 0.3,
) -> Gate:
    """Minimise the cross-entropy of sum_e w_e z_e, plus a penalty on U.

    Parameters
    ----------
    phi : (n, d), z : (n, E) held-out log-odds, y : (n,), bias : (E,)
    ridge, context_ridge : float
        Penalty on the constant column of U (against the prior) and on the rest.
    """
    (_, d), experts = phi.shape, z.shape[1]
    penalty = np.r_[ridge, np.full(d - 1, context_ridge)]

    def loss(flat):
        u = flat.reshape(experts, d)
        s = phi @ u.T + bias
        e = np.exp(s - s.max(1, keepdims=True))
        w = e / e.sum(1, keepdims=True)
        mix = (w * z).sum(1)
        value = (np.logaddexp(0, mix) - y * mix).sum() + 0.5 * (penalty * u**2).sum()
        slope = 1 / (1 + np.exp(-mix)) - y
        gradient = (slope[:, None] * w * (z - mix[:, None])).T @ phi + penalty * u
        return value, gradient.ravel()

    best = minimize(loss, np.zeros(experts * d), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return Gate(best.x.reshape(experts, d), np.asarray(bias, float))


def context_test(
    phi: np.ndarray,
    z: np.ndarray,
    y: np.ndarray,
    bias: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    permutations: int = 499,
    seed: int = 0,
) -> tuple[float, float]:
    """Does the context change whom to trust, and how far is what it says to be believed?

    A score test: T is the squared slope of the mix's likelihood in the context's part of the keys, at a gate
    that is the same for all. It is compared with T under the context's rows exchanged among patients of the
    same outcome, so that a context which foretells the outcome by itself is not taken for one that changes
    whom to trust. No gate is fitted to a permutation, nothing is lost to holding out.

    Parameters
    ----------
    phi : (n, d), z : (n, E) held-out log-odds, y : (n,), bias : (E,)
    groups : (n,), optional
        Patient of each row: a patient's rows are exchanged as one.
    permutations, seed : int

    Returns
    -------
    p, share : float
        Share of exchanges with as large a T, itself counted; and the positive part of 1 - mean(T*) / T (T*
        under exchange), the part of T that chance does not explain: 0 where T is what chance gives.

    Source: score tests of variance components (Lin 1997); James and Stein (1961) for the shrinking factor.

    Examples
    --------
    >>> rng = np.random.default_rng(0); y = np.arange(200) % 2; c = np.arange(200) // 2 % 2
    >>> z = (2.0 * y[:, None] - 1) * np.stack([c, 1 - c], 1) + rng.standard_normal((200, 2))
    >>> phi = np.stack([np.ones(200), c], 1)
    >>> p, share = context_test(phi, z, y, np.zeros(2))
    >>> p < 0.01, share > 0.8
    (True, True)
    """
    w = fit_gate(phi[:, :1], z, y, bias).weights(phi[:, :1])
    mix = (w * z).sum(1)
    slope = (y - 1 / (1 + np.exp(-mix)))[:, None] * w * (z - mix[:, None])
    x = (phi[:, 1:] - phi[:, 1:].mean(0)) / (phi[:, 1:].std(0) + 1e-12)
    if groups is not None:
        _, first, unit, count = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
        total = np.zeros((2, len(first), max(slope.shape[1], x.shape[1])))
        np.add.at(total[0, :, : slope.shape[1]], unit, slope)
        np.add.at(total[1, :, : x.shape[1]], unit, x)
        slope, y = total[0, :, : slope.shape[1]], np.bincount(unit, y) / count  # one of both has its share
        x = total[1, :, : x.shape[1]] / count[:, None]
    strata = [np.flatnonzero(y == k) for k in np.unique(y)]
    slope, x = slope.copy(), x.copy()
    for rows in strata:
        slope[rows] -= slope[rows].mean(0)
        x[rows] -= x[rows].mean(0)
    rng = np.random.default_rng([seed, 41])
    order, drawn = np.arange(len(y)), np.empty(permutations)
    for b in range(permutations):
        for rows in strata:
            order[rows] = rng.permutation(rows)
        drawn[b] = ((x[order].T @ slope) ** 2).sum()
    found = ((x.T @ slope) ** 2).sum()
    p = (1 + (drawn >= found * (1 - 1e-9)).sum()) / (1 + permutations)
    return float(p), float(max(0.0, 1 - drawn.mean() / found)) if found > 0 else 0.0
