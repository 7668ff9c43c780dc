"""Who listens to whom as a choice: the likelihood of an observed network under attention weights.

Listener i picks the d_i people heard one after another, without repetition, each with probability
softmax_j(theta . phi_ij) among those left. The order is unknown, as for ties in Cox's regression; the
probability of the set is that of exponential clocks (`_clocks`). Efron's approximation for ties is biased
where people have heard most of their neighbourhood. phi holds -|x_i - x_j|^2 / 2, whose coefficient is 1
/ tau, then popularity and groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...files.graphs import Network

BLOCK = 1 << 20  # pairs in flight
SPREAD_TURNS = 12  # Newton steps during which the variance of the log popularities is updated


@dataclass(frozen=True)
class Features:
    """phi_ij of any pairs: opinions (N, d), log popularity (N,) or None, group codes (N,) each.

    Parameters
    ----------
    opinions : (N, d)
    popularity : (N,) or None
    groups : tuple of (N,) int
        Being in the same group is one feature each; -1 (unknown) is in no group.
    per_axis : bool
        One feature, so one tau, per opinion axis.
    """

    opinions: np.ndarray
    popularity: np.ndarray | None = None
    groups: tuple[np.ndarray, ...] = ()
    per_axis: bool = False

    @property
    def axes(self) -> int:
        """Number of opinion features, which come first."""
        d = self.opinions.shape[1]
        return d if self.per_axis else min(d, 1)

    def __call__(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Features (..., p) of the pairs i, j, which broadcast."""
        shape = np.broadcast_shapes(i.shape, j.shape)
        columns = []
        if self.axes:
            half = -0.5 * (self.opinions[i] - self.opinions[j]) ** 2
            columns += [half] if self.per_axis else [half.sum(-1, keepdims=True)]
        if self.popularity is not None:
            columns.append(np.broadcast_to(self.popularity[j], shape)[..., None])
        for code in self.groups:
            same = (code[i] == code[j]) & (code[i] >= 0)
            columns.append(np.broadcast_to(same, shape)[..., None].astype(np.float64))
        return np.concatenate(columns, axis=-1) if columns else np.zeros((*shape, 0))


@dataclass(frozen=True)
class Task:
    """Edges to be explained, the features that explain them, and edges already known (no candidates)."""

    chosen: Network
    features: Features
    known: Network | None = None


class DenseGates:
    """The block of the negative Hessian that belongs to the log popularities, built as a matrix."""

    def __init__(self, n: int):
        self.matrix = np.zeros((n, n))

    def solve(self, right: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """(matrix + ridge I)^-1 right, and the diagonal of that inverse."""
        inverse = np.linalg.inv(self.matrix + ridge * np.eye(len(self.matrix)))
        return inverse @ right, np.diag(inverse)


@dataclass
class Sums:
    """Likelihood and derivatives at (theta, gate), per listener where the bootstrap needs it.

    value (N,); by_theta (N, p); by_gate (N, N) or None; tt (p, p), tg (p, N) and gates (N, N) negative
    Hessian blocks.
    """

    value: np.ndarray
    by_theta: np.ndarray
    tt: np.ndarray
    by_gate: np.ndarray | None = None
    tg: np.ndarray | None = None
    gates: DenseGates | None = None  # or sampled.SampledGates: the (N, N) block
    curvature: np.ndarray | None = None  # (N, p, p), without gates


def dense_sums(tasks: list[Task], theta: np.ndarray, gate: np.ndarray | None) -> Sums:
    """The clocks' likelihood with every node a candidate; ``gate`` (N,) is a free log popularity per node, or
    None.
    """
    n, p = tasks[0].chosen.size, len(theta)
    free = gate is not None
    sums = Sums(
        np.zeros(n), np.zeros((n, p)), np.zeros((p, p)), curvature=None if free else np.zeros((n, p, p))
    )
    if free:
        sums.by_gate, sums.tg, sums.gates = np.zeros((n, n)), np.zeros((p, n)), DenseGates(n)
    for task in tasks:
        known = 0 if task.known is None else np.diff(task.known.indptr)
        degree = np.diff(task.chosen.indptr)
        live = np.flatnonzero((degree > 0) & (degree < n - 1 - known))  # hearing all or nobody tells nothing
        rows = max(1, BLOCK // n)
        for a in range(0, len(live), rows):
            _add_block(task, live[a : a + rows], theta, gate, sums)
    return sums


def _add_block(task, block, theta, gate, sums):
    n = task.chosen.size
    phi = task.features(block[:, None], np.arange(n)[None, :])
    picked, open_ = _masks(task, block)
    s = phi @ theta if gate is None else phi @ theta + gate
    s = np.where(open_, s, -np.inf)
    u, w, value = _clocks(s, picked)
    row = w.sum(1)
    share = w / row[:, None]
    sums.value[block] += value
    sums.by_theta[block] += np.einsum("ij,ijp->ip", u, phi)
    mean = np.einsum("ij,ijp->ip", share, phi)
    second = np.einsum("ijp,ijq->ipq", w[..., None] * phi, phi, optimize=True)
    curvature = second - row[:, None, None] * mean[:, :, None] * mean[:, None, :]
    sums.tt += curvature.sum(0)
    if gate is None:
        sums.curvature[block] += curvature
        return
    sums.by_gate[block] += u
    sums.tg += np.einsum("ij,ijp->pj", w, phi) - mean.T @ w
    sums.gates.matrix += np.diag(w.sum(0)) - w.T @ share


def _clocks(s, picked):
    """Each candidate rings after an exponential time of rate exp(s); i listens to those that rang before t_i.

    Given the rates, the set of the first d to ring has the probability of d draws without repetition in any
    order. The time t_i is put at its most likely value (a one-dimensional Newton per row, which needs the
    chosen alone). Returns the derivatives by s (R, N), first u and minus the second w, and the
    log-likelihood (R,).
    """
    count = picked.sum(1)
    top = s.max(1, keepdims=True)
    e = np.exp(s - top)
    row, col = np.nonzero(picked)
    chosen = e[row, col]
    total = e.sum(1)
    rest = np.maximum(total - np.bincount(row, chosen, len(s)), 1e-300)
    log_t = np.log(count / total)
    for _ in range(50):
        t = np.exp(log_t)
        ratio, slope = _rung(chosen * t[row])
        up = np.bincount(row, ratio, len(s)) - rest * t
        move = np.clip(up / (np.bincount(row, slope, len(s)) + rest * t), -2.0, 2.0)
        log_t = log_t + move
        if np.abs(move).max() < 1e-11:
            break
    t = np.exp(log_t)
    rate = chosen * t[row]
    ratio, slope = _rung(rate)
    w = e * t[:, None]
    u = -w
    u[row, col], w[row, col] = ratio, slope
    value = np.bincount(row, np.log(-np.expm1(-np.maximum(rate, 1e-300))), len(s)) - rest * t
    return u, w, value


def _rung(rate):
    """First derivative of log(1 - exp(-rate)) by log rate, and minus the second."""
    near, far = np.clip(rate, 1e-12, 40.0), rate > 40.0  # beyond 40 both are nothing
    ratio = np.where(far, 0.0, near / np.expm1(near))
    slope = np.where(near < 1e-6, 0.5 * near, ratio * (near + ratio - 1.0))
    return ratio, np.where(far, 0.0, slope)


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is greatest: theta (p,), its efficient scores per listener (N, p), information
    (p, p).
    """

    theta: np.ndarray
    gate: np.ndarray | None
    scores: np.ndarray
    information: np.ndarray
    value: float
    curvature: np.ndarray | None


def maximise(sums_at, p: int, n: int, *, free: bool, most: int = 100) -> Maximum:
    """Newton's method with step halving on the concave likelihood; free gates are shrunk towards their mean.

    Parameters
    ----------
    sums_at : callable
        (theta, gate) -> `Sums`.
    p, n : int
    free : bool
        A log popularity per node, Gaussian with a variance that is estimated along (empirical Bayes, as the
        random effects of a mixed model): without the shrinkage the few choices per node bias theta.

    Returns
    -------
    Maximum
    """
    theta, gate, spread = np.zeros(p), np.zeros(n) if free else None, 1.0

    def objective(sums, gate):
        return sums.value.sum() - (0.0 if gate is None else 0.5 * (gate @ gate) / spread)

    sums = sums_at(theta, gate)
    for turn in range(most):
        score, tt = sums.by_theta.sum(0), sums.tt
        if free:
            pull = np.asarray(sums.by_gate.sum(0)).ravel() - gate / spread
            solved, inverse = sums.gates.solve(np.column_stack([pull, sums.tg.T]), 1.0 / spread)
            settle, away = solved[:, 0], solved[:, 1:]
            score, tt = score - sums.tg @ settle, tt - sums.tg @ away
        # a feature that never varies within a row carries no information: a tiny ridge keeps it at 0
        ridge = 1e-9 * (np.trace(tt) / max(p, 1) + 1e-12) * np.eye(p)
        move = np.linalg.solve(tt + ridge, score)
        move_gate = settle - away @ move if free else None
        before, size = objective(sums, gate), 1.0
        while True:
            new_gate = gate + size * move_gate if free else None
            tried = sums_at(theta + size * move, new_gate)
            after = objective(tried, new_gate)
            if np.isfinite(after) and after >= before - 1e-9 * abs(before):
                break
            size *= 0.5
            if size < 1e-6:
                raise InputError(
                    "the fit does not converge", remedy="are opinions constant, or copies of a group?"
                )
        theta, gate, sums = theta + size * move, new_gate, tried
        settled = np.abs(size * move).max(initial=0.0) < 1e-7 * (1 + np.abs(theta).max(initial=0.0))
        if free and turn < SPREAD_TURNS:  # it converges slowly and theta hardly depends on it: then it stays
            now = max(float(np.mean(gate**2 + inverse)), 1e-3)
            settled = settled and abs(now - spread) < 0.01 * spread
            spread = now
        if settled:
            break
    else:
        raise InputError(
            f"no convergence after {most} Newton steps", remedy="do opinions separate all choices?"
        )
    scores, tt = sums.by_theta, sums.tt
    if free:
        away = sums.gates.solve(sums.tg.T, 1.0 / spread)[0]
        scores, tt = scores - sums.by_gate @ away, tt - sums.tg @ away
    return Maximum(theta, gate, scores, tt, float(sums.value.sum()), sums.curvature)


def node_bootstrap(at: Maximum, *, draws: int, seed: int) -> np.ndarray:
    """(draws, p) coefficients with whole listeners redrawn, each by one Newton step from the maximum."""
    rng = np.random.default_rng(seed)
    n, p = at.scores.shape
    weight = rng.multinomial(n, np.full(n, 1.0 / n), size=draws).astype(np.float64)
    g = weight @ (at.scores - at.scores.mean(0))
    if at.curvature is None:
        h = np.broadcast_to(at.information, (draws, p, p))
    else:
        h = (weight @ at.curvature.reshape(n, -1)).reshape(draws, p, p)
    ridge = 1e-9 * (np.trace(at.information) / max(p, 1) + 1e-12) * np.eye(p)
    return at.theta + np.linalg.solve(h + ridge, g[..., None])[..., 0]


def _masks(task: Task, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(R, N) who is chosen, and who is a candidate at all (not oneself, not known already)."""
    picked = _dense(task.chosen, block)
    open_ = np.ones_like(picked) if task.known is None else ~_dense(task.known, block)
    open_[np.arange(len(block)), block] = False
    return picked, open_


def _dense(network: Network, block: np.ndarray) -> np.ndarray:
    out = np.zeros((len(block), network.size), bool)
    counts = np.diff(network.indptr)[block]
    at = np.repeat(np.arange(len(block)), counts)
    edges = np.concatenate([np.arange(network.indptr[i], network.indptr[i + 1]) for i in block])
    out[at, network.indices[edges]] = True
    return out
