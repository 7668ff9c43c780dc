"""Are the numbers fit to be used? Finite where they can be seen, unchanged since they were given."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from .ask import Ask
from .looking import reachable, run
from .problem import Problem


def version(t: Tensor) -> int:
    return 0 if t.is_inference() else t._version


def head_groups(q: Tensor, k: Tensor) -> int:
    if q.ndim < 3 or k.ndim < 3 or q.shape[-3] % k.shape[-3]:
        raise ShapeError(
            f"gqa=True: the heads of q ({tuple(q.shape)}) are no multiple of those of k ({tuple(k.shape)})"
        )
    return q.shape[-3] // k.shape[-3]


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
