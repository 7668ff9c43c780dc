"""From histories to a linear predictor: last values and covariates, corrected by decay heads.

eta = b + X0 b0 + sum_c g_c (last_c - M_c(h_c)) / s_c + sum_c d_c S_c(h'_c) / s'_c

X0 holds what Cox regression on last values would use; a mean head enters as its distance from the last
value, so that with g = d = 0 the model *is* that regression, and the heads are a correction on top of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .heads import Pairs, last_values
from .tokens import Histories


@dataclass(frozen=True)
class Scaling:
    """What is learned about columns before any outcome is looked at.

    Attributes
    ----------
    valued : array of int
        Codes that carry numbers: last value and mean head.
    counted : array of int
        Codes with a sum head.
    logged : array (valued,) of bool
        Read on the log scale: positive, and skewed less so.
    centre, spread : array (valued,)
    static_centre, static_spread : array (S,)
    flagged : array of int
        Positions in ``valued`` with a flag for "never measured".
    start : float
        Days: where half-lives start and their weak prior is centred, the median age of the events.
    away_spread, sum_spread : array (valued,), (counted,)
        Spread of the head columns at the half-lives reached: a prior on a coefficient means nothing unless
        its column has a known spread, and that changes with the half-life.
    """

    valued: np.ndarray
    counted: np.ndarray
    logged: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    static_centre: np.ndarray
    static_spread: np.ndarray
    flagged: np.ndarray
    start: float
    span: float
    away_spread: np.ndarray
    sum_spread: np.ndarray


def learn_scaling(H: Histories, *, counts: bool, means: bool = True) -> Scaling:
    """Which codes carry numbers, on what scale; from the predictions' histories alone."""
    C = len(H.codes)
    number = ~np.isnan(H.value)
    of_code = np.bincount(H.code, minlength=C)
    share = np.bincount(H.code, number, minlength=C) / np.maximum(of_code, 1)
    valued = np.flatnonzero((share > 0.5) & (of_code > 0)) if means else np.zeros(0, dtype=int)
    constant = [k for k in valued if np.ptp(H.value[number & (H.code == k)]) == 0]
    valued = np.setdiff1d(valued, constant)
    counted = (
        np.flatnonzero(of_code > 0)
        if counts or not means
        else np.setdiff1d(np.flatnonzero(of_code > 0), valued)
    )
    logged, centre, spread = np.zeros(len(valued), bool), np.zeros(len(valued)), np.ones(len(valued))
    for k, c in enumerate(valued):
        v = H.value[number & (H.code == c)]
        if v.min() > 0 and len(np.unique(v)) > 10:
            logged[k] = _skew(v) > 1.0 and abs(_skew(np.log(v))) < _skew(v)
        v = np.log(v) if logged[k] else v
        centre[k], spread[k] = v.mean(), v.std()
    static_spread = np.nanstd(H.static, axis=0) if H.static.size else np.ones(H.static.shape[1])
    start = float(np.median(H.dt[H.dt > 0])) if (H.dt > 0).any() else 1.0
    scaling = Scaling(
        valued,
        counted,
        logged,
        centre,
        spread,
        np.nanmean(H.static, axis=0) if H.static.size else np.zeros(H.static.shape[1]),
        np.where(static_spread > 0, static_spread, 1.0),
        np.zeros(0, int),
        start,
        float(max(H.dt.max(), 1.0)) if len(H.dt) else 1.0,
        np.ones(len(valued)),
        np.ones(len(counted)),
    )
    parts = Design(H, scaling)
    seen = parts.there.mean(0) if len(valued) else np.zeros(0)
    flagged = np.flatnonzero((seen > 0.01) & (seen < 0.99))
    return replace(scaling, flagged=flagged)


class Design:
    """The parts of the linear predictor for some histories under a `Scaling`."""

    def __init__(self, H: Histories, s: Scaling):
        self.H, self.s, self.n = H, s, len(H)
        C = len(H.codes)
        to_value, to_count = np.full(C, -1), np.full(C, -1)
        to_value[s.valued], to_count[s.counted] = np.arange(len(s.valued)), np.arange(len(s.counted))
        code = to_value[H.code] if len(H.code) else np.zeros(0, int)
        use = (code >= 0) & ~np.isnan(H.value)
        self.value_pairs = np.flatnonzero(use)
        v, k = H.value[use], code[use]
        if s.logged.any():
            floor = np.exp(s.centre - 6 * s.spread)
            v = np.where(s.logged[k], np.log(np.maximum(v, np.where(s.logged, floor, 1e-300)[k])), v)
        v = (v - s.centre[k]) / s.spread[k] if len(k) else v
        self.values = Pairs(H.row[use], k, H.dt[use], v, self.n, len(s.valued))
        self.last, self.there = last_values(H.row[use], k, H.dt[use], v, self.n, len(s.valued))
        code = to_count[H.code] if len(H.code) else np.zeros(0, int)
        use = code >= 0
        self.sum_pairs = np.flatnonzero(use)
        self.sums = Pairs(H.row[use], code[use], H.dt[use], np.zeros(int(use.sum())), self.n, len(s.counted))
        static = (H.static - s.static_centre) / s.static_spread
        self.fixed = np.column_stack([np.nan_to_num(static), self.last, ~self.there[:, s.flagged]])

    def sizes(self) -> tuple[int, int, int]:
        """Numbers of fixed columns, mean heads and sum heads."""
        return self.fixed.shape[1], len(self.s.valued), len(self.s.counted)

    def split(self, theta: np.ndarray) -> tuple[float, ...]:
        """b, b0, g, d, log half-lives of the means, log half-lives of the sums."""
        F, V, S = self.sizes()
        return theta[0], *np.split(theta[1:], np.cumsum([F, V, S, V]))

    def eta(self, theta: np.ndarray):
        """Linear predictor (n,) and a function from d loss / d eta to d loss / d theta."""
        b, b0, g, d, log_m, log_s = self.split(theta)
        out = b + self.fixed @ b0
        if len(g):
            M, M_slope = self.values.means(log_m)
            away = np.where(self.there, self.last - M, 0.0) / self.s.away_spread
            out = out + away @ g
        if len(d):
            S, S_slope = self.sums.sums(log_s)
            S, S_slope = S / self.s.sum_spread, S_slope / self.s.sum_spread
            out = out + S @ d

        def pull(r: np.ndarray) -> np.ndarray:
            parts = [[r.sum()], r @ self.fixed]
            parts += [r @ away if len(g) else [], r @ S if len(d) else []]
            parts += [-g * (r @ np.where(self.there, M_slope, 0.0)) / self.s.away_spread if len(g) else []]
            parts += [d * (r @ S_slope) if len(d) else []]
            return np.concatenate([np.asarray(p, dtype=np.float64) for p in parts])

        return out, pull


def fixed_names(s: Scaling, codes: list[str], static_names: list[str]) -> list[str]:
    """Names of the fixed columns."""
    value = [f"{'log ' if lg else ''}{codes[c]}, last" for c, lg in zip(s.valued, s.logged, strict=True)]
    return [*static_names, *value, *(f"{codes[s.valued[k]]} never measured" for k in s.flagged)]


def rescaled(design: Design, theta: np.ndarray) -> tuple[Design, np.ndarray]:
    """The design with head columns of unit spread at the half-lives of ``theta``, and theta for it.

    A spread below a tenth of a value's own (or of one event) is not blown up to one.
    """
    _, _, g, d, log_m, log_s = design.split(theta)
    s = design.s
    away, total = s.away_spread, s.sum_spread
    if len(g):
        away = np.maximum(
            np.where(design.there, design.last - design.values.means(log_m)[0], 0.0).std(0), 0.1
        )
    if len(d):
        total = np.maximum(design.sums.sums(log_s)[0].std(0), 0.02)
    F, V, S = design.sizes()
    theta = theta.copy()
    theta[1 + F : 1 + F + V] *= away / s.away_spread
    theta[1 + F + V : 1 + F + V + S] *= total / s.sum_spread
    design.s = replace(s, away_spread=away, sum_spread=total)
    return design, theta


def _skew(v: np.ndarray) -> float:
    z = (v - v.mean()) / max(v.std(), 1e-300)
    return float((z**3).mean())
