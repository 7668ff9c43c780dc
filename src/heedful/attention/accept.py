"""What a caller gives, checked before anything is computed: got, expected, what to do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import InputError, ShapeError
from .arrays import floats
from .prior import Prior
from .reads import Read


def as_priors(given: Any, nq: int, nk: int) -> tuple[Prior, ...]:
    """One prior or several, each fit for nq queries and nk keys."""
    if isinstance(given, (Tensor, np.ndarray)):
        raise InputError(
            f"priors holds an array of shape {tuple(given.shape)}, a Prior was expected",
            remedy="values go to W @ v or W.read(v, ...), a mask to priors.Mask(mask)",
        )
    priors = (given,) if isinstance(given, Prior) else tuple(given)
    for prior in priors:
        if not isinstance(prior, Prior):
            what = type(prior).__name__
            raise InputError(f"priors holds a {what}, a Prior was expected", remedy="see heedful.priors")
        prior.check(nq, nk)
    return priors


def as_scale(scale: Any, features: int) -> Any:
    """The content's factor: finite, 1 / sqrt(D) by default."""
    if scale is None:
        return 1.0 / math.sqrt(max(features, 1))
    if isinstance(scale, Tensor):
        return scale
    if not isinstance(scale, (int, float, np.number)) or not math.isfinite(scale):
        raise InputError(
            f"scale is {scale!r}, a finite number was expected", remedy="leave it out for 1 / sqrt(D)"
        )
    return float(scale)


def as_sink(sink: Any, q: Tensor) -> Tensor:
    """A sink's logit that broadcasts against (..., Nq, 1)."""
    out = floats(sink, "sink", like=q)
    wide = out.ndim and out.shape[-1] != 1
    if wide or (out.ndim > 1 and out.shape[-2] not in (1, q.shape[-2])):
        raise InputError(
            f"sink has shape {tuple(out.shape)}; a single number, (H, 1, 1) per head or "
            f"({q.shape[-2]}, 1) per query was expected"
        )
    return out


def as_values(v: Any, name: str, like: Tensor, lead: tuple[int, ...] | None) -> Tensor:
    """Values of keys, or of queries, whose leading dimensions fit ``lead``; None leaves that open."""
    if isinstance(v, Read) or (isinstance(v, (list, tuple)) and any(isinstance(x, Read) for x in v)):
        raise InputError(f"{name} holds reads", remedy="write W.read(v, [...]) or W.read(reads=[...])")
    x = floats(v, name, like=like)
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
    wanted = [reads] if isinstance(reads, (Read, str)) or not isinstance(reads, Sequence) else list(reads)
    for read in wanted:
        if not isinstance(read, Read):
            raise InputError(f"{read!r:.60} is not a read; use heedful.reads, for instance reads.TopK(8)")
    return wanted
