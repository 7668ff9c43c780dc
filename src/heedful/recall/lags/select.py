"""Forward selection of a target's drivers, and the p-value of every token given the drivers found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .rows import Column, Tokens
from .scan import Context
from .tokens import K
from .union import either, hunter

SHARE = 0.8  # of the error that single tokens may spend; the rest is for products of two
ENTER = 0.05  # a term enters the model at this p, times the number of tokens
RATE = 0.05  # false discovery rate among the terms of all targets that stay for the final tests
MOST = 40  # terms of a target
UPGRADE = 0.01  # a block grows to all K features at this p
REMEMBER = 0.001  # an own lag of `Tokens.past` stays in the model at this p, given the drivers found


@dataclass
class Term:
    """One part of a target's model: the first ``size`` features of a token, or a product of two tokens."""

    token: int
    other: int | None = None
    size: int = 1

    def holds(self, token: int) -> bool:
        return token in (self.token, self.other)


@dataclass
class TargetScan:
    """What was found about one target.

    Attributes
    ----------
    p, value, size : array (P,)
        For each token: p of it driving the target given everything else selected; signed partial R; and
        the number of features that spoke loudest.
    through : array (P,) of int
        The partner token where the link showed best as a product, else -1.
    terms : list of Term
        The model selected, own lag 1 first.
    products : list of (token, token, p, r)
    e : array (n,)
        Whitened residual of the full model.
    past : list of int
        Rows of `Tokens.past` that the model holds.
    """

    p: np.ndarray
    value: np.ndarray
    size: np.ndarray
    through: np.ndarray
    terms: list[Term]
    products: list[tuple[int, int, float, float]]
    e: np.ndarray
    past: list[int]


class TargetModel:
    """The model of one target, and its contexts (kept: the final tests meet the same ones again).

    ``news`` are the same tokens scored by their news: where target and source both wander, a token must speak
    by its level and by its news.
    """

    def __init__(self, tokens: Tokens, target: int, *, products: bool, news: Tokens | None = None):
        self.t, self.j, self.products = tokens, target, products and tokens.N > 1
        self.self_token = target * tokens.L  # own lag 1
        self.terms = [Term(self.self_token)]
        self.own_lags = tokens.habits[target][0]  # the first rows of past
        self.past = list(range(len(tokens.past.get(target, ()))))
        self.w = SHARE if self.products else 1.0
        self.news = news if news is not None and tokens.wanders[target] else None
        self._contexts: dict[tuple[Column, ...], Context] = {}

    def columns(self, terms: list[Term]) -> list[Column]:
        """Columns of some terms, the own-lag-1 column last."""
        out: list[Column] = [("past", self.j, k) for k in self.past]
        own = False
        for term in terms:
            if term.other is not None:
                out.append(("product", term.token, term.other))
            elif term.token == self.self_token:
                own = True
                out += [("x", term.token, k) for k in range(1, term.size)]
            else:
                out += [("x", term.token, k) for k in range(term.size)]
        return [*out, ("own", self.j)] if own else out

    def context(self, terms: list[Term]) -> Context:
        columns = self.columns(terms)
        key = tuple(columns)
        if key not in self._contexts:
            if len(self._contexts) > 64:
                self._contexts.clear()
            used = frozenset(p for term in terms for p in (term.token, term.other) if p is not None)
            self._contexts[key] = Context(self.t.rows(self.j, used), self.j, columns)
        return self._contexts[key]

    def single(self, p: np.ndarray) -> np.ndarray:
        return p / self.w

    def paired(self, p):
        return p * (self.t.P - 1) / (1 - self.w)

    def term_p(self, term: Term, rest: list[Term]) -> float:
        """p of a term given the rest, on the scale of the selection."""
        c = self.context(rest)
        if term.other is None:
            return float(self.single(c.token_p(np.array([term.token]))[0])[0])
        return float(self.paired(c.product_p(c.product_rows([term.token])[0, term.other])))

    def select(self, enter: float, most: int) -> None:
        """Grow the model until nothing enters at ``enter``, then drop what no longer stands.

        A target that only follows a slow driver seems to remember itself too: own lags that the drivers
        explain are taken out, and the growing goes on.
        """
        self._grow(enter, most)
        gone = {k for k in self.past if k < len(self.own_lags) and self._past_p(k) >= REMEMBER}
        if gone:
            self.past = [k for k in self.past if k not in gone]
            self._grow(enter, most)

    def _past_p(self, k: int) -> float:
        """p of one own lag of `Tokens.past` given all else in the model."""
        everything, self.past = self.past, [other for other in self.past if other != k]
        c = self.context(self.terms)
        self.past = everything
        x = c.rows.column(("past", self.j, k))
        x = x - c.Q @ (c.Q.T @ x)
        r = (x @ c.e) / np.sqrt(max(x @ x, 1e-12 * c.rows.n) * c.ee)
        return float(c.product_p(np.clip(r, -0.999999, 0.999999)))

    def _grow(self, enter: float, most: int) -> None:
        t = self.t
        while len(self.terms) < most:
            c = self.context(self.terms)
            for term in self.terms:
                if term.other is None and term.size < K and c.rest_p(term.token, term.size) < UPGRADE:
                    term.size = K
            c = self.context(self.terms)
            p, size, _ = c.token_p()
            p = self.single(p)
            for term in self.terms:
                if term.other is None:
                    p[term.token] = np.inf
            best, new = p.min(), Term(int(p.argmin()), None, int(size[p.argmin()]))
            if self.products:
                r = np.abs(c.products())
                at = int(r.argmax())
                pair = float(self.paired(c.product_p(r.flat[at])))
                if pair < best:
                    best, new = pair, Term(*map(int, divmod(at, t.P)))
            if best >= enter or c.rank + new.size > c.rows.n // 4:
                break
            self.terms.append(new)

        for term in sorted(self.terms[1:], key=lambda term: term.other is None):
            rest = [other for other in self.terms if other is not term]
            if self.term_p(term, rest) >= enter:
                self.terms = rest

    def standing(self) -> list[tuple[Term, float]]:
        """Every term but the own lag 1, with its p given the others."""
        return [
            (term, self.term_p(term, [o for o in self.terms if o is not term])) for term in self.terms[1:]
        ]

    def forget(self) -> None:
        """Drop what was kept for speed."""
        self._contexts.clear()
        for rows in self.t._rows.values():
            rows.forget()

    def without(self, token: int) -> list[Term]:
        return [term for term in self.terms if not term.holds(token)]

    def test(self) -> TargetScan:
        """p of every token given the model less every term that holds it."""
        c = self.context(self.terms)
        p, value, size, through = self._each()
        if self.news is not None:
            other = TargetModel(self.news, self.j, products=self.products)
            other.terms, other.past = self.terms, self.past
            near = self.t.wanders[self.t.source]
            p = np.where(near, np.maximum(p, other._each()[0]), p)
            other.forget()
        found = []
        for term in self.terms:
            if term.other is not None:
                rest = [other for other in self.terms if other is not term]
                d = self.context(rest)
                r = float(d.product_rows([term.token])[0, term.other])
                found.append((term.token, term.other, min(1.0, float(self.paired(d.product_p(r)))), r))
        scan = TargetScan(p, value, size, through, self.terms, found, c.e, self.past)
        self.forget()
        return scan

    def _each(self):
        """What `_all` says of every token, given the terms that do not hold it."""
        out = self._all(self.context(self.terms))
        held = {q for term in self.terms for q in (term.token, term.other) if q is not None}
        everything = self.past
        mine = {self.self_token + self.own_lags[k] - 1: k for k in everything if k < len(self.own_lags)}
        for token in sorted(held | {q for q, k in mine.items() if self.own_lags[k] <= self.t.L}):
            self.past = [k for k in everything if k != mine.get(token)]
            alone = self._all(self.context(self.without(token)), np.array([token]))
            for whole, part in zip(out, alone, strict=True):
                whole[token] = part[0]
        self.past = everything
        return out

    def _all(self, c: Context, tokens: np.ndarray | None = None):
        """p of each token by its block or its best product, with what it came through."""
        p, size, value = c.token_p(tokens)
        through = np.full(p.size, -1)
        if self.products:
            r = c.products() if tokens is None else c.product_rows(tokens)
            partner = np.abs(r).argmax(1)
            r = np.take_along_axis(r, partner[:, None], 1)[:, 0]
            pair = self._best_product(c, c.product_p(r), np.arange(self.t.P) if tokens is None else tokens)
            wins = pair / (1 - self.w) < p / self.w
            p = either(p, pair, self.w)
            value, through = np.where(wins, r, value), np.where(wins, partner, -1)
        return p, value, size, through

    def _best_product(self, c: Context, p: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """p of a token's best product among its (N - 1) L partners, by `hunter`."""
        t = self.t
        out = np.minimum(p * (t.P - t.L), 1.0)
        near = np.flatnonzero(p * (t.N - 1) < 1)  # beyond, no overlap of neighbours brings it below 1
        if t.L > 1 and near.size:
            source = np.repeat(np.arange(t.N), t.L - 1)
            other = source != t.source[tokens[near]][:, None]
            rho = c.rows.neighbours[tokens[near]][other].reshape(near.size, -1)
            out[near] = hunter(p[near], t.P - t.L, rho)
        return out


def scan_target(
    tokens: Tokens, target: int, *, products: bool = True, enter: float = ENTER, most: int = MOST
) -> TargetScan:
    """Select the drivers of one target and test every token given them.

    Parameters
    ----------
    tokens : Tokens
    target : int
    products : bool
        Whether products of two different series' tokens are looked for.
    enter : float
        p, times the number of tokens, at which a term enters.
    most : int
        Terms at most.
    """
    model = TargetModel(tokens, target, products=products)
    model.select(enter / tokens.P, most)
    return model.test()


def scan_panel(
    tokens: Tokens, *, products: bool = True, news: Tokens | None = None, progress: Callable = iter
) -> Iterator[TargetScan]:
    """Every target's drivers, one after the other, tested given those that stand in the whole panel.

    A term that entered one target's model by luck explains its neighbours away, and their p-values come out
    too large; one that is a true but weak driver must stay, or its neighbours take its place. So terms stay
    that pass Benjamini-Hochberg over all tokens of all targets: nearly none where nothing drives anything,
    nearly all where much does.

    Parameters
    ----------
    tokens, news : Tokens
        Scored by values; and, where series are near a unit root, by their news.
    products : bool
    progress : callable
        Wraps the iterable over the 2 N steps.
    """
    models = [TargetModel(tokens, j, products=products, news=news) for j in range(tokens.N)]
    standing: list[tuple[Term, float]] = []
    steps = progress([(j, last) for last in (False, True) for j in range(tokens.N)])
    for j, last in steps:
        model = models[j]
        if not last:
            model.select(ENTER / tokens.P, MOST)
            standing += model.standing()
            model.forget()
            continue
        if j == 0:
            p = np.ones(tokens.N * tokens.P)
            p[: len(standing)] = [x for _, x in standing]
            out = {id(t) for (t, _), stays in zip(standing, benjamini_hochberg(p, RATE)) if not stays}
        model.terms = [term for term in model.terms if id(term) not in out]
        yield model.test()


def benjamini_hochberg(p: np.ndarray, alpha: float) -> np.ndarray:
    """Which p-values are rejected at false discovery rate ``alpha`` (Benjamini and Hochberg 1995).

    >>> benjamini_hochberg(np.array([0.001, 0.02, 0.04, 0.9]), 0.05)
    array([ True,  True, False, False])
    """
    flat = np.sort(p, axis=None)
    passed = np.flatnonzero(flat <= alpha * np.arange(1, flat.size + 1) / max(flat.size, 1))
    return p <= (flat[passed[-1]] if passed.size else -1.0)
