"""Gradients by recomputation for the compiled pass: two more products each way, memory linear.

dL/dlogit_ij = p_ij (dO_i . V_j - delta_i) - gH_i p_ij (log p_ij + H_i), with delta_i = dO_i . O_i - g_lse_i.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...errors import EngineError
from ..ask import Ask, Found
from ..problem import Problem
from . import gemm
from .passes import LN2, LOG2E, SHORT, add_priors, forward, prepare
from .pool import spread

CELLS = 2**19  # scores in a block of the backward pass: two such blocks live in each thread


def fits(problem: Problem, ask: Ask) -> str | None:
    """None where these gradients are implemented; else the reason why torch tiles must give them."""
    if ask.adjoint is not None or ask.topk:
        return "gradients of column sums and top-k need torch tiles"
    if ask.channels is not None and not ask.channels.shape[-1]:
        return "values without channels need torch tiles"
    if problem.nk < SHORT:
        return "gradients of short rows need torch tiles"
    with torch.no_grad():
        prepared = prepare(problem)
    if any(t.requires_grad for prior in prepared.rest for t in prior.tensors()):
        return "this prior learns through torch tiles"
    decay = prepared.decay
    if decay is not None and (decay.t_q.requires_grad or decay.t_k.requires_grad):
        return "learnable times need torch tiles"
    return None


def solve(problem: Problem, ask: Ask) -> Found:
    """Output, lse and entropy with gradients to q, k, the channels and the priors that ride along."""
    prepared = prepare(problem)  # differentiable: its channels carry the gates and bilinear priors
    rate = None if prepared.decay is None else prepared.decay.rates.reshape(())
    channels = ask.channels
    if channels is not None:
        lead = prepared.lead
        channels = channels.expand(*lead, *channels.shape[-2:]).reshape(
            prepared.q.shape[0], *channels.shape[-2:]
        )
    out, lse, entropy = Compiled.apply(prepared.q, prepared.k, channels, rate, prepared, ask.entropy)

    def shaped(x: Tensor) -> Tensor:
        return x.reshape(*prepared.lead, *x.shape[1:])

    found = Found(shaped(lse), engine="compiled")
    if channels is not None:
        found.out = shaped(out)
    if ask.entropy:
        found.entropy = shaped(entropy)
    return found


class Once(torch.autograd.Function):
    """First derivatives as they are; taken again they would be wrong, so that is said."""

    @staticmethod
    def forward(ctx, g, *_):
        return g.clone()

    @staticmethod
    def backward(ctx, *_):
        refuse()


def once(grads: tuple[Tensor | None, ...], *sources: Tensor | None) -> tuple[Tensor | None, ...]:
    """Gradients that may not be differentiated again, tied to what they were made of."""
    if not torch.is_grad_enabled():
        return grads
    held = [x for x in sources if x is not None]
    return tuple(None if g is None else Once.apply(g, *held) for g in grads)


class Through(torch.autograd.Function):
    """A value as it is, whose gradient may not be differentiated again."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return once((g,), *ctx.saved_tensors)[0]


def refuse(*_) -> None:
    raise EngineError(
        "second derivatives are taken by engine='tiled' and 'dense' alone, at temperatures that are numbers; "
        "name one of them when the Weights are made"
    )


class Compiled(torch.autograd.Function):
    """The compiled pass, differentiable in its base-2 queries, keys, channels and decay rate."""

    @staticmethod
    def forward(ctx, q, k, channels, rate, prepared, entropy):
        plain = replace(prepared, q=q.detach(), k=k.detach())
        found = forward(
            plain,
            Ask(
                channels=None
                if channels is None
                else channels.detach().reshape(*prepared.lead, *channels.shape[1:]),
                entropy=entropy,
            ),
        )
        n = q.shape[0]
        out = q.new_zeros(n, q.shape[1], 1) if channels is None else found.out.reshape(n, q.shape[1], -1)
        lse = found.lse.reshape(n, -1)
        held = found.entropy.reshape(n, -1) if entropy else torch.zeros_like(lse)
        ctx.save_for_backward(q, k, channels, rate, out, lse, held)
        ctx.plain, ctx.with_channels = plain, channels is not None
        return out, lse, held

    @staticmethod
    def backward(ctx, g_out, g_lse, g_entropy):
        with torch.no_grad():
            found = Compiled._gradients(ctx, g_out, g_lse, g_entropy)
        return *once(found, *ctx.saved_tensors, g_out, g_lse, g_entropy), None, None

    @staticmethod
    def _gradients(ctx, g_out, g_lse, g_entropy):
        q, k, channels, rate, out, lse, entropy = ctx.saved_tensors
        if channels is None:
            channels, g_out = k.new_zeros(k.shape[0], k.shape[1], 1), torch.zeros_like(out)
        g_out, live = g_out.contiguous(), lse > -torch.inf
        delta = (g_out * out).sum(-1) - torch.where(live, g_lse, 0.0)
        lse2 = torch.where(live, lse * LOG2E, lse)
        g_q, g_k, g_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(channels)
        n, (nq, nk) = q.shape[0], (q.shape[1], k.shape[1])
        wide = min(nk, 1024)
        tall = max(8, min(256, CELLS // wide))
        slopes = torch.zeros(n, -(-nk // wide), dtype=torch.float64)
        rows = range(0, nq, tall)
        shape = (torch.get_num_threads(), n, nq, q.shape[-1])
        held_q = torch.zeros(shape, dtype=q.dtype)
        turned = [q.mT.contiguous(), g_out.mT.contiguous()]

        def block(worker: int, part: tuple[int, int]) -> None:
            from . import jit

            l, c = part
            cols = slice(c, min(c + wide, nk))
            k_c, v_c = k[l, cols], channels[l, cols].contiguous()
            sum_k, sum_v = torch.zeros_like(k_c), torch.zeros_like(v_c)
            for a in rows:
                b = min(a + tall, nq)
                s = gemm.times_transposed(q[l, a:b], k_c)
                add_priors(s, ctx.plain, l, a, b, cols)
                g = gemm.times_transposed(g_out[l, a:b], v_c)
                jit.gradient(
                    s.numpy(), g.numpy(), lse2[l, a:b].numpy(), delta[l, a:b].numpy(),
                    g_entropy[l, a:b].numpy(), entropy[l, a:b].numpy(), 0, b - a,
                )  # fmt: skip
                if ctx.plain.decay is not None:
                    d = ctx.plain.decay
                    slopes[l, c // wide] -= jit.decay_slope(
                        g.numpy(), d.t_q.double().numpy()[a:b], d.t_k.double().numpy()[cols], 0, b - a
                    )
                sum_v += gemm.times_transposed(turned[1][l][:, a:b].contiguous(), s.t()).t()
                sum_k += gemm.times_transposed(turned[0][l][:, a:b].contiguous(), g.t()).t()
                held_q[worker, l, a:b] += gemm.times(g, k_c)
            g_v[l, cols] = sum_v
            g_k[l, cols] = sum_k * LN2

        spread(block, [(l, c) for l in range(n) for c in range(0, nk, wide)])
        torch.mul(held_q.sum(0), LN2, out=g_q)
        g_rate = None
        if rate is not None:
            g_rate = slopes.sum().to(rate.dtype)
        return g_q, g_k, (g_v if ctx.with_channels else None), g_rate
