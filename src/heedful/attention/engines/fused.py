"""Stock fused kernels: gates and bilinear priors as extra channels, P.T by exchanging q and k.

The only file that names private aten operators; `available()` tries them once against a formula.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from ..ask import Ask, Found
from ..priors import Gate, Mask
from ..problem import Problem, pad_last
from ..supports import Causal
from .backward import once

_FORWARD = "_scaled_dot_product_flash_attention_for_cpu"


@functools.cache
def available() -> bool:
    """True where this torch offers the fused CPU forward and backward with lse, and they answer rightly."""
    try:
        q = torch.linspace(-1, 1, 12).reshape(1, 1, 3, 4)
        out, lse = getattr(torch.ops.aten, _FORWARD)(q, q, q, 0.0, False, attn_mask=None, scale=1.0)
        s = q @ q.mT
        grads = _backward(torch.ones_like(out), q, q, q, out, lse, False, None)
        return (
            torch.allclose(out, s.softmax(-1) @ q, atol=1e-5)
            and torch.allclose(lse, s.logsumexp(-1), atol=1e-5)
            and len(grads) == 3
        )
    except Exception:  # a private operator may change its name, its arguments or its results
        return False


def fits(problem: Problem, ask: Ask) -> str | None:
    """None where the fused kernels can answer; else the reason why not."""
    if problem.k.device.type != "cpu":
        return "the fused engine reads lse on CPU only"
    if not available():
        return "this torch has no fused CPU kernel that returns lse"
    if not ask.products_only:
        return "order statistics and column sums need tiles"
    if problem.sink is not None:
        return "a sink needs tiles"
    if problem.nq == 0 or problem.nk == 0:
        return "there is nothing to fuse"
    for prior in problem.priors:
        if isinstance(prior, Causal):
            if prior.offset or problem.nq != problem.nk:
                return "a shifted causal prior needs tiles"
        elif isinstance(prior, Mask):
            if prior.keep.ndim > 1 and prior.keep.shape[-2] != 1:
                return "a mask per pair needs tiles"
        elif isinstance(prior, Gate) and prior.key() is None:
            return "an infinite gate needs tiles"
        elif prior.key() is None and prior.bilinear() is None:
            return f"{type(prior).__name__} is neither a key gate nor bilinear"
    return None


def _extended(problem: Problem) -> tuple[Tensor, Tensor, Tensor | None, bool]:
    """q and k with the priors as extra channels, a key mask (..., 1, Nk) or None, whether it is causal."""
    lead, nq, nk = problem.lead, problem.nq, problem.nk
    q, k = [problem.q.expand(*lead, nq, -1)], [problem.k.expand(*lead, nk, -1)]
    keep, causal, dtype = None, False, problem.k.dtype
    for prior in problem.priors:
        if isinstance(prior, Causal):
            causal = True
        elif isinstance(prior, Mask):
            mask = prior.keep if prior.keep.ndim > 1 else prior.keep[None]
            keep = mask if keep is None else keep & mask
        elif (gate := prior.key()) is not None:
            q.append(q[0].new_ones((*lead, nq, 1)))
            k.append(gate.to(dtype)[..., None].expand(*lead, nk, 1))
        else:
            phi, psi = prior.bilinear()
            q.append(phi.to(dtype).expand(*lead, nq, -1))
            k.append(psi.to(dtype).expand(*lead, nk, -1))
    mask = None
    if keep is not None:
        mask = torch.zeros(keep.shape, dtype=dtype).masked_fill(~keep.expand(*keep.shape[:-1], nk), -math.inf)
    one = len(q) == 1
    return (q[0] if one else torch.cat(q, -1)), (k[0] if one else torch.cat(k, -1)), mask, causal


def _fold(x: Tensor) -> Tensor:
    """Any leading dimensions as the (batch, head) that the kernel wants."""
    if x.ndim == 4:
        return x
    return x[(None,) * (4 - x.ndim)] if x.ndim < 4 else x.reshape(math.prod(x.shape[:-3]), *x.shape[-3:])


def _dense_rows(x: Tensor) -> Tensor:
    """The tensor with each row's numbers side by side; the kernel, unasked, takes that for granted."""
    width = x.shape[-1]
    side_by_side = x.stride(-1) == 1 or width == 1
    return x if side_by_side and (x.stride(-2) >= width or x.shape[-2] == 1) else x.contiguous()


def _folded_mask(mask: Tensor | None, lead: tuple[int, ...], nq: int, nk: int) -> Tensor | None:
    if mask is None:
        return None
    if all(n == 1 for n in mask.shape[:-2]):
        return mask.reshape(1, 1, 1, nk).expand(1, 1, nq, nk)
    return _fold(mask.expand(*lead, 1, nk)).expand(-1, -1, nq, nk)


def solve(problem: Problem, ask: Ask) -> Found:
    """P @ channels, lse and entropy by the fused kernel."""
    lead, nq, nk = problem.lead, problem.nq, problem.nk
    q, k, mask, causal = _extended(problem)
    parts = [] if ask.channels is None else [ask.channels.expand(*lead, nk, -1)]
    wanted = sum(p.shape[-1] for p in parts)
    if ask.entropy:
        parts.append(k)
    q4, k4, mask4 = _fold(q), _fold(k), _folded_mask(mask, lead, nq, nk)
    values = torch.cat(parts, -1) if len(parts) > 1 else (parts[0] if parts else k.new_zeros((*lead, nk, 1)))
    width = max(q.shape[-1], min(values.shape[-1], max(q.shape[-1], 64)))
    q4, k4 = pad_last(q4, width), pad_last(k4, width)
    outs, lse = [], None
    for a in range(0, max(values.shape[-1], 1), width):
        piece = values[..., a : a + width]
        out, lse = FusedForward.apply(q4, k4, _fold(pad_last(piece, width)), mask4, causal)
        outs.append(out[..., : piece.shape[-1]])
    out = torch.cat(outs, -1) if len(outs) > 1 else outs[0]
    out = out.reshape(*lead, nq, out.shape[-1])
    lse = lse.reshape(*lead, nq)
    if mask is not None:
        # the kernel reports lse = 0 for a row without any key
        empty = (mask == -math.inf).all(-1).expand(*lead, nq) if not causal else _causal_empty(mask, lead, nq)
        lse = torch.where(empty, -torch.inf, lse)
        out = torch.where(empty[..., None], 0.0, out)
    found = Found(lse, engine="fused")
    if ask.channels is not None:
        found.out = out[..., :wanted]
    if ask.entropy:
        mean = (q * out[..., wanted:]).sum(-1)
        held = torch.where(lse == -torch.inf, torch.zeros_like(lse), lse - mean)
        found.entropy = held.clamp_min(0.0)
    return found


def cancels(found: Found) -> bool:
    """True where entropy = lse - E[logit] loses its digits: a small difference of two large numbers."""
    lse = found.lse.detach()
    size = torch.where(lse == -torch.inf, 0.0, lse).abs()
    return lse.numel() > 0 and float(size.amax()) > (64.0 if lse.dtype == torch.float32 else 2.0**18)


def _causal_empty(mask: Tensor, lead: tuple[int, ...], nq: int) -> Tensor:
    kept = (mask[..., 0, :] != -math.inf).expand(*lead, mask.shape[-1])
    return kept.long().cumsum(-1)[..., :nq] == 0


def adjoint(problem: Problem, lse: Tensor, y: Tensor) -> Tensor:
    """P.T @ y as a forward with q and k exchanged and -lse as the gate of each query (not differentiable).

    P.T y = exp(lse') * softmax over queries of (s_ij - lse_i) applied to y, lse' its log-partition.
    """
    lead, nq, nk = problem.lead, problem.nq, problem.nk
    q, k, mask, causal = _extended(problem)
    live = lse > -torch.inf
    gate = torch.where(live, -lse, torch.zeros_like(lse)).expand(*lead, nq)
    q = torch.cat([q, gate[..., None].to(q.dtype)], -1)
    k = torch.cat([k, k.new_ones((*k.shape[:-1], 1))], -1)
    if causal:  # key j is seen by queries i >= j: reversed, that is causal again
        q, k, y = q.flip(-2), k.flip(-2), y.flip(-2)
        live = live.flip(-1)
    row_mask = None
    if not bool(live.all()):
        row_mask = torch.zeros(live.shape, dtype=q.dtype).masked_fill(~live, -math.inf)[..., None, :]
    width = max(q.shape[-1], min(y.shape[-1], 64))
    q4, k4 = _fold(pad_last(q, width)), _fold(pad_last(k, width))
    mask4 = _folded_mask(row_mask, lead, nk, nq)
    outs, back = [], None
    y = y.to(q.dtype).expand(*lead, nq, -1)
    for a in range(0, max(y.shape[-1], 1), width):
        piece = y[..., a : a + width]
        out, back = FusedForward.apply(k4, q4, _fold(pad_last(piece, width)), mask4, causal)
        outs.append(out[..., : piece.shape[-1]])
    out = torch.cat(outs, -1).reshape(*lead, nk, y.shape[-1]).double()
    back = back.reshape(*lead, nk).double()
    result = out * back.exp()[..., None]
    if causal:
        result = result.flip(-2)
    if row_mask is not None:
        seen = live.any(-1)[..., None, None]
        result = torch.where(seen, result, 0.0)
    if mask is not None:
        result = torch.where((mask == -math.inf).mT.expand(*lead, nk, 1), 0.0, result)
    return result


class FusedForward(torch.autograd.Function):
    """The fused forward with a gradient through lse too: one more channel, value 0 and cotangent 1."""

    @staticmethod
    def forward(ctx, q, k, v, mask, causal):
        q, k, v = (_dense_rows(x) for x in (q, k, v))
        with torch.no_grad():
            out, lse = getattr(torch.ops.aten, _FORWARD)(q, k, v, 0.0, causal, attn_mask=mask, scale=1.0)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.mask, ctx.causal = mask, causal
        return out, lse

    @staticmethod
    def backward(ctx, g_out, g_lse):
        with torch.no_grad():
            found = FusedForward._gradients(ctx, g_out, g_lse)
        return *once(found, *ctx.saved_tensors, g_out, g_lse), None, None

    @staticmethod
    def _gradients(ctx, g_out, g_lse):
        q, k, v, out, lse = ctx.saved_tensors
        width = q.shape[-1]
        if g_lse is not None and bool((g_lse != 0).any()):
            # d lse / d s_ij = p_ij: a channel whose value is 0, cotangent 1 and output -g_lse adds p_ij g_lse
            g_out = torch.zeros_like(out) if g_out is None else g_out
            v = torch.cat([v, v.new_zeros((*v.shape[:-1], 1))], -1)
            out = torch.cat([out, -g_lse[..., None].to(out.dtype)], -1)
            g_out = torch.cat([g_out, g_out.new_ones((*g_out.shape[:-1], 1))], -1)
            q, k = pad_last(q, width + 1), pad_last(k, width + 1)
        g_q, g_k, g_v = _backward(g_out.contiguous(), q, k, v, out, lse, ctx.causal, ctx.mask)
        return g_q[..., :width], g_k[..., :width], g_v[..., :width]


def _backward(g_out, q, k, v, out, lse, causal, mask):
    operator = getattr(torch.ops.aten, _FORWARD + "_backward")
    return operator(g_out, q, k, v, out, lse, 0.0, causal, attn_mask=mask, scale=1.0)
