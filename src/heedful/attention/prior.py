"""What a prior is: a log-weight for every (query, key) pair, known before any content is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..errors import InputError
from .arrays import lead_shape, lead_slice
from .engines.pool import in_any_process


class Support(NamedTuple):
    """The pairs that a prior allows, as compressed sparse rows.

    Row ``i`` of the flattened leading dimensions ``lead`` allows ``indices[indptr[i]:indptr[i + 1]]``,
    in increasing order; both are int64. ``log_weight (..., E)`` is what the prior adds on each pair,
    None for 0.
    """

    indptr: Tensor
    indices: Tensor
    lead: tuple[int, ...] = ()
    log_weight: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Prior:
    """Base of all priors; a subclass defines :meth:`pair` and may offer cheaper forms of the same.

    ``tails`` names each tensor field and how many trailing dimensions it has; what stands before them
    are leading dimensions that broadcast with those of q and k.
    """

    tails: ClassVar[dict[str, int]] = {}

    def pair(self, i: Tensor, j: Tensor) -> Tensor:
        """Log-weight of query ``i`` for key ``j``; -inf where the pair is excluded.

        Parameters
        ----------
        i, j : int64 tensors that broadcast with each other
            ``(n, 1)`` and ``(1, m)`` for a tile, ``(E,)`` and ``(E,)`` for edges.

        Returns
        -------
        Tensor, shape (..., *broadcast(i, j))
        """
        raise NotImplementedError(f"{type(self).__name__} does not define pair(i, j)")

    def tile(self, rows: slice, cols: slice, device: torch.device | None = None) -> Tensor:
        """The same for a block of queries and keys; subclasses may answer faster than by indexing."""
        i = torch.arange(rows.start, rows.stop, device=device)[:, None]
        j = torch.arange(cols.start, cols.stop, device=device)[None, :]
        return self.pair(i, j)

    def key(self) -> Tensor | None:
        """The prior as a finite gate per key ``(..., Nk)``, where it is one; else None."""
        return None

    def bilinear(self) -> tuple[Tensor, Tensor] | None:
        """``phi (..., Nq, r), psi (..., Nk, r)`` with pair = phi.psi, where there are such; else None."""
        return None

    def support(self, nq: int, nk: int) -> Support | None:
        """The allowed pairs where they are few and known without asking every pair; else None."""
        return None

    def check(self, nq: int, nk: int) -> None:
        """Raise an InputError where the prior does not fit ``nq`` queries and ``nk`` keys."""

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading shape of all its tensors together."""
        shapes = [getattr(self, n).shape for n in self.tails if getattr(self, n) is not None]
        tails = [t for n, t in self.tails.items() if getattr(self, n) is not None]
        return lead_shape(*(tuple(s[: max(len(s) - t, 0)]) for s, t in zip(shapes, tails, strict=True)))

    def sliced(self, index: tuple[slice, ...]) -> Prior:
        """The prior on a part of the leading dimensions."""
        if not self.lead:
            return self
        parts = {
            n: lead_slice(getattr(self, n), index, t)
            for n, t in self.tails.items()
            if getattr(self, n) is not None
        }
        return copy_with(self, parts)

    def to(self, device: torch.device) -> Prior:
        """The prior with its tensors on a device."""
        held = {n: getattr(self, n) for n in self.tails if getattr(self, n) is not None}
        if all(v.device == device for v in held.values()):
            return self
        return copy_with(self, {n: v.to(device) for n, v in held.items()})

    def tensors(self) -> list[Tensor]:
        """Every tensor it holds, learnable or not."""
        return [v for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)]

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


def copy_with(prior: Prior, parts: dict[str, Any]) -> Prior:
    """The same prior with some fields replaced; what it has derived from the others travels along."""
    derived = {n: v for n, v in vars(prior).items() if n.startswith("_")}
    init = {f.name for f in fields(prior) if f.init}
    new = replace(prior, **{n: v for n, v in parts.items() if n in init})
    for name, value in derived.items():
        object.__setattr__(new, name, value)
    return new


def at(matrix: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Entries of something that broadcasts against (..., Nq, Nk), by query and key index.

    NumPy's rule: a 0-d value serves all pairs, ``(Nk,)`` is per key, ``(Nq, 1)`` per query and
    ``(H, 1, 1)`` per head.
    """
    if matrix.ndim == 0:
        return matrix
    if matrix.ndim == 1:
        matrix = matrix[None]
    i = torch.zeros_like(i) if matrix.shape[-2] == 1 else i
    j = torch.zeros_like(j) if matrix.shape[-1] == 1 else j
    return matrix[..., i, j]


def block(matrix: Tensor, rows: slice, cols: slice) -> Tensor:
    """The same for a block, as a view."""
    if matrix.ndim == 0:
        return matrix
    if matrix.ndim == 1:
        matrix = matrix[None]
    rows = slice(None) if matrix.shape[-2] == 1 else rows
    cols = slice(None) if matrix.shape[-1] == 1 else cols
    return matrix[..., rows, cols]


def check_matrix(name: str, matrix: Tensor, nq: int, nk: int) -> None:
    """Raise where a matrix-like parameter does not broadcast against (..., nq, nk)."""
    tail = tuple(matrix.shape[-2:])
    for size, want in zip(reversed(tail), (nk, nq), strict=False):
        if size not in (1, want):
            raise InputError(
                f"{name} has shape {tuple(matrix.shape)}, which does not broadcast against "
                f"(..., {nq} queries, {nk} keys)"
            )


def check_length(name: str, got: int, want: int, of: str) -> None:
    """Raise where a per-query or per-key parameter has the wrong length."""
    if got != want:
        raise InputError(f"{name} has {got} entries, there are {want} {of}")


@in_any_process
def check_numbers(name: str, value: Tensor, *, infinite: bool = False) -> None:
    """Raise where a parameter holds NaN, +inf or (unless ``infinite``) -inf."""
    bad = torch.isnan(value) | (value == torch.inf) if infinite else ~torch.isfinite(value)
    if bool(bad.any()):
        where = tuple(int(x) for x in bad.nonzero()[0])
        raise InputError(
            f"{name} holds {float(value[where]):g} at {where}" if where else f"{name} is {float(value):g}",
            remedy="exclude pairs with Mask or -inf in a Bias" if not infinite else None,
        )


def zeros_where(keep: Tensor) -> Tensor:
    """0 where a pair is kept, -inf where it is excluded."""
    return torch.zeros(keep.shape, device=keep.device).masked_fill(~keep, -math.inf)
