"""A CT volume as its file holds it: stored numbers, how they become HU, and where they lie in the patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingExtra
from .limits import MAX_RATIO

ENDS = {"DICOM": ("",), "NIfTI": (".nii", ".nii.gz"), "NRRD": (".nrrd",)}  # of what is written


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


def kind_of(path: str | Path) -> str:
    """'DICOM', 'NIfTI' or 'NRRD', by the name and, where that says nothing, by the first bytes."""
    path = Path(path)
    name = path.name.lower()
    if path.is_dir():
        return "DICOM"
    if name.endswith((".nii", ".nii.gz", ".hdr", ".img")):  # of a pair the reader says what to do
        return "NIfTI"
    if name.endswith((".nrrd", ".nhdr")):
        return "NRRD"
    if path.exists():
        with path.open("rb") as file:
            head = file.read(132)
        if head[128:132] == b"DICM":
            return "DICOM"
        if head.startswith(b"NRRD"):
            return "NRRD"
    elif not name.endswith((".dcm", ".dicom")):
        raise InputError("there is no such file", path=path, remedy="check the name and the folder")
    if name.endswith((".dcm", ".dicom", ".ima")):
        return "DICOM"
    raise InputError(
        "is no DICOM, NIfTI or NRRD file",
        path=path,
        remedy="give a folder of DICOM files, .nii, .nii.gz or .nrrd",
    )


def read_scan(path: str | Path) -> Scan:
    """Read a CT volume: a DICOM file or folder, .nii, .nii.gz or .nrrd.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        Where the file is missing, damaged, too large, or no CT volume.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> scan = read_scan(get_testdata_file("CT_small.dcm"))
    >>> scan.format, scan.stored.shape, scan.stored.dtype.name, int(scan.hu().max())
    ('DICOM', (1, 128, 128), 'int16', 1167)
    """
    return _reader(kind_of(path))[0](path)


def check_out(scan: Scan, out: Path) -> None:
    """Refuse a place where the scan could not be written, before any work is done."""
    if out.exists():
        raise InputError("exists already; nothing is overwritten", path=out, remedy="choose another name")
    if not out.parent.is_dir():
        raise InputError(f"the folder {out.parent} does not exist", path=out, remedy="create it first")
    if not out.name.lower().endswith(ENDS[scan.format]):
        raise InputError(
            f"the output of a scan in {scan.format} format ends in {' or '.join(ENDS[scan.format])}", path=out
        )


def write_scan(scan: Scan, stored, out: str | Path, *, description: str = "filled voxels") -> Path:
    """Write stored numbers with the geometry, dtype and scale of the scan they came from; never over a file.

    Parameters
    ----------
    scan : Scan
    stored : array, shape (Z, Y, X)
    out : str or Path
        A file of the scan's own format, or a new folder for a DICOM series.
    description : str
        What was done, for the formats that say so.
    """
    out = Path(out)
    check_out(scan, out)
    if stored.shape != scan.stored.shape or stored.dtype != scan.stored.dtype:
        raise InputError(f"{stored.dtype} {stored.shape} is not {scan.stored.dtype} {scan.stored.shape}")
    return _reader(scan.format)[1](scan, stored, out, description)


def _reader(format_: str) -> tuple[Callable, Callable]:
    if format_ == "DICOM":
        from . import dicom as module
    elif format_ == "NIfTI":
        from . import nifti as module
    else:
        from . import nrrd as module
    return module.read, module.write


def read_labels(path: str | Path, scan: Scan, *, what: str = "mask") -> tuple[np.ndarray, tuple[str, ...]]:
    """A label volume on a scan's own grid.

    The label file may be of another format, a DICOM segmentation included, store its axes in another order or
    direction (as converters do), or cover only a box of the scan (as editors save it); it is then turned and
    set in, exactly. Voxels that do not fall onto the scan's are refused: nothing is resampled.

    Parameters
    ----------
    path : str or Path
    scan : Scan
    what : str
        "mask" or "tissue map", for messages.

    Returns
    -------
    labels : array, shape (Z, Y, X)
    notes : tuple of str
    """
    kind = kind_of(path)
    if kind == "DICOM":
        from . import dicom_seg

        if dicom_seg.is_segmentation(path):
            return dicom_seg.read_onto(path, scan, what=what)
    other = _reader(kind)[0](path, labels=True)
    labels = other.stored
    if not np.all(np.isfinite(labels)):
        raise InputError(f"the {what} holds numbers that are not finite", path=path)
    if other.unsure or scan.unsure:
        if labels.shape != scan.stored.shape:
            raise InputError(_differs(what, labels, scan), path=path, remedy="draw it on this very scan")
        return labels, (f"the {what} or the scan does not say where it lies; voxel is taken for voxel",)
    return place_labels(labels, other.affine, scan, path=path, what=what)


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


def _differs(what, labels, scan):
    return f"the {what} is {labels.shape[::-1]} voxels (x, y, z), the scan {scan.stored.shape[::-1]}"


def _mm(values) -> str:
    return " x ".join(f"{v:.3g}" for v in values)
