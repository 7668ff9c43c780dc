"""The normal form that every engine solves: folded queries, keys, priors, a sink."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from .arrays import lead_shape, lead_slice
from .ask import Ask
from .prior import Prior, Support


@dataclass(frozen=True, eq=False)
class Problem:
    """logit_ij = q_i . k_j + sum of the priors' log-weights, with q = factor * unscaled.

    Parameters
    ----------
    unscaled, k : Tensor (..., Nq, D), (..., Nk, D)
        In the dtype that scores are computed in, float32 or float64.
    priors : tuple of Prior
    sink : Tensor that broadcasts against (..., Nq, 1), optional
        The logit of one more outcome that carries no value.
    factor : float
        Scale / temperature where that is one number and q needs no gradient; ``q`` is made when it is first
        asked for, and an engine that multiplies elsewhere never makes it.
    """

    unscaled: Tensor
    k: Tensor
    priors: tuple[Prior, ...] = ()
    sink: Tensor | None = None
    factor: float = 1.0

    @cached_property
    def q(self) -> Tensor:
        """Queries with scale and temperature folded in."""
        return self.unscaled if self.factor == 1.0 else self.unscaled * self.factor

    @property
    def nq(self) -> int:
        return self.unscaled.shape[-2]

    @property
    def nk(self) -> int:
        return self.k.shape[-2]

    @cached_property
    def lead(self) -> tuple[int, ...]:
        """Leading shape of q, k, the priors and the sink together."""
        shapes = [tuple(self.unscaled.shape[:-2]), tuple(self.k.shape[:-2]), *(p.lead for p in self.priors)]
        if self.sink is not None:
            shapes.append(tuple(self.sink.shape[:-2]))
        return lead_shape(
            *shapes, names=("q", "k", *(type(p).__name__ for p in self.priors), "sink")[: len(shapes)]
        )

    @property
    def requires_grad(self) -> bool:
        """True where any number in it is to be learned."""
        held = [self.unscaled, self.k, *(t for p in self.priors for t in p.tensors())]
        return any(t.requires_grad for t in held) or (self.sink is not None and self.sink.requires_grad)

    def logits(self, rows: slice, cols: slice) -> Tensor:
        """Scores of a block of pairs (..., n, m), without the sink; -inf where excluded."""
        s = self.q[..., rows, :] @ self.k[..., cols, :].mT
        for prior in self.priors:
            s = s + prior.tile(rows, cols, s.device).to(device=s.device, dtype=s.dtype)
        return s

    def edge_logits(self, i: Tensor, j: Tensor, skip: Prior | None = None) -> Tensor:
        """Scores of listed pairs (..., E); ``skip`` names a prior that is accounted for elsewhere."""
        s = (self.q[..., i, :] * self.k[..., j, :]).sum(-1)
        for prior in self.priors:
            if prior is not skip:
                s = s + prior.pair(i, j).to(device=s.device, dtype=s.dtype)
        return s

    def sink_rows(self, rows: slice | None = None) -> Tensor | None:
        """The sink's logit per query (..., n or 1, 1)."""
        if self.sink is None:
            return None
        sink = self.sink.reshape((1,) * max(2 - self.sink.ndim, 0) + tuple(self.sink.shape))
        return sink if rows is None or sink.shape[-2] == 1 else sink[..., rows, :]

    def sliced(self, index: tuple[slice, ...]) -> Problem:
        """The problem on a part of the leading dimensions."""
        return Problem(
            lead_slice(self.unscaled, index, 2),
            lead_slice(self.k, index, 2),
            tuple(p.sliced(index) for p in self.priors),
            None if self.sink is None else lead_slice(self.sink, index, 2),
            self.factor,
        )

    def to(self, dtype: torch.dtype) -> Problem:
        """The problem with scores computed in another dtype."""
        if self.k.dtype == dtype:
            return self
        sink = None if self.sink is None else self.sink.to(dtype)
        return replace(self, unscaled=self.unscaled.to(dtype), k=self.k.to(dtype), sink=sink)

    def without_content(self) -> Problem:
        """What the priors alone give: the base measure."""
        q = self.k.new_zeros((*self.unscaled.shape[:-1], 1))
        return replace(self, unscaled=q, factor=1.0, k=self.k.new_zeros((*self.k.shape[:-1], 1)))

    @cached_property
    def sparsest(self) -> tuple[Prior, Support] | None:
        """The prior that allows the fewest pairs, with them, where one knows its pairs; else None."""
        best, fewest = None, math.inf
        for prior in self.priors:
            found = prior.support(self.nq, self.nk)
            if found is not None:
                pairs = found.indices.numel() / max(math.prod(found.lead), 1)
                if pairs < fewest:
                    best, fewest = (prior, found), pairs
        return best


def learning(problem: Problem, ask: Ask) -> bool:
    """True where gradients are recorded and something in the problem or the wishes is to be learned."""
    return torch.is_grad_enabled() and (problem.requires_grad or ask.requires_grad)


def pad_last(x: Tensor, width: int, value: float = 0.0) -> Tensor:
    """The tensor with its last dimension filled up to ``width``."""
    missing = width - x.shape[-1]
    return x if missing <= 0 else torch.nn.functional.pad(x, (0, missing), value=value)
