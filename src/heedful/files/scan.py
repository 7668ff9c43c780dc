"""CT volumes in any of three formats: read, written as they came, and labels on their grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError
from .labels import place_labels
from .volume import Scan

ENDS = {"DICOM": ("",), "NIfTI": (".nii", ".nii.gz"), "NRRD": (".nrrd",)}  # of what is written


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


def _differs(what, labels, scan):
    return f"the {what} is {labels.shape[::-1]} voxels (x, y, z), the scan {scan.stored.shape[::-1]}"
