"""Alternating timings in one process, and a row of a table."""

from __future__ import annotations

import time

import torch

D = 64


def alternate(works: dict, rounds: int = 7, wall: bool = False) -> dict[str, float]:
    """Median milliseconds of each callable, run in turn after one warm-up."""
    clock = time.perf_counter if wall else time.thread_time
    taken = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = clock()
            work()
            taken[name].append(clock() - start)
    return {name: 1e3 * sorted(t)[len(t) // 2] for name, t in taken.items()}


def data(*shape: int) -> tuple[torch.Tensor, ...]:
    """Seeded q, k, v of one shape."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*shape, generator=generator) for _ in range(3))


def row(work: str, ours: float, theirs: float, floor: str, goal: str, note: str) -> dict:
    return {
        "work": work,
        "ours / anchor": round(ours / theirs, 3),
        "floor": floor,
        "goal": goal,
        "ours ms": round(ours, 2),
        "anchor ms": round(theirs, 2),
        "anchor": note,
    }
