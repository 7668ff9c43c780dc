"""The complete graph without its N x N pairs: Chebyshev cells for scalar attention, sorted sums for HK.

Scalar attention needs three functions of the listener's opinion u: sum w, sum w (x_j - u) and sum w s, with
w = exp(-(x_j - u)^2 / 2 tau). Each is entire and varies over sqrt(tau), so in a cell of half-width h <= 1.2
sqrt(tau)
its Chebyshev interpolant on 32 nodes agrees with it to rounding (measured in the tests: <= 1e-13 against
brute force). Only cells that hold somebody are evaluated: O(N * cells) instead of O(N^2).
"""

from __future__ import annotations

import math

import numpy as np

from .kernel import BOUND, CONSTANT, DISTANCE, Step, _pool, compiled, default_threads, scores

NODES = 32
HALF_WIDTH = 1.2  # in units of sqrt(tau)
SMALL = 1200  # people up to whom the compiled pairs are quicker than the cells
BLOCK = 1 << 22  # pairs in flight in the plain path


def step_complete(
    opinions,
    *,
    kind=DISTANCE,
    scale=1.0,
    self_log_weight=0.0,
    camp=None,
    entropy=False,
    threads=None,
    exact=False,
) -> Step:
    """One synchronous update in which everyone hears everyone.

    Parameters
    ----------
    opinions : (N,) or (N, d) float64
    kind, scale, self_log_weight, camp, entropy, threads
        As in `kernel.step`.
    exact : bool
        Pair by pair even where the shorter way applies: the definition it is tested against.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=500)
    >>> short, long = step_complete(x, scale=0.1), step_complete(x, scale=0.1, exact=True)
    >>> bool(np.abs(short.opinions - long.opinions).max() < 1e-12)
    True
    """
    x = np.asarray(opinions, dtype=np.float64)
    wide = x.reshape(len(x), -1)
    n, d = wide.shape
    plain_self = self_log_weight == 0.0
    if not exact and plain_self and camp is None:
        if kind == CONSTANT:
            ent = np.full(n, math.log(n)) if entropy else None
            return Step(
                np.broadcast_to(wide.mean(0), wide.shape).reshape(x.shape).copy(), ent, None, None, None
            )
        if kind == BOUND and d == 1:
            return _bounded(x, scale, entropy)
        if kind == DISTANCE and d == 1 and n > 4 * NODES:
            return _cells(x, scale, entropy, threads)
    return _pairs(x, wide, kind, scale, self_log_weight, camp, entropy)


def _cells(x, tau, entropy, threads) -> Step:
    flat = np.ascontiguousarray(x.reshape(-1))
    if compiled() and len(flat) <= SMALL:
        return Step(*_finish(x, _sums(flat, flat, tau, threads), entropy))
    low, high = flat.min(), flat.max()
    if high == low:
        n = len(flat)
        return Step(x.copy(), np.full(n, math.log(n)) if entropy else None, None, None, None)
    half = HALF_WIDTH * math.sqrt(tau)
    width = min(2 * half, (high - low) * (1 + 1e-12))
    cell = np.minimum(((flat - low) / width).astype(np.int64), int((high - low) / width))
    used, place = np.unique(cell, return_inverse=True)
    if len(used) * NODES > len(flat):  # tau so small that the cells would cost more than the pairs
        return Step(*_finish(x, _sums(flat, flat, tau, threads), entropy))
    middle = low + (used + 0.5) * width
    theta = (np.arange(NODES) + 0.5) * math.pi / NODES
    nodes = np.cos(theta)
    at = (middle[:, None] + 0.5 * width * nodes[None, :]).ravel()
    sums = _sums(at, flat, tau, threads).reshape(len(used), NODES, 3)
    # values at Chebyshev points -> coefficients, then Clenshaw at every opinion of the cell
    basis = np.cos(np.outer(np.arange(NODES), theta)) * (2.0 / NODES)
    basis[0] *= 0.5
    coefficients = np.einsum("kn,cnf->kcf", basis, sums)
    t = ((flat - middle[place]) / (0.5 * width))[:, None]
    b1 = np.zeros((len(flat), 3))
    b2 = np.zeros((len(flat), 3))
    for k in range(NODES - 1, 0, -1):
        b1, b2 = coefficients[k][place] + 2 * t * b1 - b2, b1
    values = coefficients[0][place] + t * b1 - b2
    return Step(*_finish(x, values, entropy))


def _finish(x, sums, entropy):
    total, moved, inner = sums[:, 0], sums[:, 1], sums[:, 2]
    ent = np.maximum(np.log(total) - inner / total, 0.0) if entropy else None
    return (x.reshape(-1) + moved / total).reshape(x.shape), ent, None, None, None


def _sums(at, x, tau, threads) -> np.ndarray:
    """(T, 3): sum w, sum w (x_j - u), sum w s for each target u."""
    out = np.empty((len(at), 3))
    if compiled():
        import os

        from ._compiled import all_pairs

        threads = (threads or default_threads()) if len(at) * len(x) > 1 << 22 else 1
        cuts = np.unique(np.linspace(0, len(at), 4 * threads + 1).astype(int))
        jobs = list(zip(cuts[:-1], cuts[1:], strict=True))

        def run(job):
            all_pairs(int(job[0]), int(job[1]), at, x, 0.5 / tau, out)

        if threads == 1:
            for job in jobs:
                run(job)
        else:
            list(_pool(threads, os.getpid()).map(run, jobs))
        return out
    rows = max(1, BLOCK // len(x))
    for a in range(0, len(at), rows):
        gap = x[None, :] - at[a : a + rows, None]
        s = -gap * gap * (0.5 / tau)
        w = np.exp(s)
        out[a : a + rows, 0] = w.sum(1)
        out[a : a + rows, 1] = np.einsum("ij,ij->i", w, gap)
        out[a : a + rows, 2] = np.einsum("ij,ij->i", w, s)
    return out


def _bounded(x, epsilon, entropy) -> Step:
    """Hegselmann-Krause on the complete graph: a window of the sorted opinions, prefix sums from the
    window's middle.
    """
    flat = x.reshape(-1)
    order = np.argsort(flat, kind="stable")
    ranked = flat[order]
    centre = ranked[len(ranked) // 2]
    total = np.concatenate([[0.0], np.cumsum(ranked - centre)])
    low = np.searchsorted(ranked, ranked - epsilon, "left")
    high = np.searchsorted(ranked, ranked + epsilon, "right")
    out = np.empty_like(flat)
    out[order] = centre + (total[high] - total[low]) / (high - low)
    ent = None
    if entropy:
        ent = np.empty_like(flat)
        ent[order] = np.log(high - low)
    return Step(out.reshape(x.shape), ent, None, None, None)


def _pairs(x, wide, kind, scale, self_log_weight, camp, entropy) -> Step:
    n = len(wide)
    out = np.empty_like(wide)
    ent = np.empty(n) if entropy else None
    mass = np.empty(n) if camp is not None else None
    camp = None if camp is None else np.asarray(camp)
    rows = max(1, BLOCK // (n * wide.shape[1]))
    for a in range(0, n, rows):
        block = np.arange(a, min(a + rows, n))
        i, j = np.repeat(block, n), np.tile(np.arange(n), len(block))
        s = scores(wide, i, j, kind, scale).reshape(len(block), n)
        s[np.arange(len(block)), block] += self_log_weight
        top = s.max(1, keepdims=True)
        s = s - np.where(np.isfinite(top), top, 0.0)
        w = np.exp(s)
        total = w.sum(1)
        silent = total == 0
        total[silent] = 1.0
        out[block] = np.where(silent[:, None], wide[block], (w @ wide) / total[:, None])
        if entropy:
            ent[block] = np.log(total) - np.einsum("ij,ij->i", w, np.where(w > 0, s, 0.0)) / total
        if camp is not None:
            mass[block] = (w * (camp[block][:, None] == camp[None, :])).sum(1) / total
    return Step(out.reshape(x.shape), ent, mass, None, None)
