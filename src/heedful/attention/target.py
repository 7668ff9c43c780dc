"""A temperature for each query so that its weights spread over a wanted number of keys."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .arrays import floats, lead_shape
from .ask import Ask
from .engines import compiled
from .engines.backward import Through
from .engines.pool import spread
from .problem import Problem

LOG2E = math.log2(math.e)


@dataclass(frozen=True, eq=False)
class TargetKeys:
    """Choose each query's temperature so that its weights spread over K keys.

    With base measure pi (the priors alone) and weights p, solves exp(H(pi) - KL(p || pi)) = K per row;
    for a flat prior that is exp(entropy) = K. The left side falls as 1/T grows, so the answer is unique.
    Gradients flow through the solution by the implicit function theorem.

    Parameters
    ----------
    K : float, or array that broadcasts against (..., Nq)
        Effective keys, between the smallest that any temperature > 0 reaches and exp(H(pi)).
    tolerance : float
        Largest residual |log(left side) - log K| that is accepted over the scores as they are rounded.

    Raises
    ------
    InputError
        When the weights are first used, where K cannot be reached, with the row and the reason.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import TargetKeys, Weights
    >>> rng = np.random.default_rng(0)
    >>> W = Weights(rng.normal(size=(3, 8)), rng.normal(size=(20, 8)), temperature=TargetKeys(5.0))
    >>> W.effective_keys().round(6).tolist()
    [5.0, 5.0, 5.0]
    """

    K: Any
    tolerance: float = 1e-10
    iterations: int = 60


@dataclass(frozen=True)
class Solved:
    """What solving a block of rows gives, each (..., n, 1): beta = 1 / T, -1 where a row has no key,
    -2 and -3 where K is out of reach above and below; H(pi), the divergence that beta = inf would reach, and
    the slope of the divergence in log beta."""

    beta: Tensor
    entropy: Tensor
    ceiling: Tensor
    slope: Tensor


def solve_temperature(problem: Problem, target: TargetKeys) -> Tensor:
    """T (..., Nq, 1) for each query, differentiable in q, k, the priors and K."""
    k_target = floats(target.K, "TargetKeys(K)", like=problem.k).to(problem.k.dtype)
    if not bool((k_target.detach() >= 1).all()) or not bool(torch.isfinite(k_target.detach()).all()):
        raise InputError(f"TargetKeys(K) is {float(k_target.detach().min()):g}, at least 1 was expected")
    lead, nq, nk = problem.lead, problem.nq, problem.nk
    if lead_shape((*lead, nq), tuple(k_target.shape), names=("queries", "TargetKeys(K)")) != (*lead, nq):
        raise InputError(
            f"TargetKeys(K) has shape {tuple(k_target.shape)}, which does not broadcast against {(*lead, nq)}"
        )
    if not nq or not nk:
        return problem.k.new_ones((*lead, nq, 1))
    log_k = k_target.log().expand(*lead, nq)[..., None]
    learning = torch.is_grad_enabled() and (problem.requires_grad or k_target.requires_grad)
    with torch.no_grad():
        found = _solve(problem, log_k, target)
    beta = torch.where(found.beta <= 0, torch.finfo(problem.k.dtype).tiny ** 0.25, found.beta)
    return 1.0 / (_implicit(problem, beta, found, log_k) if learning else beta)


def _solve(problem: Problem, log_k: Tensor, target: TargetKeys) -> Solved:
    """Every row, block by block; each thread takes blocks of its own."""
    lead, nq = problem.lead, problem.nq
    fast = compiled.available() and problem.k.device.type == "cpu" and problem.k.dtype in _COMPILED
    base = problem.without_content() if problem.priors else None
    kept = problem.k.new_empty((4, *lead, nq, 1))
    step = max(1, compiled.CELLS // max(math.prod(lead) * problem.nk, 1))

    def block(_: int, a: int) -> None:
        rows = slice(a, min(a + step, nq))
        s = problem.q[..., rows, :] @ problem.k.mT
        s = s.expand(*lead, *s.shape[-2:]).contiguous()
        bias = None if base is None else base.logits(rows, slice(0, problem.nk)).expand(s.shape)
        solved = (_compiled_rows if fast else _tile_rows)(s, bias, log_k[..., rows, :].detach(), target)
        for n, name in enumerate(("beta", "entropy", "ceiling", "slope")):
            kept[n][..., rows, :] = getattr(solved, name)

    spread(block, range(0, nq, step))
    found = Solved(*kept)
    _refuse(found, log_k.detach())
    return found


_COMPILED = (torch.float32, torch.float64)


def _compiled_rows(s: Tensor, bias: Tensor | None, log_k: Tensor, target: TargetKeys) -> Solved:
    from .engines import jit_target

    nk = s.shape[-1]
    base = s.new_empty((s.numel() // nk, 0)) if bias is None else (bias * LOG2E).reshape(-1, nk).contiguous()
    out = torch.zeros((s.numel() // nk, 4), dtype=torch.float64)
    jit_target.rows(
        s.view(-1, nk).numpy(), base.numpy(), (log_k.double() * LOG2E).reshape(-1).numpy(),
        target.tolerance * LOG2E, target.iterations, s.dtype == torch.float32, 0, len(out), out.numpy(),
    )  # fmt: skip
    out[:, 1:] /= LOG2E
    return Solved(*(x.reshape(*s.shape[:-1], 1).to(s.dtype) for x in out.T))


def _statistics(s: Tensor, log_pi: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """KL(p || pi), E_p[s], Var_p(s) for p ~ pi exp(beta s); beta (..., n, 1)."""
    shifted = s - s.amax(-1, keepdim=True)
    logit = log_pi + beta * shifted
    log_z = logit.logsumexp(-1, keepdim=True)
    p = (logit - log_z).exp()
    mean = (p * shifted).sum(-1, keepdim=True)
    variance = (p * (shifted - mean).square()).sum(-1, keepdim=True)
    return beta * mean - log_z, mean, variance


def _tile_rows(s: Tensor, bias: Tensor | None, log_k: Tensor, target: TargetKeys) -> Solved:
    """By Newton's method in log beta inside a shrinking bracket, all rows of a block together."""
    log_pi = (torch.zeros_like(s) if bias is None else bias).log_softmax(-1)
    live = log_pi > -math.inf  # nowhere in a row without keys, whose log_pi is NaN
    log_pi = torch.where(live, log_pi, -math.inf)
    entropy = -torch.where(live, log_pi.exp() * log_pi, 0.0).sum(-1, keepdim=True)
    want = entropy - log_k  # the divergence to be reached
    most = torch.where(live, s, -math.inf).amax(-1, keepdim=True)
    s = torch.where(live, s - most, 0.0)
    width = s.abs().amax(-1, keepdim=True)
    ceiling = -torch.where(live & (s == 0), log_pi.exp(), 0.0).sum(-1, keepdim=True).log()
    tight = 64 * torch.finfo(s.dtype).eps * entropy.clamp_min(1.0)
    empty = ~live.any(-1, keepdim=True)
    flat = (width == 0) | (want.abs() <= tight)
    scale = width.clamp_min(torch.finfo(s.dtype).tiny)
    # beyond the rounding of a divergence there is nothing to be gained
    good = max(target.tolerance, 16 * torch.finfo(s.dtype).eps)
    low, high = torch.full_like(want, -40.0), torch.full_like(want, 60.0)  # log(beta * width)
    u = torch.zeros_like(want)
    for _ in range(target.iterations):
        beta = u.exp() / scale
        divergence, _, variance = _statistics(s, log_pi, beta)
        gap, slope = divergence - want, beta.square() * variance
        if bool((gap.abs() <= good * want.clamp_min(1.0)).logical_or(flat | empty).all()):
            break
        low, high = torch.where(gap < 0, u, low), torch.where(gap > 0, u, high)
        step = u - gap / slope.clamp_min(torch.finfo(s.dtype).tiny)
        moved = torch.where((step > low) & (step < high), step, 0.5 * (low + high))
        if bool((moved == u).all()):
            break
        u = moved
    beta = torch.where(flat, 0.0, u.exp() / scale)
    for code, where in ((-3.0, (want > tight) & (want >= ceiling)), (-2.0, want < -tight), (-1.0, empty)):
        beta = torch.where(where, code, beta)
    return Solved(beta, entropy, ceiling, torch.where(flat | empty, 0.0, slope))


def _refuse(found: Solved, log_k: Tensor) -> None:
    for code, why in (
        (-2, "the priors leave only {most:.4g} effective keys even when the content counts for nothing"),
        (-3, "its best keys alone are {least:.4g}, at any temperature"),
    ):
        bad = found.beta == code
        if bool(bad.any()):
            where = tuple(int(n) for n in bad[..., 0].nonzero()[0])
            most = float(found.entropy[where].exp())
            least = float((found.entropy - found.ceiling)[where].exp())
            raise InputError(
                f"TargetKeys({float(log_k[where].exp()):g}) cannot be reached for query {where[-1]}: "
                + why.format(most=most, least=least),
                remedy="choose another K for it",
            )


def _implicit(problem: Problem, beta: Tensor, found: Solved, log_k: Tensor) -> Tensor:
    """One Newton step whose value is nil and whose gradient is that of the solution.

    KL(p || pi) = beta E_p[s] - lse(beta s + log pi) + lse(log pi), so that its gradient needs one ordinary
    pass with the keys as values, in memory linear in N.
    """
    from .looking import run

    scaled = replace(problem, unscaled=problem.q * beta, factor=1.0)
    at = run(scaled, Ask(channels=problem.k), "auto")
    mean = (scaled.q * at.out).sum(-1, keepdim=True)
    empty = at.lse[..., None] == -torch.inf
    if problem.priors:
        plain = run(problem.without_content(), Ask(entropy=True), "auto")
        entropy, log_base = plain.entropy[..., None], plain.lse[..., None]
    else:
        entropy = log_base = torch.full_like(mean, math.log(problem.nk))
    left = entropy - (mean - torch.where(empty, 0.0, at.lse[..., None]) + torch.where(empty, 0.0, log_base))
    residual = left - log_k
    slope = -found.slope / beta
    still = (slope == 0) | empty
    step = (residual - residual.detach()) / torch.where(still, 1.0, slope)
    return Through.apply(beta - torch.where(still, 0.0, step))
