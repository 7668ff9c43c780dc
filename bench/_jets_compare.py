"""How two models of `bench.jets` differ: over test jets, and over training seeds."""

from __future__ import annotations

import numpy as np


def placements(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of background below each signal jet, and of signal above each background jet (ties at half)."""
    up, down = np.sort(score[~y]), np.sort(score[y])
    signal = (np.searchsorted(up, score[y]) + np.searchsorted(up, score[y], "right")) / 2 / len(up)
    background = 1 - (np.searchsorted(down, score[~y]) + np.searchsorted(down, score[~y], "right")) / 2 / len(
        down
    )
    return signal, background


def by_seeds(each: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean over seeds by Student's t: what another training sample would change."""
    from scipy.stats import t

    half = t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
    return each.mean() - half, each.mean() + half


def gap(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    """Mean over seeds of AUROC(a) - AUROC(b), 1e-4, and its 95 % intervals, over jets and seeds, over seeds.

    The first by the variance over test jets by DeLong et al. (Biometrics 44 (1988) 837) on the seeds' mean
    placements, plus that of the seeds themselves over their number; the second by the seeds alone.
    """
    n = min(len(a), len(b))
    both = np.isfinite(a[0]) & np.isfinite(b[0])
    y, a, b = y[both], a[:n, both], b[:n, both]
    pairs = [(placements(y, a[s]), placements(y, b[s])) for s in range(n)]
    signal, background = (np.array([p[0][k] - p[1][k] for p in pairs]) for k in (0, 1))
    each = signal.mean(1)
    spread = each.var(ddof=1) / n if n > 1 else 0.0
    test = signal.mean(0).var(ddof=1) / y.sum() + background.mean(0).var(ddof=1) / (~y).sum()
    half, mean = 1.96e4 * np.sqrt(test + spread), 1e4 * each.mean()
    text = f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"
    return text + ("; seeds [{:+.1f}, {:+.1f}]".format(*by_seeds(1e4 * each)) if n > 1 else "")
