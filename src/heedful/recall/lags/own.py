"""What a series does by itself: a lopsided margin, a drift, a memory longer than max_lag, a fixed season.

None of it needs another series, and each makes false links where it is left out: the residual of a target is
then no martingale, and any other series with the same habit seems to foretell it.
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

FAR = 400  # steps beyond which no memory is looked for
PARTS = 10  # own lags and season lines of a target at most
CYCLES = 6  # of a season that the record must hold; what is slower is a drift
ENTER = 0.01  # p, times the number of candidates, at which one enters


def lopsided(z: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Which series (N,) lean to one side and swing the more the higher they are: counts, prices, rain.

    Kelly's skewness (of the 5, 50 and 95 % quantiles) above .45, and either the innovations of an own lag 1
    lean as well (above .3) or their size follows the level (Spearman above .25). A path near a unit root
    leans by chance; its innovations do not.

    Parameters
    ----------
    z : array (T, N)
        0 where missing.
    seen : array (T, N) of bool

    Examples
    --------
    >>> e = np.random.default_rng(0).normal(size=(300, 2))
    >>> lopsided(np.stack([e[:, 0], np.exp(e[:, 1])], 1), np.ones((300, 2), bool))
    array([False,  True])
    """
    out = np.zeros(z.shape[1], dtype=bool)
    for i, (v, s) in enumerate(zip(z.T, seen.T, strict=True)):
        both = s[1:] & s[:-1]
        if abs(_kelly(v[s])) < 0.45 or both.sum() < 20:
            continue
        now, before = v[1:][both], v[:-1][both]
        e = now - before * (now @ before) / max(before @ before, 1e-300)
        sign = np.sign(_kelly(v[s]))
        out[i] = abs(_kelly(e)) > 0.3 or sign * stats.spearmanr(np.abs(e), before)[0] > 0.25
    return out


def _kelly(v: np.ndarray) -> float:
    low, middle, high = np.quantile(v, [0.05, 0.5, 0.95])
    return float((low + high - 2 * middle) / max(high - low, 1e-12))


def normal_scores(v: np.ndarray, seen: np.ndarray, seed: int = 0) -> np.ndarray:
    """A series (T,) by the normal scores of its ranks, sd 1; 0 where missing.

    Ties are broken at random. Left alone, a series that is zero seven times in ten leaves a residual that no
    rank makes normal, and its far tail is taken for a product of two drivers.

    Examples
    --------
    >>> v = normal_scores(np.array([0, 0, 0, 5.0, 2.0]), np.ones(5, bool))
    >>> int(v.argmax()), bool(len(np.unique(v)) == 5)
    (3, True)
    """
    rng = np.random.default_rng([seed, 61])
    out = np.zeros_like(v)
    order = np.lexsort((rng.random(int(seen.sum())), v[seen]))
    score = special.ndtri((np.arange(len(order)) + 0.5) / len(order))
    at = np.flatnonzero(seen)[order]
    out[at] = score / max(score.std(), 1e-12)
    return out


def drifting(z: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Which series (N,) have a trend or shifts of level: KPSS about the mean, or a slope, at about 1 %.

    The long-run variance is that of a short autoregression, for the slope fitted after a straight line is
    taken off, so a path with own-lag coefficient .95 is not taken for a drift.

    Source: Kwiatkowski, Phillips, Schmidt and Shin (1992), critical value .739; Sul, Phillips, Choi (2005).

    Examples
    --------
    >>> e = np.random.default_rng(0).normal(size=(300, 2))
    >>> drifting(e + np.outer(np.arange(300), [0, 0.01]), np.ones((300, 2), bool))
    array([False,  True])
    """
    T = len(z)
    line = np.linspace(-1, 1, T)
    out = np.zeros(z.shape[1], dtype=bool)
    for i, (v, s) in enumerate(zip(z.T, seen.T, strict=True)):
        n = s.sum()
        t = np.where(s, line - line[s].mean(), 0.0)
        slope = (t @ v) / (t @ t)
        flat, level = np.where(s, v - slope * t, 0.0), np.where(s, v - v[s].mean(), 0.0)
        for series, trend in ((flat, True), (level, False)):
            long_run = _long_run(series, s)
            if trend:
                out[i] |= abs(slope) > 3.3 * np.sqrt(long_run / (t @ t))
            else:
                out[i] |= (np.cumsum(series) ** 2).sum() / (n**2 * long_run) > 0.739
    return out


def _long_run(v: np.ndarray, seen: np.ndarray, most: int = 4) -> float:
    """Long-run variance by the autoregression of order 1 to ``most`` that BIC chooses."""
    T, best = len(v), (np.inf, 0.0)
    lagged = np.stack([np.r_[np.zeros(k), v[: T - k]] for k in range(1, most + 1)], 1)
    rows = np.flatnonzero(seen)
    rows = rows[rows >= most]
    n = len(rows)
    for order in range(1, most + 1):
        a, *_ = np.linalg.lstsq(lagged[rows, :order], v[rows], rcond=None)
        variance = np.mean((v[rows] - lagged[rows, :order] @ a) ** 2)
        total = a.sum() + (1 + 3 * a.sum()) / n
        bic = n * np.log(max(variance, 1e-300)) + order * np.log(n)
        best = min(best, (bic, variance / (1 - min(total, 1 - 1 / np.sqrt(n))) ** 2))
    return best[1]


def habits(v: np.ndarray, seen: np.ndarray, max_lag: int) -> tuple[list[int], list[float]]:
    """Own lags from 2 on that a series remembers, and periods of fixed seasons, found forward.

    From the own lag 1 on, the candidate that lowers the residual's sum of squares most for its
    parameters enters: one more own lag, up to `FAR` or a fifth of the length, or a line of the periodogram
    (a cosine and a sine). Each must pass `ENTER` over all candidates of its kind. A cycle that the series
    makes of its last values is thus not taken for a season.

    Parameters
    ----------
    v, seen : array (T,)
        0 where missing.
    max_lag : int

    Returns
    -------
    lags, periods : list of int, list of float
        In steps.

    Source: Fisher (1929) for the largest line of a periodogram.

    Examples
    --------
    >>> rng = np.random.default_rng(0); t = np.arange(400)
    >>> lags, periods = habits(np.sin(2 * np.pi * t / 12) + rng.normal(size=400), np.ones(400, bool), 3)
    >>> lags, [round(p) for p in periods]
    ([], [12])
    """
    T = len(v)
    rows = np.flatnonzero(seen)
    rows = rows[rows >= max_lag]
    n, far = len(rows), min(FAR, T // 5)
    X = [np.ones(n), v[rows - 1]]
    lags: list[int] = []
    periods: list[float] = []
    while len(lags) + len(periods) < min(PARTS, n // 20):
        Q = np.linalg.qr(np.stack(X, 1))[0]
        r = v[rows] - Q @ (Q.T @ v[rows])
        whole = np.zeros(T)
        whole[rows] = r
        best = []
        look = _likely(whole, v, far, lags)
        if look:
            C = np.stack([np.where(rows >= k, v[rows - k], 0.0) for k in look], 1)
            C -= Q @ (Q.T @ C)
            share = (C.T @ r) ** 2 / np.maximum((C**2).T @ r**2, 1e-300)  # White's: swings are no memory
            k = int(share.argmax())
            best.append((share[k] - np.log(n), special.chdtrc(1, share[k]) * far, "lag", look[k]))
        lines = np.abs(np.fft.rfft(whole)[CYCLES : (T - 1) // 2]) ** 2 / (r @ r) * n / T
        k = int(lines.argmax())
        p_line = np.exp(-lines[k]) * lines.size
        best.append((2 * lines[k] - 2 * np.log(n), p_line, "line", _refined(whole, k + CYCLES)))
        gain, p, kind, found = max(best)
        if p > ENTER or gain <= 0:
            break
        if kind == "lag":
            lags.append(int(found))
            X.append(columns(v, [found], [])[0][rows])
        else:
            periods.append(float(found))
            X += [c[rows] for c in columns(v, [], [found])]
    return lags, periods


def _likely(r: np.ndarray, v: np.ndarray, far: int, lags: list[int]) -> list[int]:
    """Own lags worth an exact look: the largest covariances with the residual, and neighbours of those in."""
    size = 1 << (2 * len(v) - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(r, size) * np.conj(np.fft.rfft(v, size)), size)[: far + 1]
    most = set((np.argsort(-np.abs(cross[2:]))[:16] + 2).tolist())
    most |= {k + step for k in (*lags, 1) for step in (-1, 1)}
    return sorted(k for k in most if 2 <= k <= far and k not in lags)


def _refined(r: np.ndarray, k: int) -> float:
    """The period near the k-th Fourier frequency with most power."""
    t = np.arange(len(r))
    grid = (k + np.linspace(-0.6, 0.6, 25)) / len(r)
    return float(1 / grid[np.abs(np.exp(-2j * np.pi * grid[:, None] * t) @ r).argmax()])


def columns(v: np.ndarray, lags: list[int], periods: list[float]) -> np.ndarray:
    """Own lags (0 where before the beginning) and season lines as columns (m, T)."""
    T = len(v)
    t = np.arange(T)
    out = [np.r_[np.zeros(k), v[: T - k]] for k in lags]
    for period in periods:
        out += [np.cos(2 * np.pi * t / period), np.sin(2 * np.pi * t / period)]
    return np.stack(out) if out else np.zeros((0, T))
