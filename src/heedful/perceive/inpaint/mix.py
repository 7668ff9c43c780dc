"""The fills side by side, and their convex mix.

Six fills ("experts") with different habits: waves (``fsr``), the same refined by sparse cosines
(``refined``), a refined plate (``cosine``), a plate (``plate``), flat pieces (``flat``) and attention over
patches (``attention``). Their mix beats each of them; its weights are learned on the scan (``rehide``) or
shipped.
"""

from __future__ import annotations

import numpy as np

from .cosine import refine
from .fsr import frequency_selective
from .patches import Asked, attend_patches
from .pde import tension, total_variation

LOW, HIGH = -1024.0, 1500.0  # HU: what is filled in lies within, and is read as if it did
# Shipped weights: fitted on 11 developer cases of one patient (see docs/inpaint.md), then frozen.
SHIPPED = {"refined": 0.430, "flat": 0.154, "fsr": 0.148, "cosine": 0.104, "attention": 0.085, "plate": 0.079}
EXPERTS = tuple(SHIPPED)
AROUND, GRID = 48, 16  # pixels


def experts(image, hidden, *, avoid=None, seed: int = 0, compiled: bool | None = None):
    """Every expert's fill of the hidden pixels.

    Parameters
    ----------
    image : array, shape (H, W)
        HU, finite; hidden pixels are not read.
    hidden : bool array, shape (H, W)
    avoid : bool array, shape (H, W), optional
        Pixels that may be read but must not serve as sources: filled before, not measured.
    seed : int
    compiled : bool, optional
        False uses the NumPy forms of the inner loops even where numba is installed.

    Returns
    -------
    fills : array, shape (6, P)
        HU at the hidden pixels in row order, in the order of ``EXPERTS``; attention without a source is NaN.
    asked : Asked or None
        The attention's sources.

    Examples
    --------
    >>> from heedful.perceive.inpaint.holes import phantom
    >>> image = phantom(seed=0, size=96)[0][0]; hidden = np.zeros((96, 96), bool); hidden[40:50, 30:42] = True
    >>> fills, asked = experts(image, hidden)
    >>> fills.shape, bool(np.abs(fills - image[hidden]).mean() < 30)
    ((6, 120), True)
    """
    f = np.clip(np.where(hidden, 0.0, image), LOW, HIGH)
    asked = attend_patches(f, hidden, avoid=avoid, seed=seed)
    # all but attention read no farther than AROUND from a hole; whole blocks keep their grid
    spot = tuple(
        slice(max(a.min() - AROUND, 0) // GRID * GRID, int(a.max()) + AROUND + 1) for a in np.nonzero(hidden)
    )
    near, h = f[spot], hidden[spot]
    waves = frequency_selective(near, h, low=LOW, high=HIGH, compiled=compiled)
    common = {"block": 16, "step": 5, "rounds": 6, "last": 20.0, "seed": seed, "compiled": compiled}
    plate = np.clip(tension(near, h), LOW, HIGH)
    fills = {
        "refined": refine(waves, h, first=100.0, **common)[h],
        "flat": total_variation(near, h, start=plate, rounds=1)[h],
        "fsr": waves[h],
        "cosine": refine(plate, h, first=200.0, **common)[h],
        "attention": np.full(int(h.sum()), np.nan) if asked is None else asked.fill[hidden],
        "plate": plate[h],
    }
    return np.clip(np.stack([fills[e] for e in EXPERTS]), LOW, HIGH), asked


def combine(fills, weights):
    """The mix (P,) in HU. An expert that has no fill (NaN) gives its weight to the others."""
    weights = np.where(np.isnan(fills[:, 0]), 0.0, weights) if fills.shape[1] else weights
    return (weights / weights.sum()) @ np.nan_to_num(fills)


def shipped() -> np.ndarray:
    """The shipped weights (6,), summing to 1."""
    w = np.array(list(SHIPPED.values()))
    return w / w.sum()


def disagreement(fills, fill) -> np.ndarray:
    """Spread of the experts around the mix with a floor of 15 HU, (P,) HU: the interval's unit of length."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.nanmean((fills - fill) ** 2, axis=0) + 15.0**2)


__all__ = ["EXPERTS", "SHIPPED", "Asked", "combine", "disagreement", "experts", "shipped"]
