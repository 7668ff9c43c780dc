"""The law of the smallest of three p-values: a block of K features tested at sizes 1, 2 and 5 at once.

Under the null the sequentially orthogonal scores z_k are iid N(0, sigma^2), so the joint law of the three F
statistics is pivotal, and the law of r = min_m p_m is a fixed function of the residual's degrees of freedom.
`exact` integrates it; `RATIO` holds its values over r, and `calibrated` interpolates them.
"""

from __future__ import annotations

import numpy as np
from scipy import special

SIZES = (1, 2, 5)
DF = (10, 20, 40, 80, 160, 320, 1e6)
LOG10_R = (
    -16.0,
    -14.0,
    -12.0,
    -10.0,
    -8.0,
    -7.0,
    -6.0,
    -5.0,
    -4.5,
    -4.0,
    -3.5,
    -3.0,
    -2.5,
    -2.0,
    *(round(-1.9 + 0.1 * k, 1) for k in range(20)),
)


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


# fmt: off
RATIO = np.array([
    [2.2062, 2.2041, 2.2049, 2.2028, 2.1972, 2.1916, 2.1826, 2.1677, 2.1568, 2.1426, 2.1237, 2.0982,
     2.0631, 2.0132, 2.0008, 1.9872, 1.9725, 1.9564, 1.9388, 1.9195, 1.8982, 1.8746, 1.8483,
     1.8189, 1.7857, 1.7480, 1.7048, 1.6548, 1.5960, 1.5258, 1.4402, 1.3329, 1.1931, 1.0000],
    [2.4461, 2.4396, 2.4342, 2.4221, 2.4013, 2.3855, 2.3640, 2.3339, 2.3142, 2.2901, 2.2603, 2.2227,
     2.1739, 2.1083, 2.0924, 2.0753, 2.0569, 2.0370, 2.0155, 1.9921, 1.9665, 1.9385, 1.9077,
     1.8734, 1.8353, 1.7923, 1.7436, 1.6878, 1.6230, 1.5466, 1.4547, 1.3412, 1.1959, 1.0000],
    [2.5981, 2.5845, 2.5706, 2.5481, 2.5149, 2.4918, 2.4622, 2.4230, 2.3982, 2.3687, 2.3330, 2.2889,
     2.2328, 2.1589, 2.1411, 2.1222, 2.1018, 2.0800, 2.0564, 2.0308, 2.0030, 1.9726, 1.9393,
     1.9025, 1.8617, 1.8159, 1.7643, 1.7054, 1.6374, 1.5577, 1.4623, 1.3455, 1.1973, 1.0000],
    [2.6760, 2.6578, 2.6390, 2.6110, 2.5714, 2.5448, 2.5113, 2.4677, 2.4405, 2.4084, 2.3699, 2.3226,
     2.2629, 2.1848, 2.1662, 2.1463, 2.1250, 2.1021, 2.0774, 2.0507, 2.0218, 1.9902, 1.9557,
     1.9176, 1.8753, 1.8281, 1.7750, 1.7145, 1.6448, 1.5633, 1.4663, 1.3478, 1.1981, 1.0000],
    [2.7134, 2.6931, 2.6720, 2.6415, 2.5991, 2.5709, 2.5356, 2.4899, 2.4616, 2.4283, 2.3883, 2.3395,
     2.2780, 2.1980, 2.1789, 2.1585, 2.1367, 2.1133, 2.0881, 2.0609, 2.0313, 1.9992, 1.9640,
     1.9252, 1.8822, 1.8343, 1.7804, 1.7191, 1.6486, 1.5662, 1.4683, 1.3489, 1.1985, 1.0000],
    [2.7314, 2.7101, 2.6881, 2.6565, 2.6127, 2.5837, 2.5476, 2.5010, 2.4721, 2.4382, 2.3976, 2.3480,
     2.2857, 2.2045, 2.1852, 2.1646, 2.1426, 2.1189, 2.0935, 2.0660, 2.0361, 2.0037, 1.9681,
     1.9290, 1.8857, 1.8374, 1.7831, 1.7214, 1.6505, 1.5677, 1.4693, 1.3495, 1.1987, 1.0000],
    [2.7488, 2.7267, 2.7037, 2.6711, 2.6261, 2.5964, 2.5595, 2.5120, 2.4826, 2.4480, 2.4068, 2.3564,
     2.2933, 2.2112, 2.1916, 2.1708, 2.1485, 2.1246, 2.0988, 2.0711, 2.0410, 2.0082, 1.9723,
     1.9329, 1.8892, 1.8406, 1.7859, 1.7238, 1.6524, 1.5691, 1.4703, 1.3500, 1.1989, 1.0000],
])
# fmt: on


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
