"""Are the numbers fit to be used? Finite where they can be seen, unchanged since they were given."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from .accept import as_values
from .arrays import floats, lead_shape
from .ask import Ask
from .looking import reachable, run
from .problem import Problem
from .reads import Contribution, Moments, Read


def version(t: Tensor) -> int:
    return 0 if t.is_inference() else t._version


def head_groups(q: Tensor, k: Tensor) -> int:
    if q.ndim < 3 or k.ndim < 3 or q.shape[-3] % max(k.shape[-3], 1):
        raise ShapeError(
            f"gqa=True: the heads of q ({tuple(q.shape)}) are no multiple of those of k ({tuple(k.shape)})"
        )
    return q.shape[-3] // max(k.shape[-3], 1)


def all_finite(x: Tensor) -> bool:
    """True where every number is finite: told by their sum, unless that overflows."""
    x = x.detach()
    return bool(torch.isfinite(x.sum())) or bool(torch.isfinite(x).all())


def finite(problem: Problem) -> Problem:
    """Non-finite rows are an error where they can be seen, and absent where they cannot."""
    q, k = problem.unscaled, problem.k
    if all_finite(q) and all_finite(k):
        return problem
    bad_q, bad_k = (~torch.isfinite(x.detach()).all(-1) for x in (q, k))
    clean = replace(
        problem,
        unscaled=torch.where(bad_q[..., None], 0.0, q),
        k=torch.where(bad_k[..., None], 0.0, k),
        sink=None,
    )
    if bool(bad_k.any()):
        without_rows(k, bad_k, reachable(clean), "k")
    if bool(bad_q.any()):
        seen = torch.isfinite(run(clean.without_content(), Ask(), "tiled").lse)
        without_rows(q, bad_q, seen, "q")
    return replace(clean, sink=problem.sink)


def without_rows(x: Tensor, bad: Tensor, seen: Tensor, name: str) -> Tensor:
    wrong = bad & seen
    if bool(wrong.any()):
        where = tuple(int(n) for n in wrong.nonzero()[0])
        place = f"row {where[-1]}" + (f" of leading element {where[:-1]}" if len(where) > 1 else "")
        raise InputError(
            f"{name} is not finite in {place}", remedy="replace the value, or mask that row for every query"
        )
    return torch.where(bad[..., None], 0.0, x)


def fitted(read: Read, problem: Problem, groups: int) -> Read:
    """The read with its values as the problem needs them: finite where a key can be seen, a head for each
    of q's."""
    if isinstance(read, Moments):
        return replace(read, x=_seen(floats(read.x, "Moments(x)", like=problem.k), "Moments(x)", problem))
    if not isinstance(read, Contribution):
        return read
    v = as_values(read.v, "Contribution(v)", problem.k, None)
    v = v[:, None] if v.ndim == 1 else v
    if groups > 1:
        v = repeat_heads(v, problem.lead[-1], groups, "Contribution(v)")
    direction = read.direction
    if direction is not None:
        direction = floats(direction, "Contribution(direction)", like=problem.k)
        if not all_finite(direction):
            raise InputError("Contribution(direction) holds NaN or infinite values")
    for name, x in (("v", v), ("direction", direction)):
        lead = () if x is None else tuple(x.shape[:-2])
        if (
            lead
            and lead_shape(lead, problem.lead, names=(f"Contribution({name})", "weights")) != problem.lead
        ):
            raise ShapeError(
                f"Contribution({name}) has leading dimensions {lead}, the weights {problem.lead}",
                remedy="ask once for each of them, or repeat q",
            )
    return replace(read, v=_seen(v, "Contribution(v)", problem), direction=direction)


def _seen(x: Tensor, name: str, problem: Problem) -> Tensor:
    """Values of keys, 0 where they are not finite and no query can see their key."""
    if all_finite(x) or x.ndim < 1:
        return x
    rows = x[:, None] if x.ndim == 1 else x
    if rows.shape[-2] != problem.nk:
        return x  # what reads it says so
    clean = without_rows(rows, ~torch.isfinite(rows.detach()).all(-1), reachable(problem), name)
    return clean[:, 0] if x.ndim == 1 else clean


def repeat_heads(v: Tensor, heads: int, groups: int, name: str) -> Tensor:
    """Values with a head for each of k's, or of q's, as gqa=True shares them."""
    if v.ndim < 3 or v.shape[-3] in (1, heads):
        return v
    if v.shape[-3] * groups != heads:
        raise ShapeError(
            f"gqa=True: {name} has {v.shape[-3]} heads, {heads // groups} as k or {heads} as q were expected"
        )
    return v.repeat_interleave(groups, -3)
