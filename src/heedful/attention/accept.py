"""What a caller gives, checked before anything is computed: got, expected, what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from .arrays import floats, indices, tensor
from .prior import Prior
from .reads import Read
from .target import TargetKeys


def as_priors(given: Any, nq: int, nk: int) -> tuple[Prior, ...]:
    """One prior or several, each fit for nq queries and nk keys."""
    if isinstance(given, (Tensor, np.ndarray)):
        raise InputError(
            f"priors holds an array of shape {tuple(given.shape)}, a Prior was expected",
            remedy="values go to W @ v or W.read(v, ...), a mask to priors.Mask(mask)",
        )
    if given is None:
        return ()
    one = isinstance(given, (Prior, type)) or not isinstance(given, Iterable)
    priors = (given,) if one else tuple(given)
    for prior in priors:
        if isinstance(prior, type):
            name = prior.__name__
            raise InputError(f"priors holds the class {name}, a prior was expected", remedy="call it")
        if not isinstance(prior, Prior):
            what = type(prior).__name__
            raise InputError(f"priors holds a {what}, a Prior was expected", remedy="see heedful.priors")
        prior.check(nq, nk)
    return priors


def as_pair(q: Any, k: Any) -> tuple[Tensor, Tensor]:
    """Queries and keys of as many features, on one device."""
    q, k = floats(q, "q"), floats(k, "k")
    if q.ndim < 2 or k.ndim < 2:
        raise ShapeError(f"q is {tuple(q.shape)}, k is {tuple(k.shape)}; (..., N, D) each was expected")
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(
            f"q has {q.shape[-1]} features per head, k has {k.shape[-1]} "
            f"(q {tuple(q.shape)}, k {tuple(k.shape)})",
            remedy="project one of them",
        )
    return q, k.to(q.device)


def as_scale(scale: Any, q: Tensor) -> Any:
    """The content's factor: finite, 1 / sqrt(D) by default."""
    if scale is None:
        return 1.0 / math.sqrt(max(q.shape[-1], 1))
    if isinstance(scale, Tensor):
        return as_factor(floats(scale, "scale", like=q), "scale", q)
    if not isinstance(scale, (int, float, np.number)) or not math.isfinite(scale):
        raise InputError(
            f"scale is {scale!r}, a finite number was expected", remedy="leave it out for 1 / sqrt(D)"
        )
    return float(scale)


def as_temperature(value: Any, q: Tensor) -> Tensor | TargetKeys:
    """A temperature as a tensor that broadcasts onto q, checked to be finite and > 0."""
    if isinstance(value, TargetKeys):
        return value
    t = floats(value, "temperature", like=q)
    low = as_factor(t, "temperature", q).detach()
    low = float(low if low.numel() == 1 else low.amin()) if low.numel() else 1.0
    if low <= 0:
        raise InputError(f"temperature is {low:g}, a finite number > 0 was expected")
    return t


def as_factor(x: Tensor, name: str, q: Tensor) -> Tensor:
    """A factor of the content: finite, one number, (H, 1, 1) per head or (Nq, 1) per query."""
    if x.numel() == 1 and x.ndim < 2:
        fits = True
    else:
        fits = x.ndim > 1 and x.shape[-1] == 1 and x.shape[-2] in (1, q.shape[-2])
    if not fits:
        raise InputError(
            f"{name} has shape {tuple(x.shape)}; a single number, (H, 1, 1) per head or "
            f"({q.shape[-2]}, 1) per query was expected"
        )
    still = x.detach()
    bad = [] if x.numel() == 1 and math.isfinite(still) else still[~torch.isfinite(still)].tolist()
    if bad:
        raise InputError(f"{name} is {bad[0]:g}, a finite number was expected")
    return x


def as_sink(sink: Any, q: Tensor) -> Tensor:
    """A sink's logit that broadcasts against (..., Nq, 1)."""
    out = floats(sink, "sink", like=q)
    wide = out.ndim and out.shape[-1] != 1
    if wide or (out.ndim > 1 and out.shape[-2] not in (1, q.shape[-2])):
        raise InputError(
            f"sink has shape {tuple(out.shape)}; a single number, (H, 1, 1) per head or "
            f"({q.shape[-2]}, 1) per query was expected"
        )
    if bool(torch.isnan(out.detach()).any()) or bool((out.detach() == torch.inf).any()):
        raise InputError("sink holds NaN or inf; finite numbers were expected, or -inf for no sink")
    return out


def as_values(v: Any, name: str, like: Tensor, lead: tuple[int, ...] | None) -> Tensor:
    """Values of keys, or of queries, whose leading dimensions fit ``lead``; None leaves that open."""
    if isinstance(v, Read) or (isinstance(v, (list, tuple)) and any(isinstance(x, Read) for x in v)):
        raise InputError(f"{name} holds reads", remedy="write W.read(v, [...]) or W.read(reads=[...])")
    x = floats(v, name, like=like)
    if x.ndim == 0:
        raise InputError(f"{name} is a single number; one row of values for each key was expected")
    if lead is not None and x.ndim > 2:
        try:
            np.broadcast_shapes(tuple(x.shape[:-2]), lead)
        except ValueError:
            raise ShapeError(
                f"{name} has leading dimensions {tuple(x.shape[:-2])}, the weights {lead}; "
                "they do not broadcast",
                remedy="repeat or index one of them",
            ) from None
    return x


def as_reads(reads: Any) -> list[Read]:
    """One read or several, as a list."""
    one = isinstance(reads, (Read, str, type)) or not isinstance(reads, Iterable)
    wanted = [reads] if one else list(reads)
    for read in wanted:
        if not isinstance(read, Read):
            raise InputError(f"{read!r:.60} is not a read; use heedful.reads, for instance reads.TopK(8)")
    return wanted


def as_taken_out(keys: Any, nk: int, device: torch.device) -> Tensor:
    """Keys to be taken out as booleans (..., nk), from their numbers or from such an array."""
    given = tensor(keys, "without(keys)").to(device)
    if given.dtype == torch.bool:
        if given.ndim == 0 or given.shape[-1] != nk:
            raise InputError(f"without(keys) has shape {tuple(given.shape)}, (..., {nk} keys) was expected")
        return given
    number = indices(given, "without(keys)", device=device)
    wrong = number[(number < 0) | (number >= nk)]
    if wrong.numel():
        raise InputError(f"without(keys) names key {int(wrong[0])}, there are {nk}: 0..{nk - 1}")
    mask = torch.zeros(nk, dtype=torch.bool, device=device)
    mask[number] = True
    return mask
