"""Labels laid onto a scan's voxels: turned and set in, exactly; nothing is resampled."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .volume import Scan


def place_labels(labels, affine, scan: Scan, *, path=None, what: str = "mask"):
    """Labels laid onto a scan's voxels where their affine says, exactly: turned, and set into an empty grid.

    Parameters
    ----------
    labels : array, shape (Z, Y, X)
        Of any axis order and direction; may cover only a box of the scan, or more than it.
    affine : array, shape (4, 4)
        From the labels' (x, y, z) index to millimetres, left-posterior-superior.
    scan : Scan
    path : Path, optional
    what : str

    Returns
    -------
    labels : array, shape (Z, Y, X)
        On the scan's grid.
    notes : tuple of str

    Raises
    ------
    InputError
        Where voxels do not fall onto voxels; nothing is resampled.
    """
    notes = []
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    turn = np.linalg.solve(scan.affine, affine)
    axes = np.abs(turn[:3, :3]).argmax(0)  # the scan's axis along which each axis of the labels runs
    whole = np.zeros((3, 3))
    whole[axes, range(3)] = np.sign(turn[axes, range(3)])
    if sorted(axes.tolist()) != [0, 1, 2] or np.abs(turn[:3, :3] - whole).max() > 0.01:
        raise InputError(
            f"its voxels are {_mm(spacing)} mm, the scan's {_mm(scan.spacing)} mm, or it is rotated",
            path=path,
            remedy="resample it onto the scan (nearest neighbour)",
        )
    turned = np.transpose(labels, [2 - int(np.flatnonzero(axes == 2 - a)[0]) for a in range(3)])
    origin = turn[:3, 3].copy()
    for axis in range(3):  # x, y, z of the scan
        if whole[axis].sum() < 0:
            turned = np.flip(turned, 2 - axis)
            origin[axis] -= turned.shape[2 - axis] - 1
    if not np.array_equal(whole, np.eye(3)):
        notes.append(f"the {what} stores its axes in another order or direction than the scan; it was turned")
    shift = np.rint(origin)
    same = turned.shape == scan.stored.shape
    if np.abs(origin - shift).max() > 0.1 or (same and shift.any()):
        raise InputError(
            f"the {what} lies {_mm(np.abs(origin) * scan.spacing)} mm (x, y, z) beside the scan",
            path=path,
            remedy="resample it onto the scan (nearest neighbour)",
        )
    # voxels that differ by little drift apart over the volume: the farthest must still fall onto its own
    far = np.abs((turn[:3, :3] - whole) * (np.array(labels.shape[::-1]) - 1)).sum(1)
    if far.max() > 0.3:
        raise InputError(
            f"its voxels are {_long(spacing)} mm, the scan's {_long(scan.spacing)} mm: across the {what} "
            f"that makes {far.max():.1f} voxels (slices may be missing in one of them)",
            path=path,
            remedy="resample it onto the scan (nearest neighbour)",
        )
    if not same:
        turned = _set_in(turned, shift[::-1].astype(int), scan, notes, path, what)
    return np.ascontiguousarray(turned), tuple(notes)


def _set_in(labels, start, scan, notes, path, what):
    """A box of labels that starts at a voxel of the scan, in a grid of the scan's size."""
    shape = scan.stored.shape
    low = np.maximum(start, 0)
    high = np.minimum(start + labels.shape, shape)
    if (high <= low).any():
        raise InputError(f"the {what} lies wholly beside the scan", path=path, remedy="draw it on this scan")
    grid = np.zeros(shape, labels.dtype)
    inside = labels[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))]
    grid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = inside
    lost = int((labels != 0).sum() - (inside != 0).sum())
    box = " x ".join(str(n) for n in labels.shape[::-1])
    notes.append(f"the {what} covers {box} voxels (x, y, z) of the scan's grid; elsewhere nothing is marked")
    if lost:
        notes.append(f"{lost} marked voxels of the {what} lie beyond the scan and were left out")
    return grid


def _mm(values) -> str:
    return " x ".join(f"{v:.3g}" for v in values)


def _long(values) -> str:
    return " x ".join(f"{v:.5g}" for v in values)
