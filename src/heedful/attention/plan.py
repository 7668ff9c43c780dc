"""Which engine answers, in how many passes, with how much memory, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ..errors import EngineError
from .ask import Ask, Found
from .engines import compiled, dense, edges, fused, gemm, tiled
from .problem import Problem

ENGINES = ("auto", "dense", "fused", "compiled", "tiled", "edges")
SPARSE = 0.25  # share of allowed pairs below which listing them pays


@dataclass(frozen=True)
class Plan:
    """The choice for one question, readable: ``tiled: top-k needs tiles; 1 pass; 33 MB``."""

    engine: str
    reason: str
    passes: int
    bytes: int

    def __str__(self) -> str:
        passes = "1 pass" if self.passes == 1 else f"{self.passes} passes"
        return f"{self.engine}: {self.reason}; {passes}; {max(self.bytes, 1) / 2**20:.3g} MB"


def choose(problem: Problem, ask: Ask, engine: str = "auto") -> Plan:
    """The engine that will answer; an explicit one never falls back.

    Raises
    ------
    EngineError
        If the engine asked for cannot answer this question.
    """
    lead, nq, nk = math.prod(problem.lead), problem.nq, problem.nk
    item = problem.k.element_size()
    channels = 0 if ask.channels is None else ask.channels.shape[-1]
    inputs = item * lead * (nq + nk) * (problem.k.shape[-1] + channels)
    if engine == "dense":
        return Plan("dense", "asked for", 1, inputs + 4 * item * lead * nq * nk)
    sparse = problem.sparsest
    if engine == "edges" or (engine == "auto" and sparse is not None):
        if sparse is None:
            raise EngineError(
                "engine='edges' needs a prior that lists its pairs: Nearest, Within, Graph, "
                "Window or Segments"
            )
        pairs = sparse[1].indices.numel()
        groups = max(math.prod(sparse[1].lead), 1)
        share = pairs / groups / max(nq * nk, 1)
        if engine == "edges" or share <= SPARSE:
            name = type(sparse[0]).__name__
            reason = f"{name} allows {share:.2%} of the pairs" if engine == "auto" else "asked for"
            return Plan("edges", reason, 1, inputs + 4 * item * lead * (pairs // groups))
    obstacle = fused.fits(problem, ask)
    if engine == "fused":
        if obstacle:
            raise EngineError(f"engine='fused': {obstacle}; leave engine='auto'")
        return Plan("fused", "asked for", _fused_passes(problem, ask), inputs)
    if engine in ("auto", "compiled"):
        refusal = compiled.fits(problem, ask)
        if engine == "compiled" and refusal:
            raise EngineError(f"engine='compiled': {refusal}; leave engine='auto'")
        if engine == "compiled" or (not refusal and (obstacle or _product_pays(problem, ask))):
            rows = min(compiled.CELLS, lead * nq * nk)
            reason = (
                "asked for" if engine == "compiled" else (obstacle or "its matrix product is faster here")
            )
            return Plan("compiled", reason, 1, inputs + item * torch.get_num_threads() * rows)
    wide = _fused_passes(problem, ask)
    if engine == "auto" and obstacle is None and wide == 1:
        return Plan("fused", "products of the weights, priors as extra channels", 1, inputs)
    cell = min(tiled.CELLS, lead * nq * nk)
    reason = (
        "asked for"
        if engine == "tiled"
        else (obstacle or f"one tile serves what would be {wide} fused passes")
    )
    return Plan("tiled", reason, 1, inputs + 4 * item * max(cell, lead * nk))


def _product_pays(problem: Problem, ask: Ask) -> bool:
    """True where two oneDNN products and a pass beat the stock fused kernel, or it would need two passes."""
    return (gemm.onednn() and problem.nk >= 512) or _fused_passes(problem, ask) > 1


def _fused_passes(problem: Problem, ask: Ask) -> int:
    width = max(problem.k.shape[-1], 64)
    channels = 0 if ask.channels is None else ask.channels.shape[-1]
    return max(1, -(-(channels + (problem.k.shape[-1] if ask.entropy else 0)) // width))


def solve(problem: Problem, ask: Ask, engine: str = "auto") -> Found:
    """Ask the engine that the plan names."""
    plan = choose(problem, ask, engine)
    if plan.engine == "edges":
        owner, support = problem.sparsest
        return edges.solve(problem, ask, owner, support)
    return {"dense": dense, "fused": fused, "compiled": compiled, "tiled": tiled}[plan.engine].solve(
        problem, ask
    )
