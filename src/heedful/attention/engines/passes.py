"""The compiled pass over tiles: two matrix products, and everything is read while the scores are in cache."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from ..ask import Ask, Found
from ..prior import Prior
from ..priors import Decay
from ..problem import Problem
from . import gemm
from .pool import spread

CELLS = 2**20  # scores that a thread's tile may hold
SHORT = 256  # keys below which whole matrices are taken together
LOG2E, LN2 = math.log2(math.e), math.log(2.0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Flattened, contiguous, in base 2: what the loops run over."""

    q: Tensor  # (L, Nq, D')
    k: Tensor  # (L, Nk, D')
    rest: tuple[Prior, ...]  # added to each tile
    decay: Decay | None  # added to each tile by its own kernel
    lead: tuple[int, ...]
    alpha: float = 1.0  # what the product is still to be multiplied with

    def index(self, l: int) -> tuple[slice, ...]:
        """Element ``l`` of the flattened leading dimensions, as slices of them."""
        place = []
        for n in reversed(self.lead):
            place.append(slice(l % n, l % n + 1))
            l //= n
        return tuple(reversed(place))


def prepare(problem: Problem, *, scaled: bool = True) -> Prepared:
    """Gates and bilinear priors become channels, one plain decay gets its kernel, torch adds the rest."""
    lead, nq, nk = problem.lead, problem.nq, problem.nk
    riding = any(p.key() is not None or p.bilinear() is not None for p in problem.priors)
    # unscaled, each product is multiplied, and q need not be copied
    alpha = 1.0 if scaled else LOG2E if riding else LOG2E * problem.factor
    base2 = LOG2E if scaled else 1.0
    q = [problem.q * base2 if scaled else problem.q if riding else problem.unscaled]
    k = [problem.k]
    plain = [p for p in problem.priors if isinstance(p, Decay) and _plain(p)]
    decay = next((p for p in plain if p.rates.requires_grad), plain[0] if plain else None)
    rest = []
    for prior in problem.priors:
        if (gate := prior.key()) is not None:
            q.append(problem.k.new_full((nq, 1), base2))
            k.append(gate.float()[..., None])
        elif (pair := prior.bilinear()) is not None:
            q.append(pair[0].float() * base2)
            k.append(pair[1].float())
        elif prior is not decay:
            rest.append(prior)

    def join(parts: list[Tensor], n: int) -> Tensor:
        parts = [p.expand(*lead, n, p.shape[-1]) for p in parts]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
        return whole.reshape(-1, n, whole.shape[-1]).contiguous()

    return Prepared(join(q, nq), join(k, nk), tuple(rest), decay, lead, alpha)


def _plain(prior: Decay) -> bool:
    return prior.t_q.ndim == prior.t_k.ndim == 1 and prior.rates.numel() == 1


def add_priors(s: Tensor, p: Prepared, l: int, a: int, b: int, cols: slice) -> None:
    """Add to a block of base-2 scores, queries a..b - 1, what could not ride as channels."""
    if p.decay is not None:
        from . import jit

        rate2 = float(p.decay.rates.detach()) * LOG2E
        t_q, t_k = (t.detach().double().numpy() for t in (p.decay.t_q, p.decay.t_k))
        jit.decay(s.numpy(), t_q[a:b], t_k[cols], rate2, p.decay.past_only, 0, b - a)
    for prior in p.rest:
        part = prior.sliced(p.index(l)) if p.lead else prior
        bias = part.tile(slice(a, b), cols).to(s.dtype)
        s.add_(bias.reshape(bias.shape[-2:]), alpha=LOG2E)


def forward(p: Prepared, ask: Ask, *, short: bool = False) -> Found:
    """The reads without gradients; ``short`` takes whole matrices together."""
    elements, nq, nk = p.q.shape[0], p.q.shape[1], p.k.shape[1]
    out = Results(p, ask, workers=torch.get_num_threads())
    if short:
        per = max(1, CELLS // 4 // (nq * nk))
        parts = [(l, min(l + per, elements)) for l in range(0, elements, per)]
        spread(lambda worker, part: _short(p, ask, out, worker, *part), parts)
        return out.found()
    step = max(8, min(256, CELLS // nk // 8 * 8))
    parts = list(itertools.product(range(elements), range(0, nq, step)))
    spread(_blocks(Keys(p, step), ask, out, step), parts)
    return out.found()


def _blocks(keys: Keys, ask: Ask, out: Results, step: int) -> Callable[[int, tuple[int, int]], None]:
    """The work on one block; it alone holds the keys, so that they are gone when the answers are formed."""
    return lambda worker, part: _long(keys, ask, out, worker, *part, min(part[1] + step, keys.p.q.shape[1]))


class Keys:
    """Keys laid out for the products of one element, made when its first block is met."""

    def __init__(self, p: Prepared, rows: int):
        self.p, self.rows = p, rows
        self.held: dict[int, gemm.Factor] = {}
        self.lock = threading.Lock()

    def scores(self, l: int, rows: slice) -> Tensor:
        """Base-2 scores of some queries of element ``l`` with all its keys, without the priors."""
        with self.lock:
            if l not in self.held:
                for old in [n for n in self.held if n < l - 1]:
                    del self.held[old]  # a thread that lags behind makes it again
                self.held[l] = gemm.Factor(self.p.k[l], self.rows)
            factor = self.held[l]
        q = self.p.q[l, rows]
        return factor.after(q if self.p.alpha == 1.0 else q * self.p.alpha)


class Results:
    """Where the threads write: shared slices for rows, one accumulator a thread for sums over rows."""

    def __init__(self, p: Prepared, ask: Ask, workers: int):
        elements, nq, nk = p.q.shape[0], p.q.shape[1], p.k.shape[1]
        self.p, self.ask = p, ask
        new = p.q.new_empty
        self.lse, self.entropy = new((elements, nq)), new((elements, nq))
        k = ask.topk
        self.values, self.places = new((elements, nq, k)), torch.empty((elements, nq, k), dtype=torch.int32)
        self.channels = None if ask.channels is None else _flat(ask.channels, p.lead)
        self.out = None if ask.channels is None else new((elements, nq, ask.channels.shape[-1]))
        self.adjoint = None if ask.adjoint is None else _flat(ask.adjoint, p.lead).float()
        self.held = None
        if self.adjoint is not None:
            shape = (workers, elements, nk, self.adjoint.shape[-1])
            self.held = torch.zeros(shape, dtype=torch.float64)
        # the same memory as arrays: a slice of one costs a tenth of a tensor's
        self.as_numpy = SimpleNamespace(
            lse=self.lse.numpy(), entropy=self.entropy.numpy(), values=self.values.numpy(),
            places=self.places.numpy(), held=None if self.held is None else self.held.numpy(),
        )  # fmt: skip

    def found(self) -> Found:
        """The answers in the leading shape."""
        lead, ask = self.p.lead, self.ask

        def shaped(x: Tensor) -> Tensor:
            return x.reshape(*lead, *x.shape[1:])

        found = Found(shaped(self.lse), engine="compiled")
        if self.out is not None:
            found.out = shaped(self.out)
        if ask.entropy:
            found.entropy = shaped(self.entropy)
        if self.held is not None:
            found.adjoint = shaped(self.held.sum(0))
        if ask.topk:
            found.topk = shaped(self.values), shaped(self.places.long())
        return found


def _flat(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    """(elements or 1, n, c): shared by all elements where it has no leading dimensions."""
    if math.prod(x.shape[:-2]) == 1:
        return x.reshape(1, *x.shape[-2:]).contiguous()
    return x.expand(*lead, *x.shape[-2:]).reshape(math.prod(lead), *x.shape[-2:]).contiguous()


def _long(keys: Keys, ask: Ask, out: Results, worker: int, l: int, a: int, b: int) -> None:
    from . import jit

    p, rows = keys.p, slice(a, b)
    s = keys.scores(l, rows)
    if p.rest or p.decay is not None:
        add_priors(s, p, l, a, b, slice(0, s.shape[1]))
    x = s.numpy()
    inverse = np.empty(b - a, np.float32)
    chunk = np.empty(max(x.shape[1] // 256 * 16, 1), np.float32)
    lists = out.as_numpy
    jit.rows(
        x, 0, b - a, ask.topk, ask.entropy, lists.lse[l, rows], lists.entropy[l, rows], inverse,
        lists.values[l, rows], lists.places[l, rows], chunk,
    )  # fmt: skip
    if out.channels is not None:
        v = out.channels[l if out.channels.shape[0] > 1 else 0]
        torch.mul(gemm.times(s, v), torch.from_numpy(inverse)[:, None], out=out.out[l, rows])
    if out.held is not None:
        y = out.adjoint[l if out.adjoint.shape[0] > 1 else 0, a:b]
        if y.shape[1] == 1:
            jit.columns(x, inverse, y[:, 0].numpy(), 0, b - a, lists.held[worker, l, :, 0])
        else:
            out.held[worker, l] += s.t() @ (y * torch.from_numpy(inverse)[:, None])


def _short(p: Prepared, ask: Ask, out: Results, worker: int, a: int, b: int) -> None:
    from . import jit

    nq, nk = p.q.shape[1], p.k.shape[1]
    q, k_t = p.q[a:b], p.k[a:b].mT
    s = torch.baddbmm(q.new_empty(()), q, k_t, beta=0, alpha=p.alpha)
    flat = s.view(-1, nk)
    k = ask.topk
    jit.small(
        flat.numpy(), k, ask.entropy, out.lse[a:b].view(-1).numpy(), out.entropy[a:b].view(-1).numpy(),
        out.values[a:b].flatten(0, 1).numpy(), out.places[a:b].flatten(0, 1).numpy(),
    )  # fmt: skip
    if out.channels is not None:
        v = out.channels[a:b] if len(out.channels) > 1 else out.channels.expand(b - a, -1, -1)
        torch.bmm(s, v, out=out.out[a:b])
    if out.held is not None:
        y = out.adjoint[a:b] if out.adjoint.shape[0] > 1 else out.adjoint
        if y.shape[-1] == 1:
            held = out.as_numpy.held[worker, a:b, :, 0]
            jit.many_columns(s.numpy(), y[..., 0].numpy(), np.ones(nq, np.float32), held)
        else:
            torch.bmm(s.double().mT, y.double().expand(b - a, -1, -1), out=out.held[worker, a:b])
