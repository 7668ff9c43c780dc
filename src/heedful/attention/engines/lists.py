"""The compiled form of the edges engine: float32 on CPU, pairs shared by all leading elements."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..ask import Ask, Found
from ..prior import Prior, Support
from ..problem import Problem, learning
from .compiled import LOG2E, TOP, available
from .pool import spread

SMALL = 2048  # queries below which one thread does it all


def fits(problem: Problem, ask: Ask, support: Support) -> bool:
    """True where the compiled passes answer; the torch form of the edges engine does the rest."""
    if not available() or problem.k.device.type != "cpu" or problem.k.dtype != torch.float32:
        return False
    if problem.sink is not None or any(n > 1 for n in support.lead) or not problem.nq or not problem.nk:
        return False
    if ask.powers or ask.nucleus or ask.lag or ask.contribution or ask.cross is not None or ask.topk > TOP:
        return False
    if ask.adjoint is not None and ask.adjoint.shape[-1] != 1:
        return False
    return not (learning(problem, ask) and (ask.adjoint is not None or ask.topk))


def solve(problem: Problem, ask: Ask, owner: Prior, support: Support) -> Found:
    """All that was asked, over the listed pairs."""
    lead, nq, nk = problem.lead, problem.nq, problem.nk
    heads = math.prod(lead)

    def flat(x: Tensor) -> Tensor:
        return x.expand(*lead, *x.shape[-2:]).reshape(heads, *x.shape[-2:]).contiguous()

    def shaped(x: Tensor) -> Tensor:
        return x.reshape(*lead, *x.shape[1:])

    bias = _bias(problem, owner, support, heads)
    values = problem.k.new_zeros((nk, 1)) if ask.channels is None else ask.channels
    out, lse, entropy, p = Listed.apply(
        flat(problem.q), flat(problem.k), flat(values), bias, support.indptr, support.indices
    )
    found = Found(shaped(lse), engine="edges")
    if ask.channels is not None:
        found.out = shaped(out)
    if ask.entropy:
        found.entropy = shaped(entropy)
    if ask.adjoint is not None or ask.topk:
        _sums_and_tops(found, ask, p, support, lead, (nq, nk))
    return found


def _bias(problem: Problem, owner: Prior, support: Support, heads: int) -> Tensor:
    """What the priors add on each pair, natural base (1 or heads, E); no column where nothing is added."""
    others = [prior for prior in problem.priors if prior is not owner]
    parts = []
    if others:
        counts = support.indptr.diff()
        i = torch.repeat_interleave(torch.arange(counts.numel()), counts)
        parts = [prior.pair(i, support.indices).float() for prior in others]
    if support.log_weight is not None:
        parts.append(support.log_weight.float())
    if not parts:
        return problem.k.new_zeros((1, 0))
    edges = support.indices.numel()
    total = sum(parts[1:], parts[0])
    if math.prod(total.shape[:-1]) == 1:
        return total.expand(*total.shape[:-1], edges).reshape(1, edges).contiguous()
    return total.expand(*problem.lead, edges).reshape(heads, edges).contiguous()


def _sums_and_tops(found: Found, ask: Ask, p: Tensor, support: Support, lead: tuple, sizes: tuple) -> None:
    from . import jit_edges

    (nq, nk), heads = sizes, p.shape[0]
    indptr, indices = support.indptr.numpy(), support.indices.numpy()
    if ask.adjoint is not None:
        held = torch.zeros(heads, nk, dtype=torch.float64)
        y = ask.adjoint[..., 0]
        y = y.reshape(1, nq) if math.prod(y.shape[:-1]) == 1 else y.expand(*lead, nq).reshape(heads, nq)
        jit_edges.columns(p.numpy(), y.float().contiguous().numpy(), indptr, indices, held.numpy())
        found.adjoint = held.reshape(*lead, nk, 1)
    if ask.topk:
        values, places = torch.empty(heads, nq, ask.topk), torch.empty(heads, nq, ask.topk, dtype=torch.int64)
        jit_edges.largest(p.numpy(), indptr, indices, ask.topk, values.numpy(), places.numpy())
        found.topk = values.reshape(*lead, nq, ask.topk), places.reshape(*lead, nq, ask.topk)


class Listed(torch.autograd.Function):
    """Attention over listed pairs (heads, N, features), with lse and entropy; differentiable throughout."""

    @staticmethod
    def forward(ctx, q, k, v, bias, indptr, indices):
        from . import jit_edges

        heads, nq = q.shape[:2]
        out, lse, entropy = q.new_empty(heads, nq, v.shape[2]), q.new_empty(heads, nq), q.new_empty(heads, nq)
        p = q.new_empty(heads, indices.numel())
        arrays = [x.numpy() for x in (q * LOG2E, k, v, bias * LOG2E, indptr, indices)]
        results = [x.numpy() for x in (p, out, lse, entropy)]
        spread(lambda _, part: jit_edges.forward(*arrays, *part, *results), _row_ranges(indptr))
        ctx.save_for_backward(q, k, v, bias, indptr, indices, p, out, entropy)
        ctx.mark_non_differentiable(p)
        return out, lse, entropy, p

    @staticmethod
    def backward(ctx, g_out, g_lse, g_entropy, _):
        from . import jit_edges

        q, k, v, bias, indptr, indices, p, out, entropy = ctx.saved_tensors
        parts = _row_ranges(indptr)
        workers = min(torch.get_num_threads(), len(parts))
        g_q, g_bias = torch.empty_like(q), q.new_empty(q.shape[0], bias.shape[1])
        g_k, g_v = q.new_zeros(workers, *k.shape), q.new_zeros(workers, *v.shape)
        arrays = [x.numpy() for x in (q, k, v, indptr, indices)]
        rest = [x.contiguous().numpy() for x in (p, out, entropy, g_out, g_lse, g_entropy)]

        def work(worker: int, part: tuple[int, int]) -> None:
            mine = (x.numpy() for x in (g_q, g_k[worker], g_v[worker], g_bias))
            jit_edges.backward(*arrays, *part, *rest, *mine)

        spread(work, parts)
        if bias.shape[1]:
            g_bias = g_bias if bias.shape[0] > 1 else g_bias.sum(0, keepdim=True)
        else:
            g_bias = None
        if workers == 1:
            return g_q, g_k[0], g_v[0], g_bias, None, None
        return g_q, g_k.sum(0), g_v.sum(0), g_bias, None, None


def _row_ranges(indptr: Tensor) -> list[tuple[int, int]]:
    """Rows in ranges of about equal numbers of pairs, one for each thread."""
    n = indptr.numel() - 1
    threads = torch.get_num_threads()
    if n < SMALL or threads == 1:
        return [(0, n)]
    targets = torch.linspace(0, float(indptr[-1]), threads + 1)[1:-1].long()
    cuts = [0, *torch.searchsorted(indptr, targets).clamp(0, n).tolist(), n]
    return [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]
