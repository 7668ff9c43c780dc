"""Seeded holes of the shapes that damage takes, and a seeded phantom to try them on.

Squares stand for masked patches, bands for lost detector rows, streaks for the star around metal, blobs for
lesions cut out. The phantom is an abdomen in HU with planted tumours: core, rim and surroundings are known.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

KINDS = ("square", "lesion", "band", "streak")
DAMAGE = {"sq16": 5, "sq24": 4, "sq32": 3, "sq48": 2, "lesion": 3, "band": 2, "streak": 2}  # kind: how many
TISSUES = {1: "core", 2: "rim", 3: "liver", 4: "bone", 5: "fat", 6: "muscle"}


def body_of(image) -> np.ndarray:
    """The patient within the slice: the largest piece above -500 HU, its cavities filled; (H, W) bool."""
    inside = ndimage.binary_opening(np.asarray(image) > -500, iterations=1)
    label, n = ndimage.label(inside)
    if n == 0:
        return np.ones(np.shape(image), bool)
    largest = label == 1 + np.argmax(np.bincount(label.ravel())[1:])
    return ndimage.binary_fill_holes(largest)


def square(size: int) -> np.ndarray:
    """A square hole, (size, size) bool."""
    return np.ones((size, size), bool)


def lesion(rng, size: int) -> np.ndarray:
    """A rounded, irregular outline about ``size`` pixels across."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    angle, radius = np.arctan2(y, x), np.hypot(y, x)
    edge = 0.75 + sum(
        rng.normal(0, 0.16 / k) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(2, 6)
    )
    return radius < np.clip(edge, 0.4, 1.0)


def band(rng, shape, scale: float = 1.0) -> np.ndarray:
    """Lost rows: one stripe 4 to 8 pixels wide, somewhat oblique, across the slice."""
    H, W = shape
    width = rng.uniform(4, 8) * scale
    slope, level = rng.uniform(-0.25, 0.25), rng.uniform(0.35, 0.65) * H
    y, x = np.mgrid[:H, :W]
    return np.abs(y - level - slope * (x - W / 2)) < width / 2


def streak(rng, shape, centre, scale: float = 1.0) -> np.ndarray:
    """The star around a metal piece: a disc and eight tapering rays."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    y, x = y - centre[0], x - centre[1]
    hole = np.hypot(y, x) < rng.uniform(4, 7) * scale
    for angle in np.arange(8) * np.pi / 4 + rng.uniform(0, np.pi / 4):
        along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        length, width = rng.uniform(25, 60) * scale, rng.uniform(2, 4) * scale
        hole |= (along > 0) & (along < length) & (np.abs(across) < width / 2 * (1.2 - along / length) + 0.5)
    return hole


def place(shape_mask, allowed, rng, taken, margin: int = 6, tries: int = 400):
    """A shape's mask (H, W) where ``allowed`` holds under all of it and ``taken`` near none; or None."""
    h, w = shape_mask.shape
    H, W = allowed.shape
    for _ in range(tries):
        r, c = rng.integers(0, max(H - h, 1)), rng.integers(0, max(W - w, 1))
        spot = (slice(r, r + h), slice(c, c + w))
        near = (slice(max(r - margin, 0), r + h + margin), slice(max(c - margin, 0), c + w + margin))
        if allowed[spot].shape == (h, w) and allowed[spot][shape_mask].all() and not taken[near].any():
            hole = np.zeros((H, W), bool)
            hole[spot] = shape_mask
            return hole
    return None


def damage(kind: str, image, rng, scale: float = 1.0):
    """A few separate holes of one kind, wholly within the body: (H, W) bool.

    Parameters
    ----------
    kind : str
        One of ``DAMAGE``.
    image : array, shape (H, W)
        HU.
    rng : Generator
    scale : float
        Sizes in pixels are multiplied by it.

    Examples
    --------
    >>> image = phantom(seed=0, size=128)[0][0]
    >>> hole = damage("sq16", image, np.random.default_rng(0))
    >>> int(hole.sum()) % 256, bool(hole.any())
    (0, True)
    """
    body = ndimage.binary_erosion(body_of(image), iterations=max(int(6 * scale), 2))
    taken = np.zeros(image.shape, bool)
    if kind == "band":
        return (band(rng, image.shape, scale) | band(rng, image.shape, scale)) & body
    if kind == "streak":
        inside = np.argwhere(ndimage.binary_erosion(body, iterations=int(40 * scale)))
        for _ in range(2 if len(inside) else 0):
            taken |= streak(rng, image.shape, inside[rng.integers(len(inside))], scale) & body
        return taken
    for _ in range(DAMAGE[kind]):
        if kind == "lesion":
            shape = lesion(rng, max(int(rng.integers(20, 60) * scale), 8))
        else:
            shape = square(int(int(kind[2:]) * scale))
        spot = place(shape, body, rng, taken)
        taken |= spot if spot is not None else False
    return taken


def phantom(seed: int = 0, size: int = 192, slices: int = 1):
    """A seeded abdomen in HU with tumours planted into the liver.

    Parameters
    ----------
    seed : int
    size : int
        Pixels across.
    slices : int
        Slices along z; 1 gives a single slice.

    Returns
    -------
    hu : array, shape (slices, size, size)
        HU, with noise of 12 HU that is correlated over neighbouring pixels as a CT kernel makes it.
    tissue : int array, same shape
        0 air, and the keys of ``TISSUES``.

    Examples
    --------
    >>> hu, tissue = phantom(seed=1, size=96)
    >>> hu.shape, sorted(set(tissue.ravel().tolist()))
    ((1, 96, 96), [0, 1, 2, 3, 4, 5, 6])
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    centres = [(-0.30, -0.35), (0.12, -0.30), (-0.05, 0.10), (-0.32, 0.25)]
    radii = rng.uniform(0.10, 0.15, len(centres))
    wobble = rng.normal(0, 0.02, (len(centres), 2))
    hu = np.empty((slices, size, size))
    tissue = np.zeros((slices, size, size), np.int16)
    for z in range(slices):
        drift = 0.012 * (z - (slices - 1) / 2)  # anatomy moves slowly from slice to slice
        label = np.zeros((size, size), np.int16)
        label[(x / 0.92) ** 2 + (y / 0.74) ** 2 < 1] = 5
        label[(x / 0.80) ** 2 + (y / 0.62) ** 2 < 1] = 6
        label[((x + 0.08 + drift) / 0.62) ** 2 + ((y + 0.06) / 0.46) ** 2 < 1] = 3
        label[(x / 0.13) ** 2 + ((y - 0.45) / 0.11) ** 2 < 1] = 4
        for (cy, cx), radius, (dy, dx) in zip(centres, radii, wobble, strict=True):
            distance = np.hypot(y - cy - dy, x - cx - dx - drift) / (radius * (1 - 0.02 * z))
            inner = label == 3
            label[inner & (distance < 1.0)] = 2
            label[inner & (distance < 0.62)] = 1
        level = np.choose(label, [-1000.0, 35.0, 135.0, 80.0, 700.0, -95.0, 50.0])
        texture = ndimage.gaussian_filter(rng.normal(size=(size, size)), 3)
        noise = ndimage.gaussian_filter(rng.normal(size=(size, size)), 0.7)
        level = ndimage.gaussian_filter(level, 0.8)
        grain = 12.0 * noise / noise.std() + np.where(label == 0, 0.0, 8.0 * texture / texture.std())
        hu[z], tissue[z] = np.maximum(level + grain, -1024.0), label
    return np.round(hu), tissue


def plant(image, tissue, centre, radius: float, rng, *, core: float = 30.0, rim: float = 150.0):
    """Plant a tumour into a slice: a dark core, a bright rim, the slice's own noise kept.

    Parameters
    ----------
    image : array, shape (H, W)
        HU; changed in place.
    tissue : int array, shape (H, W)
        Changed in place: 1 core, 2 rim.
    centre : (int, int)
        Row and column.
    radius : float
        Pixels; the core takes .62 of it.
    rng : Generator
    core, rim : float
        Mean HU.
    """
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    y, x = y - centre[0], x - centre[1]
    angle = np.arctan2(y, x)
    wave = sum(rng.normal(0, 0.05) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    distance = np.hypot(y, x) / (radius * (1 + wave))
    inner, outer = distance < 0.62, (distance >= 0.62) & (distance < 1)
    smooth = ndimage.gaussian_filter(image, 4.0)  # the local level goes, the grain on it stays
    grain = image - smooth
    level = np.where(inner, core, np.where(outer, rim, smooth))
    blend = ndimage.gaussian_filter(np.where(inner | outer, 1.0, 0.0), 0.8)
    soft = ndimage.gaussian_filter(level, 0.8)
    image += blend * (soft + np.clip(grain, -40, 40) - image)
    tissue[inner], tissue[outer] = 1, 2
