"""The one NumPy/torch boundary: NumPy in, NumPy out; torch in, torch out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
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
        if value.is_nested or value.layout != torch.strided:
            kind = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
            remedy = "pad it and mask the padding, or use Segments" if value.is_nested else "call .to_dense()"
            raise InputError(f"{name} is a {kind} tensor, a dense one was expected", remedy=remedy)
        if value.is_meta:
            raise InputError(f"{name} is on the meta device and holds no numbers")
        return value
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(
            f"{name} has {int(np.ma.count_masked(value))} masked entries, numbers were expected",
            remedy="fill them, or leave their keys out with priors.Mask",
        )
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise InputError(f"{name} is no array: {value!r:.60}; rows of equal length were expected") from None
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
    if out.is_floating_point() and out.element_size() == 1:
        raise InputError(f"{name} has dtype {out.dtype}, which cannot be added up", remedy="call .bfloat16()")
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


def whole(value: Any, name: str, least: int | None = None) -> int:
    """The value as an int.

    Raises
    ------
    InputError
        If it is no whole number, or less than ``least``.
    """
    try:
        number = int(value)
        good = number == value and (least is None or number >= least)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        good = False
    if not good:
        raise InputError(
            f"{name} is {value!r:.40}, a whole number{'' if least is None else f' >= {least}'} was expected"
        )
    return number


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


def lead_fold(x: Tensor, lead: tuple[int, ...]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Leading dimensions of ``x`` (..., N, C) that ``lead`` has not, as more channels, and the way back.

    Weights are the same for every element of such a dimension: they are formed once, and multiplied with all.
    """
    rank = max(x.ndim - 2, len(lead))
    own = (1,) * (rank - x.ndim + 2) + tuple(x.shape[:-2])
    theirs = (1,) * (rank - len(lead)) + lead
    spare = [d for d in range(rank) if theirs[d] == 1 and own[d] != 1]
    if not spare:
        return x, lambda out: out
    n, c = x.shape[-2:]
    kept = tuple(1 if d in spare else own[d] for d in range(rank))
    order = [d for d in range(rank) if d not in spare]
    x = x.reshape(*own, n, c).permute(*order, rank, *spare, rank + 1)
    x = x.reshape(*kept[rank - len(lead) :], n, math.prod(own[d] for d in spare) * c)

    def back(out: Tensor) -> Tensor:
        rows = out.shape[-2]
        out = out.reshape(*(theirs[d] for d in order), rows, *(own[d] for d in spare), c)
        place = [order.index(d) if d in order else len(order) + 1 + spare.index(d) for d in range(rank)]
        return out.permute(*place, len(order), out.ndim - 1)

    return x, back
