"""Panels whose series have habits of their own and no link: how often is one called all the same?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import signal

from heedful.recall.lags import LagScan

from ._lags import FRESH, L, kept, level, tell

BEGIN = FRESH + 80_000


def _arma(ar, ma=(1.0,), burn: int = 600) -> Callable:
    return lambda rng, T, N: signal.lfilter(ma, ar, rng.normal(size=(T + burn, N)), axis=0)[burn:]


def _seasonal(period: int, phi: float, strength: float) -> Callable:
    return _arma(np.convolve([1, -phi], np.r_[1, np.zeros(period - 1), -strength]))


def _cycle(radius: float, period: float) -> Callable:
    return _arma([1, -2 * radius * np.cos(2 * np.pi / period), radius**2])


AR5, AR8, AR9 = (_arma([1, -a]) for a in (0.5, 0.8, 0.9))


def _fixed_season(rng, T, N):
    return np.sin(2 * np.pi * np.arange(T)[:, None] / 12 + rng.uniform(0, 2 * np.pi, N)) + AR5(rng, T, N)


def _trend(rng, T, N):
    return AR5(rng, T, N) + 0.02 * np.arange(T)[:, None] * rng.choice([-1, 1], N)


def _breaks(rng, T, N):
    return AR5(rng, T, N) + 2.5 * (np.arange(T)[:, None] >= rng.integers(T // 4, 3 * T // 4, N))


def _long_memory(rng, T, N, d=0.4):
    k = np.arange(1, 2000)
    return _arma([1.0], np.r_[1, np.cumprod((k - 1 + d) / k)], 2000)(rng, T, N)


def _volatile(rng, T, N):
    return np.exp(0.75 * 0.31 * _arma([1, -0.95])(rng, T, N)) * rng.normal(size=(T, N))


def _gaps(rng, T, N):
    x = AR8(rng, T, N)
    x[rng.random(x.shape) < 0.15] = np.nan
    return x


# what, generator (rng, T, N), T
HABITS: tuple[tuple[str, Callable, int], ...] = (
    ("seasonal AR, lag 12, max_lag 5", _seasonal(12, 0.5, 0.7), 300),
    ("seasonal AR, lag 4", _seasonal(4, 0.5, 0.8), 300),
    ("fixed season of 12, each its own phase", _fixed_season, 300),
    ("linear trends", _trend, 300),
    ("a shift of level", _breaks, 300),
    ("random walks with drift", lambda rng, T, N: np.cumsum(0.2 + rng.normal(size=(T, N)), 0), 300),
    ("cycles of 10 steps", _cycle(0.95, 10), 300),
    ("moving average of 13", _arma([1.0], np.ones(13)), 300),
    ("ARMA(.9, -.6)", _arma([1, -0.9], [1, -0.6]), 300),
    ("long memory, d = .4", _long_memory, 300),
    ("log-normal, AR .9", lambda rng, T, N: np.exp(AR9(rng, T, N) * 1.2 / 2.3), 300),
    ("counts of an AR .8 rate", lambda rng, T, N: 1.0 * rng.poisson(np.exp(AR8(rng, T, N) * 0.48)), 300),
    (
        "zero in 70 %, else exponential",
        lambda rng, T, N: np.where(rng.random((T, N)) < 0.7, 0, rng.exponential(size=(T, N))),
        300,
    ),
    (
        "AR .9 in five grades",
        lambda rng, T, N: 1.0 * np.digitize(AR9(rng, T, N) / 2.3, [-1, -0.3, 0.3, 1]),
        300,
    ),
    ("AR .9, its sign", lambda rng, T, N: 1.0 * (AR9(rng, T, N) > 0), 300),
    ("stochastic volatility (kurtosis 27)", _volatile, 300),
    ("AR .8, 15 % missing", _gaps, 300),
    ("AR .8, T=100", AR8, 100),
    ("counts, Poisson of mean 1, T=100", lambda rng, T, N: 1.0 * rng.poisson(1.0, (T, N)), 100),
)


def habits(out=print, *, quick: bool = False) -> list[dict]:
    """Any false link, tails of p, and how often a note says what was done."""
    rows, panels, store = [], 10 if quick else 150, kept()

    def one(number: int, s: int) -> list[float]:
        _, make, T = HABITS[number]
        scan = LagScan(L, variance=False).fit(make(np.random.default_rng([BEGIN + s, number]), T, 5))
        return [*level(scan.p_matrix), any("series " in note for note in scan.notes)]

    for number, (name, _, _) in enumerate(HABITS):
        made = np.array(
            [store("ours", name, BEGIN + s, make=partial(one, number, s)) for s in range(panels)]
        )
        found, told = list(made[:, :-1]), made[:, -1].sum()
        store.save()
        rows.append(
            {
                "work": f"no links, {name} ({panels} panels)",
                "ours": tell(found),
                "note": f"said in a note: {told / panels:.2f}",
            }
        )
        out(rows[-1])
    return rows


__all__ = ["HABITS", "habits"]
