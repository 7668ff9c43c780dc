"""The likelihood of large networks: each edge beside a few people whom its listener does not hear."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...errors import InputError
from ...files.graphs import Network
from .likelihood import Sums, Task


class SampledTask:
    """A task's choice sets: every edge, and ``count`` people its listener does not hear, drawn uniformly.

    Given who is in the set, which of them is the one heard has probability softmax(score) exactly (McFadden
    1978), where few of those that a listener might hear are heard: the odds are (e^mu_j - 1) / (e^mu_k -
    1), mu small. A weighted sample in the place of everyone is no substitute: its noise enters the
    normaliser, which biases tau.
    """

    def __init__(self, task: Task, count: int, seed: int):
        self.task, n = task, task.chosen.size
        chosen, known = task.chosen, task.known
        heard = np.diff(chosen.indptr) + (0 if known is None else np.diff(known.indptr))
        rows = chosen.rows.astype(np.int64)
        keep = heard[rows] < n - 1  # hearing everyone tells nothing
        self.listener = rows[keep]
        absent = draw_absent(chosen, known, self.listener, count, seed)
        self.people = np.concatenate([chosen.indices[keep].astype(np.int64)[:, None], absent], axis=1)

    @cached_property
    def phi(self) -> np.ndarray:
        """(edges, 1 + count, p) features; the one heard is first."""
        return self.task.features(self.listener[:, None], self.people)


class SampledGates:
    """Products with the log popularities' block of the negative Hessian, without the matrix; solved by CG."""

    def __init__(self, n: int):
        self.n, self.parts = n, []

    def product(self, v: np.ndarray) -> np.ndarray:
        """The block times v (N,)."""
        out = np.zeros(self.n)
        for people, share in self.parts:
            at = v[people]
            centred = share * (at - np.einsum("ek,ek->e", share, at)[:, None])
            out += np.bincount(people.ravel(), centred.ravel(), self.n)
        return out

    def solve(self, right: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
        """(block + ridge I)^-1 right, and about the diagonal of that inverse (1 / the diagonal)."""
        from scipy.sparse.linalg import LinearOperator, cg

        diagonal = np.full(self.n, ridge)
        for people, share in self.parts:
            diagonal += np.bincount(people.ravel(), (share * (1.0 - share)).ravel(), self.n)
        shape = (self.n, self.n)
        block = LinearOperator(shape, matvec=lambda v: self.product(v.ravel()) + ridge * v.ravel())
        inverse = LinearOperator(shape, matvec=lambda v: v.ravel() / diagonal)
        columns = []
        for k in range(right.shape[1]):
            found, state = cg(block, right[:, k], rtol=1e-6, maxiter=500, M=inverse)
            if state != 0:
                raise InputError("the log popularities do not converge", remedy="try popularity='degree'")
            columns.append(found)
        return np.stack(columns, 1), 1.0 / diagonal


def sampled_sums(tasks: list[SampledTask], theta: np.ndarray, gate: np.ndarray | None) -> Sums:
    """As `likelihood.dense_sums`, over choice sets: a conditional logit per edge, summed per listener."""
    from scipy import sparse

    n, p = tasks[0].task.chosen.size, len(theta)
    free = gate is not None
    sums = Sums(
        np.zeros(n), np.zeros((n, p)), np.zeros((p, p)), curvature=None if free else np.zeros((n, p, p))
    )
    if free:
        sums.by_gate, sums.tg, sums.gates = sparse.csr_matrix((n, n)), np.zeros((p, n)), SampledGates(n)
    for task in tasks:
        who, people, phi = task.listener, task.people, task.phi
        s = phi @ theta if gate is None else phi @ theta + gate[people]
        s = s - s.max(1, keepdims=True)
        share = np.exp(s)
        total = share.sum(1, keepdims=True)
        share /= total
        sums.value += np.bincount(who, s[:, 0] - np.log(total[:, 0]), n)
        mean = np.einsum("ek,ekp->ep", share, phi)
        sums.by_theta += _per_listener(who, phi[:, 0] - mean, n)
        weighted = share[..., None] * phi
        second = np.einsum("ekp,ekq->epq", weighted, phi, optimize=True) - mean[:, :, None] * mean[:, None, :]
        sums.tt += second.sum(0)
        if not free:
            sums.curvature += _per_listener(who, second.reshape(len(who), -1), n).reshape(n, p, p)
            continue
        weighted -= share[..., None] * mean[:, None, :]
        flat = people.ravel()
        sums.tg += np.stack([np.bincount(flat, weighted[..., k].ravel(), n) for k in range(p)])
        sums.gates.parts.append((people, share))
        u = -share
        u[:, 0] += 1.0
        rows = np.repeat(who, people.shape[1])
        sums.by_gate = sums.by_gate + sparse.csr_matrix((u.ravel(), (rows, flat)), shape=(n, n))
    return sums


def _per_listener(who: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    return np.stack([np.bincount(who, column, n) for column in values.T], 1)


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
