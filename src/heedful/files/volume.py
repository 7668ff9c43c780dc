"""A CT volume as its file holds it: stored numbers, how they become HU, and where they lie in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingExtra
from .limits import MAX_RATIO


@dataclass(frozen=True)
class Scan:
    """A volume, slice first.

    Parameters
    ----------
    stored : array, shape (Z, Y, X)
        The numbers as stored, in the file's own dtype.
    slope, intercept : array, shape (Z, 1, 1)
        ``HU = stored * slope + intercept``, for each slice.
    affine : array, shape (4, 4)
        From (x, y, z) voxel index to millimetres, left-posterior-superior.
    padding : bool array, shape (Z, Y, X)
        Voxels that the file declares to lie outside the scanned circle; their numbers are kept.
    path : Path
    format : str
        "DICOM", "NIfTI" or "NRRD".
    unsure : bool
        The file says nothing about where the volume lies.
    notes : tuple of str
        What was repaired, or has to be known.
    limits : (int, int), optional
        The least and the greatest number that may be stored, where the dtype's own range is wider.
    kept : object
        What the format's writer needs.
    """

    stored: np.ndarray
    slope: np.ndarray
    intercept: np.ndarray
    affine: np.ndarray
    padding: np.ndarray
    path: Path
    format: str
    unsure: bool = False
    notes: tuple[str, ...] = ()
    limits: tuple[int, int] | None = None
    kept: Any = field(default=None, repr=False)

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size (x, y, z), mm."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def hu(self) -> np.ndarray:
        """The volume in HU, float64 (Z, Y, X). Numbers that are not finite stay so."""
        return self.stored * self.slope + self.intercept

    def with_hu(self, hidden, values) -> tuple[np.ndarray, int]:
        """The stored numbers with hidden voxels replaced; all others are bit-identical.

        Parameters
        ----------
        hidden : bool array, shape (Z, Y, X)
        values : array, shape (P,)
            HU of the hidden voxels in C order.

        Returns
        -------
        stored : array, shape (Z, Y, X)
        clipped : int
            How many values the file's number type could not hold and were set to its limit.
        """
        new = self.stored.copy()
        z = np.nonzero(hidden)[0]
        raw = (np.asarray(values, float) - self.intercept[z, 0, 0]) / self.slope[z, 0, 0]
        clipped = 0
        if self.stored.dtype.kind in "iu":
            info = np.iinfo(self.stored.dtype)
            low, high = self.limits or (info.min, info.max)
            raw = np.rint(raw)
            clipped = int(((raw < low) | (raw > high)).sum())
            raw = np.clip(raw, low, high)
        new[hidden] = raw.astype(self.stored.dtype)
        return new, clipped


def need(module: str, package: str | None = None) -> Any:
    """The module that reads a format, or a word on how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(package or module, "files") from error


def check_hu(stored, slope, intercept, *, path) -> None:
    """Refuse 8-bit grey levels, and numbers that no CT can have, before they are taken for HU."""
    if stored.dtype.itemsize == 1 and np.all(np.asarray(slope) == 1) and np.all(np.asarray(intercept) == 0):
        raise InputError(
            "8-bit values without a rescale slope are grey levels of a display window, HU are expected",
            path=path,
            remedy="export the scan itself (16 bit), not a picture of it",
        )
    if not np.all(np.isfinite(slope)) or np.any(np.asarray(slope) == 0) or not np.all(np.isfinite(intercept)):
        raise InputError("the rescale slope is zero or not a number", path=path)


def check_growth(announced: int, on_disk: int, *, path) -> None:
    """Refuse a compressed file whose header announces more than a thousand times its size."""
    if announced > 2**26 and announced > MAX_RATIO * max(on_disk, 1):
        raise InputError(
            f"announces {announced / 2**20:.0f} MiB in a file of {on_disk / 2**20:.2f} MiB",
            path=path,
            remedy="a file that grows this much is not read; unpack it yourself if you trust it",
        )
