"""`attend`, the forward pass by its own name; `Attention`, the layer; `Stack`, layers seen through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, ShapeError
from .arrays import give, is_numpy, tensor
from .engines.pool import in_any_process
from .prior import Prior
from .weights import Weights


def attend(q: Any, k: Any, v: Any, priors: Prior | Iterable[Prior] = (), **options: Any) -> Any:
    """Scaled dot-product attention: exactly ``Weights(q, k, priors, **options) @ v``.

    Parameters
    ----------
    q, k, v : array (..., Nq, D), (..., Nk, D), (..., Nk, Dv)
    priors, **options
        As for :class:`Weights`.

    Returns
    -------
    array (..., Nq, Dv)

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import attend
    >>> attend(np.zeros((1, 2)), np.zeros((2, 2)), np.array([[0.0], [4.0]])).tolist()
    [[2.0]]
    """
    return Weights(q, k, priors, **options) @ v


class Attention(nn.Module):
    """Multi-head attention whose weights can be asked for.

    Called with ``(x, context, priors, **options)``; the options are those of :class:`Weights`, for instance
    ``engine="tiled"`` where the layer's gradients are themselves differentiated.

    Parameters
    ----------
    dim : int
        Width of the input and the output.
    heads : int
        A divisor of ``dim``.
    dim_context : int, optional
        Width of the context that is attended to; ``dim`` by default (self-attention).
    bias : bool
        Biases in the four projections.

    Examples
    --------
    >>> import torch
    >>> from heedful import Attention
    >>> layer = Attention(8, heads=2)
    >>> x = torch.zeros(3, 5, 8)
    >>> layer(x).shape, layer.weights(x).shape
    (torch.Size([3, 5, 8]), (3, 2, 5, 5))
    """

    def __init__(self, dim: int, heads: int, dim_context: int | None = None, bias: bool = True):
        super().__init__()
        if heads < 1 or dim % heads:
            raise InputError(f"dim {dim} is not a multiple of heads {heads}")
        self.dim, self.heads = dim, heads
        inner = dim if dim_context is None else dim_context
        self.query = nn.Linear(dim, dim, bias=bias)
        self.key = nn.Linear(inner, dim, bias=bias)
        self.value = nn.Linear(inner, dim, bias=bias)
        self.output = nn.Linear(dim, dim, bias=bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)

    def weights(
        self, x: Tensor, context: Tensor | None = None, priors: Prior | Sequence[Prior] = (), **options: Any
    ) -> Weights:
        """The layer's :class:`Weights` (..., heads, Nq, Nk) on this input."""
        context = x if context is None else context
        return Weights(self._split(self.query(x)), self._split(self.key(context)), priors, **options)

    def forward(
        self, x: Tensor, context: Tensor | None = None, priors: Prior | Sequence[Prior] = (), **options: Any
    ) -> Tensor:
        """The layer's output (..., Nq, dim)."""
        source = x if context is None else context
        mixed = self.weights(x, context, priors, **options) @ self._split(self.value(source))
        return self.output(mixed.transpose(-2, -3).flatten(-2))


class Stack:
    """Layers of weights seen through: attention rollout as an operator, in O(layers) passes.

    R = A_L ... A_1 with A_l = residual I + (1 - residual) mean over heads of P_l. Rows of R (what the output
    at a token draws on at the input) are ``Stack(...).T @ one_hot``. From Abnar & Zuidema (2020),
    arXiv:2005.00928.

    Parameters
    ----------
    layers : sequence of Weights (..., N, N)
        From the input upwards.
    residual : float in [0, 1]
        Share of the skip connection.
    heads : int or None
        The dimension of the heads, averaged over; None where there are none.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Stack, Weights
    >>> W = Weights(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)))
    >>> (Stack([W, W]).T @ np.array([1.0, 0.0])).tolist()
    [0.625, 0.375]
    """

    __array_ufunc__ = None

    def __init__(self, layers: Sequence[Weights], residual: float = 0.5, heads: int | None = -3):
        if not layers:
            raise InputError("Stack needs at least one layer")
        if not 0.0 <= residual <= 1.0:
            raise InputError(f"residual is {residual}, a share in [0, 1] was expected")
        for n, layer in enumerate(layers):
            if layer.shape[-1] != layer.shape[-2]:
                raise ShapeError(f"layer {n} is {layer.shape}; rollout needs as many queries as keys")
            if layer.shape[-1] != layers[0].shape[-1]:
                raise ShapeError(f"layer {n} has {layer.shape[-1]} tokens, layer 0 has {layers[0].shape[-1]}")
        if heads is not None and heads >= -2:
            raise InputError(f"heads is {heads}; a leading dimension counted from the end, -3 or below")
        self.layers, self.residual = tuple(layers), float(residual)
        self.heads = heads if heads is not None and len(layers[0].shape) >= -heads else None
        self._transposed = False

    @property
    def shape(self) -> tuple[int, ...]:
        lead = list(self.layers[0].shape)
        if self.heads is not None:
            lead.pop(self.heads)
        return tuple(lead)

    @property
    def T(self) -> Stack:
        flipped = object.__new__(Stack)
        flipped.__dict__.update(self.__dict__)
        flipped._transposed = not self._transposed
        return flipped

    @in_any_process
    def __matmul__(self, x: Any) -> Any:
        as_numpy = is_numpy(x) and all(w._as_numpy for w in self.layers)
        x = tensor(x, "x")
        vector = x.ndim == 1
        x = x[:, None] if vector else x
        for layer in reversed(self.layers) if self._transposed else self.layers:
            operator = layer.T if self._transposed else layer
            inner = x.unsqueeze(self.heads) if self.heads is not None and x.ndim >= -self.heads - 1 else x
            mixed = torch.as_tensor(operator @ inner)
            if self.heads is not None:
                mixed = mixed.mean(self.heads)
            x = self.residual * x + (1.0 - self.residual) * mixed
        return give(x[..., 0] if vector else x, as_numpy)
