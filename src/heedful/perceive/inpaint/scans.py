"""A scan from a file made ready to be filled: padding read as air, slices across their thickest axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...errors import InputError
from ...files.volume import Scan
from . import mix
from .tokens import grow

AIR = -1024.0  # HU: what padding is read as
KEPT = -900.0  # HU: a masked padding voxel whose fill is air gets its padding back
LABELS = 256  # a mask holds no more different numbers
NEAR = 8  # pixels around a hole in which numbers above what is read are counted
THICK = 1.2  # slices lie across an axis whose voxels are this many times longer than the file's slices


@dataclass(frozen=True)
class Ready:
    """A scan as it is read for filling.

    Parameters
    ----------
    hu : array, shape (Z, H, W)
        Padding is -1024 HU.
    hidden : bool array, shape (Z, H, W)
    padded : bool array, shape (Z, H, W)
        Masked voxels that belong to a piece of padding reaching beyond the mask.
    heights : array, shape (Z,), or None
        Where the slices lie along their axis, mm; None where they are equally far apart.
    order : (int, int, int)
        The file's axes (0 slices, 1 rows, 2 columns) in the order in which they are read.
    notes : tuple of str
    """

    hu: np.ndarray
    hidden: np.ndarray
    padded: np.ndarray
    heights: np.ndarray | None
    order: tuple[int, int, int]
    notes: tuple[str, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """The file's names (z, y, x) of the axes, as they are read."""
        return tuple("zyx"[a] for a in self.order)

    def back(self, volume) -> np.ndarray:
        """A volume of this grid with its axes in the file's order."""
        return np.transpose(volume, np.argsort(self.order))


def ready(scan: Scan, labels) -> Ready:
    """Make a scan and its mask ready to be filled.

    Parameters
    ----------
    scan : Scan
    labels : array, shape (Z, Y, X)
        The mask on the scan's grid; whole numbers, what is not 0 is filled.

    Returns
    -------
    Ready

    Raises
    ------
    InputError
        Where the mask holds fractions (a threshold is the user's choice) or is a scan itself. Where most
        numbers around the holes exceed what is read: they are no HU.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from heedful.files.scan import read_scan
    >>> scan = read_scan(get_testdata_file("CT_small.dcm"))
    >>> mask = np.zeros(scan.stored.shape, int); mask[0, 40:50, 40:50] = 1
    >>> found = ready(scan, mask)
    >>> found.hu.shape, int(found.hidden.sum()), found.axes
    ((1, 128, 128), 100, ('z', 'y', 'x'))
    """
    labels = np.asarray(labels)
    notes = []
    if labels.dtype.kind == "f" and (labels != np.rint(labels)).any():
        part = labels[labels != np.rint(labels)][0]
        raise InputError(
            f"the mask holds fractions such as {part:.3g}; what is to be filled is not clear",
            remedy="threshold it, or resample it with nearest neighbour",
        )
    values = np.unique(labels)
    if values[0] < 0 or len(values) > LABELS:
        raise InputError(
            f"the mask holds {len(values)} different numbers from {values[0]:g} to {values[-1]:g}; "
            "labels are expected",
            remedy="give the mask, not the scan",
        )
    if len(values) > 2:
        notes.append("the mask holds several labels; every label but 0 is filled")
    hidden, hu = labels != 0, scan.hu()
    with np.errstate(invalid="ignore"):
        padding = scan.padding | (hu < AIR)
    outside = padding & ~hidden
    if outside.any():
        notes.append(
            f"{int(outside.sum())} voxels are padding (declared, or below {AIR:.0f} HU): "
            "read as air, kept as they are"
        )
    _doubted(scan, hu, hidden, notes)
    order = _order(scan, notes)
    heights = _heights(scan) if order == (0, 1, 2) else None
    _tilt(scan, notes)

    def turned(volume):
        return np.ascontiguousarray(np.transpose(volume, order))

    return Ready(
        turned(np.where(padding, AIR, hu)),
        turned(hidden),
        turned(_reaching(padding, hidden)),
        heights,
        order,
        tuple(notes),
    )


def fill_values(scan: Scan, found: Ready, filled):
    """The stored numbers with the hidden voxels replaced; padding that was filled as air stays padding.

    Parameters
    ----------
    scan : Scan
    found : Ready
    filled : array, shape (Z, H, W)
        HU as read, hidden voxels filled.

    Returns
    -------
    stored : array, shape (Z, Y, X)
    notes : list of str
    """
    keep = found.padded & (filled < KEPT)
    hidden = found.back(found.hidden & ~keep)
    stored, clipped = scan.with_hu(hidden, found.back(filled)[hidden])
    notes = []
    if keep.any():
        notes.append(f"{int(keep.sum())} masked voxels lie in the padding and keep its value")
    if clipped:
        notes.append(f"{clipped} filled values exceed the file's number type and were set to its limit")
    return stored, notes


def told_of(corrector, scan: Scan, used: bool) -> list[str]:
    """What has to be known of a learned correction on this scan: notes."""
    if not used:
        return ["every hole was filled from neighbouring slices: the learned correction was not used"]
    said = [
        f"within slices a correction is added, times {corrector.share:g}, that was learned on "
        f"{corrector.slices_} slice{'s' * (corrector.slices_ > 1)} ({corrector.windows_} windows)"
    ]
    known, own = corrector.spacing_, float(scan.spacing[0])
    if known and not scan.unsure and not 1 / 1.5 < own / known < 1.5:
        said.append(
            f"the correction was learned on pixels of {known:.3g} mm, the scan's are {own:.3g} mm: "
            "it may do harm; learn on scans like this one"
        )
    return said


def shares_told(filling) -> list[str]:
    """How much of the fill within slices is attention's, slices of one share together: notes."""
    alike: dict[str, list[int]] = {}
    for part in filling.parts:
        if part.route == "slice":
            alike.setdefault(f"{part.share:.0%}", []).append(part.z)
    part = {"0%": "(almost) nothing of the fill: sources say which places look alike, not what was filled in"}
    return [
        f"slice{'s' * (len(slices) > 1)} {', '.join(map(str, slices[:8]))}{' ...' * (len(slices) > 8)}: "
        f"attention makes {part.get(share, f'{share} of the fill; sources explain that part')}"
        for share, slices in alike.items()
    ]


def _doubted(scan, hu, hidden, notes):
    """Say what no CT in HU would hold; refuse what would be read as one number throughout."""
    near = np.zeros(hidden.shape, bool)
    for z in np.flatnonzero(hidden.any((1, 2))):
        near[z] = grow(hidden[z], NEAR) & ~hidden[z]
    above = f"{int((hu[near] > mix.HIGH).sum())} of {int(near.sum())} voxels around the masked ones"
    if 2 * (hu[near] > mix.HIGH).sum() > near.sum():
        raise InputError(
            f"{above} are above {mix.HIGH:.0f}; HU are expected",
            path=scan.path,
            remedy="give CT with its rescale slope and intercept",
        )
    if (hu[near] > mix.HIGH).any():
        notes.append(f"{above} are above {mix.HIGH:.0f} HU: read as {mix.HIGH:.0f}")
    visible = hu[~hidden & np.isfinite(hu)]
    if visible.size and visible.min() >= 0 and visible.max() > 0:
        notes.append(
            "no visible voxel is below 0, as air and fat would be: are these HU? They are read as such"
        )


def _reaching(padding, hidden):
    """Masked padding that is of one piece, within its slice, with padding beyond the mask."""
    found = np.zeros(padding.shape, bool)
    for z in np.flatnonzero((padding & hidden).any((1, 2))):
        label, _ = ndimage.label(padding[z])
        beyond = np.unique(label[~hidden[z]])
        found[z] = np.isin(label, beyond[beyond > 0]) & hidden[z]
    return found


def _order(scan, notes):
    """The axis along which voxels are clearly longest is read as the slices' axis."""
    spacing = scan.spacing[::-1]  # z, y, x as stored
    longest = int(spacing.argmax())
    if scan.unsure or longest == 0 or min(scan.stored.shape) == 1 or spacing[longest] < THICK * spacing[0]:
        return (0, 1, 2)
    others = [a for a in range(3) if a != longest]
    notes.append(
        f"the file's axis {'zyx'[longest]} has the longest voxels ({spacing[longest]:.3g} mm): "
        "slices are counted along it"
    )
    return (longest, *others)


def _heights(scan):
    """Positions of DICOM slices along their normal where they are not equally far apart, mm."""
    if scan.format != "DICOM" or scan.unsure or len(scan.stored) < 3:
        return None
    normal = np.cross(scan.affine[:3, 0], scan.affine[:3, 1])
    normal /= np.linalg.norm(normal)
    at = np.array([[float(v) for v in ds.ImagePositionPatient] for ds in scan.kept]) @ normal
    step = np.diff(at)
    return at if step.max() > 1.05 * step.min() else None


def _tilt(scan, notes):
    """Say when the slices are sheared: the table moved obliquely to them."""
    if scan.unsure or len(scan.stored) < 2:
        return
    right, down, along = (scan.affine[:3, a] / np.linalg.norm(scan.affine[:3, a]) for a in range(3))
    angle = np.degrees(np.arccos(np.clip(abs(np.cross(right, down) @ along), 0, 1)))
    if angle > 0.5:
        notes.append(
            f"the slices are stacked obliquely ({angle:.1f} degrees, as under a tilted gantry): "
            "a neighbour is the voxel of the same row and column, nothing is resampled"
        )
