"""The compiled form of the edges engine: float32 on CPU."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from ..ask import Ask, Found
from ..prior import Prior, Support
from ..problem import Problem, learning
from .backward import refuse
from .compiled import TOP, available
from .passes import LOG2E
from .pool import spread

SMALL = 2048  # queries below which one thread does it all


def fits(problem: Problem, ask: Ask, support: Support) -> bool:
    """True where the compiled passes answer; the torch form of the edges engine does the rest."""
    if not available() or problem.k.device.type != "cpu" or problem.k.dtype != torch.float32:
        return False
    if problem.sink is not None or not problem.nq or not problem.nk or not math.prod(problem.lead):
        return False
    if ask.powers or ask.nucleus or ask.sums or ask.lag or ask.contribution or ask.cross is not None:
        return False
    if ask.topk > TOP:
        return False
    if ask.adjoint is not None and ask.adjoint.shape[-1] != 1:
        return False
    return not (learning(problem, ask) and (ask.adjoint is not None or ask.topk))


class Fold:
    """Elements with pairs of their own, one after another as one long problem; the others are heads."""

    def __init__(self, lead: tuple[int, ...], support: Support):
        own = (1,) * (len(lead) - len(support.lead)) + tuple(support.lead)
        wide = [d for d, n in enumerate(own) if n > 1]
        self.lead, self.order = lead, [d for d in range(len(lead)) if d not in wide] + wide
        self.groups = math.prod(lead[d] for d in wide)
        self.heads = math.prod(lead) // self.groups
        self.wide = wide

    def __call__(self, x: Tensor) -> Tensor:
        """(..., n, c) as (heads, groups n, c)."""
        tail = len(self.lead), len(self.lead) + 1
        x = x.expand(*self.lead, *x.shape[-2:]).permute(*self.order, *tail)
        return x.reshape(self.heads, self.groups * x.shape[-2], x.shape[-1]).contiguous()

    def back(self, x: Tensor, *shape: int) -> Tensor:
        """(heads, groups n, ...) as (..., *shape)."""
        x = x.reshape(*(self.lead[d] for d in self.order), *shape)
        inverse = sorted(range(len(self.order)), key=self.order.__getitem__)
        return x.permute(*inverse, *range(len(inverse), x.ndim))

    def elements(self) -> list[tuple[slice, ...]]:
        """Each group as slices of the leading dimensions, in the order of its pairs."""
        return [
            tuple(
                slice(i, i + 1) if (i := dict(zip(self.wide, place, strict=True)).get(d)) is not None
                else slice(None)
                for d in range(len(self.lead))
            )
            for place in itertools.product(*(range(self.lead[d]) for d in self.wide))
        ]  # fmt: skip


def solve(problem: Problem, ask: Ask, owner: Prior, support: Support) -> Found:
    """All that was asked, over the listed pairs."""
    nq, nk = problem.nq, problem.nk
    fold = Fold(problem.lead, support)
    bias = _bias(problem, owner, support, fold)
    starts, indices = None, support.indices
    if fold.groups > 1:
        counts = support.indptr[nq::nq] - support.indptr[:-1:nq]
        starts = torch.arange(0, fold.groups * nk, nk)
        indices = indices + torch.repeat_interleave(starts, counts)
    values = problem.k.new_zeros((nk, 1)) if ask.channels is None else ask.channels
    keep = learning(problem, ask) or ask.adjoint is not None or ask.topk > 0
    out, lse, entropy, p = listed(
        fold(problem.q), fold(problem.k), fold(values), bias, support.indptr, indices, keep
    )
    found = Found(fold.back(lse, nq), engine="edges")
    if ask.channels is not None:
        found.out = fold.back(out, nq, out.shape[-1])
    if ask.entropy:
        found.entropy = fold.back(entropy, nq)
    if ask.adjoint is not None or ask.topk:
        from . import jit_edges

        pairs = p.numpy(), support.indptr.numpy(), indices.numpy()
        if ask.adjoint is not None:
            held = torch.zeros(fold.heads, fold.groups * nk, dtype=torch.float64)
            y = fold(ask.adjoint)[..., 0].float().contiguous().numpy()
            jit_edges.columns(pairs[0], y, *pairs[1:], held.numpy())
            found.adjoint = fold.back(held, nk, 1)
        if ask.topk:
            values = torch.empty(fold.heads, fold.groups * nq, ask.topk)
            places = torch.empty(values.shape, dtype=torch.int64)
            jit_edges.largest(*pairs, ask.topk, values.numpy(), places.numpy())
            if starts is not None:
                first = starts.repeat_interleave(nq)[:, None]
                places = torch.where(places < 0, places, places - first)
            found.topk = fold.back(values, nq, ask.topk), fold.back(places, nq, ask.topk)
    return found


def _bias(problem: Problem, owner: Prior, support: Support, fold: Fold) -> Tensor:
    """What the priors add on each pair, natural base (1 or heads, E); no column where nothing is added."""
    nq, edges = problem.nq, support.indices.numel()
    total = support.log_weight
    others = [prior for prior in problem.priors if prior is not owner]
    parts = []
    for g, place in enumerate(fold.elements() if others else ()):
        ptr = support.indptr[g * nq : (g + 1) * nq + 1]
        i = torch.repeat_interleave(torch.arange(nq), ptr.diff())
        j = support.indices[int(ptr[0]) : int(ptr[-1])]
        kept = (prior if fold.groups == 1 else prior.sliced(place) for prior in others)
        part = sum(prior.pair(i, j).float() for prior in kept)
        alike = math.prod(part.shape[:-1]) == 1
        lead = [n if d not in fold.wide else 1 for d, n in enumerate(fold.lead)]
        parts.append(part.reshape(1, -1) if alike else part.expand(*lead, -1).reshape(fold.heads, -1))
    if parts:
        rows = max(part.shape[0] for part in parts)
        joined = torch.cat([part.expand(rows, -1) for part in parts], -1)
        total = joined if total is None else joined + _by_head(total.float(), fold, edges)
    elif total is not None:
        total = _by_head(total.float(), fold, edges)
    return problem.k.new_zeros((1, 0)) if total is None else total.contiguous()


def _by_head(x: Tensor, fold: Fold, edges: int) -> Tensor:
    """A weight per pair (..., E) as (1 or heads, E); pairs of each element's own carry one alone."""
    if math.prod(x.shape[:-1]) == 1:
        return x.expand(*x.shape[:-1], edges).reshape(1, edges)
    return x.expand(*fold.lead, edges).reshape(fold.heads, edges)


@torch.library.custom_op("heedful::listed", mutates_args=())
def listed(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor, indptr: Tensor, indices: Tensor, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention over listed pairs (heads, N, features): output, lse, entropy, and the weights (heads, E).

    Without ``keep`` there is no column of weights: what a gradient needs, and column sums and top-k.
    """
    from . import jit_edges

    heads, nq = q.shape[:2]
    out, lse, entropy = q.new_empty(heads, nq, v.shape[2]), q.new_empty(heads, nq), q.new_empty(heads, nq)
    p = q.new_empty(heads, indices.numel() if keep else 0)
    arrays = [x.numpy() for x in (q * LOG2E, k, v, bias * LOG2E, indptr, indices)]
    results = [x.numpy() for x in (p, out, lse, entropy)]
    spread(lambda _, part: jit_edges.forward(*arrays, *part, *results), _row_ranges(indptr))
    return out, lse, entropy, p


@listed.register_fake
def _(q, k, v, bias, indptr, indices, keep):
    heads, nq = q.shape[:2]
    row, p = q.new_empty(heads, nq), q.new_empty(heads, indices.numel() if keep else 0)
    return q.new_empty(heads, nq, v.shape[2]), row, torch.empty_like(row), p


@torch.library.custom_op("heedful::listed_backward", mutates_args=())
def listed_backward(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor, indptr: Tensor, indices: Tensor, p: Tensor, out: Tensor,
    entropy: Tensor, g_out: Tensor, g_lse: Tensor, g_entropy: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients of `listed` with respect to q, k, v and bias; those of its weights are not taken."""
    from . import jit_edges

    parts = _row_ranges(indptr)
    workers = max(min(torch.get_num_threads(), len(parts)), 1)
    g_q, g_bias = torch.empty_like(q), q.new_empty(q.shape[0], bias.shape[1])
    g_k, g_v = q.new_zeros(workers, *k.shape), q.new_zeros(workers, *v.shape)
    arrays = [x.numpy() for x in (q, k, v, indptr, indices)]
    rest = [x.contiguous().numpy() for x in (p, out, entropy, g_out, g_lse, g_entropy)]

    def work(worker: int, part: tuple[int, int]) -> None:
        mine = (x.numpy() for x in (g_q, g_k[worker], g_v[worker], g_bias))
        jit_edges.backward(*arrays, *part, *rest, *mine)

    spread(work, parts)
    g_bias = g_bias if bias.shape[0] > 1 else g_bias.sum(0, keepdim=True)
    if workers == 1:
        return g_q, g_k.squeeze(0), g_v.squeeze(0), g_bias
    return g_q, g_k.sum(0), g_v.sum(0), g_bias


@listed_backward.register_fake
def _(q, k, v, bias, *_):
    return tuple(torch.empty_like(x) for x in (q, k, v, bias))


def _remember(ctx, inputs, output) -> None:
    out, _, entropy, p = output
    ctx.save_for_backward(*inputs[:6], p, out, entropy)


def _gradients(ctx, g_out, g_lse, g_entropy, _):
    *inputs, p, out, entropy = ctx.saved_tensors
    grads = listed_backward(*inputs, p, out, entropy, g_out, g_lse, g_entropy)
    return *grads, None, None, None


listed.register_autograd(_gradients, setup_context=_remember)
listed_backward.register_autograd(lambda ctx, *_: refuse())


def _row_ranges(indptr: Tensor) -> list[tuple[int, int]]:
    """Rows in ranges of about equal numbers of pairs, one for each thread."""
    n = indptr.numel() - 1
    threads = torch.get_num_threads()
    if n < SMALL or threads == 1:
        return [(0, n)]
    targets = torch.linspace(0, float(indptr[-1]), threads + 1)[1:-1].long()
    cuts = [0, *torch.searchsorted(indptr, targets).clamp(0, n).tolist(), n]
    return [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]
