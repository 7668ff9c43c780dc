"""The one NumPy/torch boundary: NumPy in, NumPy out; torch in, torch out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError


def is_numpy(*values: Any) -> bool:
    """True where no torch tensor is among the values, so that results go back as NumPy arrays."""
    return not any(isinstance(v, Tensor) for v in values)


def tensor(value: Any, name: str) -> Tensor:
    """The value as a tensor that shares its memory where it can; floats keep their dtype.

    Raises
    ------
    InputError
        If the value is not an array of real numbers.
    """
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        remedy = {
            "M": 'subtract a start and divide: (t - t[0]) / np.timedelta64(1, "D")',
            "m": 'divide by a unit: dt / np.timedelta64(1, "D")',
        }.get(array.dtype.kind, "convert it first")
        raise InputError(
            f"{name} has dtype {array.dtype}, an array of real numbers was expected", remedy=remedy
        )
    if array.dtype == np.longdouble and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if any(stride < 0 for stride in array.strides) or not array.flags.writeable:
        array = array.copy()
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.as_tensor(array)


def floats(value: Any, name: str, *, like: Tensor | None = None) -> Tensor:
    """The value as a floating-point tensor; whole numbers become `like`'s dtype, or float64."""
    out = tensor(value, name)
    if out.is_complex():
        raise InputError(f"{name} has dtype {out.dtype}, real numbers were expected")
    if not out.is_floating_point():
        out = out.to(like.dtype if like is not None else torch.float64)
    return out.to(like.device) if like is not None and out.device != like.device else out


def indices(value: Any, name: str, *, device=None) -> Tensor:
    """The value as an int64 tensor; a boolean mask becomes the places where it is true.

    Raises
    ------
    InputError
        If the value holds anything but whole numbers.
    """
    out = tensor(value, name)
    if out.dtype == torch.bool:
        out = out.nonzero().squeeze(-1)
    if out.is_floating_point():
        if out.numel():
            raise InputError(f"{name} has dtype {out.dtype}, whole numbers were expected")
        out = out.long()
    return out.to(device=device, dtype=torch.int64)


def give(value: Any, as_numpy: bool) -> Any:
    """A result in the user's own kind of array; tuples are given element by element."""
    if isinstance(value, tuple):
        parts = [give(v, as_numpy) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if as_numpy and isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    return value


def lead_shape(*shapes: tuple[int, ...], names: Sequence[str] = ()) -> tuple[int, ...]:
    """Leading shapes broadcast together.

    Raises
    ------
    InputError
        If they do not broadcast.
    """
    distinct = {s for s in shapes if s}
    if len(distinct) < 2:
        return tuple(distinct.pop()) if distinct else ()
    try:
        return np.broadcast_shapes(*shapes)  # torch's own form imports sympy, 40 MB
    except ValueError:
        named = itertools.zip_longest(names, shapes, fillvalue="")
        listed = ", ".join(f"{name} {tuple(s)}".strip() for name, s in named)
        raise InputError(
            f"leading dimensions do not broadcast: {listed}", remedy="make them equal, or 1"
        ) from None


def lead_slice(value: Tensor, index: tuple[slice, ...], tail: int) -> Tensor:
    """A part of a tensor's leading dimensions; dimensions of size 1 (broadcast) are kept whole.

    ``index`` addresses the full leading shape; ``tail`` is the number of trailing dimensions.
    """
    lead = value.ndim - tail
    if lead <= 0:
        return value
    used = index[len(index) - lead :]
    return value[tuple(slice(None) if value.shape[d] == 1 else s for d, s in enumerate(used))]
