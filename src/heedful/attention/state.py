"""Attention over some of the keys, mergeable: any split of the keys, put together, is the whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from . import reads


@dataclass(frozen=True, eq=False)
class State:
    """What a set of keys says to each query: a commutative monoid under :meth:`merge`.

    Parameters
    ----------
    lse : Tensor (..., Nq)
        Log-partition over the keys seen; -inf is the neutral element.
    out : Tensor (..., Nq, Dv)
        Weighted mean of their values.
    mean_logit : Tensor (..., Nq)
        E[logit] under their weights; entropy = lse - mean_logit.
    top_logit, top_index : Tensor (..., Nq, k)
        The largest logits and the keys they belong to, in the numbering of the whole.

    Examples
    --------
    >>> import torch
    >>> from heedful import Weights
    >>> from heedful.attention import State
    >>> torch.manual_seed(0); q, k, v = torch.randn(3, 6, 4, dtype=torch.float64)  # doctest: +ELLIPSIS
    <torch...
    >>> halves = [State.of(Weights(q, k[:3]), v[:3]), State.of(Weights(q, k[3:]), v[3:], first_key=3)]
    >>> bool(torch.allclose(halves[1].merge(halves[0]).out, Weights(q, k) @ v))
    True
    """

    lse: Tensor
    out: Tensor
    mean_logit: Tensor
    top_logit: Tensor
    top_index: Tensor

    @classmethod
    def of(cls, weights: Any, v: Any, *, k: int = 8, first_key: int = 0) -> State:
        """The state of these weights on their keys, which are numbered from ``first_key`` in the whole."""
        if weights.sink is not None:
            raise InputError("a sink belongs to the whole, not to a part of the keys; merge without it")
        v = torch.as_tensor(v)
        wanted = [reads.LogPartition(), reads.Entropy(), reads.TopK(k)]
        out, r = weights.read(v, wanted)
        out, lse, entropy = (torch.as_tensor(x) for x in (out, r.log_partition, r.entropy))
        weight, index = (torch.as_tensor(x) for x in r.topk)
        live = lse > -torch.inf
        logit = torch.where(index < 0, -torch.inf, weight.log() + lse[..., None])
        return cls(
            lse,
            out,
            torch.where(live, lse - entropy, torch.zeros_like(lse)),
            logit,
            torch.where(index < 0, -1, index + first_key),
        )

    def merge(self, other: State) -> State:
        """Both sets of keys together; associative and commutative."""
        if self.out.shape != other.out.shape or self.lse.shape != other.lse.shape:
            raise ShapeError(
                f"states of {tuple(self.out.shape)} and {tuple(other.out.shape)} do not merge: the same "
                "queries and value channels were expected"
            )
        lse = torch.logaddexp(self.lse, other.lse)
        whole = torch.where(lse == -torch.inf, torch.zeros_like(lse), lse)
        a, b = (self.lse - whole).exp(), (other.lse - whole).exp()
        k = max(self.top_logit.shape[-1], other.top_logit.shape[-1])
        logit = torch.cat([self.top_logit, other.top_logit], -1)
        index = torch.cat([self.top_index, other.top_index], -1)
        best = logit.topk(min(k, logit.shape[-1]), -1)
        return State(
            lse,
            a[..., None] * self.out + b[..., None] * other.out,
            a * self.mean_logit + b * other.mean_logit,
            best.values,
            index.gather(-1, best.indices),
        )

    @classmethod
    def merge_all(cls, states: list[State]) -> State:
        """All the parts together, in the order given."""
        if not states:
            raise InputError("there is no state to merge")
        return reduce(cls.merge, states)

    @property
    def entropy(self) -> Tensor:
        """Entropy (..., Nq) of the weights over the keys seen, in nats."""
        return torch.where(self.lse == -torch.inf, 0.0, (self.lse - self.mean_logit).clamp_min(0.0))

    @property
    def topk(self) -> reads.Top:
        """The largest weights (..., Nq, k) among the keys seen, and the keys; index -1 is no key."""
        whole = torch.where(self.lse == -torch.inf, 0.0, self.lse)[..., None]
        return reads.Top((self.top_logit - whole).exp(), self.top_index)
