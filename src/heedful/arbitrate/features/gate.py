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


def log_loss(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per patient, nats."""
    return np.logaddexp(0, z) - y * z


def context_test(
    phi: np.ndarray,
    z: np.ndarray,
    y: np.ndarray,
    bias: np.ndarray,
    folds: np.ndarray,
    *,
    permutations: int = 99,
    seed: int = 0,
) -> float:
    """Does the context change whom to trust? p of its held-out gain against shuffled rows of context.

    Parameters
    ----------
    phi : (n, d), z : (n, E) held-out log-odds, y : (n,), bias : (E,), folds : int (n,)

    Returns
    -------
    float
        Share of shuffles that gain as much, itself counted.
    """
    rng = np.random.default_rng([seed, 41])
    part = folds % 3  # three parts are enough to hold out a gate

    def gain(context: np.ndarray) -> float:
        total = 0.0
        for f in range(3):
            train, test = part != f, part == f
            if not test.any():
                continue
            gate = fit_gate(context[train], z[train], y[train], bias)
            total += log_loss((gate.weights(context[test]) * z[test]).sum(1), y[test]).sum()
        return -total

    found = gain(phi)
    beaten, tried = 0, 0
    for _ in range(permutations):
        tried += 1
        beaten += gain(phi[rng.permutation(len(phi))]) >= found - 1e-12
        if beaten >= 10:  # p is already above .05 whatever follows (Besag and Clifford 1991)
            return beaten / tried
    return (1 + beaten) / (1 + tried)
