"""When the compiled pass can answer, and how: without gradients, or with those of `backward`."""

from __future__ import annotations

import functools
import importlib.util
import math

import torch

from ..ask import Ask, Found
from ..problem import Problem, learning
from . import backward
from .passes import CELLS, SHORT, forward, prepare

TOP = 32  # largest k of the compiled lists: one score for each lane of the threshold


@functools.cache
def available() -> bool:
    """True where numba is installed."""
    return importlib.util.find_spec("numba") is not None


def fits(problem: Problem, ask: Ask) -> str | None:
    """None where the compiled pass can answer; else the reason why not."""
    if not available():
        return "numba is not installed"
    if problem.k.device.type != "cpu" or problem.k.dtype != torch.float32:
        return "the compiled pass is for float32 on CPU"
    if problem.sink is not None:
        return "a sink needs torch tiles"
    if ask.powers or ask.nucleus or ask.sums or ask.lag or ask.contribution or ask.cross is not None:
        return "this read needs torch tiles"
    if ask.topk > TOP:
        return f"top-k beyond {TOP} needs torch tiles"
    if not problem.nq or not problem.nk or not math.prod(problem.lead) or not problem.k.shape[-1]:
        return "there is nothing to compile for"
    if learning(problem, ask):
        return backward.fits(problem, ask)
    return None


def solve(problem: Problem, ask: Ask) -> Found:
    """All that was asked, with the pass of `passes`."""
    if learning(problem, ask):
        return backward.solve(problem, ask)
    with torch.no_grad():
        found = forward(prepare(problem, scaled=False), ask, short=_small(problem))
    return found


def _small(problem: Problem) -> bool:
    """True where whole matrices are taken together: short rows, and no prior to be added to a tile."""
    channels = all(p.key() is not None or p.bilinear() is not None for p in problem.priors)
    return problem.nk < SHORT and problem.nq * problem.nk <= 4 * CELLS and channels
