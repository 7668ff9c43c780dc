"""Seeded lesion images of which it is known what separates them: type A by fine texture, type B by
arrangement.

Type A: the two classes differ in how fine the grain is, at equal mean, variance and shape; averaged over
4 x 4 pixels
the difference is gone, so that an encoder that works at that resolution cannot see it. Type B: a bright
rim is open
to the left or to the right; mean, histogram and co-occurrence in all directions are the same for both, so
that no handcrafted feature here can tell them apart, and an encoder can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage

SIDE = 48


@dataclass(frozen=True)
class Lesions:
    """Images (n, 48, 48), masks (n, 48, 48), outcome y (n,), type (n,): 0 = A, 1 = B."""

    images: np.ndarray
    masks: np.ndarray
    y: np.ndarray
    kind: np.ndarray


def lesions(n: int = 300, seed: int = 0, *, noise: float = 1.0) -> Lesions:
    """n lesions, half of each type, half of each outcome.

    Parameters
    ----------
    n : int
    seed : int
    noise : float
        1 = as described; larger makes both harder.

    Examples
    --------
    >>> cases = lesions(8, seed=0)
    >>> cases.images.shape, sorted(set(cases.kind.tolist()))
    ((8, 48, 48), [0, 1])
    """
    rng = np.random.default_rng([seed, 70])
    y, kind = rng.permutation(np.arange(n) % 2), rng.permutation(np.arange(n) // 2 % 2)
    yy, xx = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images, masks = np.empty((n, SIDE, SIDE), np.float32), np.empty((n, SIDE, SIDE), bool)
    for i in range(n):
        radius = rng.uniform(14, 19)
        squeeze = rng.uniform(0.9, 1.1)
        r = np.hypot(yy * squeeze, xx / squeeze) / radius
        mask = r < 1
        grain = rng.uniform(0.75, 1.05)  # sigma of the grain, pixels
        if kind[i] == 0:
            grain = (0.62 if y[i] else 0.95) + 0.13 * noise * rng.standard_normal()
        fine = ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), max(grain, 0.3))
        # the same variance, and nothing left at 4 x 4 pixels: only how fine it is differs
        fine = fine - ndimage.gaussian_filter(fine, 2.0)
        image = fine / fine[mask].std()
        rim = (np.abs(r - 0.7) < 0.2).astype(float)
        side = rng.choice([-1, 1]) if kind[i] == 0 else (1 if y[i] else -1)
        angle = np.arctan2(yy, side * xx) + 0.7 * noise * rng.standard_normal()
        opening = np.abs(np.angle(np.exp(1j * angle))) < 0.9
        image = (
            image
            + 1.2 * rim * ~opening
            + 0.35 * noise * ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), 4) * 10
        )
        images[i], masks[i] = np.where(mask, image, -2.0), mask
    return Lesions(images, masks, y, kind)


def texture_features(images: np.ndarray, masks: np.ndarray, levels: int = 8) -> pd.DataFrame:
    """First-order and grey-level co-occurrence features, averaged over four directions, at 1 and 2 pixels.

    Parameters
    ----------
    images : (n, H, W), masks : bool (n, H, W)
    levels : int
        Grey levels, equal steps between the 1st and 99th percentile of the lesion.

    Returns
    -------
    DataFrame (n, 14)
        In pyradiomics' manner of naming (`original_glcm_Contrast` ...), with the distance as prefix.
    """
    rows = []
    for image, mask in zip(images, masks, strict=True):
        v = image[mask]
        low, high = np.quantile(v, [0.01, 0.99])
        q = np.clip(((image - low) / max(high - low, 1e-9) * levels).astype(int), 0, levels - 1)
        row = {
            "original_firstorder_Mean": v.mean(),
            "original_firstorder_Variance": v.var(),
            "original_firstorder_Skewness": float(((v - v.mean()) ** 3).mean() / v.std() ** 3),
            "original_firstorder_Kurtosis": float(((v - v.mean()) ** 4).mean() / v.var() ** 2),
        }
        for d in (1, 2):
            p = np.zeros((levels, levels))
            for dy, dx in ((0, d), (d, 0), (d, d), (d, -d)):
                a = (slice(0, SIDE - dy), slice(max(-dx, 0), SIDE - max(dx, 0)))
                b = (slice(dy, SIDE), slice(max(dx, 0), SIDE - max(-dx, 0)))
                both = mask[a] & mask[b]
                np.add.at(p, (q[a][both], q[b][both]), 1.0)
            p = (p + p.T) / (2 * p.sum())
            i, j = np.mgrid[:levels, :levels]
            mean = (i * p).sum()
            row |= {
                f"d{d}_original_glcm_Contrast": ((i - j) ** 2 * p).sum(),
                f"d{d}_original_glcm_InverseDifference": (p / (1 + np.abs(i - j))).sum(),
                f"d{d}_original_glcm_JointEnergy": (p**2).sum(),
                f"d{d}_original_glcm_JointEntropy": -(p * np.log2(p + 1e-12)).sum(),
                f"d{d}_original_glcm_Correlation": ((i - mean) * (j - mean) * p).sum()
                / max(((i - mean) ** 2 * p).sum(), 1e-12),
            }
        rows.append(row)
    return pd.DataFrame(rows)
