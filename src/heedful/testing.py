"""The conformance kit: hold a prior, a read or an engine against the float64 specification.

For authors of priors and engines, and for this project's own tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .attention import Prior, Weights, reads
from .attention.arrays import tensor

__all__ = ["check_engine", "check_prior", "check_read", "dense_weights", "error"]


def dense_weights(weights: Weights) -> Tensor:
    """The matrix P (..., Nq, Nk) of these weights in float64, by the formula; for tests only.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights
    >>> dense_weights(Weights(np.zeros((1, 2)), np.zeros((2, 2)))).tolist()
    [[0.5, 0.5]]
    """
    problem = weights._problem().to(torch.float64)
    nq, nk = problem.nq, problem.nk
    i, j = torch.arange(nq)[:, None], torch.arange(nk)[None, :]
    logits = torch.einsum("...id,...jd->...ij", problem.q, problem.k)
    for prior in problem.priors:
        logits = logits + prior.pair(i, j).double()
    logits = logits.expand(*problem.lead, nq, nk)
    sink = problem.sink_rows()
    if sink is not None:
        logits = torch.cat([logits, sink.expand(*problem.lead, nq, 1)], -1)
    top = logits.amax(-1, keepdim=True) if logits.shape[-1] else logits.new_zeros((*logits.shape[:-1], 1))
    e = (logits - torch.where(top == -torch.inf, 0.0, top)).exp()
    total = e.sum(-1, keepdim=True)
    return torch.where(total > 0, e / total.clamp_min(1e-300), 0.0)[..., :nk]


def error(got: Any, want: Any) -> float:
    """Largest difference over the largest size of what is wanted; inf where one is finite and one is not."""
    got, want = tensor(got, "got").detach().double(), tensor(want, "want").detach().double()
    if got.shape != want.shape:
        return float("inf")
    same = (got == want) | (torch.isnan(got) & torch.isnan(want))
    gap = torch.where(same, 0.0, (got - want).abs())
    if not bool(torch.isfinite(gap).all()):
        return float("inf")
    scale = torch.where(torch.isfinite(want), want.abs(), 0.0).amax() if want.numel() else want.new_zeros(())
    return float(gap.amax() / scale.clamp_min(1e-30)) if gap.numel() else 0.0


def check_engine(weights: Weights, engine: str, v: Tensor, wanted: Sequence[reads.Read]) -> dict[str, float]:
    """Errors of one engine's output and reads against the dense engine in float64, by name.

    Top-k indices are compared through the weights that the matrix holds at them, so that ties may fall
    either way.
    """
    exact = _with(weights, "dense", torch.float64)
    mine = _with(weights, engine, None)
    out, r = mine.read(v, wanted)
    want, s = exact.read(tensor(v, "v").double(), wanted)
    found = {"out": error(out, want), "empty": error(r.empty, s.empty)}
    for read in wanted:
        a, b = r[read], s[read]
        if isinstance(read, reads.TopK):
            p = dense_weights(exact)
            index = tensor(a.index, "index")
            at = torch.where(index < 0, 0.0, p.gather(-1, index.clamp_min(0)))
            found["topk"] = max(error(a.weight, b.weight), error(at, b.weight))
        elif isinstance(a, tuple):
            parts = [error(x, y) for x, y in zip(a, b, strict=True) if x is not None]
            found[read.name] = max(parts[:1] if isinstance(read, reads.Contribution) else parts)
        else:
            found[read.name] = error(a, b)
    return found


def _with(weights: Weights, engine: str, dtype: torch.dtype | None) -> Weights:
    q, k = weights.q, weights.k
    if dtype is not None:
        q, k = q.to(dtype), k.to(dtype)
    return weights._again(q=q, k=k, engine=engine)


def check_prior(prior: Prior, nq: int, nk: int, *, seed: int = 0, tolerance: float = 1e-10) -> None:
    """Assert that a prior's cheaper forms agree with the pair(i, j) that defines it.

    Raises
    ------
    AssertionError
        Naming the form that differs.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import priors
    >>> check_prior(priors.Window(1, 2), 5, 5)
    """
    generator = torch.Generator().manual_seed(seed)
    prior.check(nq, nk)
    i, j = torch.arange(nq)[:, None], torch.arange(nk)[None, :]
    full = prior.pair(i, j).double()
    full = full.expand(*torch.broadcast_shapes(full.shape[:-2], prior.lead), nq, nk)
    a, b = sorted(torch.randint(0, nq + 1, (2,), generator=generator).tolist())
    c, d = sorted(torch.randint(0, nk + 1, (2,), generator=generator).tolist())
    block = prior.tile(slice(a, b), slice(c, d)).double()
    wanted = full[..., a:b, c:d]
    assert error(block.expand(wanted.shape), wanted) <= tolerance, "tile() differs from pair()"
    pick_i = torch.randint(0, nq, (7,), generator=generator)
    pick_j = torch.randint(0, nk, (7,), generator=generator)
    edges = prior.pair(pick_i, pick_j).double()
    wanted = full[..., pick_i, pick_j]
    assert error(edges.expand(wanted.shape), wanted) <= tolerance, (
        "pair() on edges differs from pair() on a tile"
    )

    def rows_agree(form: Tensor, what: str) -> None:
        gap = torch.where(torch.isfinite(full), full - form.expand(full.shape), 0.0).abs().amax()
        assert float(gap) <= tolerance * max(1.0, float(form.abs().amax())), f"{what} differs from pair()"

    if prior.key() is not None:
        rows_agree(prior.key().double()[..., None, :], "key()")
    if prior.bilinear() is not None:
        phi, psi = prior.bilinear()
        rows_agree(phi.double() @ psi.double().mT, "bilinear()")
    support = prior.support(nq, nk)
    if support is not None:
        rows = torch.repeat_interleave(torch.arange(support.indptr.numel() - 1), support.indptr.diff())
        listed = torch.zeros(support.indptr.numel() - 1, nk, dtype=torch.bool)
        listed[rows, support.indices] = True
        listed = listed.reshape(*support.lead, nq, nk)
        assert bool((listed | (full == -torch.inf)).all()), "support() leaves out a pair that pair() allows"


def check_read(weights: Weights, read: reads.Read, *, tolerance: float = 1e-10) -> None:
    """Assert that every engine that can answer a read agrees with the specification in float64."""
    double = _with(weights, "auto", torch.float64)
    want = _with(double, "dense", None)._one(read)
    for engine in ("tiled", "edges") if double._problem().sparsest else ("tiled",):
        got = _with(double, engine, None)._one(read)
        pairs = zip(got, want, strict=True) if isinstance(got, tuple) else [(got, want)]
        for x, y in pairs:
            assert x is None or error(x, y) <= tolerance, (
                f"{engine} differs from the specification on {read!r}"
            )
