"""The law of the smallest of three p-values: a block of K features tested at sizes 1, 2 and 5 at once.

Under the null the sequentially orthogonal scores z_k are iid N(0, sigma^2), so the joint law of the three F
statistics is pivotal, and the law of r = min_m p_m is a fixed function of the residual's degrees of freedom.
`exact` integrates it; calibration.csv holds its values over r, and `calibrated` interpolates them.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from scipy import special

SIZES = (1, 2, 5)


def exact(r: float, df: float, nodes: int = 160) -> float:
    """P(min over sizes of p_m <= r) for degrees of freedom ``df``, by quadrature.

    With critical values c_m(r) of F(m, df), events A_m = {sum_{k<=m} z_k^2 > m c_m s2}: the union is
    split as A_1, A_2 without A_1, A_5 without both, each integrated over z_1, z_2 and s2 ~ chi2_df / df.

    >>> round(exact(0.05, 300), 4)
    0.1018
    """
    critical = [m * special.fdtri(m, df, 1 - r) if r > 1e-15 else m * _far(m, df, r) for m in SIZES]
    x, weight = np.polynomial.legendre.leggauss(nodes)
    spread = 9 * np.sqrt(2 / df)
    low = max(-40.0, -spread - 60.0 / df)
    log_s = low + (min(spread, 3.0) - low) * (x + 1) / 2
    density = np.exp(df / 2 * (log_s - np.exp(log_s) + 1.0))
    density *= weight
    density /= density.sum()
    total = 0.0
    for s2, mass in zip(np.exp(log_s), density, strict=True):
        c1, c2, c5 = (c * s2 for c in critical)
        a = np.sqrt(c1) * (x + 1) / 2  # |z_1| over (0, sqrt c1)
        fa = np.sqrt(c1) / 2 * weight * 2 * _normal(a)
        room = np.maximum(c2 - a**2, 0.0)
        only2 = (fa * special.chdtrc(1, room)).sum()
        b = np.sqrt(room)[:, None] * (x + 1)[None] / 2
        fb = np.sqrt(room)[:, None] / 2 * weight[None] * 2 * _normal(b)
        only5 = (fa[:, None] * fb * special.chdtrc(3, np.maximum(c5 - a[:, None] ** 2 - b**2, 0.0))).sum()
        total += mass * (special.chdtrc(1, c1) + only2 + only5)
    return float(min(total, 1.0))


def _normal(x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)


def _far(m: int, df: float, r: float) -> float:
    """The upper r-quantile of F(m, df) by bisection on fdtrc, exact in the far tail."""
    low, high = 0.0, 1.0
    while special.fdtrc(m, df, high) > r:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if special.fdtrc(m, df, middle) > r else (low, middle)
    return high


def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log10 r (R,), degrees of freedom (D,) and exact(r, df) / r (D, R), from calibration.csv."""
    head, *rows = resources.files(__package__).joinpath("calibration.csv").read_text("ascii").split()
    cells = np.array([row.split(",") for row in rows], dtype=np.float64)
    return cells[:, 0], np.array(head.split(",")[1:], dtype=np.float64), cells[:, 1:].T


LOG10_R, DF, RATIO = _table()


def calibrated(r: np.ndarray, df: float) -> np.ndarray:
    """P(min over sizes of p_m <= r), from the table: log r linear in log, degrees of freedom linear in 1/df.

    Parameters
    ----------
    r : array
        Smallest of the p-values at sizes 1, 2 and 5.
    df : float
        Residual degrees of freedom, at least 10.

    >>> np.round(calibrated(np.array([1.0, 0.05, 1e-6]), 300) / np.array([1.0, 0.05, 1e-6]), 2)
    array([1.  , 2.04, 2.55])
    """
    inverse = 1.0 / np.asarray(DF)
    at = np.clip(1.0 / df, inverse[-1], inverse[0])
    k = int(np.clip(np.searchsorted(-inverse, -at) - 1, 0, len(DF) - 2))
    part = (inverse[k] - at) / (inverse[k] - inverse[k + 1])
    ratio = (1 - part) * RATIO[k] + part * RATIO[k + 1]
    log_r = np.log10(np.maximum(r, 1e-300))
    return np.minimum(np.maximum(r, 1e-300) * np.interp(log_r, LOG10_R, ratio), 1.0)
