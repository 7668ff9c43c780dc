"""What engines are asked and what they find: a handful of quantities from which every read is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from .arrays import lead_slice


@dataclass(frozen=True)
class Ask:
    """One pass's wishes.

    Parameters
    ----------
    channels : Tensor (..., Nk, C), optional
        Wanted: P @ channels.
    adjoint : Tensor (..., Nq, C), optional
        Wanted: P.T @ adjoint, accumulated in float64.
    entropy : bool
        Wanted: the entropy of each row, in nats.
    powers : tuple of float
        Wanted: log sum_j p_ij**a for each a (Renyi).
    topk : int
        Wanted: the k largest weights per query and where they lie (fewer keys: weight 0, index -1).
    nucleus : tuple of float
        Wanted: how many of the largest weights it takes to hold this share of the row.
    sums : tuple of (group of each key (Nk,) int64, number of groups)
        Wanted, for each: P summed over the keys of each group, without a table of keys by groups.
    lag : (edges (B + 1,), x_q, x_k), optional
        Wanted: the summed weight by x_q - x_k (1-D), or by distance (2-D), per bin.
    contribution : (value (..., Nk, Dv), direction (..., Nq, Dv), k), optional
        Wanted: per query, the k terms p_ij <value_j, direction_i> that are largest in size.
    cross : Problem, optional
        Wanted: sum_j p_ij (logit_ij - other logit_ij), the main part of a KL divergence.
    """

    channels: Tensor | None = None
    adjoint: Tensor | None = None
    entropy: bool = False
    powers: tuple[float, ...] = ()
    topk: int = 0
    nucleus: tuple[float, ...] = ()
    sums: tuple[tuple[Tensor, int], ...] = ()
    lag: tuple[Tensor, Tensor, Tensor] | None = None
    contribution: tuple[Tensor, Tensor, int] | None = None
    cross: object | None = None

    @property
    def requires_grad(self) -> bool:
        """True where something that is asked with is to be learned."""
        held = [self.channels, self.adjoint, *(self.contribution or ())[:2]]
        return any(t is not None and t.requires_grad for t in held) or (
            self.cross is not None and self.cross.requires_grad
        )

    def sliced(self, index: tuple[slice, ...]) -> Ask:
        """The same wishes on a part of the leading dimensions."""
        parts = {}
        if self.channels is not None:
            parts["channels"] = lead_slice(self.channels, index, 2)
        if self.adjoint is not None:
            parts["adjoint"] = lead_slice(self.adjoint, index, 2)
        if self.contribution is not None:
            value, direction, k = self.contribution
            parts["contribution"] = (lead_slice(value, index, 2), lead_slice(direction, index, 2), k)
        if self.cross is not None:
            parts["cross"] = self.cross.sliced(index)
        return replace(self, **parts)

    @property
    def products_only(self) -> bool:
        """True where fused kernels suffice: P @ X, lse and entropy."""
        return not (
            self.adjoint is not None
            or self.powers
            or self.topk
            or self.nucleus
            or self.sums
            or self.lag
            or self.contribution
            or self.cross is not None
        )


@dataclass
class Found:
    """The answers, each None where it was not asked; leading dimensions are the problem's."""

    lse: Tensor
    out: Tensor | None = None
    adjoint: Tensor | None = None
    entropy: Tensor | None = None
    powers: tuple[Tensor, ...] = ()
    topk: tuple[Tensor, Tensor] | None = None
    nucleus: tuple[Tensor, ...] = ()
    sums: tuple[Tensor, ...] = ()
    lag: Tensor | None = None
    contribution: tuple[Tensor, Tensor] | None = None
    cross: Tensor | None = None
    engine: str = ""
