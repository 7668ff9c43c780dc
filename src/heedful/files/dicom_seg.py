"""DICOM segmentations (SEG): frames of one segment each, laid onto the scan that they were drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .labels import place_labels
from .limits import check_array, check_readable
from .volume import Scan, need

STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"


def is_segmentation(path: str | Path) -> bool:
    """Whether a file is a DICOM segmentation object; anything unreadable is not.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> is_segmentation(get_testdata_file("CT_small.dcm"))
    False
    """
    path = Path(path)
    if path.is_dir():
        inside = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
        if len(inside) != 1:
            return False
        path = inside[0]
    try:
        return need("pydicom").filereader.read_file_meta_info(path).MediaStorageSOPClassUID == STORAGE
    except Exception:  # whatever it is, the other readers will say what is wrong with it
        return False


def read_onto(path: str | Path, scan: Scan, *, what: str = "mask") -> tuple[np.ndarray, tuple[str, ...]]:
    """The segments of a segmentation object on a scan's grid.

    Frames that the object leaves out are empty, as the standard has it. Where segments overlap, the one of
    the higher number stands.

    Parameters
    ----------
    path : str or Path
        The object, or a folder that holds nothing else.
    scan : Scan
    what : str
        "mask" or "tissue map", for messages.

    Returns
    -------
    labels : int array, shape (Z, Y, X)
        Segment numbers.
    notes : tuple of str

    Raises
    ------
    InputError
        Where it is damaged, fractional, or its frames do not lie on the scan's voxels.
    """
    path = Path(path)
    if path.is_dir():
        path = next(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    try:
        return _read(check_readable(path), scan, what)
    except InputError:
        raise
    except Exception as error:  # pydicom raises anything, as late as on access
        raise InputError(f"is a damaged segmentation ({str(error)[:100]})", path=path) from error


def _read(path, scan, what):
    import pydicom

    ds = pydicom.dcmread(path)
    if str(ds.get("SegmentationType", "BINARY")) != "BINARY":
        raise InputError(
            "is a segmentation of fractions; what is to be filled is not clear",
            path=path,
            remedy="export a binary segmentation",
        )
    if scan.unsure:
        raise InputError(
            f"is a DICOM segmentation, and the scan does not say where it lies; the {what} has no place",
            path=path,
            remedy="give the mask as a volume of the scan's own size",
        )
    count = int(ds.get("NumberOfFrames", 1) or 1)
    check_array((count, int(ds.Rows), int(ds.Columns)), 1, path=path, what="the segmentation")
    frames = np.asarray(ds.pixel_array).reshape(count, int(ds.Rows), int(ds.Columns))
    per_frame = ds.get("PerFrameFunctionalGroupsSequence", [])
    if len(per_frame) != count:
        raise InputError(f"has {count} frames and says where {len(per_frame)} of them lie", path=path)
    shared = ds.SharedFunctionalGroupsSequence[0] if ds.get("SharedFunctionalGroupsSequence") else {}
    labels, notes = np.zeros(scan.stored.shape, np.int32), []
    for frame, group in zip(frames, per_frame, strict=True):
        own, more = place_labels(frame[None], _affine(group, shared, scan), scan, path=path, what=what)
        identity = _of("SegmentIdentificationSequence", group, shared)
        labels = np.maximum(labels, (own != 0) * int(identity.ReferencedSegmentNumber))
        notes += more
    said = [note for note in dict.fromkeys(notes) if "covers" not in note]  # that frames are few is usual
    return labels, (f"the {what} is a DICOM segmentation of {count} frames", *said)


def _of(name, group, shared):
    """A functional group's only item, stated for the frame or for all of them."""
    found = group.get(name) or shared.get(name)
    if not found:
        raise KeyError(f"no {name}")
    return found[0]


def _affine(group, shared, scan):
    """A frame has no thickness: its third axis is that of the scan's that leaves its plane."""
    right, down = np.array(
        _of("PlaneOrientationSequence", group, shared).ImageOrientationPatient, float
    ).reshape(2, 3)
    spacing = [float(v) for v in _of("PixelMeasuresSequence", group, shared).PixelSpacing]
    normal = np.cross(right, down)
    axes = scan.affine[:3, :3]
    along = axes[:, np.argmax(np.abs(normal @ axes) / scan.spacing)]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = right * spacing[1], down * spacing[0], along
    affine[:3, 3] = [float(v) for v in _of("PlanePositionSequence", group, shared).ImagePositionPatient]
    return affine
