"""The specification: the whole matrix, every quantity by its definition. Used by tests, never chosen."""

from __future__ import annotations

import itertools

import torch

from ..ask import Ask, Found
from ..problem import Problem, pad_last


def matrix(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights P (..., Nq, Nk) and logits, a row without any key being all zero."""
    logits = problem.logits(slice(0, problem.nq), slice(0, problem.nk))
    sink = problem.sink_rows()
    if sink is not None:
        logits = logits.expand(*problem.lead, *logits.shape[-2:])
    full = logits if sink is None else torch.cat([logits, sink.expand(*logits.shape[:-1], 1)], -1)
    empty = (full == -torch.inf).all(-1, keepdim=True)
    weights = torch.where(empty, 0.0, full).softmax(-1)
    weights = torch.where(empty, 0.0, weights)
    return weights, full


def solve(problem: Problem, ask: Ask) -> Found:
    """All that was asked, from the matrix."""
    problem_rows, nk = slice(0, problem.nq), problem.nk
    full, logits = matrix(problem)
    lead = problem.lead
    full, logits = full.expand(*lead, *full.shape[-2:]), logits.expand(*lead, *logits.shape[-2:])
    p, keys = full[..., :nk], logits[..., :nk]
    empty = (logits == -torch.inf).all(-1)
    safe = torch.where(empty[..., None], 0.0, logits)
    lse = torch.where(empty, -torch.inf, safe.logsumexp(-1))
    found = Found(lse, engine="dense")
    if ask.channels is not None:
        found.out = p @ ask.channels
    if ask.adjoint is not None:
        found.adjoint = p.double().mT @ ask.adjoint.double()
    if ask.entropy:
        found.entropy = -torch.where(
            full > 0, full * full.clamp_min(1e-300 if full.dtype == torch.float64 else 1e-38).log(), 0.0
        ).sum(-1)
    log_p = torch.where(full > 0, logits - torch.where(empty, 0.0, lse)[..., None], -torch.inf)
    for a in ask.powers:
        # log sum p**a, as log1p of sum p (p**(a - 1) - 1) where that keeps the digits of H near a = 1
        near = (full * ((a - 1.0) * log_p.masked_fill(full == 0, 0.0)).expm1()).sum(-1).log1p()
        found.powers += (near if abs(a - 1.0) < 0.25 else (a * log_p).exp().sum(-1).log(),)
    if ask.topk:
        found.topk = _largest(keys, p, min(ask.topk, nk), ask.topk)
    for share in ask.nucleus:
        ordered = p.double().sort(-1, descending=True).values.cumsum(-1)
        total = p.double().sum(-1, keepdim=True)
        short = ordered < share * total * (1 - 4 * torch.finfo(p.dtype).eps)
        found.nucleus += (torch.where(total[..., 0] > 0, short.sum(-1) + 1, 0),)
    for groups, count in ask.sums:
        found.sums += (torch.stack([p[..., groups == g].sum(-1) for g in range(count)], -1),)
    if ask.lag is not None:
        edges, x_q, x_k = ask.lag
        dx = difference(x_q, x_k, problem_rows)
        inside = [((dx >= a) & (dx < b)) for a, b in itertools.pairwise(edges)]
        inside[-1] = inside[-1] | (dx == edges[-1])
        found.lag = torch.stack([(p.double() * cell).sum((-2, -1)) for cell in inside], -1)
    if ask.contribution is not None:
        value, direction, k = ask.contribution
        terms = p * (direction @ value.mT)
        reach = torch.where(keys == -torch.inf, -torch.inf, terms.abs())
        found.contribution = _largest(reach, terms, min(k, nk), k)
    if ask.cross is not None:
        other = ask.cross.logits(problem_rows, slice(0, nk))
        gap = torch.where(p > 0, keys - other, torch.zeros_like(keys))
        found.cross = torch.where(p > 0, p * gap, torch.zeros_like(gap)).sum(-1)
    return found


def difference(x_q: torch.Tensor, x_k: torch.Tensor, rows: slice) -> torch.Tensor:
    """x_q - x_k for 1-D coordinates (n, m), Euclidean distance for (N, d) coordinates."""
    if x_q.ndim == 1:
        return x_q[rows, None] - x_k[None, :]
    return (
        torch.stack([(x_q[rows, None, c] - x_k[None, :, c]) ** 2 for c in range(x_q.shape[1])]).sum(0).sqrt()
    )


def _largest(
    rank: torch.Tensor, value: torch.Tensor, k: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    top = rank.topk(k, dim=-1)
    index = torch.where(top.values == -torch.inf, -1, top.indices)
    weight = torch.where(index < 0, 0.0, value.gather(-1, top.indices))
    return pad_last(weight, width), pad_last(index, width, -1)
