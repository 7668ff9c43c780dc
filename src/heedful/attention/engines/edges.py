"""Lists of pairs instead of a matrix: cost and memory follow the number of pairs the priors allow."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..ask import Ask, Found
from ..prior import Prior, Support
from ..problem import Problem, learning, pad_last
from . import lists
from .tiled import _join, bin_of, finish_power, log_power

PRODUCTS = 2**22  # numbers that a gathered block may hold


def solve(problem: Problem, ask: Ask, owner: Prior, support: Support) -> Found:
    """All that was asked, over the listed pairs; ``owner`` is the prior whose pairs they are."""
    if lists.fits(problem, ask, support):
        return lists.solve(problem, ask, owner, support)
    wide = [d for d, n in enumerate(support.lead) if n > 1]
    if wide:
        found = _per_lead(problem, ask, owner, support)
    else:
        found = _shared(problem, ask, owner, Support(support.indptr, support.indices, (), support.log_weight))
    found.engine = "edges"
    return found


def _per_lead(problem: Problem, ask: Ask, owner: Prior, support: Support) -> Found:
    """Pairs that differ between leading elements: one element after the other, put together again."""
    lead, nq = problem.lead, problem.nq
    own = (1,) * (len(lead) - len(support.lead)) + support.lead
    slot = problem.priors.index(owner)

    def descend(d: int, index: tuple[slice, ...], flat: int) -> Found:
        if d == len(lead):
            a = flat * nq
            ptr = support.indptr[a : a + nq + 1]
            part = Support(ptr - ptr[0], support.indices[ptr[0] : ptr[-1]])
            rest = replace(problem, priors=problem.priors[:slot] + problem.priors[slot + 1 :])
            return _shared(rest.sliced(index), ask.sliced(index), None, part, lead_of=problem, index=index)
        if own[d] == 1:
            return descend(d + 1, (*index, slice(0, lead[d])), flat)
        parts = [descend(d + 1, (*index, slice(i, i + 1)), flat * own[d] + i) for i in range(own[d])]
        return _join(parts, d - len(lead))

    return descend(0, (), 0)


def _shared(
    problem: Problem,
    ask: Ask,
    owner: Prior | None,
    support: Support,
    lead_of: Problem | None = None,
    index=(),
) -> Found:
    lead = problem.lead
    if lead_of is not None:
        lead = tuple(len(range(*s.indices(n))) for s, n in zip(index, lead_of.lead, strict=True))
    indptr = support.indptr
    width = max(problem.k.shape[-1], 1 if ask.channels is None else ask.channels.shape[-1])
    budget = max(1, PRODUCTS // max(math.prod(lead) * width, 1))
    cuts = _cuts(indptr, budget)
    recompute = learning(problem, ask) and len(cuts) > 2
    parts = []
    for a, b in itertools.pairwise(cuts):
        args = (problem, ask, owner, support, lead, a, b)
        if recompute:
            parts.append(Found(**checkpoint(_as_dict, *args, use_reentrant=False, preserve_rng_state=False)))
        else:
            parts.append(_block(*args))
    return parts[0] if len(parts) == 1 else _join(parts, 0, rows=True)


def _as_dict(*args) -> dict:
    return {name: value for name, value in vars(_block(*args)).items() if value is not None}


def _cuts(indptr: Tensor, budget: int) -> list[int]:
    """Rows at which to cut so that each block holds at most ``budget`` pairs, or one row."""
    rows = indptr.numel() - 1
    cuts = [0]
    while cuts[-1] < rows:
        limit = indptr[cuts[-1]] + budget
        stop = int(torch.searchsorted(indptr, limit, right=True)) - 1
        cuts.append(min(max(stop, cuts[-1] + 1), rows))
    return cuts if rows else [0, 0]


def _block(
    problem: Problem, ask: Ask, owner: Prior | None, support: Support, lead: tuple, a: int, b: int
) -> Found:
    """All that was asked for the queries a..b - 1."""
    ptr = support.indptr[a : b + 1]
    device = problem.k.device
    local = (ptr - ptr[0]).to(device)
    first, last = int(ptr[0]), int(ptr[-1])
    j = support.indices[first:last].to(device)
    row = torch.repeat_interleave(torch.arange(b - a, device=device), local.diff())
    i = row + a
    n, edges = b - a, j.numel()
    logits = problem.edge_logits(i, j, skip=owner)
    if support.log_weight is not None:
        logits = logits + support.log_weight[..., first:last].to(device=device, dtype=logits.dtype)
    logits = logits.expand(*lead, edges)
    sink = problem.sink_rows(slice(a, b))

    def per_row(x: Tensor) -> Tensor:
        return x.new_zeros((*x.shape[:-1], n)).index_add(-1, row, x)

    top = logits.new_full((*lead, n), -torch.inf)
    top = top.scatter_reduce(-1, row.expand(*lead, edges), logits.detach(), "amax")
    if sink is not None:
        top = torch.maximum(top, sink.detach()[..., 0])
    top = torch.where(top == -torch.inf, torch.zeros_like(top), top)
    z = logits - top[..., row]
    e = z.exp()
    total = per_row(e)
    if sink is not None:
        z_sink = sink[..., 0] - top
        e_sink = z_sink.exp()
        total = total + e_sink
    empty = total == 0
    safe = torch.where(empty, torch.ones_like(total), total)
    log_total = safe.log()
    p = e / safe[..., row]
    found = Found(torch.where(empty, -torch.inf, top + log_total))
    if ask.channels is not None:
        terms = p[..., None] * ask.channels[..., j, :]
        found.out = terms.new_zeros((*terms.shape[:-2], n, terms.shape[-1])).index_add(-2, row, terms)
    if ask.adjoint is not None:
        terms = (p[..., None] * ask.adjoint[..., i, :].to(p.dtype)).double()
        shape = (*terms.shape[:-2], problem.nk, terms.shape[-1])
        found.adjoint = terms.new_zeros(shape).index_add(-2, j, terms)
    if ask.entropy:
        mean = per_row(p * z.masked_fill(z == -torch.inf, 0.0))
        if sink is not None:
            mean = mean + e_sink / safe * z_sink
        found.entropy = torch.where(empty, 0.0, (log_total - mean).clamp_min(0.0))
    for power in ask.powers:
        held = per_row(log_power(p, z - log_total[..., row], power))
        if sink is not None:
            held = held + log_power(e_sink / safe, z_sink - log_total, power)
        found.powers += (torch.where(empty, -torch.inf, finish_power(held, power)),)
    if ask.topk:
        found.topk = _largest(z, p, row, local, j, n, ask.topk)
    if ask.nucleus:
        found.nucleus = _nucleus(p, row, local, n, ask.nucleus)
    for groups, count in ask.sums:
        held = p.new_zeros((*lead, n * count)).index_add(-1, row * count + groups[j], p)
        found.sums += (held.reshape(*lead, n, count),)
    if ask.lag is not None:
        bins_edges, x_q, x_k = ask.lag
        dx = x_q[i] - x_k[j] if x_q.ndim == 1 else (x_q[i] - x_k[j]).square().sum(-1).sqrt()
        held = p.new_zeros((*lead, bins_edges.numel() + 1), dtype=torch.float64)
        found.lag = held.index_add(-1, bin_of(dx, bins_edges), p.double())[..., 1:-1]
    if ask.contribution is not None:
        value, direction, k = ask.contribution
        terms = p * (direction[..., i, :] * value[..., j, :]).sum(-1)
        reach = terms.detach().abs().masked_fill(z == -torch.inf, -torch.inf)
        found.contribution = _largest(reach, terms, row, local, j, n, k)
    if ask.cross is not None:
        gap = logits - ask.cross.edge_logits(i, j)
        found.cross = per_row(p * torch.where(p > 0, gap, torch.zeros_like(gap)))
    return found


def _ordered(rank: Tensor, row: Tensor) -> Tensor:
    """The pairs by row, and within a row from the highest rank down; ties by key."""
    by_rank = rank.detach().argsort(dim=-1, descending=True, stable=True)
    return by_rank.gather(-1, row[by_rank].argsort(dim=-1, stable=True))


def _largest(rank, value, row, local, j, n: int, k: int) -> tuple[Tensor, Tensor]:
    order = _ordered(rank, row)
    place = torch.arange(row.numel(), device=row.device) - local[row]
    most = min(k, int(local.diff().max()) if n else 0)
    kept = place < most
    cell = (row * max(most, 1) + place)[kept]
    picked = order[..., kept]
    weight = value.gather(-1, picked)
    index = j[picked].masked_fill(rank.detach().gather(-1, picked) == -torch.inf, -1)
    weight = weight.masked_fill(index < 0, 0.0)
    shape = value.shape[:-1]
    out_w = weight.new_zeros((*shape, n * max(most, 1))).index_copy(-1, cell, weight)
    out_j = index.new_full((*shape, n * max(most, 1)), -1).index_copy(-1, cell, index)
    fold = (*shape, n, max(most, 1))
    return pad_last(out_w.reshape(fold), k), pad_last(out_j.reshape(fold), k, -1)


def _nucleus(p, row, local, n: int, shares: tuple[float, ...]) -> tuple[Tensor, ...]:
    exact = p.detach().double()
    held = exact.gather(-1, _ordered(p, row)).cumsum(-1)
    padded = torch.nn.functional.pad(held, (1, 0))
    before, total = padded[..., local[:-1]], padded[..., local[1:]] - padded[..., local[:-1]]
    inside = held - before[..., row]
    slack = 1 - 4 * torch.finfo(p.dtype).eps
    counts = []
    for share in shares:
        short = (inside < (share * total * slack)[..., row]).double()
        count = short.new_zeros((*short.shape[:-1], n)).index_add(-1, row, short).long() + 1
        counts.append(torch.where(total > 0, count, 0))
    return tuple(counts)
