"""A filled volume and its pieces: HU, intervals, sources, and the table of every filled voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import provenance, rehide
from .patches import Asked


@dataclass(frozen=True)
class Part:
    """One piece of a fill: a slice's holes filled in the plane, or one region filled from its neighbours.

    Parameters
    ----------
    z : int
    hidden : bool array, shape (H, W)
    route : str
        "slice", "volume" or "mean" (no source could be found).
    value, low, high : array, shape (P,)
        HU in row order.
    sources : Sources or None
    attention : array, shape (P,)
        What attention alone says, HU; in volumes its correction.
    share : float
        Attention's weight in the fill.
    calibration : Calibration
    asked : Asked or None
        In a slice: the attention over patches.
    avoid : bool array, shape (H, W)
        Pixels that were read but are no sources.
    """

    z: int
    hidden: np.ndarray
    route: str
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    sources: provenance.Sources | None
    attention: np.ndarray
    share: float
    calibration: rehide.Calibration
    asked: Asked | None = None
    avoid: np.ndarray | None = None


@dataclass(frozen=True)
class Filling:
    """A filled volume.

    Parameters
    ----------
    hu : array, shape (Z, H, W)
        HU; visible voxels are exactly as given.
    low, high : array, shape (Z, H, W)
        The interval at the hidden voxels, HU; NaN elsewhere.
    hidden : bool array, shape (Z, H, W)
    parts : tuple of Part
    notes : tuple of str
    level : float
    """

    hu: np.ndarray
    low: np.ndarray
    high: np.ndarray
    hidden: np.ndarray
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    level: float = 0.9

    def table(self, top: int = 8, axes: tuple[str, str, str] = ("z", "y", "x")):
        """A DataFrame of every filled voxel: place, fill, interval, effective and ``top`` sources.

        ``axes`` names the axes, where a file counts them otherwise.
        """
        import pandas as pd

        slices, down, right = axes
        frames = []
        for part in self.parts:
            at = np.argwhere(part.hidden)
            frame = {
                slices: np.full(len(at), part.z),
                down: at[:, 0],
                right: at[:, 1],
                "HU": part.value,
                "low": part.low,
                "high": part.high,
                "route": part.route,
            }
            if part.sources is not None:
                place, weight, effective = part.sources.read(top)
                frame["effective sources"] = effective
                for s in range(place.shape[1]):
                    frame |= {
                        f"source {s + 1} {down}": place[:, s, 0],
                        f"source {s + 1} {right}": place[:, s, 1],
                        f"weight {s + 1}": weight[:, s],
                    }
            frames.append(pd.DataFrame(frame))
        return pd.concat(frames, ignore_index=True)
