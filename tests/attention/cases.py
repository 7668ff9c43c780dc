"""Random problems, and the reference formula written apart from the package."""

import numpy as np
import torch

from heedful import priors


def reference(q, k, bias=None, *, scale=None, temperature=1.0, sink=None):
    """P (..., Nq, Nk) in float64 by the textbook formula; a row without any key is zero."""
    q, k = np.asarray(q, np.float64), np.asarray(k, np.float64)
    s = (
        np.einsum("...id,...jd->...ij", q, k)
        * (q.shape[-1] ** -0.5 if scale is None else scale)
        / temperature
    )
    if bias is not None:
        s = s + bias
    full = s if sink is None else np.concatenate([s, np.broadcast_to(sink, (*s.shape[:-1], 1))], -1)
    top = full.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(full - np.where(np.isfinite(top), top, 0.0))
    total = e.sum(-1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=total > 0)[..., : s.shape[-1]]


def make_priors(kind, nq, nk, rng, dtype=torch.float64):
    """A prior and its log-weights (..., Nq, Nk) by a loop or a formula of its own."""
    i, j = np.arange(nq)[:, None], np.arange(nk)[None, :]
    if kind == "none":
        return [], np.zeros((nq, nk))
    if kind == "mask":
        keep = rng.random((nq, nk)) < 0.6
        keep[0] = False
        return [priors.Mask(torch.tensor(keep))], np.where(keep, 0, -np.inf)
    if kind == "padding":
        keep = rng.random(nk) < 0.7
        return [priors.Mask(torch.tensor(keep))], np.where(keep, 0, -np.inf) * np.ones((nq, 1))
    if kind == "causal":
        return [priors.Causal(nk - nq)], np.where(j <= i + nk - nq, 0.0, -np.inf)
    if kind == "window":
        return [priors.Window(2, 1)], np.where((j - i >= -2) & (j - i <= 1), 0.0, -np.inf)
    if kind == "gate":
        g = rng.normal(size=nk)
        return [priors.Gate(torch.tensor(g))], g * np.ones((nq, 1))
    if kind == "sources":
        g, group = rng.normal(size=3), rng.integers(-1, 3, nk)
        return [priors.Gate(torch.tensor(g), group)], np.where(group < 0, 0, g[group]) * np.ones((nq, 1))
    if kind == "bias":
        b = rng.normal(size=(nq, nk))
        b[rng.random((nq, nk)) < 0.2] = -np.inf
        return [priors.Bias(torch.tensor(b))], b
    if kind == "decay":
        t_q, t_k = rng.uniform(0, 9, nq), rng.uniform(0, 9, nk)
        dt = t_q[:, None] - t_k
        return [priors.Decay(t_q, t_k, half_life=2.0)], np.where(dt < 0, -np.inf, -np.log(2) / 2.0 * dt)
    if kind == "two-sided":
        t_q, t_k = rng.uniform(0, 9, nq), rng.uniform(0, 9, nk)
        rate = rng.uniform(0.1, 1, nk)
        return [priors.Decay(t_q, t_k, rate=rate, past_only=False)], -rate * np.abs(t_q[:, None] - t_k)
    if kind == "gaussian":
        x, y = rng.normal(size=(nq, 2)), rng.normal(size=(nk, 2)) + 3
        return [priors.Gaussian(x, y, 1.7)], -((x[:, None] - y) ** 2).sum(-1) / (2 * 1.7**2)
    if kind == "relative":
        table = rng.normal(size=7)
        d = np.clip(i - j, -3, 3) + 3
        return [priors.Relative(torch.tensor(table), np.arange(nq), np.arange(nk))], table[d]
    if kind == "nearest":
        x, y = rng.uniform(0, 4, (nq, 2)), rng.uniform(0, 4, (nk, 2))
        gap = np.abs(x[:, None] - y)
        gap[..., 1] = np.minimum(gap[..., 1], 4 - gap[..., 1])
        order = (gap**2).sum(-1).argsort(-1)[:, : min(3, nk)]
        bias = np.full((nq, nk), -np.inf)
        np.put_along_axis(bias, order, 0.0, -1)
        return [priors.Nearest(x, y, 3, period=(None, 4.0))], bias
    if kind == "within":
        x, y = rng.uniform(0, 4, nq), rng.uniform(0, 4, nk)
        return [priors.Within(x, y, 0.9)], np.where(np.abs(x[:, None] - y) <= 0.9, 0.0, -np.inf)
    if kind == "graph":
        edge = rng.random((nq, nk)) < 0.3
        listener, source = np.nonzero(edge)
        weight = rng.normal(size=len(listener))
        bias = np.full((nq, nk), -np.inf)
        bias[listener, source] = weight
        return [priors.Graph.from_edges(listener, source, n=nq, log_weight=torch.tensor(weight))], bias
    if kind == "segments":
        cut_q, cut_k = sorted(rng.integers(0, nq + 1, 2)), sorted(rng.integers(0, nk + 1, 2))
        of_q, of_k = np.searchsorted(cut_q, i[:, 0], "right"), np.searchsorted(cut_k, j[0], "right")
        prior = priors.Segments([0, *cut_q, nq], [0, *cut_k, nk])
        return [prior], np.where(of_q[:, None] == of_k, 0.0, -np.inf)
    raise KeyError(kind)


KINDS = [
    "none",
    "mask",
    "padding",
    "causal",
    "window",
    "gate",
    "sources",
    "bias",
    "decay",
    "two-sided",
    "gaussian",
    "relative",
    "nearest",
    "within",
    "graph",
    "segments",
]
