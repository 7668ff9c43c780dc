"""Features of every token of a panel, and their moments over the rows that a target can use."""

from __future__ import annotations

import copy

import numpy as np

from .own import columns, drifting, habits, lopsided, normal_scores
from .tokens import CLIP, NEAR_UNIT_ROOT, K, hermite, mildly_integrated, own_coefficients, standardised

Column = (
    tuple  # ("x", token, feature), ("product", token, token), ("own", series), ("past", series, k)
)


class Tokens:
    """Features of every (source, lag) token of a panel.

    Parameters
    ----------
    values : array (T, N)
        NaN where missing.
    filter_roots : bool
        Score series that wander by `tokens.mildly_integrated`; in a model they keep their values.
    seed : int
        Of ties broken in lopsided series.
    max_lag : int
        L; token p = i * L + (l - 1) is series i at t - l, rows are t = L .. T - 1.

    Attributes
    ----------
    phi : array (P, K, n)
        Hermite features of the clipped value, centred and scaled over the rows; 0 where missing.
    y, own : array (N, n)
        The standardised targets and their own lag 1, neither clipped nor warped: warping the margin of a
        path with AR .9 breaks its linearity and costs a tenth of F1.
    seen : array (P, n) of bool, or None where nothing is missing.
    lopsided, near_unit_root, drifting, wanders : array (N,) of bool
        Read by normal scores; own-lag coefficient past .97; a trend or shifts of level; one of the last two.
    habits : list of (lags, periods)
        Of each series, own lags from 2 on and periods of fixed seasons (`own.habits`).
    past : dict of int to array (m, n)
        Columns that a model of a target holds beside its own lag 1: its habits, own lags first. Those are its
        values; the features of its tokens are clipped, and would leave some of its memory in the residual.
    """

    def __init__(self, values: np.ndarray, max_lag: int, *, filter_roots: bool = False, seed: int = 0):
        z, seen = standardised(values)
        self.lopsided = lopsided(z, seen)
        for i in np.flatnonzero(self.lopsided):
            z[:, i] = normal_scores(z[:, i], seen[:, i], seed + i)
        self.near_unit_root, self.drifting = own_coefficients(z, seen) > NEAR_UNIT_ROOT, drifting(z, seen)
        self.wanders = self.near_unit_root | self.drifting
        self.habits = [habits(v, s, max_lag) for v, s in zip(z.T, seen.T, strict=True)]
        self.past = {i: columns(z[:, i], *h)[:, max_lag:] for i, h in enumerate(self.habits) if any(h)}
        T, N = z.shape
        L, n = max_lag, T - max_lag
        self.N, self.L, self.n, self.P = N, L, n, N * L
        self.at = np.arange(L, T)[None, :] - np.arange(1, L + 1)[:, None]  # (L, n): when lag l was
        there = seen.T[:, self.at].reshape(self.P, n)
        self.seen = None if seen.all() else there
        content, filtered = z, np.flatnonzero(self.wanders) if filter_roots else np.zeros(0, int)
        self._level: dict[int, np.ndarray] = {}
        if filtered.size:
            content = z.copy()
            for i in filtered:
                content[:, i] = mildly_integrated(z[:, i], seen[:, i])
                mine = slice(i * L, (i + 1) * L)
                level = self._features(z[:, i : i + 1], seen[:, i : i + 1], there[mine])
                self._level.update(enumerate(level, start=i * L))
        self.phi = self._features(content, seen, there)
        self.a = np.ascontiguousarray(self.phi[:, 0].T)  # (n, P): first features, for products
        self.source = np.repeat(np.arange(N), L)
        self.y, self.own = np.ascontiguousarray(z[L:].T), np.ascontiguousarray(z[L - 1 : T - 1].T)
        self.y_seen, self.own_seen = seen[L:].T, seen[L - 1 : T - 1].T
        self._rows: dict[bytes, Rows] = {}

    def _features(self, content: np.ndarray, seen: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Features (N' L, K, n) of some series (T, N') at all lags."""
        v = hermite(np.clip(content, -CLIP, CLIP)) * seen[..., None]  # (T, N', K)
        phi = np.ascontiguousarray(v.transpose(1, 2, 0)[:, :, self.at].transpose(0, 2, 1, 3))
        phi = phi.reshape(-1, K, self.n)
        count = np.maximum(there.sum(-1), 1)
        phi -= (phi.sum(-1) / count[:, None])[..., None]
        phi *= there[:, None, :]
        sd = np.sqrt((phi**2).sum(-1) / count[:, None])
        phi *= (np.where(sd > 1e-9, 1.0 / np.maximum(sd, 1e-9), 0.0))[..., None]
        return phi

    def column(self, token: int, feature: int) -> np.ndarray:
        """A token's feature (n,) as a column of a model: of its values, whatever it is scored by.

        A true driver near a unit root explains the target by its level; its news alone would leave the rest
        of it in the residual, and neighbouring lags would take it up.
        """
        return self._level.get(token, self.phi[token])[feature]

    def rows(self, target: int, tokens: frozenset[int]) -> Rows:
        """The rows on which the target, its own lag 1 and the model's tokens were all observed."""
        if self.seen is None:
            keep, key = None, b""
        else:
            keep = self.y_seen[target] & self.own_seen[target]
            for p in tokens:
                keep = keep & self.seen[p]
            key = keep.tobytes()
        if key not in self._rows:
            if len(self._rows) > 3:
                self._rows.pop(next(iter(self._rows)))
            self._rows[key] = Rows(self, keep)
        return self._rows[key]

    def share_rows(self, other: Tokens) -> None:
        """Take over the moments of another panel's tokens: the same features, another target."""
        self._rows = {}
        for key, rows in other._rows.items():
            self._rows[key] = copy.copy(rows)
            self._rows[key].t = self
            self._rows[key]._columns, self._rows[key]._weighed = {}, {}


class Rows:
    """Moments of all tokens over the rows kept; a row left out has weight 0, time is never closed up."""

    def __init__(self, tokens: Tokens, keep: np.ndarray | None):
        self.t, self.keep = tokens, keep
        self.n = tokens.n if keep is None else int(keep.sum())
        phi = tokens.phi if keep is None else tokens.phi * keep
        self.gram = phi @ tokens.phi.transpose(0, 2, 1)  # (P, K, K)
        a = tokens.a if keep is None else tokens.a * keep[:, None]
        if keep is not None and self.n:
            mean = phi.sum(-1) / self.n
            self.gram -= self.n * mean[:, :, None] * mean[:, None, :]
        self.mean_product = (a.T @ tokens.a) / max(self.n, 1)  # (P, P)
        self._squares: np.ndarray | None = None
        self._neighbours: np.ndarray | None = None
        self._columns: dict[Column, np.ndarray] = {}
        self._weighed: dict[Column, np.ndarray] = {}

    @property
    def squares(self) -> np.ndarray:
        """sum_t (a_p a_q - mean)^2 for all pairs."""
        if self._squares is None:
            a2 = self.t.a**2
            self._squares = (a2 if self.keep is None else a2 * self.keep[:, None]).T @ a2
            self._squares -= self.n * self.mean_product**2
        return self._squares

    @property
    def neighbours(self) -> np.ndarray:
        """Correlation (P, N (L - 1)) of a token's products with two neighbouring lags of one partner."""
        if self._neighbours is None:
            t = self.t
            early = np.flatnonzero(np.arange(t.P) % t.L < t.L - 1)
            a2 = t.a**2 if self.keep is None else t.a**2 * self.keep[:, None]
            cross = a2.T @ (t.a[:, early] * t.a[:, early + 1])
            cross -= self.n * self.mean_product[:, early] * self.mean_product[:, early + 1]
            size = np.sqrt(np.maximum(self.squares, 1e-12))
            self._neighbours = cross / (size[:, early] * size[:, early + 1])
        return self._neighbours

    def centred(self, x: np.ndarray) -> np.ndarray:
        """x with mean 0 over the kept rows and 0 elsewhere."""
        if self.keep is None:
            return x - x.mean()
        return np.where(self.keep, x - x[self.keep].mean(), 0.0)

    def column(self, c: Column) -> np.ndarray:
        """A column of a model, centred over the kept rows."""
        if c not in self._columns:
            t = self.t
            if c[0] == "x":
                x = t.column(c[1], c[2])
            elif c[0] == "own":
                x = t.own[c[1]]
            elif c[0] == "past":
                x = t.past[c[1]][c[2]]
            else:
                x = t.column(c[1], 0) * t.column(c[2], 0)
            self._columns[c] = self.centred(x)
        return self._columns[c]

    def weighed(self, c: Column) -> np.ndarray:
        """A' diag(c) A: kept for each column, since a change of basis then costs no product of panels."""
        if c not in self._weighed:
            self._weighed[c] = self.t.a.T @ (self.column(c)[:, None] * self.t.a)
        return self._weighed[c]

    def forget(self) -> None:
        """Drop what was kept for one target (memory: P^2 numbers for each column)."""
        self._weighed.clear()
        self._columns.clear()
