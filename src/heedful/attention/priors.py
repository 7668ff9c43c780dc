"""Field knowledge as log-weights: gates, biases, forgetting, locality. Supports are in `supports`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import InputError
from .arrays import floats, indices, tensor
from .prior import Prior, at, block, check_length, check_matrix, check_numbers, zeros_where


@dataclass(frozen=True, eq=False)
class Mask(Prior):
    """Keep some pairs, exclude the others.

    Parameters
    ----------
    keep : bool array that broadcasts against (..., Nq, Nk)
        True where query i may attend to key j. ``(Nk,)`` is a padding mask.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import attend, priors
    >>> q = k = np.zeros((2, 4)); v = np.array([[1.0], [3.0]])
    >>> attend(q, k, v, priors=[priors.Mask(np.array([True, False]))]).tolist()
    [[1.0], [1.0]]
    """

    keep: Any
    tails: ClassVar[dict[str, int]] = {"keep": 2}

    def __post_init__(self):
        keep = tensor(self.keep, "Mask(keep)")
        if keep.dtype != torch.bool:
            raise InputError(
                f"Mask(keep) has dtype {keep.dtype}, booleans were expected",
                remedy="for added log-weights use Bias",
            )
        self._set(keep=keep)

    def check(self, nq, nk):
        check_matrix("Mask(keep)", self.keep, nq, nk)

    def pair(self, i, j):
        return zeros_where(at(self.keep, i, j))

    def tile(self, rows, cols, device=None):
        return zeros_where(block(self.keep, rows, cols))


@dataclass(frozen=True, eq=False)
class Bias(Prior):
    """Any log-weight per pair; -inf excludes.

    Parameters
    ----------
    matrix : array that broadcasts against (..., Nq, Nk)
        Learnable if it is a tensor that requires grad.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> W = Weights(np.zeros((1, 2)), np.zeros((2, 2)), [priors.Bias(np.log([[1.0, 3.0]]))])
    >>> W.rows([0]).round(6).tolist()
    [[0.25, 0.75]]
    """

    matrix: Any
    tails: ClassVar[dict[str, int]] = {"matrix": 2}

    def __post_init__(self):
        matrix = floats(self.matrix, "Bias(matrix)")
        check_numbers("Bias(matrix)", matrix, infinite=True)
        self._set(matrix=matrix)

    def check(self, nq, nk):
        check_matrix("Bias(matrix)", self.matrix, nq, nk)

    def pair(self, i, j):
        return at(self.matrix, i, j)

    def tile(self, rows, cols, device=None):
        return block(self.matrix, rows, cols)


@dataclass(frozen=True, eq=False)
class Gate(Prior):
    """Trust or distrust keys, one by one or by source.

    Parameters
    ----------
    log_weight : array (..., Nk), or (..., G) where ``groups`` is given
        Added to the score of the key (of the key's group). Learnable if a tensor requires grad.
        -inf excludes the key.
    groups : int array (Nk,), optional
        The group of each key, 0..G-1; -1 leaves a key ungated.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> gate = priors.Gate(np.array([0.0, -np.inf]), groups=[0, 1, 1])
    >>> Weights(np.zeros((1, 2)), np.zeros((3, 2)), [gate]).rows([0]).tolist()
    [[1.0, 0.0, 0.0]]
    """

    log_weight: Any
    groups: Any = None
    tails: ClassVar[dict[str, int]] = {"log_weight": 1}

    def __post_init__(self):
        log_weight = floats(self.log_weight, "Gate(log_weight)")
        if log_weight.ndim == 0:
            raise InputError("Gate(log_weight) is a single number; one per key or per group was expected")
        check_numbers("Gate(log_weight)", log_weight, infinite=True)
        groups = None
        if self.groups is not None:
            groups = indices(self.groups, "Gate(groups)", device=log_weight.device)
            if groups.numel() and (int(groups.max()) >= log_weight.shape[-1] or int(groups.min()) < -1):
                raise InputError(
                    f"Gate(groups) runs from {int(groups.min())} to {int(groups.max())}, "
                    f"log_weight has {log_weight.shape[-1]} groups"
                )
        self._set(log_weight=log_weight, groups=groups)

    def check(self, nq, nk):
        if self.groups is None:
            check_length("Gate(log_weight)", self.log_weight.shape[-1], nk, "keys")
        else:
            check_length("Gate(groups)", self.groups.shape[-1], nk, "keys")

    def _per_key(self) -> Tensor:
        if self.groups is None:
            return self.log_weight
        groups = self.groups.to(self.log_weight.device)
        gated = self.log_weight[..., groups.clamp_min(0)]
        return torch.where(groups < 0, torch.zeros_like(gated), gated)

    def pair(self, i, j):
        return self._per_key()[..., j] + torch.zeros_like(i, dtype=self.log_weight.dtype)

    def tile(self, rows, cols, device=None):
        return self._per_key()[..., None, cols]

    def key(self):
        gate = self._per_key()
        return gate if bool(torch.isfinite(gate).all()) else None


@dataclass(frozen=True, eq=False)
class Decay(Prior):
    """Exponential forgetting: a key's weight halves with every half-life that has passed.

    pair = -rate |t_q - t_k|, with rate = ln 2 / half-life. Temperature divides the content alone, so a
    half-life stays a half-life at any temperature: of two keys equal in content, the one older by dt
    weighs 2**(-dt / half_life) of the other.

    Parameters
    ----------
    t_q, t_k : array (..., Nq), (..., Nk)
        Times of queries and keys, in the unit of the half-life.
    half_life, rate : array that broadcasts against (..., Nq, Nk)
        Give one of the two, both > 0 (rate 0 is no forgetting). 0-d for one, ``(Nk,)`` per key,
        ``(H, 1, 1)`` per head. Learnable if a tensor requires grad.
    past_only : bool
        Exclude keys later than the query (default).

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> days = np.array([0.0, 7.0, 14.0])
    >>> W = Weights(np.zeros((1, 2)), np.zeros((3, 2)), [priors.Decay([14.0], days, half_life=7.0)])
    >>> (W.rows([0]) * 7).round(6).tolist()
    [[1.0, 2.0, 4.0]]
    """

    t_q: Any
    t_k: Any
    half_life: Any = None
    rate: Any = None
    past_only: bool = True
    tails: ClassVar[dict[str, int]] = {"t_q": 1, "t_k": 1, "half_life": 2, "rate": 2}

    def __post_init__(self):
        t_q, t_k = floats(self.t_q, "Decay(t_q)"), floats(self.t_k, "Decay(t_k)")
        if (self.half_life is None) == (self.rate is None):
            raise InputError("Decay takes one of half_life= and rate=", remedy="rate = ln 2 / half_life")
        name = "half_life" if self.rate is None else "rate"
        value = floats(getattr(self, name), f"Decay({name})", like=t_q)
        for label, x in (("t_q", t_q), ("t_k", t_k), (name, value)):
            check_numbers(f"Decay({label})", x.detach())
        low = value.detach()
        if bool((low < 0).any()) or (name == "half_life" and bool((low == 0).any())):
            raise InputError(f"Decay({name}) is {float(low.min()):g}, more than 0 was expected")
        self._set(t_q=t_q, t_k=t_k, **{name: value})

    @property
    def rates(self) -> Tensor:
        """ln 2 / half-life, or the rate as it was given."""
        return self.rate if self.rate is not None else math.log(2.0) / self.half_life

    def check(self, nq, nk):
        check_length("Decay(t_q)", self.t_q.shape[-1] if self.t_q.ndim else 1, nq, "queries")
        check_length("Decay(t_k)", self.t_k.shape[-1] if self.t_k.ndim else 1, nk, "keys")
        check_matrix("Decay(rate)", self.rates, nq, nk)

    def _of(self, dt: Tensor, rate: Tensor) -> Tensor:
        score = -rate * dt.abs()
        return score.masked_fill(dt < 0, -math.inf) if self.past_only else score

    def pair(self, i, j):
        return self._of(self.t_q[..., i] - self.t_k[..., j], at(self.rates, i, j))

    def tile(self, rows, cols, device=None):
        dt = self.t_q[..., rows, None] - self.t_k[..., None, cols]
        return self._of(dt, block(self.rates, rows, cols))


@dataclass(frozen=True, eq=False)
class Gaussian(Prior):
    """Gaussian locality: pair = -|x_q - x_k|^2 / (2 sigma^2).

    Parameters
    ----------
    x_q, x_k : array (..., Nq, d), (..., Nk, d); a 1-D array is d = 1
        Coordinates, in the unit of sigma.
    sigma : float or 0-d tensor, or array that broadcasts against (..., Nq, Nk)
        Standard deviation, > 0. Learnable if a tensor requires grad.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> x = np.arange(3.0)
    >>> W = Weights(np.zeros((3, 1)), np.zeros((3, 1)), [priors.Gaussian(x, x, sigma=1.0)])
    >>> bool(np.isclose(W.rows([0])[0, 1] / W.rows([0])[0, 0], np.exp(-0.5)))
    True
    """

    x_q: Any
    x_k: Any
    sigma: Any
    tails: ClassVar[dict[str, int]] = {"x_q": 2, "x_k": 2, "sigma": 2}

    def __post_init__(self):
        x_q, x_k = coordinates(self.x_q, "Gaussian(x_q)"), coordinates(self.x_k, "Gaussian(x_k)")
        sigma = floats(self.sigma, "Gaussian(sigma)", like=x_q)
        same_dimension("Gaussian", x_q, x_k)
        check_numbers("Gaussian(sigma)", sigma.detach())
        if bool((sigma.detach() <= 0).any()):
            raise InputError(f"Gaussian(sigma) is {float(sigma.min()):g}, more than 0 was expected")
        self._set(x_q=x_q, x_k=x_k, sigma=sigma)

    def check(self, nq, nk):
        check_length("Gaussian(x_q)", self.x_q.shape[-2], nq, "queries")
        check_length("Gaussian(x_k)", self.x_k.shape[-2], nk, "keys")
        check_matrix("Gaussian(sigma)", self.sigma, nq, nk)

    def pair(self, i, j):
        squared = (self.x_q[..., i, :] - self.x_k[..., j, :]).square().sum(-1)
        return -squared / (2 * at(self.sigma, i, j) ** 2)

    def tile(self, rows, cols, device=None):
        squared = 0.0
        for c in range(self.x_q.shape[-1]):  # one coordinate at a time: no (n, m, d) block
            squared = squared + (self.x_q[..., rows, None, c] - self.x_k[..., None, cols, c]).square()
        return -squared / (2 * block(self.sigma, rows, cols) ** 2)

    def bilinear(self):
        if self.sigma.ndim:
            return None
        # centred, so that float32 keeps its digits
        centre = self.x_k.detach().mean(dim=-2, keepdim=True)
        x_q, x_k = (self.x_q - centre) / self.sigma, (self.x_k - centre) / self.sigma
        half_q, half_k = (-0.5 * x.square().sum(-1, keepdim=True) for x in (x_q, x_k))
        if not x_q.numel() or float(-(half_q.detach().amin() + half_k.detach().amin())) > 64.0:
            return None  # differences of large squares: the pairwise form keeps the digits
        phi = torch.cat([x_q, torch.ones_like(half_q), half_q], -1)
        return phi, torch.cat([x_k, half_k, torch.ones_like(half_k)], -1)


@dataclass(frozen=True, eq=False)
class Relative(Prior):
    """A table of log-weights by relative position, clipped at its ends (T5, Swin).

    pair = table[..., clip(index_q - index_k, -R, R) + R] for a table of 2 R + 1 entries.

    Parameters
    ----------
    table : array (..., 2 R + 1)
        Learnable if a tensor requires grad.
    index_q, index_k : int array (Nq,), (Nk,)
        Positions.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights, priors
    >>> before = priors.Relative(np.array([-np.inf, 0.0, 0.0]), np.arange(3), np.arange(3))
    >>> Weights(np.zeros((3, 1)), np.zeros((3, 1)), [before]).rows([0, 1]).round(3).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    """

    table: Any
    index_q: Any
    index_k: Any
    tails: ClassVar[dict[str, int]] = {"table": 1}

    def __post_init__(self):
        table = floats(self.table, "Relative(table)")
        if table.ndim == 0 or table.shape[-1] % 2 == 0:
            raise InputError(f"Relative(table) has shape {tuple(table.shape)}, 2 R + 1 entries were expected")
        check_numbers("Relative(table)", table, infinite=True)
        self._set(
            table=table,
            index_q=indices(self.index_q, "Relative(index_q)", device=table.device),
            index_k=indices(self.index_k, "Relative(index_k)", device=table.device),
        )

    def check(self, nq, nk):
        check_length("Relative(index_q)", self.index_q.shape[-1], nq, "queries")
        check_length("Relative(index_k)", self.index_k.shape[-1], nk, "keys")

    def pair(self, i, j):
        reach = self.table.shape[-1] // 2
        index_q, index_k = self.index_q.to(self.table.device), self.index_k.to(self.table.device)
        return self.table[..., (index_q[i] - index_k[j]).clamp(-reach, reach) + reach]


def coordinates(value: Any, name: str) -> Tensor:
    """Coordinates as (..., N, d); a 1-D array is d = 1."""
    x = floats(value, name)
    if x.ndim == 0:
        raise InputError(f"{name} is a single number; coordinates (N, d) were expected")
    x = x[:, None] if x.ndim == 1 else x
    check_numbers(name, x.detach())
    return x


def same_dimension(name: str, x_q: Tensor, x_k: Tensor) -> None:
    """Raise where queries and keys lie in spaces of different dimension."""
    if x_q.shape[-1] != x_k.shape[-1]:
        raise InputError(
            f"{name}: x_q has {x_q.shape[-1]} coordinates, x_k has {x_k.shape[-1]} "
            f"(x_q {tuple(x_q.shape)}, x_k {tuple(x_k.shape)})"
        )
