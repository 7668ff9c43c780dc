"""Questions to the weights, and the record of the answers."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..errors import EngineError, InputError
from .arrays import floats, indices, tensor, whole

FEW_GROUPS = 256  # up to here a product with a table (keys, groups) is about as fast as sums by group
TABLE = 2**28  # numbers that such a table may hold


@dataclass(frozen=True, eq=False)
class Read:
    """Base of all reads: ``name`` is where the answer stands in :class:`Reads`."""

    name: ClassVar[str] = ""


@dataclass(frozen=True, eq=False)
class LogPartition(Read):
    """lse (..., Nq): log of the un-normalised sum of weights; -inf for a query without any key."""

    name: ClassVar[str] = "log_partition"


@dataclass(frozen=True, eq=False)
class Entropy(Read):
    """Entropy (..., Nq) of each row in nats; ``order`` other than 1 is Renyi's.

    H_1 = lse - E[logit]; H_a = log(sum_j p_j**a) / (1 - a).
    """

    order: float = 1.0
    name: ClassVar[str] = "entropy"

    def __post_init__(self):
        order = self.order
        if not isinstance(order, numbers.Real) or not 0 < order < math.inf:
            raise InputError(
                f"Entropy(order) is {order!r:.40}, a number more than 0 was expected",
                remedy="order inf is -log of topk(1).weight" if order == math.inf else None,
            )


@dataclass(frozen=True, eq=False)
class EffectiveKeys(Read):
    """exp(entropy) (..., Nq): how many keys a row spreads over; order 2 is the participation ratio."""

    order: float = 1.0
    name: ClassVar[str] = "effective_keys"

    __post_init__ = Entropy.__post_init__


@dataclass(frozen=True, eq=False)
class Mass(Read):
    """Summed weight (..., Nq, G) on each group of keys.

    Parameters
    ----------
    groups : int array (Nk,), or float array (Nk, G)
        Group of each key, 0..G-1, or -1 for none of them; or how much of each key belongs to each
        group. Keys of group -1 are gathered in one more column, "outside", and a sink in a last one,
        so that a live row's masses sum to 1. Up to 256 groups are a product with a table (Nk, G); more are
        summed by group in tiles, so that memory follows keys + groups.
    names : sequence of str, optional
    """

    groups: Any
    names: Sequence[str] | None = None
    name: ClassVar[str] = "mass"

    def table(self, nk: int, like: Tensor) -> tuple[Tensor, list[str]]:
        """Membership (Nk, G [+ 1]) and the names of its columns."""
        shares = self._shares(nk)
        if shares is not None:
            return shares.to(like), self.labels(nk)
        groups, names = self._members(nk, like.device)
        table = like.new_zeros((nk, len(names)))
        table[torch.arange(nk, device=like.device), groups] = 1.0
        return table, names

    def labels(self, nk: int) -> list[str]:
        """The names of the groups, with "outside" where there is one."""
        shares = self._shares(nk)
        if shares is None:
            return self._members(nk, None)[1]
        names = list(self.names) if self.names is not None else [str(g) for g in range(shares.shape[1])]
        if len(names) != shares.shape[1]:
            raise InputError(f"Mass: {len(names)} names for {shares.shape[1]} groups")
        return names

    def summed(self, nk: int, like: Tensor, engine: str = "auto") -> tuple[Tensor, int] | None:
        """Group of each key (Nk,) and how many there are, where summing by it is to be done; None where
        the product with :meth:`table` is: shares, few groups, or an engine that knows products alone."""
        if self._shares(nk) is not None:
            return None
        groups, names = self._members(nk, like.device)
        if len(names) <= FEW_GROUPS:
            return None
        if engine not in ("fused", "compiled"):
            return groups, len(names)
        if nk * len(names) > TABLE:
            size = nk * len(names) * like.element_size() / 2**30
            raise EngineError(
                f"engine={engine!r} reads masses as a product with a table, {nk} keys x {len(names)} groups "
                f"({size:.3g} GB); leave engine='auto', which sums by group"
            )
        return None

    def _shares(self, nk: int) -> Tensor | None:
        """How much of each key belongs to each group (Nk, G), where that was given."""
        raw = tensor(self.groups, "Mass(groups)")
        if raw.is_floating_point() and raw.ndim == 1 and raw.numel():
            raise InputError(
                f"Mass(groups) has dtype {raw.dtype}; a group per key is a whole number, -1 for none",
                remedy="or give how much of each key belongs to each group, (keys, G)",
            )
        if not raw.is_floating_point() or raw.ndim < 2:
            return None
        if raw.ndim != 2 or raw.shape[0] != nk:
            raise InputError(f"Mass(groups) has shape {tuple(raw.shape)}, ({nk} keys, G) was expected")
        if not bool(torch.isfinite(raw.detach()).all()):
            raise InputError("Mass(groups) holds NaN or infinite shares; finite numbers were expected")
        return raw

    def _members(self, nk: int, device: torch.device | None) -> tuple[Tensor, list[str]]:
        """Group of each key (Nk,), those outside in one more, and the names of all."""
        groups = indices(tensor(self.groups, "Mass(groups)"), "Mass(groups)", device=device)
        if groups.ndim != 1 or groups.numel() != nk:
            raise InputError(f"Mass(groups) has shape {tuple(groups.shape)}, there are {nk} keys")
        if groups.numel() and int(groups.min()) < -1:
            raise InputError(f"Mass(groups) holds {int(groups.min())}; groups are 0..G-1, or -1 for outside")
        count = int(groups.max()) + 1 if groups.numel() else 0
        if self.names is not None:
            if len(self.names) < count:
                raise InputError(f"Mass: {len(self.names)} names for {count} groups")
            count = len(self.names)
        if count > max(4096, 4 * nk):
            raise InputError(
                f"Mass(groups) runs to group {count - 1} for {nk} keys",
                remedy="number the groups 0..G-1: np.unique(groups, return_inverse=True)[1]",
            )
        names = list(self.names) if self.names is not None else [str(g) for g in range(count)]
        outside = groups < 0
        return torch.where(outside, count, groups), names + ["outside"] * bool(outside.any())


class Spread(NamedTuple):
    """Mean and variance of a key-side quantity under the weights, each (..., Nq, d)."""

    mean: Any
    variance: Any


@dataclass(frozen=True, eq=False)
class Moments(Read):
    """Mean and variance of a quantity x (Nk,) or (..., Nk, d) under each row's weights on its keys.

    A sink's share is left out and the rest renormalised; a row without any key has mean and variance 0.
    """

    x: Any
    name: ClassVar[str] = "moments"

    def centred(self, nk: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """x minus its overall mean (..., Nk, d), and that mean: keeps digits where x is far from 0."""
        x = floats(self.x, "Moments(x)").to(like)
        x = x[:, None] if x.ndim == 1 else x
        if x.ndim < 2 or x.shape[-2] != nk:
            raise InputError(f"Moments(x) has shape {tuple(x.shape)}; (..., {nk} keys, d) was expected")
        centre = x.detach().mean(-2, keepdim=True) if nk else x.new_zeros(x.shape[-1])
        return x - centre, centre


@dataclass(frozen=True, eq=False)
class Columns(Read):
    """Attention received (..., Nk): the column sums of P; they sum to the number of live queries.

    ``relative=True`` divides by what the priors alone give, so that the arithmetic of a mask (under a
    causal mask early keys always win) is not mistaken for a finding.
    """

    relative: bool = False
    name: ClassVar[str] = "columns"


class Top(NamedTuple):
    """The largest weights of each row and the keys they lie on, each (..., Nq, k); index -1 is no key."""

    weight: Any
    index: Any


@dataclass(frozen=True, eq=False)
class TopK(Read):
    """The k largest weights per query, largest first, with their keys; ties within 4 ulp are unordered."""

    k: int
    name: ClassVar[str] = "topk"

    def __post_init__(self):
        object.__setattr__(self, "k", whole(self.k, "TopK(k)", 1))


@dataclass(frozen=True, eq=False)
class Lag(Read):
    """Summed weight (..., B) by lag t_q - t_k, or by distance where coordinates are (N, d).

    Parameters
    ----------
    edges : array (B + 1,)
        Rising bin edges; a bin holds its left end, the last one its right end too.
    x_q, x_k : array (Nq,), (Nk,) or (Nq, d), (Nk, d)
    relative : bool
        Divide by what the priors alone give.
    """

    edges: Any
    x_q: Any
    x_k: Any
    relative: bool = False
    name: ClassVar[str] = "lag"

    def parts(self, nq: int, nk: int, device) -> tuple[Tensor, Tensor, Tensor]:
        """Edges and coordinates in float64, checked."""
        edges = floats(self.edges, "Lag(edges)").double().to(device)
        if edges.ndim != 1 or edges.numel() < 2 or not bool((edges.diff() > 0).all()):
            raise InputError("Lag(edges) must be two or more rising numbers")
        x_q = floats(self.x_q, "Lag(x_q)").double().to(device)
        x_k = floats(self.x_k, "Lag(x_k)").double().to(device)
        if x_q.ndim not in (1, 2) or x_q.shape[1:] != x_k.shape[1:]:
            raise InputError(
                f"Lag: x_q is {tuple(x_q.shape)}, x_k is {tuple(x_k.shape)}; (N,) or (N, d) each"
            )
        if x_q.shape[0] != nq or x_k.shape[0] != nk:
            raise InputError(
                f"Lag: x_q, x_k have {x_q.shape[0]}, {x_k.shape[0]} rows for {nq} queries, {nk} keys"
            )
        for side, x in (("x_q", x_q), ("x_k", x_k)):
            bad = (~torch.isfinite(x)).nonzero()
            if bad.numel():
                raise InputError(f"Lag({side}) is not finite in row {int(bad[0, 0])}")
        return edges, x_q, x_k


@dataclass(frozen=True, eq=False)
class Rows(Read):
    """Whole rows of P (..., R, Nk) for the R queries named."""

    queries: Any
    name: ClassVar[str] = "rows"


@dataclass(frozen=True, eq=False)
class Quantile(Read):
    """Nucleus size (..., Nq): how many of a row's largest weights hold ``share`` of its weight on keys."""

    share: float = 0.9
    name: ClassVar[str] = "quantile"

    def __post_init__(self):
        if not isinstance(self.share, numbers.Real) or not 0 < self.share <= 1:
            raise InputError(f"Quantile(share) is {self.share!r:.40}, a share in (0, 1] was expected")


class Terms(NamedTuple):
    """Contributions: their total per key (..., Nk) and, where k was given, each query's largest terms."""

    total: Any
    weight: Any
    index: Any


@dataclass(frozen=True, eq=False)
class Contribution(Read):
    """Terms p_ij <v_j, u_i> of the weighted sum, read along a direction u.

    Weights are not contributions: a key with a large weight and a small value moves nothing.

    Parameters
    ----------
    v : array (..., Nk, Dv), or (Nk,)
    direction : array (..., Nq, Dv) or (Dv,), optional
        By default o_i / |o_i|^2 with o = P v, so that a row's terms sum to 1.
    k : int
        How many terms per query to list, by size; 0 for the totals alone.
    """

    v: Any
    direction: Any = None
    k: int = 0
    name: ClassVar[str] = "contribution"

    def __post_init__(self):
        object.__setattr__(self, "k", whole(self.k, "Contribution(k)", 0))


@dataclass(frozen=True, eq=False)
class Reads:
    """The answers of one look at the weights: attributes by read name, items by the read itself.

    Attributes
    ----------
    engine : str
        What ran, with why.
    empty : bool array (..., Nq)
        Queries that no key was allowed for: their output, masses and entropy are 0.
    """

    engine: str
    empty: Any
    values: dict[Read, Any] = field(repr=False)
    weights: Any = field(default=None, repr=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = [v for read, v in self.values.items() if read.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise AttributeError(f"{len(found)} reads are named {name}; take each as r[read]")
        known = ", ".join(dict.fromkeys(read.name for read in self.values)) or "nothing"
        raise AttributeError(f"{name} was not read; read were: {known}")

    def __getitem__(self, read: Read) -> Any:
        if read not in self.values:
            known = ", ".join(map(repr, self.values)) or "nothing"
            raise KeyError(f"{read!r} was not read; read were: {known}")
        return self.values[read]

    def __iter__(self) -> Iterator[Read]:
        return iter(self.values)

    def __contains__(self, name: str) -> bool:
        return any(read.name == name for read in self.values)
