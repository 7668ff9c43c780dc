"""A seeded landscape of which every pixel is known: what only radar can see, and what only optics can.

Five classes in fields of irregular shape: water, dry soil, wet soil, broadleaf and needle-leaf forest. Soil
moisture changes the radar backscatter alone; the two forests differ in the optical bands alone. Both sources
carry field-to-field variation and noise, the radar multiplicative speckle.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .tokens import Scene

CLASSES = ("water", "dry soil", "wet soil", "broadleaf forest", "needle-leaf forest")
# reflectance x 10000: blue, green, red, near infrared. The two soils are equal by construction.
SPECTRA = np.array(
    [
        [700, 600, 420, 250],
        [1150, 1400, 1750, 2300],
        [1150, 1400, 1750, 2300],
        [360, 620, 430, 3300],
        [330, 500, 400, 2500],
    ],
    float,
)
# backscatter in dB: VV, VH. The two forests are equal by construction.
BACKSCATTER = np.array([[-19, -26], [-15, -22], [-10.5, -19], [-9, -14.5], [-9, -14.5]], float)


def landscape(
    size: int = 256, seed: int = 0, *, looks: float = 4.0, fields: int | None = None, clouds: float = 0.0
) -> Scene:
    """A scene with 4 optical bands (reflectance x 10000) and radar VV, VH (dB) at 10 m.

    Parameters
    ----------
    size : int
        Rows and columns, pixels.
    seed : int
    looks : float
        Looks of the radar: speckle is gamma noise of this shape.
    fields : int, optional
        Number of fields; about one for 260 pixels.
    clouds : float
        Share of the scene under opaque cloud (0 = a clear day).

    Returns
    -------
    Scene
        With `labels` 0..4, in the order of `CLASSES`.

    Examples
    --------
    >>> scene = landscape(64, seed=1)
    >>> scene.shape, {k: v.shape[1] for k, v in scene.sources.items()}
    ((64, 64), {'optical': 4, 'sar': 2})
    """
    rng = np.random.default_rng([seed, 20])
    n = fields or max(8, size * size // 260)
    seeds = rng.uniform(0, size, (n, 2))
    yy, xx = np.mgrid[:size, :size].astype(float)
    warp = [ndimage.gaussian_filter(rng.standard_normal((size, size)), 5) * 22 for _ in range(2)]
    owner = (
        cKDTree(seeds).query(np.stack([yy + warp[0], xx + warp[1]], -1).reshape(-1, 2))[1].reshape(size, size)
    )
    # neighbours tend to be alike: classes follow two smooth fields, wetness within soil and kind within
    # forest
    smooth = [
        ndimage.gaussian_filter(rng.standard_normal((size, size)), size / 14, mode="wrap") for _ in range(3)
    ]
    at = tuple(np.clip(seeds.astype(int), 0, size - 1).T)
    rank = [s[at].argsort().argsort() / n + 0.12 * rng.standard_normal(n) for s in smooth]
    kind = np.where(
        rank[0] < 0.12,
        0,
        np.where(rank[0] < 0.55, np.where(rank[1] < 0.5, 1, 2), np.where(rank[2] < 0.5, 3, 4)),
    )
    labels = kind[owner].astype(np.int16)

    optical = SPECTRA[labels].transpose(2, 0, 1)
    brightness = np.exp(0.13 * rng.standard_normal(n))[owner]
    tint = np.exp(0.07 * rng.standard_normal((n, 4)))[owner].transpose(2, 0, 1)
    texture = 1 + 0.10 * ndimage.gaussian_filter(rng.standard_normal((size, size)), 1.0) * 3.5
    optical = optical * brightness * tint * texture + 45 * rng.standard_normal(optical.shape)
    optical = ndimage.gaussian_filter(optical, (0, 0.5, 0.5))

    radar = BACKSCATTER[labels].transpose(2, 0, 1) + (1.0 * rng.standard_normal((n, 2)))[owner].transpose(
        2, 0, 1
    )
    radar = radar + 10 * np.log10(rng.gamma(looks, 1 / looks, radar.shape) + 1e-6)

    transform = None
    scene = Scene(
        {"optical": np.maximum(optical, 1).astype(np.float32), "sar": radar.astype(np.float32)},
        labels,
        {"optical": ("B2", "B3", "B4", "B8"), "sar": ("VV", "VH")},
        transform,
        None,
    )
    if clouds > 0:
        from .plant import corrupt

        scene, _ = corrupt(scene, "cloud", seed, cover=clouds)
    return scene
