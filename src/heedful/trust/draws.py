"""Mean mass of every cell, observed and under draws of the null, in batches: what is shared is done once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from scipy import sparse

from ..errors import InputError
from .claim import Claim, softmax
from .rewire import rewired, rounds_for

HELD = 1 << 21  # numbers held at once
RANGE = 600.0  # spread of logits up to which products of exponentials neither overflow nor vanish
LISTED = 0.4  # share of pairs allowed above which whole rows are cheaper than lists of pairs


class Masses:
    """Cells' mean masses as a function of what the null draws.

    Cells are the claimed keys first, then the claim's family. Where the claim names a head, every cell is
    looked at in every head, and the claimed one comes first; else the mass is the mean over heads.

    Parameters
    ----------
    claim : Claim

    Attributes
    ----------
    number : int
        Cells, the claimed one among them.
    flat, even : bool
        Whether each query's priors weigh all keys that it may attend to alike; whether that is all keys.
    """

    def __init__(self, claim: Claim):
        self.claim, self.null = claim, claim.null
        self.content, self.prior = claim.all_scores
        self.items, self.nk = self.content.shape
        self.heads = claim.all_leads if claim.head is not None else 1
        self.allowed = np.isfinite(self.prior)
        self.live = self.allowed.any(-1)
        count = self.live.reshape(self.heads, -1).sum(1)
        self.scale = 1.0 / np.maximum(count, 1)  # items of a head are averaged
        self._set_cells(claim)
        self.high, low = _ends(self.prior, self.allowed)
        high, top, bottom = self.high, self.content.max(-1), self.content.min(-1)
        self.flat = bool((high - low <= 1e-12).all())
        self.even = self.flat and bool(self.allowed[self.live].all())
        self.safe = float((top - bottom + high - low).max(initial=0.0)) < RANGE

    # parts of a weight, and the lists of allowed pairs: each is made only where its way of drawing needs it

    @cached_property
    def factor(self) -> np.ndarray:
        """Content's factor of each weight (items, Nk), the largest 1."""
        return np.exp(self.content - self.content.max(-1, keepdims=True))

    @cached_property
    def base(self) -> np.ndarray:
        """The priors' factor (items, Nk), the largest 1, 0 where nothing is allowed."""
        return np.exp(self.prior - self.high[:, None])

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Item and key of every allowed pair, sorted by item."""
        return np.nonzero(self.allowed)

    @cached_property
    def row(self) -> np.ndarray:
        return self.pairs[0]

    @cached_property
    def column(self) -> np.ndarray:
        return self.pairs[1]

    @cached_property
    def start(self) -> np.ndarray:
        """Where each live item's pairs begin."""
        return np.searchsorted(self.row, np.flatnonzero(self.live))

    @cached_property
    def owner(self) -> np.ndarray:
        """Which live item each pair is of, counted among live ones."""
        return np.repeat(np.arange(len(self.start)), np.diff(np.append(self.start, len(self.row))))

    def _set_cells(self, claim: Claim) -> None:
        own, family = claim.keys, claim.family
        numbered = family is not None and family.dtype != bool
        per_query = family is not None and family.ndim == (2 if numbered else 3)
        self.shared = bool((own == own[:1]).all()) and not per_query
        if self.shared:
            own = own[:1]
        parts = [sparse.csr_matrix(own.reshape(1, -1), dtype=float)]
        if numbered:
            wide = np.broadcast_to(family, own.shape).reshape(-1)
            at = np.flatnonzero(wide >= 0)
            shape = (int(wide.max()) + 1, own.size)
            parts.append(sparse.csr_matrix((np.ones(len(at)), (wide[at], at)), shape=shape))
        elif family is not None:
            wide = (np.broadcast_to(f, own.shape).reshape(1, -1) for f in family)
            parts += [sparse.csr_matrix(one, dtype=float) for one in wide]
        cells = sparse.vstack(parts)
        if not self.shared:  # the same cells in every lead whose mean is taken
            cells = sparse.hstack([cells] * (self.items // self.heads // len(own)))
        self.cells = sparse.csr_matrix(cells)
        self.number = self.cells.shape[0]

    def _in_line(self, found: np.ndarray) -> np.ndarray:
        """(number, heads, some) -> (some, number * heads), the claimed cell of the claimed head first."""
        rolled = np.roll(found, -(self.claim.head or 0), axis=1)
        return rolled.reshape(-1, found.shape[-1]).T

    def of_rows(self, p: np.ndarray) -> np.ndarray:
        """Cells' masses (number * heads,) for weights (items, Nk)."""
        p = p.reshape(self.heads, -1, self.nk)
        p = p.sum(1) if self.shared else p.reshape(self.heads, -1)
        return self._in_line((self.cells @ (p * self.scale[:, None]).T)[..., None])[0]

    def observed(self) -> np.ndarray:
        """Masses as they are (number * heads,)."""
        return self.of_rows(self.claim.all_rows)

    def all_of_them(self, draws: int) -> bool:
        """Whether the null is so small that it is gone through instead of drawn from."""
        return self.null.kind == "circular" and self.null.distinct(self.nk) <= draws + 1

    @cached_property
    def shifts(self) -> np.ndarray | None:
        """The whole circular null (shifts, Nk), or None where series differ in length."""
        return self.null.shifts(self.nk)

    def drawn(self, draws: int, rng: np.random.Generator, progress=None) -> np.ndarray:
        """Masses (draws, number * heads) under the null, every shift once where :meth:`all_of_them`."""
        go = (lambda steps, text: steps) if progress is None else progress
        way = self._rewired if self.null.kind == "rewire" else self._moved
        return np.concatenate(list(way(draws, rng, go)))

    def _moved(self, draws: int, rng: np.random.Generator, go) -> Iterator[np.ndarray]:
        """Batches of masses with contents in other places."""
        orders = None
        if self.all_of_them(draws):
            orders, draws = self.shifts, len(self.shifts)
        listed = self.safe and self.allowed.mean() < LISTED
        columns = self.even and self.shared
        size = self.nk if columns else int(self.allowed.sum()) if listed else self.items * self.nk
        table = self._table() if listed else None
        step = int(np.clip(HELD // max(size, 1), 1, 256))
        for at in go(range(0, draws, step), "null draws"):
            some = min(step, draws - at)
            order = self.null.permutations(self.nk, some, rng) if orders is None else orders[at : at + some]
            if columns:
                yield self._columns(order)
            elif listed:
                p = self._listed(order[:, self.column], self.base[self.allowed])
                yield self._in_line((table @ p.T).reshape(self.number, self.heads, -1))
            else:
                yield np.stack([self._whole(one) for one in order])

    def _columns(self, order: np.ndarray) -> np.ndarray:
        """No prior: rows are only permuted, so the columns' means are all that is needed."""
        mean = self.claim.all_rows.reshape(self.heads, -1, self.nk).sum(1) * self.scale[:, None]
        return self._in_line(np.stack([self.cells @ one[order].T for one in mean], 1))

    def _whole(self, order: np.ndarray) -> np.ndarray:
        if not self.safe:
            return self.of_rows(softmax(self.content[:, order] + self.prior))
        if self.even:
            return self.of_rows(self.claim.all_rows[:, order])
        p = self.factor[:, order] * self.base
        total = p.sum(-1, keepdims=True)
        return self.of_rows(np.divide(p, total, out=p, where=total > 0))

    def _listed(self, source: np.ndarray, base: np.ndarray) -> np.ndarray:
        """Weights (some, pairs) of the allowed pairs, given the key whose content each has."""
        p = self.factor.reshape(-1)[self.row * self.nk + source] * base
        p /= np.add.reduceat(p, self.start, axis=1)[:, self.owner]
        return p

    def _table(self) -> sparse.csr_matrix:
        """Which pairs count for which cell of which head, by how much (number * heads, pairs)."""
        head = self.row // (self.items // self.heads)
        at = self.column if self.shared else self._place(self.row, self.column)
        chosen = self.cells[:, at].tocoo()
        rows = chosen.row * self.heads + head[chosen.col]
        data = chosen.data * self.scale[head[chosen.col]]
        return sparse.csr_matrix((data, (rows, chosen.col)), shape=(self.number * self.heads, len(at)))

    def _place(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return row % (self.items // self.heads) * self.nk + column

    def _rewired(self, draws: int, rng: np.random.Generator, go) -> Iterator[np.ndarray]:
        """Graphs with the same degrees, all equally far from one graph between (Besag & Clifford 1989).

        The observed graph and the draws are each as many trades away from a common one, so they are
        exchangeable however well the trades mix, and the test is exact.
        """
        queries = len(self.claim.queries)
        leads = self.items // queries
        if not (self.allowed.reshape(leads, queries, -1) == self.allowed[:queries]).all():
            raise InputError("Null('rewire'): the heads have different connections; claim one head's weights")
        row, column = np.nonzero(self.allowed[:queries])
        own = None
        if (
            self.claim.weights.shape[-2] == self.nk
            and not self.allowed[:queries][np.arange(queries), self.claim.queries].any()
        ):
            own = self.claim.queries  # nobody is connected to himself, and that stays so
        rounds = rounds_for(queries)
        hub = rewired(column[None], row, self.nk, rng, own=own, rounds=rounds)
        gate = self._gate()
        step = int(np.clip(HELD // max(8 * len(self.row), 1), 1, 256))
        for at in go(range(0, draws, step), "null draws"):
            some = min(step, draws - at)
            graphs = rewired(np.repeat(hub, some, 0), row, self.nk, rng, own=own, rounds=rounds)
            graphs = np.tile(graphs, leads)  # pairs are sorted by item, items by lead
            if not self.safe:
                p = self._exactly(graphs, gate)
            elif gate is None:
                p = self._listed(graphs, self.base[self.allowed])
            else:
                p = self._listed(graphs, np.exp(gate - gate.max())[graphs])
            yield self._placed(p, graphs)

    def _gate(self) -> np.ndarray | None:
        """Log-weight per key (Nk,) where the priors are that alone; None: they stay with the place in a row.

        A redrawn connection takes its key's log-weight with it; anything else in the priors (a distance,
        say) has no value for a connection that was not there, and stays in the row as it was.
        """
        shown = np.where(self.allowed, self.prior, np.nan)
        if self.flat:
            return np.zeros(self.nk)
        seen = self.allowed.any(0)
        gate = np.zeros(self.nk)
        gate[seen] = np.nanmax(shown[:, seen], 0)
        same = np.abs(np.where(self.allowed, self.prior - gate, 0.0)).max() <= 1e-12
        return gate if same else None

    def _exactly(self, graphs: np.ndarray, gate: np.ndarray | None) -> np.ndarray:
        """Weights of the pairs where logits spread too far for products of exponentials."""
        p = self.content.reshape(-1)[self.row * self.nk + graphs]
        p = p + (self.prior[self.allowed] if gate is None else gate[graphs])
        p = np.exp(p - np.maximum.reduceat(p, self.start, axis=1)[:, self.owner])
        return p / np.add.reduceat(p, self.start, axis=1)[:, self.owner]

    def _placed(self, p: np.ndarray, graphs: np.ndarray) -> np.ndarray:
        """Masses of weights p (some, pairs) that stand on other keys in every draw."""
        head = self.row // (self.items // self.heads)
        width = self.cells.shape[1]
        at = graphs if self.shared else self._place(self.row, graphs)
        p = p * self.scale[head]
        # every draw and head has a stretch of its own; what falls on the same key is summed
        code = (np.arange(len(p))[:, None] * self.heads + head) * width + at
        spread = np.bincount(code.reshape(-1), p.reshape(-1), len(p) * self.heads * width)
        found = self.cells @ spread.reshape(-1, width).T
        return self._in_line(found.reshape(self.number, len(p), self.heads).transpose(0, 2, 1))


def _ends(prior: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest and smallest log-weight of each item's allowed keys; 0 where there are none."""
    high = np.where(allowed, prior, -np.inf).max(-1, initial=-np.inf)
    low = np.where(allowed, prior, np.inf).min(-1, initial=np.inf)
    none = ~allowed.any(-1)
    return np.where(none, 0.0, high), np.where(none, 0.0, low)
