"""The likelihood of large networks: every edge, and a weighted sample of the people not listened to."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...errors import InputError
from ...files.graphs import Network
from .likelihood import Sums, Task, _rung


class SampledTask:
    """A task's pairs: all edges, and per listener ``count`` people not heard, each standing for (N - 1 -
    d) / count.

    Given the time t_i, whether i hears j is independent between pairs, so a weighted sample of those not
    heard leaves the estimating equations unbiased; the bootstrap over listeners covers what the sampling
    adds.
    """

    def __init__(self, task: Task, count: int, seed: int):
        self.task, n = task, task.chosen.size
        chosen, known = task.chosen, task.known
        degree = np.diff(chosen.indptr)
        other = 0 if known is None else np.diff(known.indptr)
        live = np.flatnonzero((degree > 0) & (degree + other < n - 1))
        absent = draw_absent(chosen, known, live, count, seed)
        keep = np.isin(chosen.rows, live)
        first = chosen.rows[keep].astype(np.int64)
        self.row = np.concatenate([first, np.repeat(live, count)])
        self.col = np.concatenate([chosen.indices[keep].astype(np.int64), absent.ravel()])
        self.edges = len(first)
        rest = (n - 1 - degree - other)[live] / count
        self.weight = np.concatenate([np.ones(len(first)), np.repeat(rest, count)])
        self.live = live

    @cached_property
    def phi(self) -> np.ndarray:
        """(pairs, p) features."""
        return self.task.features(self.row, self.col)


class SampledGates:
    """Products with the log popularities' block of the negative Hessian, without the matrix; solved by CG."""

    def __init__(self, n: int):
        self.n, self.parts = n, []

    def add(self, row, col, w, total):
        """One task's pairs: curvature w, and its sum per listener."""
        self.parts.append((row, col, w, total))

    def product(self, v: np.ndarray) -> np.ndarray:
        """The block times v (N,)."""
        out = np.zeros(self.n)
        for row, col, w, total in self.parts:
            mean = np.bincount(row, w * v[col], self.n) / total
            out += np.bincount(col, w * (v[col] - mean[row]), self.n)
        return out

    def solve(self, right: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """(block + ridge I)^-1 right, and about the diagonal of that inverse (1 / the diagonal)."""
        from scipy.sparse.linalg import LinearOperator, cg

        diagonal = np.full(self.n, ridge)
        for _, col, w, _ in self.parts:
            diagonal += np.bincount(col, w, self.n)
        block = LinearOperator((self.n, self.n), matvec=lambda v: self.product(v.ravel()) + ridge * v.ravel())
        inverse = LinearOperator((self.n, self.n), matvec=lambda v: v.ravel() / diagonal)
        columns = []
        for k in range(right.shape[1]):
            found, state = cg(block, right[:, k], rtol=1e-8, maxiter=500, M=inverse)
            if state != 0:
                raise InputError("the log popularities do not converge", remedy="try popularity='degree'")
            columns.append(found)
        return np.stack(columns, 1), 1.0 / diagonal


def sampled_sums(tasks: list[SampledTask], theta: np.ndarray, gate: np.ndarray | None) -> Sums:
    """As `likelihood.dense_sums`, over sampled pairs."""
    from scipy import sparse

    n, p = tasks[0].task.chosen.size, len(theta)
    free = gate is not None
    sums = Sums(
        np.zeros(n), np.zeros((n, p)), np.zeros((p, p)), curvature=None if free else np.zeros((n, p, p))
    )
    if free:
        sums.by_gate, sums.tg, sums.gates = sparse.csr_matrix((n, n)), np.zeros((p, n)), SampledGates(n)
    for task in tasks:
        row, col, phi = task.row, task.col, task.phi
        s = phi @ theta if gate is None else phi @ theta + gate[col]
        u, w, value = _clocks(task, s, n)
        total = np.bincount(row, w, n)
        total[total == 0] = 1.0
        sums.value += value
        wphi = w[:, None] * phi
        mean = np.stack([np.bincount(row, wphi[:, k], n) for k in range(p)], 1) / total[:, None]
        sums.by_theta += np.stack([np.bincount(row, u * phi[:, k], n) for k in range(p)], 1)
        if not free:
            for a in range(p):
                for b in range(p):
                    second = np.bincount(row, wphi[:, a] * phi[:, b], n) - total * mean[:, a] * mean[:, b]
                    sums.curvature[:, a, b] += second
                    sums.tt[a, b] += second.sum()
            continue
        sums.tt += wphi.T @ phi - (total[:, None] * mean).T @ mean
        sums.tg += np.stack([np.bincount(col, w * (phi[:, k] - mean[row, k]), n) for k in range(p)])
        sums.gates.add(row, col, w, total)
        sums.by_gate = sums.by_gate + sparse.csr_matrix((u, (row, col)), shape=(n, n))
    return sums


def _clocks(task: SampledTask, s: np.ndarray, n: int):
    """Derivatives u, w per pair and the log-likelihood per listener, the time t_i at its best; see
    `likelihood`.
    """
    row, k = task.row, task.edges
    top = np.full(n, -np.inf)
    np.maximum.at(top, row, s)
    e = task.weight * np.exp(s - top[row])
    chosen, rows = e[:k], row[:k]
    rest = np.bincount(row[k:], e[k:], n)
    count = np.bincount(rows, minlength=n)
    log_t = np.zeros(n)
    live = task.live
    log_t[live] = np.log(count[live] / (rest + np.bincount(rows, chosen, n))[live])
    for _ in range(50):
        t = np.exp(log_t)
        ratio, slope = _rung(chosen * t[rows])
        up = (np.bincount(rows, ratio, n) - rest * t)[live]
        move = np.clip(up / (np.bincount(rows, slope, n) + rest * t)[live], -2.0, 2.0)
        log_t[live] += move
        if np.abs(move).max(initial=0.0) < 1e-11:
            break
    t = np.exp(log_t)
    rate = chosen * t[rows]
    ratio, slope = _rung(rate)
    w = e * t[row]
    u = -w
    u[:k], w[:k] = ratio, slope
    value = np.bincount(rows, np.log(-np.expm1(-np.maximum(rate, 1e-300))), n) - rest * t
    value[count == 0] = 0.0
    return u, w, value


def draw_absent(
    chosen: Network, known: Network | None, listeners: np.ndarray, count: int, seed: int
) -> np.ndarray:
    """(len(listeners), count) people whom each listener does not hear, drawn uniformly with repetition."""
    rng = np.random.default_rng(seed)
    n = chosen.size
    keys = [net.rows.astype(np.int64) * n + net.indices for net in (chosen, known) if net is not None]
    taken = np.unique(np.concatenate(keys))
    heard = np.bincount(taken // n, minlength=n)
    if (heard[listeners] >= n - 1).any():
        who = int(listeners[np.argmax(heard[listeners] >= n - 1)])
        raise InputError("listens to everyone, so there is nobody to compare with", where=f"node {who}")
    who = np.asarray(listeners, np.int64)[:, None]
    out = rng.integers(0, n, (len(who), count))
    while True:
        key = who * n + out
        at = np.minimum(np.searchsorted(taken, key), len(taken) - 1)
        bad = (taken[at] == key) | (out == who)
        if not bad.any():
            return out
        out[bad] = rng.integers(0, n, int(bad.sum()))
