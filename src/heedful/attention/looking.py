"""From reads to engine passes and back: one pass for all that can share it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import EngineError, InputError
from . import plan, reads
from .arrays import floats, indices, lead_shape
from .ask import Ask, Found
from .engines import compiled, fused
from .engines.pool import fork_safe
from .problem import Problem


def compose(
    problem: Problem, v: Tensor | None, wanted: Sequence[reads.Read], engine: str
) -> tuple[Ask, dict[reads.Read, Callable[[Found], object]], list[reads.Read]]:
    """One pass's wishes, how each answer is taken from it, and the reads that need another pass."""
    like = problem.k
    channels: list[Tensor] = [] if v is None else [v.to(like.dtype)]
    adjoints: list[Tensor] = []
    ask, takers = Ask(), {}

    def channel(x: Tensor) -> slice:
        start = sum(c.shape[-1] for c in channels)
        channels.append(x)
        return slice(start, start + x.shape[-1])

    def adjoint(y: Tensor) -> slice:
        start = sum(c.shape[-1] for c in adjoints)
        adjoints.append(y)
        return slice(start, start + y.shape[-1])

    later = []
    for read in wanted:
        if isinstance(read, reads.LogPartition):
            takers[read] = lambda f: f.lse
        elif isinstance(read, (reads.Entropy, reads.EffectiveKeys)):
            ask, takers[read] = _entropy(ask, read)
        elif isinstance(read, reads.Mass):
            summed = read.summed(problem.nk, like, engine)
            if summed is None:
                place = channel(read.table(problem.nk, like)[0])
                takers[read] = lambda f, s=place: _with_sink(problem, f, f.out[..., s])
            else:
                ask, place = replace(ask, sums=(*ask.sums, summed)), len(ask.sums)
                takers[read] = lambda f, n=place: _with_sink(problem, f, f.sums[n])
        elif isinstance(read, reads.Moments):
            x, centre = read.centred(problem.nk, like)
            place = channel(torch.cat([x, x.square(), torch.ones_like(x[..., :1])], -1))
            takers[read] = lambda f, s=place, c=centre: _spread(f.out[..., s], c)
        elif isinstance(read, reads.Columns):
            place = adjoint(like.new_ones((problem.nq, 1)))
            takers[read] = lambda f, s=place, r=read: _relative(problem, r, f.adjoint[..., s][..., 0], engine)
        elif isinstance(read, reads.TopK):
            ask = replace(ask, topk=max(ask.topk, read.k))
            takers[read] = lambda f, k=read.k: reads.Top(*(x[..., :k] for x in f.topk))
        elif isinstance(read, reads.Quantile):
            place = len(ask.nucleus)
            ask = replace(ask, nucleus=(*ask.nucleus, read.share))
            takers[read] = lambda f, n=place: f.nucleus[n]
        elif isinstance(read, reads.Lag) and ask.lag is None:
            ask = replace(ask, lag=read.parts(problem.nq, problem.nk, like.device))
            takers[read] = lambda f, r=read: _relative(problem, r, f.lag, engine)
        elif isinstance(read, reads.Rows):
            takers[read] = lambda f, r=read: rows(problem, r.queries)
        elif isinstance(read, reads.Contribution) and ask.contribution is None and read.direction is not None:
            value, direction = _contribution(read, problem)
            place = adjoint(direction)
            if read.k:
                ask = replace(ask, contribution=(value, direction, read.k))
            takers[read] = lambda f, s=place, x=value, k=read.k: _terms(f, f.adjoint[..., s], x, k)
        elif isinstance(read, (reads.Lag, reads.Contribution)):
            later.append(read)  # a second one of a kind, or one that first needs the output
        else:
            raise InputError(f"no engine knows the read {read!r}")
    if channels:
        ask = replace(ask, channels=_side_by_side(channels))
    if adjoints:
        ask = replace(ask, adjoint=_side_by_side(adjoints))
    return ask, takers, later


def look(
    problem: Problem, v: Tensor | None, wanted: Sequence[reads.Read], engine: str
) -> tuple[Tensor | None, dict[reads.Read, object], Found]:
    """Output P @ v, the answers, and what the main pass found."""
    like = problem.k
    ask, takers, later = compose(problem, v, wanted, engine)
    found = run(problem, ask, engine)
    answers = {read: take(found) for read, take in takers.items()}
    for read in later:
        if isinstance(read, reads.Contribution) and read.direction is None:
            value = floats(read.v, "Contribution(v)").to(like)
            out = run(problem, Ask(channels=value), engine).out
            norm = out.square().sum(-1, keepdim=True)
            direction = torch.where(norm > 0, out / norm.clamp_min(torch.finfo(out.dtype).tiny), 0.0)
            filled = replace(read, direction=direction)
            answers[read] = look(problem, None, [filled], engine)[1][filled]
        else:
            answers[read] = look(problem, None, [read], engine)[1][read]
    out = None if v is None else found.out[..., : v.shape[-1]].to(v.dtype)
    return out, answers, found


def run(problem: Problem, ask: Ask, engine: str) -> Found:
    """One engine pass; the column sums alone go through the fused kernel where it fits."""
    with fork_safe(), torch.autocast(device_type=problem.k.device.type, enabled=False):
        found = _dual(problem, ask, engine) or plan.solve(problem, ask, engine)
        if found.engine == "fused" and ask.entropy and fused.cancels(found):
            if engine == "fused":
                raise EngineError(
                    f"engine='fused': scores as large as {float(found.lse.detach().abs().amax()):.2g} leave "
                    "an entropy too few digits; leave engine='auto'"
                )
            found = plan.solve(problem, ask, "tiled" if compiled.fits(problem, ask) else "compiled")
    check_scores(problem, found)
    return found


def _dual(problem: Problem, ask: Ask, engine: str) -> Found | None:
    """P.T @ y alone as two fused forwards, where that is asked for and fits; else None."""
    alone = ask.adjoint is not None and replace(ask, adjoint=None) == Ask()
    if not alone or engine not in ("auto", "fused") or problem.requires_grad or ask.adjoint.requires_grad:
        return None
    if engine == "auto" and plan.choose(problem, ask, "auto").engine in ("edges", "compiled"):
        return None
    if fused.fits(problem, Ask()) is not None:
        return None
    found = fused.solve(problem, Ask())
    found.adjoint = fused.adjoint(problem, found.lse, ask.adjoint)
    return found


def check_scores(problem: Problem, found: Found) -> None:
    """Raise where finite inputs have overflowed into infinite or undefined scores.

    Where all of a row's scores fall below the smallest number it seems to have no key; the fused kernel
    reports lse = 0 for it.
    """
    lse = found.lse.detach()
    if bool(torch.isfinite(lse.sum())) and (found.engine != "fused" or bool(lse.all())):
        return
    bad = torch.isnan(lse) | (lse == torch.inf)
    if not bool(bad.any()) and problem.unscaled.numel() and problem.k.numel():
        q, k = (x.detach().abs().amax().double() for x in (problem.q, problem.k))
        if float(q * k) * problem.k.shape[-1] > torch.finfo(problem.k.dtype).max:
            content, plain = (plan.solve(p, Ask(), "tiled").lse for p in (problem, problem.without_content()))
            bad = ((content == -torch.inf) & (plain > -torch.inf)).detach()
    if bool(bad.any()):
        where = tuple(int(x) for x in bad.nonzero()[0])
        raise InputError(
            f"the scores of query {where[-1] if len(where) == 1 else where} overflow {lse.dtype}".replace(
                "torch.", ""
            ),
            remedy="use float64, smaller q and k, or a higher temperature",
        )


def rows(problem: Problem, queries) -> Tensor:
    """Whole rows of P over the keys (..., R, Nk), by the specification."""
    wanted = indices(queries, "rows", device=problem.k.device).reshape(-1)
    nq = problem.nq
    if wanted.numel() and (int(wanted.max()) >= nq or int(wanted.min()) < -nq):
        bad = int(wanted.max()) if int(wanted.max()) >= nq else int(wanted.min())
        raise InputError(f"row {bad} was asked for, there are {nq} queries")
    picked = [_row(problem, int(i) % nq) for i in wanted]
    if not picked:
        return problem.k.new_zeros((*problem.lead, 0, problem.nk))
    return torch.cat(picked, -2)


def _row(problem: Problem, i: int) -> Tensor:
    logits = problem.logits(slice(i, i + 1), slice(0, problem.nk)).expand(*problem.lead, 1, problem.nk)
    sink = problem.sink_rows(slice(i, i + 1))
    full = logits if sink is None else torch.cat([logits, sink.expand(*problem.lead, 1, 1)], -1)
    if not full.shape[-1]:
        return logits
    empty = (full == -torch.inf).all(-1, keepdim=True)
    p = torch.where(empty, 0.0, full).softmax(-1)
    return torch.where(empty, 0.0, p)[..., : problem.nk]


def _entropy(ask: Ask, read: reads.Entropy | reads.EffectiveKeys):
    as_keys = isinstance(read, reads.EffectiveKeys)
    finish = torch.exp if as_keys else (lambda h: h)
    if read.order == 1:
        return replace(ask, entropy=True), lambda f: _where_live(f, finish(f.entropy))
    ask = replace(ask, powers=(*ask.powers, float(read.order)))
    place, factor = len(ask.powers) - 1, 1.0 / (1.0 - read.order)

    def take(f: Found) -> Tensor:
        power = torch.where(f.lse == -torch.inf, torch.zeros_like(f.lse), f.powers[place])
        return _where_live(f, finish((power * factor).clamp_min(0.0)))

    return ask, take


def _where_live(f: Found, x: Tensor) -> Tensor:
    return torch.where(f.lse == -torch.inf, torch.zeros_like(x), x)


def _with_sink(problem: Problem, f: Found, mass: Tensor) -> Tensor:
    sink = problem.sink_rows()
    if sink is None:
        return mass
    return torch.cat([mass, (sink[..., 0] - f.lse).exp()[..., None]], -1)


def _spread(product: Tensor, centre: Tensor) -> reads.Spread:
    """Mean and variance of the row renormalised over its keys; 0 for a row without any."""
    total = product[..., -1:]
    live = total > 0
    product = product[..., :-1] / torch.where(live, total, torch.ones_like(total))
    mean, square = product.chunk(2, -1)
    return reads.Spread(torch.where(live, mean + centre, 0.0), (square - mean.square()).clamp_min(0.0))


def _relative(problem: Problem, read: reads.Columns | reads.Lag, value: Tensor, engine: str) -> Tensor:
    if not read.relative:
        return value
    base = problem.without_content()
    if engine == "fused":
        engine = "auto"
    plain = replace(read, relative=False)
    expected = look(base, None, [plain], engine)[1][plain]
    return torch.where(expected > 0, value / expected.clamp_min(1e-300), torch.nan)


def _contribution(read: reads.Contribution, problem: Problem) -> tuple[Tensor, Tensor]:
    like = problem.k
    value = floats(read.v, "Contribution(v)").to(like)
    direction = floats(read.direction, "Contribution(direction)").to(like)
    if direction.ndim < 2:
        direction = direction.expand(problem.nq, -1 if direction.ndim else value.shape[-1])
    if (
        value.shape[-2] != problem.nk
        or direction.shape[-2] != problem.nq
        or value.shape[-1] != direction.shape[-1]
    ):
        raise InputError(
            f"Contribution: v is {tuple(value.shape)}, direction {tuple(direction.shape)}; "
            f"(..., {problem.nk}, Dv) and (..., {problem.nq}, Dv) were expected"
        )
    return value, direction


def _terms(f: Found, back: Tensor, value: Tensor, k: int) -> reads.Terms:
    total = (back * value).sum(-1)
    return reads.Terms(total, *(f.contribution if k else (None, None)))


def _side_by_side(parts: list[Tensor]) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    lead = lead_shape(*(tuple(p.shape[:-2]) for p in parts))
    return torch.cat([p.expand(*lead, *p.shape[-2:]) for p in parts], -1)


def reachable(problem: Problem) -> Tensor:
    """Keys (..., Nk) that at least one query may attend to, found block by block from the priors alone."""
    base = problem.without_content()
    seen = torch.zeros((*base.lead, base.nk), dtype=torch.bool, device=base.k.device)
    step = max(1, 2**20 // max(base.nk, 1))
    for a in range(0, base.nq, step):
        block = base.logits(slice(a, min(a + step, base.nq)), slice(0, base.nk))
        seen = seen | (block > -torch.inf).any(-2)
    return seen


def divergence(a: Problem, b: Problem, engine_a: str, engine_b: str) -> Tensor:
    """KL(P_i || Q_i) (..., Nq) between the rows of two problems over the same keys; 0 for an empty row."""
    if (a.sink is None) != (b.sink is None):
        raise InputError("one of the two has a sink, the other has none")
    dtype = torch.promote_types(a.q.dtype, b.q.dtype)
    a, b = a.to(dtype), b.to(dtype)
    found = run(a, Ask(cross=b), engine_a)
    lse_b = run(b, Ask(), engine_b).lse
    kl = found.cross - found.lse + lse_b
    if a.sink is not None:
        gap = (a.sink_rows() - b.sink_rows())[..., 0]
        kl = kl + (a.sink_rows()[..., 0] - found.lse).exp() * gap
    kl = torch.where(found.cross == torch.inf, torch.inf, kl.clamp_min(0.0))
    return torch.where(found.lse == -torch.inf, torch.zeros_like(kl), kl)
