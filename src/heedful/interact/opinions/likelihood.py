"""Who listens to whom as a choice: the likelihood of an observed network under attention weights.

Listener i picks the d_i people heard one after another, without repetition, each with probability
softmax_j(theta . phi_ij) among those left. The order is unknown, so the likelihood of the set is Efron's (1977,
J. Am. Stat. Assoc. 72, 557), as for ties in Cox's regression: it removes the bias that drawing with repetition
has in dense networks. phi holds -|x_i - x_j|^2 / 2, whose coefficient is 1 / tau, then popularity and groups.
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


@dataclass
class Sums:
    """Likelihood and derivatives at (theta, gate), per listener where the bootstrap needs it.

    value (N,); by_theta (N, p); by_gate (N, N) or None; tt (p, p), tg (p, N) and gg (N, N) negative Hessian blocks.
    """

    value: np.ndarray
    by_theta: np.ndarray
    tt: np.ndarray
    by_gate: np.ndarray | None = None
    tg: np.ndarray | None = None
    gg: np.ndarray | None = None
    curvature: np.ndarray | None = None  # (N, p, p), without gates


def dense_sums(tasks: list[Task], theta: np.ndarray, gate: np.ndarray | None) -> Sums:
    """Efron's likelihood with every node a candidate; ``gate`` (N,) is a free log popularity per node, or None."""
    n, p = tasks[0].chosen.size, len(theta)
    free = gate is not None
    sums = Sums(np.zeros(n), np.zeros((n, p)), np.zeros((p, p)), curvature=None if free else np.zeros((n, p, p)))
    if free:
        sums.by_gate, sums.tg, sums.gg = np.zeros((n, n)), np.zeros((p, n)), np.zeros((n, n))
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
    u, w, value = _clocks(s, picked, open_)
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
    sums.gg += np.diag(w.sum(0)) - w.T @ share


def _clocks(s, picked, open_):
    """Each candidate rings after an exponential time of rate exp(s); i listens to those that rang before t_i.

    Given the rates, the set of the first d to ring has the probability of d draws without repetition in any order.
    The time t_i is put at its most likely value (a one-dimensional Newton per row). Returns the derivatives by s
    (R, N): first u and minus the second w, and the log-likelihood (R,).
    """
    count = picked.sum(1)
    top = s.max(1)
    log_t = np.log(count) - top - np.log(np.exp(s - top[:, None]).sum(1))
    for _ in range(30):
        u, w = _pairwise(s + log_t[:, None], picked, open_)
        move = u.sum(1) / w.sum(1)
        log_t = log_t + np.clip(move, -2.0, 2.0)
        if np.abs(move).max() < 1e-10:
            break
    eta = s + log_t[:, None]
    u, w = _pairwise(eta, picked, open_)
    rate = np.exp(np.minimum(eta, 700.0))
    value = np.where(picked, np.log(-np.expm1(-np.maximum(rate, 1e-300))), -rate)
    return u, w, np.where(open_, value, 0.0).sum(1)


def _pairwise(eta, picked, open_):
    rate = np.exp(np.minimum(eta, 700.0))
    # mu / (e^mu - 1) -> 1 at mu = 0; beyond mu = 40 it and its slope are nothing
    near, far = np.clip(rate, 1e-12, 40.0), rate > 40.0
    ratio = np.where(far, 0.0, near / np.expm1(near))
    slope = ratio * (near + ratio - 1.0)
    u = np.where(picked, ratio, -rate)
    w = np.where(picked, np.where(near < 1e-6, 0.5 * near, slope), rate)
    return np.where(open_, u, 0.0), np.where(open_, w, 0.0)


def sampled_statistics(task: Task, theta, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same per listener, each edge beside sampled people who are not heard (McFadden 1978): for large networks.

    ``candidates`` is (E, m), from `sample_candidates`.
    """
    n, p = task.chosen.size, len(theta)
    value, gradient, curvature = np.zeros(n), np.zeros((n, p)), np.zeros((n, p, p))
    rows, cols = task.chosen.rows, task.chosen.indices
    step = max(1, BLOCK // (candidates.shape[1] + 1))
    for a in range(0, len(rows), step):
        i = rows[a : a + step]
        j = np.concatenate([cols[a : a + step, None], candidates[a : a + step]], axis=1)
        phi = task.features(i[:, None], j)
        s = phi @ theta
        s -= s.max(1, keepdims=True)
        prob = np.exp(s)
        total = prob.sum(1, keepdims=True)
        prob /= total
        mean = np.einsum("ek,ekp->ep", prob, phi)
        second = np.einsum("ekp,ekq->epq", prob[..., None] * phi, phi, optimize=True)
        np.add.at(value, i, s[:, 0] - np.log(total[:, 0]))
        np.add.at(gradient, i, phi[:, 0] - mean)
        np.add.at(curvature, i, second - mean[:, :, None] * mean[:, None, :])
    return value, gradient, curvature


def sample_candidates(chosen: Network, known: Network | None, count: int, seed: int) -> np.ndarray:
    """(E, count) people whom the edge's listener does not listen to, drawn uniformly with replacement."""
    rng = np.random.default_rng(seed)
    n, rows = chosen.size, chosen.rows.astype(np.int64)
    keys = [rows * n + chosen.indices]
    if known is not None:
        keys.append(known.rows.astype(np.int64) * n + known.indices)
    taken = np.unique(np.concatenate(keys))
    heard = np.bincount(taken // n, minlength=n)
    if (heard >= n - 1).any():
        who = int(np.argmax(heard >= n - 1))
        raise InputError("listens to everyone, so there is nobody to compare with", where=f"node {who}")
    out = rng.integers(0, n, (len(rows), count))
    while True:
        key = rows[:, None] * n + out
        at = np.minimum(np.searchsorted(taken, key), len(taken) - 1)
        bad = (taken[at] == key) | (out == rows[:, None])
        if not bad.any():
            return out
        out[bad] = rng.integers(0, n, int(bad.sum()))


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is greatest: theta (p,), its efficient scores per listener (N, p), information (p, p)."""

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
        A log popularity per node, Gaussian with a variance that is estimated along (empirical Bayes, as the random
        effects of a mixed model): without the shrinkage the few choices per node bias theta.

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
            gg = sums.gg + np.eye(n) / spread
            inverse = np.linalg.inv(gg)
            pull = sums.by_gate.sum(0) - gate / spread
            score = score - sums.tg @ (inverse @ pull)
            tt = tt - sums.tg @ inverse @ sums.tg.T
        # a feature that never varies within a row carries no information: a tiny ridge keeps it at 0
        ridge = 1e-9 * (np.trace(tt) / max(p, 1) + 1e-12) * np.eye(p)
        move = np.linalg.solve(tt + ridge, score)
        move_gate = inverse @ (pull - sums.tg.T @ move) if free else None
        before, size = objective(sums, gate), 1.0
        while True:
            new_gate = gate + size * move_gate if free else None
            tried = sums_at(theta + size * move, new_gate)
            after = objective(tried, new_gate)
            if np.isfinite(after) and after >= before - 1e-9 * abs(before):
                break
            size *= 0.5
            if size < 1e-6:
                raise InputError("the fit does not converge", remedy="are opinions constant, or copies of a group?")
        theta, gate, sums = theta + size * move, new_gate, tried
        settled = np.abs(size * move).max(initial=0.0) < 1e-7 * (1 + np.abs(theta).max(initial=0.0))
        if free and turn < SPREAD_TURNS:  # it converges slowly and theta hardly depends on it: then it stays
            now = max(float(np.mean(gate**2 + np.diag(inverse))), 1e-3)
            settled = settled and abs(now - spread) < 0.01 * spread
            spread = now
        if settled:
            break
    else:
        raise InputError(f"no convergence after {most} Newton steps", remedy="do opinions separate all choices?")
    scores, tt = sums.by_theta, sums.tt
    if free:
        away = np.linalg.solve(sums.gg + np.eye(n) / spread, sums.tg.T)
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
