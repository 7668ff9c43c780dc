"""A damaged slice as tokens: hidden tiles that ask, fully visible windows that may answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...errors import InputError

EIGHT = np.ones((3, 3), bool)
TISSUE, LUNG = -500.0, -950.0  # HU: windows whose mean is below are air and lung; are air
RING = 4  # pixels around a hole that tell whether it lies in lung


@dataclass(frozen=True)
class Geometry:
    """Sizes of the attention over patches, in pixels.

    Parameters
    ----------
    tile : int
        Side of a hidden tile; its pixels share one set of sources.
    window : int
        Side of the window, centred on the tile, that is compared.
    stride : int
        Distance between candidate windows.
    """

    tile: int = 6
    window: int = 18
    stride: int = 2

    @property
    def margin(self) -> int:
        """Pixels of the window on each side of the tile."""
        return (self.window - self.tile) // 2


@dataclass(frozen=True)
class Tiles:
    """The queries: where each tile's upper left corner lies, and in which wave it is filled.

    Outer tiles go first, so that deeper ones can lean on what was filled before them.
    """

    corner: np.ndarray  # (T, 2) int
    wave: np.ndarray  # (T,) int

    def __len__(self):
        return len(self.corner)


@dataclass(frozen=True)
class Bank:
    """The keys: the upper left corner of each candidate window, and its pixels in HU."""

    corner: np.ndarray  # (K, 2) int
    pixels: np.ndarray  # (K, window, window) float32

    def __len__(self):
        return len(self.corner)


def tiles_of(hidden, geometry: Geometry) -> Tiles:
    """Cut every hole (8-connected) into tiles on a grid that starts at the hole's corner.

    Parameters
    ----------
    hidden : bool array, shape (H, W)
    geometry : Geometry

    Returns
    -------
    Tiles

    Examples
    --------
    >>> import numpy as np
    >>> hidden = np.zeros((60, 60), bool); hidden[20:40, 20:40] = True
    >>> len(tiles_of(hidden, Geometry(tile=8)))
    9
    """
    side = geometry.tile
    label, _ = ndimage.label(hidden, EIGHT)
    corners, waves = {}, []
    for i, spot in enumerate(ndimage.find_objects(label), 1):
        own = label[spot] == i
        depth = _depth(hidden, spot)
        for r in range(0, own.shape[0], side):
            for c in range(0, own.shape[1], side):
                piece = own[r : r + side, c : c + side]
                at = (spot[0].start + r, spot[1].start + c)
                if piece.any() and at not in corners:
                    corners[at] = None
                    reach = depth[r : r + side, c : c + side][piece].max()
                    waves.append(int(np.ceil(reach / side)))
    return Tiles(np.array(list(corners), int).reshape(-1, 2), np.array(waves, int))


def _depth(hidden, spot):
    """Distance to the visible set within a box: the box and one pixel around it hold all that matters."""
    wide = tuple(slice(max(axis.start - 1, 0), axis.stop + 1) for axis in spot)
    depth = ndimage.distance_transform_edt(hidden[wide])
    return depth[tuple(slice(a.start - w.start, a.stop - w.start) for a, w in zip(spot, wide, strict=True))]


def bank_of(
    image, hidden, geometry: Geometry, *, limit: int = 4000, floor: float = TISSUE, seed: int = 0
) -> Bank:
    """All fully visible windows on the stride that are not air, or ``limit`` of them drawn at random.

    Where the mean is below ``floor`` HU a window is air or lung; if only such windows exist they are kept.
    """
    n = geometry.window
    if min(image.shape) < n:
        return Bank(np.zeros((0, 2), int), np.zeros((0, n, n), np.float32))
    views = np.lib.stride_tricks.sliding_window_view
    blocked = np.pad(hidden.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32), ((1, 0), (1, 0)))
    sums = blocked[n:, n:] - blocked[:-n, n:] - blocked[n:, :-n] + blocked[:-n, :-n]
    clear = np.argwhere(sums[:: geometry.stride, :: geometry.stride] == 0) * geometry.stride
    windows = views(np.asarray(image, np.float32), (n, n))
    # air is told from tissue by a sixteenth of the window's pixels: enough for a mean far from the floor
    mean = windows[:, :, 2::4, 2::4][clear[:, 0], clear[:, 1]].mean((1, 2))
    at = clear[mean > floor] if (mean > floor).any() else clear
    if len(at) > limit:
        at = at[np.sort(np.random.default_rng(seed).choice(len(at), limit, replace=False))]
    return Bank(at, np.ascontiguousarray(windows[at[:, 0], at[:, 1]]))


def floor_of(image, hidden) -> float:
    """The mean HU below which windows are no candidates: -500, or -950 where a hole lies in lung.

    In lung lies a hole a quarter of whose surroundings is lung.

    Examples
    --------
    >>> image = np.full((40, 40), 40.0); image[:, 20:] = -850; hidden = np.zeros((2, 40, 40), bool)
    >>> hidden[0, 5:9, 5:9] = hidden[1, 5:9, 28:32] = True
    >>> floor_of(image, hidden[0]), floor_of(image, hidden[1])
    (-500.0, -950.0)
    """
    lung = (image > LUNG) & (image < TISSUE) & ~hidden
    label, _ = ndimage.label(hidden, EIGHT)
    for spot in ndimage.find_objects(label):
        wide = tuple(slice(max(axis.start - RING, 0), axis.stop + RING) for axis in spot)
        around = grow(hidden[wide], RING) & ~hidden[wide]
        if 4 * lung[wide][around].sum() > around.sum():
            return LUNG
    return TISSUE


def grow(mask, by: int):
    """A mask and all pixels within a square of ``by`` pixels around it."""
    return ndimage.maximum_filter(mask, 2 * by + 1)


def depth_of(mask):
    """Distance of each pixel of a mask, in row order, to what is not masked: (P,) pixels.

    Examples
    --------
    >>> depth_of(np.pad(np.ones((3, 3), bool), 4)).tolist()
    [1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    """
    spot = ndimage.find_objects(mask.astype(np.uint8))
    return _depth(mask, spot[0])[mask[spot[0]]] if spot and spot[0] else np.zeros(0)


def check(hu, hidden, heights=None):
    """Volume, mask and heights as (Z, H, W) float and bool and (Z,), or an InputError in the user's words."""
    hu, hidden = np.asarray(hu), np.asarray(hidden)
    if hu.ndim == 2:
        hu, hidden = hu[None], hidden[None] if hidden.ndim == 2 else hidden
    if hu.ndim != 3 or hu.dtype.kind not in "iuf":
        raise InputError(f"the scan is {hu.dtype} {hu.shape}, HU (Z, H, W) are expected")
    if hidden.shape != hu.shape:
        raise InputError(f"the mask is {hidden.shape}, the scan {hu.shape}", remedy="draw it on this scan")
    hidden = hidden != 0
    if not hidden.any():
        raise InputError("the mask hides nothing", remedy="mark what is to be filled with 1")
    if hidden.all():
        raise InputError("everything is masked; nothing is left to fill from", remedy="unmask what is good")
    whole = np.flatnonzero(hidden.all((1, 2)))
    if len(whole):
        raise InputError(
            f"slice {whole[0]} is wholly masked; a slice is not made up",
            remedy="leave part of it visible, or interpolate slices with another tool",
        )
    if heights is not None:
        heights = np.asarray(heights, float)
        step = np.diff(heights)
        if heights.shape != (len(hu),) or not ((step > 0).all() or (step < 0).all()):
            raise InputError(f"heights are {heights.shape}, ({len(hu)},) rising or falling are expected")
    return hu.astype(float), hidden, heights


def readable(hu, hidden):
    """The volume as it may be read: numbers that are not finite replaced by their nearest neighbour's.

    Returns
    -------
    hu : array, shape (Z, H, W)
    closed : bool array, shape (Z, H, W)
        What must not serve as a source: hidden, or not a number.
    notes : tuple of str
    """
    bad = ~np.isfinite(hu) & ~hidden
    if not bad.any():
        return np.where(hidden, 0.0, hu), hidden, ()
    start = np.where(hidden | bad, 0.0, hu)
    for z in np.flatnonzero(bad.any((1, 2))):
        closed = bad[z] | hidden[z]
        if closed.all():
            raise InputError(f"slice {z} has no finite visible voxel")
        nearest = ndimage.distance_transform_edt(closed, return_distances=False, return_indices=True)
        start[z][bad[z]] = start[z][tuple(nearest)][bad[z]]
    note = f"{int(bad.sum())} visible voxels are not finite: kept as they are, read as their neighbours"
    return start, hidden | bad, (note,)
