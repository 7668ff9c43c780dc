"""Priors that find each query's neighbours: the k nearest, or all within a radius; periodic where asked."""

from __future__ import annotations

import dataclasses
import math
import numbers
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .arrays import lead_slice, whole
from .engines.pool import in_any_process
from .prior import Prior, Support, check_length, zeros_where
from .priors import coordinates, same_dimension


@dataclass(frozen=True, eq=False)
class _Neighbours(Prior):
    """What Nearest and Within share: pairs found once by a k-d tree, then asked by binary search."""

    def _find(self, x_q: Tensor, x_k: Tensor) -> Support:
        raise NotImplementedError

    @in_any_process
    def _search(self) -> None:
        x_q, x_k = self.x_q.detach().double().cpu(), self.x_k.detach().double().cpu()
        lead = tuple(torch.broadcast_shapes(x_q.shape[:-2], x_k.shape[:-2]))
        x_q, x_k = (
            x.expand(*lead, *x.shape[-2:]).reshape(math.prod(lead), *x.shape[-2:]) for x in (x_q, x_k)
        )
        indptrs, cols, start = [torch.zeros(1, dtype=torch.int64)], [], 0
        for a, b in zip(x_q, x_k, strict=True):
            found = self._find(a, b)
            indptrs.append(found.indptr[1:] + start)
            cols.append(found.indices)
            start += found.indices.numel()
        empty = torch.zeros(0, dtype=torch.int64)
        indptr, flat = torch.cat(indptrs), torch.cat(cols) if cols else empty
        rows = torch.repeat_interleave(torch.arange(indptr.numel() - 1), indptr.diff())
        nk = x_k.shape[-2]
        self._set(
            _support=Support(indptr, flat, lead), _code=rows * max(nk, 1) + flat, _nq=x_q.shape[-2], _nk=nk
        )

    def check(self, nq, nk):
        check_length(f"{type(self).__name__}(x_q)", self._nq, nq, "queries")
        check_length(f"{type(self).__name__}(x_k)", self._nk, nk, "keys")

    def sliced(self, index):
        if not self.lead:
            return self
        parts = {n: lead_slice(getattr(self, n), index, 2) for n in ("x_q", "x_k")}
        return dataclasses.replace(self, **parts)

    def to(self, device):
        return self  # the pairs are found on the host; they move with the edges

    def pair(self, i, j):
        known, lead = self._code, self._support.lead
        rows = i
        if lead:
            flat = torch.arange(math.prod(lead)).reshape(*lead, *([1] * max(i.ndim, j.ndim)))
            rows = flat * self._nq + i.cpu()
        code = (rows.cpu() * max(self._nk, 1) + j.cpu()).contiguous()
        if not known.numel():
            return zeros_where(torch.zeros_like(code, dtype=torch.bool)).to(j.device)
        place = torch.searchsorted(known, code).clamp_max(known.numel() - 1)
        return zeros_where(known[place] == code).to(j.device)

    def support(self, nq, nk):
        return self._support

    def _wrap(self, x: Tensor) -> tuple[np.ndarray, np.ndarray | None]:
        """Coordinates inside the periodic box, and the box (0 = not periodic) for the k-d tree."""
        if self.period is None:
            return x.numpy(), None
        box = np.array([0.0 if p is None else float(p) for p in self.period])
        wrapped = x.numpy().copy()
        for c, size in enumerate(box):
            if size:
                wrapped[:, c] = np.mod(wrapped[:, c], size)
                wrapped[wrapped[:, c] >= size, c] = 0.0
        return wrapped, box

    def _prepare(self) -> None:
        name = type(self).__name__
        same = self.x_k is None or self.x_k is self.x_q
        x_q = coordinates(self.x_q, f"{name}(x_q)")
        x_k = x_q if same else coordinates(self.x_k, f"{name}(x_k)")
        same_dimension(name, x_q, x_k)
        same = same or (x_q.shape == x_k.shape and bool(torch.equal(x_q, x_k)))
        period = self.period
        if period is not None:
            period = tuple(period) if isinstance(period, (list, tuple)) else (period,) * x_q.shape[-1]
            if len(period) != x_q.shape[-1] or not all(map(_is_length, period)):
                raise InputError(
                    f"{name}(period) is {period}; one finite length > 0, or None, for each of "
                    f"{x_q.shape[-1]} coordinates was expected"
                )
        self._set(x_q=x_q, x_k=x_k, period=period, _same=same)


def _is_length(p: Any) -> bool:
    number = isinstance(p, numbers.Real) or getattr(p, "ndim", 1) == 0
    return p is None or (number and 0 < float(p) < math.inf)


@dataclass(frozen=True, eq=False)
class Nearest(_Neighbours):
    """Each query may attend to its k nearest keys, and to itself.

    Parameters
    ----------
    x_q : array (..., Nq, d)
        Coordinates of the queries; a 1-D array is d = 1.
    x_k : array (..., Nk, d), optional
        Coordinates of the keys; by default the queries' own.
    k : int
        Neighbours, not counting the query itself.
    period : float or sequence of (float or None), optional
        The length after which a coordinate repeats (2 pi for an azimuth), None where it does not.
    self_ : bool
        Where queries are the keys: include the query itself (then k + 1 pairs), or never.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> phi = np.array([-3.1, 0.0, 3.1])
    >>> near = priors.Nearest(phi, k=1, period=2 * np.pi, self_=False)
    >>> Weights(np.zeros((3, 1)), np.zeros((3, 1)), [near]).rows([0]).tolist()
    [[0.0, 0.0, 1.0]]
    """

    x_q: Any
    x_k: Any = None
    k: int = 1
    period: Any = None
    self_: bool = True
    tails: ClassVar[dict[str, int]] = {"x_q": 2, "x_k": 2}

    def __post_init__(self):
        self._set(k=whole(self.k, "Nearest(k)", 0))
        self._prepare()
        self._search()

    def _find(self, x_q, x_k):
        from scipy.spatial import KDTree

        nq, nk = len(x_q), len(x_k)
        want = min(self.k + (1 if self._same else 0), nk)
        if not nq or not want:
            return Support(torch.zeros(nq + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
        points_k, box = self._wrap(x_k)
        points_q, _ = self._wrap(x_q)
        _, found = KDTree(points_k, boxsize=box).query(points_q, k=[*range(1, want + 1)])
        found = torch.as_tensor(np.ascontiguousarray(found), dtype=torch.int64)
        if self._same:
            # among coincident points the tree may not list the query itself: put it first, drop the farthest
            own = torch.arange(nq)[:, None]
            listed = found == own
            rank = torch.where(listed, -1, torch.arange(want)[None, :])
            found = torch.where(~listed.any(1, keepdim=True) & (torch.arange(want) == want - 1), own, found)
            rank = torch.where(~listed.any(1, keepdim=True) & (torch.arange(want) == want - 1), -1, rank)
            found = torch.gather(found, 1, rank.argsort(dim=1, stable=True))
            if not self.self_:
                found = found[:, 1:]
        per_row = found.shape[1]
        return Support(torch.arange(nq + 1) * per_row, found.sort(1).values.reshape(-1))


@dataclass(frozen=True, eq=False)
class Within(_Neighbours):
    """Each query may attend to the keys within a radius.

    Parameters
    ----------
    x_q, x_k : array (..., Nq, d), (..., Nk, d); a 1-D array is d = 1
    radius : float
        In the unit of the coordinates; the border is included.
    period : float or sequence of (float or None), optional
        As in :class:`Nearest`.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> x = np.array([0.0, 1.0, 5.0])
    >>> Weights(np.zeros((3, 1)), np.zeros((3, 1)), [priors.Within(x, x, 2.0)]).rows([0]).tolist()
    [[0.5, 0.5, 0.0]]
    """

    x_q: Any
    x_k: Any
    radius: float
    period: Any = None
    tails: ClassVar[dict[str, int]] = {"x_q": 2, "x_k": 2}

    def __post_init__(self):
        number = isinstance(self.radius, numbers.Real) or getattr(self.radius, "ndim", 1) == 0
        if not number or not 0 <= self.radius < math.inf:
            raise InputError(f"Within(radius) is {self.radius}, a finite number >= 0 was expected")
        self._prepare()
        self._search()

    def _find(self, x_q, x_k):
        from scipy.spatial import KDTree

        nq = len(x_q)
        if not nq or not len(x_k):
            return Support(torch.zeros(nq + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
        points_k, box = self._wrap(x_k)
        points_q, _ = self._wrap(x_q)
        lists = KDTree(points_k, boxsize=box).query_ball_point(points_q, self.radius, return_sorted=True)
        counts = torch.as_tensor([len(row) for row in lists], dtype=torch.int64)
        indptr = torch.zeros(nq + 1, dtype=torch.int64)
        indptr[1:] = counts.cumsum(0)
        flat = np.concatenate([np.asarray(row, dtype=np.int64) for row in lists])
        return Support(indptr, torch.as_tensor(flat))
