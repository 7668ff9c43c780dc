"""Row blocks in torch: every quantity, any prior, any device, linear memory, gradients by recomputation."""

from __future__ import annotations

import math
from dataclasses import fields

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..ask import Ask, Found
from ..problem import Problem, learning, pad_last
from .dense import difference

CELLS = 2**20  # scores that a tile may hold


def solve(problem: Problem, ask: Ask, cells: int = CELLS) -> Found:
    """All that was asked, one block of rows at a time."""
    split = _lead_split(problem, cells)
    if split is None:
        found = _rows(problem, ask, cells)
    else:
        found = _join([solve(problem.sliced(i), ask.sliced(i), cells) for i in split[1]], split[0])
    found.engine = "tiled"
    return found


def _lead_split(problem: Problem, cells: int) -> tuple[int, list[tuple[slice, ...]]] | None:
    """Which leading dimension to cut, and into which parts, so that a tile of full rows fits; else None."""
    lead = problem.lead
    per_row = math.prod(lead) * max(problem.nk, 1)
    wide = [d for d, n in enumerate(lead) if n > 1]
    if not wide or per_row * min(problem.nq, 64) <= cells:
        return None
    d = wide[0]
    inner = math.prod(lead[d + 1 :]) * max(problem.nk, 1) * max(min(problem.nq, 64), 1)
    step = max(1, cells // inner)
    if step >= lead[d]:
        return None
    whole = [slice(0, n) for n in lead]
    parts = [(*whole[:d], slice(a, min(a + step, lead[d])), *whole[d + 1 :]) for a in range(0, lead[d], step)]
    return d - len(lead), parts


# how many trailing dimensions each finding has
TAILS = {
    "lse": 1,
    "out": 2,
    "adjoint": 2,
    "entropy": 1,
    "powers": 1,
    "topk": 2,
    "nucleus": 1,
    "sums": 2,
    "lag": 1,
    "contribution": 2,
    "cross": 1,
}


def _join(parts: list[Found], dim: int, *, rows: bool = False) -> Found:
    """Blocks put together along a leading dimension, or along the queries (summing what sums over them)."""
    joined = {}
    for name, tail in TAILS.items():
        values = [getattr(part, name) for part in parts]
        if values[0] is None or values[0] == ():
            continue
        if rows and name in ("adjoint", "lag"):
            joined[name] = sum(values[1:], values[0])
            continue
        d = -tail if rows else dim - tail
        if isinstance(values[0], tuple):
            joined[name] = tuple(torch.cat(v, d) for v in zip(*values, strict=True))
        else:
            joined[name] = torch.cat(values, d)
    return Found(**joined)


def _rows(problem: Problem, ask: Ask, cells: int) -> Found:
    per_row = max(math.prod(problem.lead) * problem.nk, 1)
    step = max(1, min(cells // per_row, max(problem.nq, 1)))
    parts = []
    for start in range(0, max(problem.nq, 1), step):
        rows = slice(start, min(start + step, problem.nq))
        if learning(problem, ask) and step < problem.nq:
            parts.append(_recomputed(problem, ask, rows))
        else:
            parts.append(tile(problem, ask, rows))
    return parts[0] if len(parts) == 1 else _join(parts, 0, rows=True)


def _recomputed(problem: Problem, ask: Ask, rows: slice) -> Found:
    """The tile, remembered by its inputs alone: the backward pass computes it again."""
    shape: list = []

    def run(*_: Tensor):
        found = tile(problem, ask, rows)
        shape[:] = [
            (f.name, len(v) if isinstance(v, tuple) else None)
            for f in fields(found)
            if isinstance(v := getattr(found, f.name), (Tensor, tuple)) and v is not None
        ]
        flat = []
        for name, n in shape:
            value = getattr(found, name)
            flat.extend([value] if n is None else value)
        return tuple(flat)

    flat = list(checkpoint(run, problem.q, use_reentrant=False, preserve_rng_state=False))
    parts = {}
    for name, n in shape:
        parts[name] = flat.pop(0) if n is None else tuple(flat.pop(0) for _ in range(n))
    return Found(**parts)


def tile(problem: Problem, ask: Ask, rows: slice) -> Found:
    """All that was asked for a block of queries."""
    nk, lead = problem.nk, problem.lead
    n = rows.stop - rows.start
    logits = problem.logits(rows, slice(0, nk)).expand(*lead, n, nk)
    sink = problem.sink_rows(rows)
    top = logits.detach().amax(-1, keepdim=True) if nk else logits.new_full((*lead, n, 1), -torch.inf)
    if sink is not None:
        top = torch.maximum(top, sink.detach())
    top = torch.where(top == -torch.inf, torch.zeros_like(top), top)
    z = logits - top
    e = z.exp()
    total = e.sum(-1, keepdim=True)
    if sink is not None:
        z_sink = sink - top
        e_sink = z_sink.exp()
        total = total + e_sink
    empty = total == 0
    safe = torch.where(empty, torch.ones_like(total), total)
    log_total = safe.log()
    p = e / safe
    found = Found(torch.where(empty, -torch.inf, top + log_total)[..., 0])
    if ask.channels is not None:
        found.out = p @ ask.channels
    if ask.adjoint is not None:
        y = ask.adjoint[..., rows, :]
        found.adjoint = (p.mT @ y.to(p.dtype)).double()
    if ask.entropy:
        mean = (p * z.masked_fill(z == -torch.inf, 0.0)).sum(-1)
        if sink is not None:
            mean = mean + (e_sink / safe * z_sink)[..., 0]
        found.entropy = torch.where(empty[..., 0], 0.0, (log_total[..., 0] - mean).clamp_min(0.0))
    for a in ask.powers:
        held = log_power(p, z - log_total, a).sum(-1)
        if sink is not None:
            held = held + log_power(e_sink / safe, z_sink - log_total, a)[..., 0]
        found.powers += (torch.where(empty[..., 0], -torch.inf, finish_power(held, a)),)
    if ask.topk:
        found.topk = largest(z, p, ask.topk)
    if ask.nucleus:
        found.nucleus = _nucleus(p, ask.nucleus)
    for groups, count in ask.sums:
        found.sums += (p.new_zeros((*p.shape[:-1], count)).index_add(-1, groups, p),)
    if ask.lag is not None:
        found.lag = _lag(p, ask.lag, rows)
    if ask.contribution is not None:
        value, direction, k = ask.contribution
        terms = p * (direction[..., rows, :] @ value.mT)
        reach = terms.detach().abs().masked_fill(z == -torch.inf, -torch.inf)
        found.contribution = largest(reach, terms, k)
    if ask.cross is not None:
        gap = logits - ask.cross.logits(rows, slice(0, nk)).expand(logits.shape)
        found.cross = (p * torch.where(p > 0, gap, torch.zeros_like(gap))).sum(-1)
    return found


def largest(rank: Tensor, value: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k entries of the last dimension that rank highest; weight 0 and index -1 where there are fewer."""
    top = rank.detach().topk(min(k, rank.shape[-1]), dim=-1)
    index = torch.where(top.values == -torch.inf, -1, top.indices)
    weight = torch.where(index < 0, 0.0, value.gather(-1, top.indices))
    return pad_last(weight, k), pad_last(index, k, -1)


def log_power(p: Tensor, log_p: Tensor, a: float) -> Tensor:
    """What each weight adds to sum p**a; near a = 1, to sum p (p**(a - 1) - 1), which keeps the digits that
    H = log(sum p**a) / (1 - a) asks for."""
    if not near_one(a):
        return (a * log_p).exp()
    return p * ((a - 1.0) * log_p.masked_fill(p == 0, 0.0)).expm1()


def finish_power(held: Tensor, a: float) -> Tensor:
    """log sum p**a from the sum of what :func:`log_power` gives; 0 for an empty row."""
    return held.log1p() if near_one(a) else torch.where(held == 0, 1.0, held).log()


def near_one(a: float) -> bool:
    return abs(a - 1.0) < 0.25


def _nucleus(p: Tensor, shares: tuple[float, ...]) -> tuple[Tensor, ...]:
    held = p.detach().double().sort(-1, descending=True).values.cumsum(-1)
    total = held[..., -1:] if held.shape[-1] else held.new_zeros((*held.shape[:-1], 1))
    slack = 1 - 4 * torch.finfo(p.dtype).eps
    counts = ((held < share * total * slack).sum(-1) + 1 for share in shares)
    return tuple(torch.where(total[..., 0] > 0, count, 0) for count in counts)


def _lag(p: Tensor, lag: tuple[Tensor, Tensor, Tensor], rows: slice) -> Tensor:
    edges, x_q, x_k = lag
    bins = bin_of(difference(x_q, x_k, rows), edges).reshape(-1)
    flat = p.reshape(*p.shape[:-2], -1).double()
    held = flat.new_zeros((*flat.shape[:-1], edges.numel() + 1)).index_add(-1, bins, flat)
    return held[..., 1:-1]


def bin_of(dx: Tensor, edges: Tensor) -> Tensor:
    """Bin number 1..B of each difference, 0 and B + 1 for those outside; the last bin holds its right end."""
    bins = torch.bucketize(dx.contiguous(), edges, right=True)
    return torch.where(dx == edges[-1], edges.numel() - 1, bins)
