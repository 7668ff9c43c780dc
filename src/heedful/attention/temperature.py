"""Temperature as (relative) maximum entropy: is it right for these scores, and are these weights optimal?"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from ..errors import InputError
from .arrays import floats, give, is_numpy


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
