"""Temperature as (relative) maximum entropy: how far the content may move the weights from the priors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import InputError
from .arrays import floats, give, is_numpy
from .problem import Problem


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
        Largest residual |log(left side) - log K| that is accepted (in float64; float32 stops near 1e-6).

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


def as_temperature(value: Any, q: Tensor) -> Tensor | TargetKeys:
    """A temperature as a tensor that broadcasts onto q, checked to be finite and > 0."""
    if isinstance(value, TargetKeys):
        return value
    t = floats(value, "temperature", like=q)
    low = t.detach()
    if not bool((torch.isfinite(low) & (low > 0)).all()):
        raise InputError(f"temperature is {float(low.min()):g}, a finite number > 0 was expected")
    if t.ndim == 1 and t.numel() != 1:
        raise InputError(
            f"temperature has shape {tuple(t.shape)}; a single number, (H, 1, 1) per head or "
            "(Nq, 1) per query was expected"
        )
    return t


def _statistics(s: Tensor, log_pi: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """KL(p || pi), E_p[s], Var_p(s) for p ~ pi exp(beta s); beta (..., n, 1)."""
    shifted = s - s.amax(-1, keepdim=True)
    logit = log_pi + beta * shifted
    log_z = logit.logsumexp(-1, keepdim=True)
    p = (logit - log_z).exp()
    mean = (p * shifted).sum(-1, keepdim=True)
    variance = (p * (shifted - mean).square()).sum(-1, keepdim=True)
    return beta * mean - log_z, mean, variance


def _tile_beta(s: Tensor, log_pi: Tensor, log_k: Tensor, target: TargetKeys, first: int) -> Tensor:
    """1/T (..., n, 1) for one block of rows, by Newton's method in log(1/T) inside a shrinking bracket.

    ``s`` is 0 wherever ``log_pi`` is -inf.
    """
    live = torch.isfinite(log_pi)
    entropy = -torch.where(live, log_pi.exp() * log_pi, 0.0).sum(-1, keepdim=True)
    want = entropy - log_k  # the divergence to be reached
    most = torch.where(live, s, -math.inf).amax(-1, keepdim=True)
    s = torch.where(live, s - most, 0.0)
    spread = s.abs().amax(-1, keepdim=True)
    ceiling = -torch.where(live & (s == 0), log_pi.exp(), 0.0).sum(-1, keepdim=True).log()
    tight = 64 * torch.finfo(s.dtype).eps * entropy.clamp_min(1.0)
    empty = ~live.any(-1, keepdim=True)
    flat = (spread == 0) | (want.abs() <= tight)
    _refuse(empty, want, ceiling, entropy, log_k, tight, first)
    scale = spread.clamp_min(torch.finfo(s.dtype).tiny)
    # beyond the rounding of a divergence there is nothing to be gained
    good = max(target.tolerance, 16 * torch.finfo(s.dtype).eps)
    low, high = torch.full_like(want, -40.0), torch.full_like(want, 60.0)  # log(beta * spread)
    u = torch.zeros_like(want)
    for _ in range(target.iterations):
        beta = u.exp() / scale
        divergence, _, variance = _statistics(s, log_pi, beta)
        gap = divergence - want
        if bool((gap.abs() <= good * want.clamp_min(1.0)).logical_or(flat | empty).all()):
            break
        low, high = torch.where(gap < 0, u, low), torch.where(gap > 0, u, high)
        slope = beta.square() * variance
        step = u - gap / slope.clamp_min(torch.finfo(s.dtype).tiny)
        inside = (step > low) & (step < high)
        moved = torch.where(inside, step, 0.5 * (low + high))
        if bool((moved == u).all()):
            break
        u = moved
    beta = u.exp() / scale
    return torch.where(flat | empty, torch.full_like(beta, torch.finfo(s.dtype).tiny ** 0.25), beta)


def _refuse(empty, want, ceiling, entropy, log_k, tight, first: int) -> None:
    wide = ~empty & (want < -tight)
    narrow = ~empty & (want > tight) & (want >= ceiling)
    for bad, why in (
        (wide, "the priors leave only {most:.4g} effective keys even when the content counts for nothing"),
        (narrow, "its best keys are tied, so no temperature goes below {least:.4g}"),
    ):
        if bool(bad.any()):
            where = tuple(int(n) for n in bad[..., 0].nonzero()[0])
            most, least = float(entropy[where].exp()), float((entropy - ceiling)[where].exp())
            k = float(log_k.expand_as(entropy)[where].exp())
            raise InputError(
                f"TargetKeys({k:g}) cannot be reached for query {where[-1] + first}: "
                + why.format(most=most, least=least),
                remedy="choose another K for it",
            )


def solve_temperature(problem: Problem, target: TargetKeys) -> Tensor:
    """T (..., Nq, 1) for each query, differentiable in q, k, the priors and K."""
    k_target = floats(target.K, "TargetKeys(K)", like=problem.q).to(problem.q.dtype)
    if not bool((k_target.detach() >= 1).all()) or not bool(torch.isfinite(k_target.detach()).all()):
        raise InputError(f"TargetKeys(K) is {float(k_target.detach().min()):g}, at least 1 was expected")
    lead, nq, nk = problem.lead, problem.nq, problem.nk
    if not nq or not nk:
        return problem.q.new_ones((*lead, nq, 1))
    log_k = k_target.log().expand(*lead, nq)[..., None]
    base = problem.without_content()
    step = max(1, 2**20 // max(math.prod(lead) * nk, 1))
    learning = torch.is_grad_enabled() and (problem.requires_grad or k_target.requires_grad)
    parts = []
    for a in range(0, nq, step):
        rows = slice(a, min(a + step, nq))
        with torch.no_grad():
            s, log_pi = _content_and_base(problem, base, rows)
            beta = _tile_beta(s, log_pi, log_k[..., rows, :].detach(), target, a)
        if learning:
            beta = _implicit(problem, base, rows, beta, log_k[..., rows, :])
        parts.append(1.0 / beta)
    return torch.cat(parts, -2)


def _content_and_base(problem: Problem, base: Problem, rows: slice) -> tuple[Tensor, Tensor]:
    keys = slice(0, problem.nk)
    log_pi = base.logits(rows, keys)
    log_z = log_pi.logsumexp(-1, keepdim=True)
    log_pi = log_pi - torch.where(log_z == -math.inf, 0.0, log_z)
    s = problem.q[..., rows, :] @ problem.k[..., keys, :].mT
    s, log_pi = torch.broadcast_tensors(s, log_pi)
    s, log_pi = s.expand(*problem.lead, *s.shape[-2:]), log_pi.expand(*problem.lead, *s.shape[-2:])
    return torch.where(log_pi == -math.inf, 0.0, s), log_pi


def _implicit(problem: Problem, base: Problem, rows: slice, beta: Tensor, log_k: Tensor) -> Tensor:
    """One Newton step whose value is nil and whose gradient is that of the solution."""
    s, log_pi = _content_and_base(problem, base, rows)
    live = torch.isfinite(log_pi)
    safe = torch.where(live, log_pi, 0.0)
    entropy = -torch.where(live, safe.exp() * safe, 0.0).sum(-1, keepdim=True)
    divergence, _, variance = _statistics(s, torch.where(live, log_pi, -math.inf), beta)
    residual = entropy - divergence - log_k
    slope = -(beta * variance).detach()
    return beta - torch.where(
        slope == 0, 0.0, (residual - residual.detach()) / torch.where(slope == 0, 1.0, slope)
    )


def kkt_residual(weights: Any, scores: Any, prior: Any = None, temperature: float = 1.0) -> Any:
    """How far given weights are from the minimum-relative-entropy answer, per row.

    Weights maximise entropy relative to the prior at their mean score exactly where
    log p - log pi - s / T is one constant over a row's support (the KKT condition); the residual is half
    the range of that quantity, so 0 certifies optimality.

    Parameters
    ----------
    weights, scores : array (..., n)
        Rows of weights and their content scores.
    prior : array (..., n), optional
        Log base measure, unnormalised; -inf where excluded; flat by default.
    temperature : float

    Returns
    -------
    array (...)
        inf where a weight lies outside the prior's support, or is 0 inside it while its score is finite.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful.attention import kkt_residual
    >>> s = np.array([0.0, 1.0, 2.0]); p = np.exp(s) / np.exp(s).sum()
    >>> bool(kkt_residual(p, s) < 1e-12), bool(kkt_residual(p, s, temperature=1.1) > 0.05)
    (True, True)
    """
    as_numpy = is_numpy(weights, scores)
    p, s = floats(weights, "weights").double(), floats(scores, "scores").double()
    log_pi = torch.zeros_like(s) if prior is None else floats(prior, "prior").double().expand(s.shape)
    if p.shape != s.shape:
        raise InputError(f"weights {tuple(p.shape)} and scores {tuple(s.shape)} differ in shape")
    inside = log_pi > -math.inf
    multiplier = torch.where(inside, p.log() - log_pi - s / temperature, 0.0)
    wrong = ((p > 0) & ~inside) | ((p == 0) & inside & torch.isfinite(s))
    high = torch.where(inside, multiplier, -math.inf).amax(-1)
    low = torch.where(inside, multiplier, math.inf).amin(-1)
    residual = torch.where(wrong.any(-1), math.inf, 0.5 * (high - low))
    residual = torch.where(inside.any(-1), residual, 0.0)
    return give(residual, as_numpy)


class ScoreVariance(NamedTuple):
    """What :func:`score_variance` finds.

    ``measured`` and ``predicted`` = tr(Cq Ck) are of the un-scaled q.k (about its row and column means);
    ``scale`` = 1 / sqrt(tr(Cq Ck)) gives scores of variance 1, ``usual`` is 1 / sqrt(D);
    ``effective_keys``, ``jacobian_trace`` = mean of 1 - sum p^2 and ``saturated`` = share of rows with a
    weight above .99 describe the softmax at the usual scale.
    """

    measured: float
    predicted: float
    scale: float
    usual: float
    effective_keys: float
    jacobian_trace: float
    saturated: float


def score_variance(q: Any, k: Any) -> ScoreVariance:
    """Is 1 / sqrt(D) the right scale for these queries and keys?

    For centred, independent q and k, Var(q.k) = tr(Cq Ck), which is D only where both are isotropic with
    unit variance; a decaying spectrum makes it larger or smaller. The moments are exact over all pairs.

    Parameters
    ----------
    q, k : array (N, D), (M, D)

    Examples
    --------
    >>> import numpy as np
    >>> from heedful.attention import score_variance
    >>> rng = np.random.default_rng(0)
    >>> found = score_variance(rng.normal(size=(2000, 16)), rng.normal(size=(2000, 16)))
    >>> bool(abs(found.scale * 16 ** 0.5 - 1) < 0.05)
    True
    """
    from .weights import Weights

    q, k = floats(q, "q").double(), floats(k, "k").double()
    if q.ndim != 2 or k.ndim != 2 or q.shape[1] != k.shape[1]:
        raise InputError(f"q is {tuple(q.shape)}, k is {tuple(k.shape)}; (N, D) and (M, D) were expected")
    cq, ck = (
        torch.cov(q.T, correction=0).reshape(q.shape[1], -1),
        torch.cov(k.T, correction=0).reshape(k.shape[1], -1),
    )
    predicted = float((cq * ck.T).sum())
    centred_q, centred_k = q - q.mean(0), k - k.mean(0)
    measured = float(((centred_q.T @ centred_q) * (centred_k.T @ centred_k)).sum()) / (len(q) * len(k))
    w = Weights(q, k)
    top, participation = w.topk(1).weight[..., 0], 1.0 / w.effective_keys(order=2)
    return ScoreVariance(
        measured,
        predicted,
        1.0 / math.sqrt(predicted) if predicted > 0 else math.inf,
        1.0 / math.sqrt(q.shape[1]),
        float(w.effective_keys().mean()),
        float((1.0 - participation).mean()),
        float((top > 0.99).double().mean()),
    )
