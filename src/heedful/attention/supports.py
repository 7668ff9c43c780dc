"""Priors that allow few pairs: causal order, windows, graphs, ragged segments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import InputError
from .arrays import floats, indices, whole
from .engines.pool import in_any_process
from .prior import Prior, Support, check_length, check_numbers, zeros_where


@dataclass(frozen=True, eq=False)
class Causal(Prior):
    """Query i may attend to keys 0..i + offset.

    Parameters
    ----------
    offset : int
        0 for a sequence that attends to itself; ``Nk - Nq`` where the queries are the last ones.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> Weights(np.zeros((2, 1)), np.zeros((2, 1)), [priors.Causal()]).rows([0, 1]).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """

    offset: int = 0

    def __post_init__(self):
        self._set(offset=whole(self.offset, "Causal(offset)"))

    def pair(self, i, j):
        return zeros_where(j - i <= self.offset)


@dataclass(frozen=True, eq=False)
class Window(Prior):
    """Query i may attend to keys i - before .. i + after.

    Parameters
    ----------
    before, after : int >= 0
        Positions to each side, the query's own position included.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> Weights(np.zeros((3, 1)), np.zeros((3, 1)), [priors.Window(1, 0)]).rows([2]).tolist()
    [[0.0, 0.5, 0.5]]
    """

    before: int
    after: int

    def __post_init__(self):
        sides = {name: whole(getattr(self, name), f"Window({name})", 0) for name in ("before", "after")}
        self._set(**sides)

    def pair(self, i, j):
        return zeros_where((j - i >= -self.before) & (j - i <= self.after))

    def support(self, nq, nk):
        rows = torch.arange(nq)
        start = (rows - self.before).clamp(0, nk)
        stop = (rows + self.after + 1).clamp(0, nk)
        return _ranges(start, torch.maximum(stop, start))


@dataclass(frozen=True, eq=False)
class Segments(Prior):
    """Ragged batches without padding: query i and key j must lie in the same segment.

    Parameters
    ----------
    offsets_q : int array (S + 1,)
        Segment s holds queries offsets_q[s]..offsets_q[s + 1] - 1; starts at 0, ends at Nq.
    offsets_k : int array (S + 1,), optional
        The same for keys; by default as the queries.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> jets = priors.Segments([0, 1, 3])
    >>> Weights(np.zeros((3, 1)), np.zeros((3, 1)), [jets]).rows([0, 1]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]
    """

    offsets_q: Any
    offsets_k: Any = None

    def __post_init__(self):
        offsets_q = indices(self.offsets_q, "Segments(offsets_q)")
        given = self.offsets_k is not None
        offsets_k = indices(self.offsets_k, "Segments(offsets_k)") if given else offsets_q
        for name, o in (("offsets_q", offsets_q), ("offsets_k", offsets_k)):
            if o.ndim != 1 or o.numel() < 1 or int(o[0]) != 0 or bool((o.diff() < 0).any()):
                raise InputError(f"Segments({name}) must start at 0 and never fall")
        if offsets_q.numel() != offsets_k.numel():
            raise InputError(
                f"Segments: {offsets_q.numel() - 1} segments of queries, {offsets_k.numel() - 1} of keys"
            )
        self._set(offsets_q=offsets_q, offsets_k=offsets_k)

    def check(self, nq, nk):
        for name, last, n, of in (
            ("offsets_q", int(self.offsets_q[-1]), nq, "queries"),
            ("offsets_k", int(self.offsets_k[-1]), nk, "keys"),
        ):
            if last != n:
                raise InputError(f"Segments({name}) ends at {last}, there are {n} {of}")

    def _segment(self, offsets: Tensor, index: Tensor) -> Tensor:
        return torch.searchsorted(offsets[1:].to(index.device), index.contiguous(), right=True)

    def pair(self, i, j):
        return zeros_where(self._segment(self.offsets_q, i) == self._segment(self.offsets_k, j))

    def support(self, nq, nk):
        segment = self._segment(self.offsets_q, torch.arange(nq))
        return _ranges(self.offsets_k[segment], self.offsets_k[segment + 1])


@dataclass(frozen=True, eq=False)
class Graph(Prior):
    """Query i may attend to the keys that its row of a sparse graph lists, with log-weights if given.

    Parameters
    ----------
    indptr, indices : int arrays (Nq + 1,), (E,)
        Compressed sparse rows: who i listens to. Repeated pairs are refused.
    log_weight : array (..., E), optional
        Added to the score of each edge, in the order of ``indices``. Learnable if a tensor requires grad.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> ring = priors.Graph.from_edges([0, 1, 2], [1, 2, 0], n=3)
    >>> Weights(np.zeros((3, 1)), np.zeros((3, 1)), [ring]).rows([0]).tolist()
    [[0.0, 1.0, 0.0]]
    """

    indptr: Any
    indices: Any
    log_weight: Any = None
    tails: ClassVar[dict[str, int]] = {"log_weight": 1}

    @in_any_process
    def __post_init__(self):
        indptr, cols = indices(self.indptr, "Graph(indptr)"), indices(self.indices, "Graph(indices)")
        bad = indptr.ndim != 1 or indptr.numel() < 1
        if bad or int(indptr[0]) != 0 or int(indptr[-1]) != cols.numel() or bool((indptr.diff() < 0).any()):
            raise InputError(f"Graph(indptr) must rise from 0 to the number of edges, {cols.numel()}")
        log_weight = None if self.log_weight is None else floats(self.log_weight, "Graph(log_weight)")
        if log_weight is not None:
            check_length("Graph(log_weight)", log_weight.shape[-1], cols.numel(), "edges")
            check_numbers("Graph(log_weight)", log_weight.detach(), infinite=True)
        if cols.numel() and int(cols.min()) < 0:
            raise InputError(f"Graph(indices) holds {int(cols.min())}; key numbers start at 0")
        rows = torch.repeat_interleave(torch.arange(indptr.numel() - 1, device=cols.device), indptr.diff())
        width = int(cols.max()) + 1 if cols.numel() else 1
        code = rows * width + cols
        order = None
        if bool((code.diff() < 0).any()):
            order = code.argsort(stable=True)
            code, cols = code[order], cols[order]
            log_weight = log_weight[..., order] if log_weight is not None else None
        repeated = (code.diff() == 0).nonzero()
        if repeated.numel():
            e = int(repeated[0]) + 1
            raise InputError(
                f"Graph: the edge {int(rows[e])} -> {int(cols[e])} is given more than once",
                remedy="add the weights of repeated edges, or keep one",
            )
        self._set(indptr=indptr, indices=cols, log_weight=log_weight, _code=code, _width=width)

    @classmethod
    @in_any_process
    def from_edges(cls, listener: Any, source: Any, *, n: int, log_weight: Any = None) -> Graph:
        """The graph in which ``listener[e]`` attends to ``source[e]``, for ``n`` queries."""
        n = whole(n, "n", 0)
        listener, source = indices(listener, "listener"), indices(source, "source")
        if listener.shape != source.shape:
            raise InputError(f"{listener.numel()} listeners and {source.numel()} sources; one each per edge")
        if listener.numel() and (int(listener.max()) >= n or int(listener.min()) < 0):
            raise InputError(f"listener runs from {int(listener.min())} to {int(listener.max())}, n is {n}")
        width = int(source.max()) + 1 if source.numel() else 1
        order = (listener * width + source).argsort(stable=True)
        indptr = torch.zeros(n + 1, dtype=torch.int64)
        indptr[1:] = torch.bincount(listener, minlength=n).cumsum(0)
        if log_weight is not None:
            log_weight = floats(log_weight, "log_weight")[..., order]
        return cls(indptr, source[order], log_weight)

    def check(self, nq, nk):
        check_length("Graph(indptr)", self.indptr.numel() - 1, nq, "queries")
        if self.indices.numel() and int(self.indices.max()) >= nk:
            raise InputError(f"Graph(indices) names key {int(self.indices.max())}, there are {nk} keys")

    def pair(self, i, j):
        """By binary search among the edges; exact for any index pair."""
        code = (i * self._width + j).contiguous()
        known = self._code.to(code.device)
        if not known.numel():
            return zeros_where(torch.zeros_like(code, dtype=torch.bool))
        place = torch.searchsorted(known, code).clamp_max(known.numel() - 1)
        found = (known[place] == code) & (j < self._width)
        if self.log_weight is None:
            return zeros_where(found)
        return self.log_weight[..., place].masked_fill(~found, -math.inf)

    def support(self, nq, nk):
        return Support(self.indptr, self.indices, (), self.log_weight)


def _ranges(start: Tensor, stop: Tensor) -> Support:
    """Rows that each allow the keys start..stop - 1."""
    counts = stop - start
    indptr = torch.zeros(start.numel() + 1, dtype=torch.int64)
    indptr[1:] = counts.cumsum(0)
    flat = torch.arange(int(indptr[-1])) + torch.repeat_interleave(start - indptr[:-1], counts)
    return Support(indptr, flat)
