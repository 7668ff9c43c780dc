"""One row kernel for every dynamics: score the people listened to, softmax, average; d = 1 or vector.

Compiled by numba where it is installed, run by NumPy and `reduceat` elsewhere; always float64, because a
float32 weight underflows to zero and makes a camp look permanent. The update is computed as a
displacement, ``x_i + sum_j w_ij (x_j - x_i) / sum_j w_ij``, which keeps its relative accuracy near consensus.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np

try:  # without numba everything still works, more slowly: see `step_numpy`
    from ._compiled import rows_async, rows_scalar, rows_vector
except ImportError:
    rows_async = rows_scalar = rows_vector = None

DISTANCE, CONSTANT, BOUND, DOT = range(
    4
)  # -|x_i - x_j|^2 / (2 tau);  0;  0 within epsilon else -inf;  x_i.x_j / tau
BLOCK_EDGES = 1 << 18  # edges in one task of the pool


class Step(NamedTuple):
    """One synchronous update: new opinions (N, d), entropy (N,) in nats and same-camp mass (N,), or None."""

    opinions: np.ndarray
    entropy: np.ndarray | None
    mass: np.ndarray | None
    weights: np.ndarray | None
    self_weights: np.ndarray | None


def compiled() -> bool:
    """Whether the numba kernels are there."""
    return rows_scalar is not None


@lru_cache(maxsize=4)
def _pool(threads: int, pid: int) -> ThreadPoolExecutor:
    # keyed by the process, so that a forked child builds its own pool
    return ThreadPoolExecutor(threads, thread_name_prefix="heedful-opinions")


def default_threads() -> int:
    """OMP_NUM_THREADS where it is set, else the processors this process may use."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def step(
    opinions: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    *,
    kind: int = DISTANCE,
    scale: float = 1.0,
    log_weight: np.ndarray | None = None,
    self_log_weight: float = 0.0,
    camp: np.ndarray | None = None,
    entropy: bool = False,
    weights: bool = False,
    threads: int | None = None,
    engine: str = "auto",
) -> Step:
    """One synchronous attention update over CSR lists of who listens to whom.

    Parameters
    ----------
    opinions : (N,) or (N, d) float64
    indptr, indices : (N + 1,) and (E,) int
        Row i lists the nodes that i listens to; itself excluded, see ``self_log_weight``.
    kind : int
        DISTANCE, CONSTANT, BOUND or DOT.
    scale : float
        tau for DISTANCE and DOT, epsilon for BOUND, unused for CONSTANT.
    log_weight : (E,) float64, optional
        Log of the network's own edge weights.
    self_log_weight : float
        Log weight of listening to oneself; -inf leaves it out.
    camp : (N,) int, optional
        A label per node; gives the attention mass within the listener's own camp.
    entropy, weights : bool
        Whether to return the entropy per row, and the attention itself in CSR order.
    threads : int, optional
        Row blocks run on this many threads; the result does not depend on it.
    engine : {"auto", "numba", "numpy"}
        An engine asked for by name never falls back.

    Returns
    -------
    Step

    Examples
    --------
    >>> x = np.array([-1.0, 1.0])
    >>> done = step(x, np.array([0, 1, 2]), np.array([1, 0]), scale=2.0)
    >>> bool(np.allclose(done.opinions, x * np.tanh(1.0 / 2.0)))       # m' = m tanh(m^2 / tau)
    True
    """
    if engine == "numpy" or (engine == "auto" and not compiled()):
        return step_numpy(
            opinions, indptr, indices, kind, scale, log_weight, self_log_weight, camp, entropy, weights
        )
    if not compiled():
        from ...errors import EngineError

        raise EngineError("engine 'numba' was asked for and numba is not installed")
    n = len(opinions)
    x = np.ascontiguousarray(opinions, dtype=np.float64)
    scalar = x.ndim == 1 or x.shape[1] == 1
    flat = x.reshape(-1) if scalar else x
    out = np.empty_like(flat)
    none_f, none_i = np.empty(0), np.empty(0, np.int8)
    lw = none_f if log_weight is None else np.ascontiguousarray(log_weight, dtype=np.float64)
    camps = none_i if camp is None else _narrow(camp)
    ent = np.empty(n) if entropy else none_f
    mass = np.empty(n) if camp is not None else none_f
    att = np.empty(len(indices)) if weights else none_f
    own = np.empty(n) if weights else none_f
    ptr = np.ascontiguousarray(indptr, dtype=np.int64)
    run = rows_scalar if scalar else rows_vector
    factor = _factor(kind, scale)
    own_weight = float(self_log_weight)

    def rows(block):
        run(
            block[0],
            block[1],
            flat,
            ptr,
            indices,
            lw,
            kind,
            factor,
            own_weight,
            camps,
            out,
            ent,
            mass,
            att,
            own,
        )

    threads = threads or default_threads()
    blocks = row_blocks(ptr)
    if threads == 1 or len(blocks) == 1:
        for block in blocks:
            rows(block)
    else:
        list(_pool(threads, os.getpid()).map(rows, blocks))
    return Step(
        out.reshape(x.shape),
        ent if entropy else None,
        mass if camp is not None else None,
        att if weights else None,
        own if weights else None,
    )


def _narrow(camp) -> np.ndarray:
    """Labels as int8 where they fit: a million of them then stay in the second-level cache."""
    camp = np.asarray(camp)
    small = camp.size and camp.min() >= -128 and camp.max() <= 127
    return np.ascontiguousarray(camp, dtype=np.int8 if small else np.int32)


def row_blocks(indptr: np.ndarray, edges: int = BLOCK_EDGES) -> list[tuple[int, int]]:
    """Row ranges of about ``edges`` edges each, the unit of work of the thread pool."""
    n = len(indptr) - 1
    # rows count as an edge too (the self edge), so that empty rows spread as well
    work = indptr + np.arange(n + 1)
    cuts = np.searchsorted(work, np.arange(edges, work[-1], edges))
    bounds = np.unique(np.concatenate([[0], cuts, [n]]))
    return [(int(a), int(b)) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def _factor(kind: int, scale: float) -> float:
    """The number the kernel multiplies by (or compares with, for BOUND)."""
    if kind == DISTANCE:
        return 0.5 / scale
    if kind == DOT:
        return 1.0 / scale
    return float(scale)


def scores(x: np.ndarray, rows: np.ndarray, cols: np.ndarray, kind: int, scale: float) -> np.ndarray:
    """Scores of the pairs (rows, cols) of opinions (N, d): the definition that the kernels are tested
    against.
    """
    if kind == CONSTANT:
        return np.zeros(len(rows))
    if kind == DOT:
        return np.einsum("ed,ed->e", x[rows], x[cols]) / scale
    gap = x[cols] - x[rows]
    square = np.einsum("ed,ed->e", gap, gap)
    if kind == BOUND:
        return np.where(square <= scale * scale, 0.0, -np.inf)
    return -square * (0.5 / scale)


def step_numpy(
    opinions,
    indptr,
    indices,
    kind,
    scale,
    log_weight=None,
    self_log_weight=0.0,
    camp=None,
    entropy=False,
    weights=False,
) -> Step:
    """`step` without numba: the same numbers through NumPy's gather and `bincount`, several arrays of
    length E.
    """
    x = np.asarray(opinions, dtype=np.float64)
    wide = x.reshape(len(x), -1)
    n = len(x)
    rows = np.repeat(np.arange(n), np.diff(indptr))
    s = scores(wide, rows, indices, kind, scale)
    if log_weight is not None:
        s = s + log_weight
    own = scores(wide, np.arange(n), np.arange(n), kind, scale) + self_log_weight
    top = own.copy()
    np.maximum.at(top, rows, s)
    top[~np.isfinite(top)] = 0.0
    w, w_own = np.exp(s - top[rows]), np.exp(own - top)
    total = np.bincount(rows, w, n) + w_own
    silent = total == 0  # nobody to listen to, not even oneself: the opinion stays
    safe = np.where(silent, 1.0, total)
    gap = wide[indices] - wide[rows]
    moved = np.stack([np.bincount(rows, w * gap[:, k], n) for k in range(wide.shape[1])], axis=1)
    out = (wide + moved / safe[:, None]).reshape(x.shape)
    ent = mass = att = att_own = None
    if entropy:
        live, live_own = w > 0, w_own > 0
        inner = np.bincount(rows[live], w[live] * (s - top[rows])[live], n)
        inner[live_own] += w_own[live_own] * (own - top)[live_own]
        ent = np.where(silent, 0.0, np.log(safe) - inner / safe)
    if camp is not None:
        camp = np.asarray(camp)
        mass = (np.bincount(rows, w * (camp[rows] == camp[indices]), n) + w_own) / safe
    if weights:
        att, att_own = w / safe[rows], w_own / safe
    return Step(out, ent, mass, att, att_own)


def step_async(
    opinions, indptr, indices, order, pull, anchor, *, kind, scale, log_weight=None, self_log_weight=0.0
):
    """One asynchronous sweep: the nodes of ``order`` update one after another, each seeing the newest
    opinions.

    Parameters are those of `step`; ``order`` (M,) int lists the nodes in turn, ``pull`` (N,) and ``anchor``
    (N, d) are the stubbornness and what it holds on to. Returns the opinions (N, d) after the sweep.
    """
    x = np.array(opinions, dtype=np.float64)
    wide = x.reshape(len(x), -1)
    hold = np.asarray(anchor, dtype=np.float64).reshape(wide.shape)
    if compiled():
        lw = np.empty(0) if log_weight is None else np.ascontiguousarray(log_weight, dtype=np.float64)
        rows_async(
            np.ascontiguousarray(order, dtype=np.int64),
            wide,
            np.ascontiguousarray(indptr, dtype=np.int64),
            indices,
            lw,
            kind,
            _factor(kind, scale),
            float(self_log_weight),
            np.ascontiguousarray(pull, dtype=np.float64),
            hold,
        )
        return wide.reshape(x.shape)
    for i in order:
        cols = indices[indptr[i] : indptr[i + 1]]
        s = scores(wide, np.full(len(cols), i), cols, kind, scale)
        if log_weight is not None:
            s = s + log_weight[indptr[i] : indptr[i + 1]]
        own = scores(wide, np.array([i]), np.array([i]), kind, scale)[0] + self_log_weight
        top = max(own, s.max(initial=-math.inf))
        if top > -math.inf:
            w = np.exp(s - top)
            heard = wide[i] + w @ (wide[cols] - wide[i]) / (w.sum() + math.exp(own - top))
            wide[i] = (1 - pull[i]) * heard + pull[i] * hold[i]
    return wide.reshape(x.shape)
