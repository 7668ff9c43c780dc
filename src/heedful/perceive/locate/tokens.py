"""Images as tokens: which sizes are taken, what the patches are called, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError


def as_images(
    X: Any, *, patch: int, bands: int | None = None, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Images checked: (N, H, W, bands), uint8, or float32 within [0, 1].

    Parameters
    ----------
    X : array (N, H, W) or (N, H, W, bands), or a sequence of equal (H, W[, bands]) images
        uint8, or real numbers in [0, 1].
    patch : int
        Sides must be multiples of this, px.
    bands, size : optional
        What was fitted, where that must be met.

    Returns
    -------
    ndarray

    Raises
    ------
    InputError
        Naming the first image that cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> as_images(np.zeros((2, 16, 24), np.uint8), patch=8).shape
    (2, 16, 24, 1)
    """
    if not isinstance(X, np.ndarray):
        X = list(X)
        shapes = {np.shape(image) for image in X}
        if len(shapes) > 1:
            raise InputError(
                f"images of {len(shapes)} different shapes, {sorted(shapes)[:3]}",
                remedy="cut them to one size, or give them one by one",
            )
        X = np.array(X)
    if X.dtype.kind not in "uif" or X.ndim not in (3, 4):
        raise InputError(
            f"images are {X.dtype} of shape {X.shape}; numbers of shape (N, H, W) or "
            "(N, H, W, bands) were expected"
        )
    if X.ndim == 3:
        X = X[..., None]
    if 0 in X.shape:
        raise InputError(f"no image or no pixel (shape {X.shape})")
    height, width = X.shape[1:3]
    if height % patch or width % patch:
        raise InputError(
            f"images of {height} x {width} px; sides that are multiples of {patch} were expected",
            remedy=f"cut them to {height // patch * patch} x {width // patch * patch}",
        )
    if bands is not None and X.shape[3] != bands:
        raise InputError(f"images with {X.shape[3]} bands, the model was fitted on {bands}")
    if size is not None and (height, width) != tuple(size):
        raise InputError(
            f"images of {height} x {width} px; method='plain' was fitted on {size[0]} x {size[1]} "
            "and its position embedding allows no other"
        )
    if X.dtype == np.uint8:
        return np.require(X, requirements=["C", "W"])  # torch wants to be able to write
    finite = np.isfinite(X)
    if not finite.all():
        i, r, c, _ = (int(v[0]) for v in np.nonzero(~finite))
        raise InputError(
            f"{int((~finite).sum())} numbers are not finite",
            where=f"image {i}, row {r}, column {c}",
            remedy="fill or leave out these images",
        )
    low, high = float(X.min()), float(X.max())
    if low < 0 or high > 1:
        raise InputError(
            f"{X.dtype} images range over {low:g}..{high:g}; 0..1, or uint8, was expected",
            remedy="divide by the sensor's full scale",
        )
    return np.require(X, np.float32, ["C", "W"])


def cut_to_patches(pixels: np.ndarray, patch: int) -> tuple[np.ndarray, str | None]:
    """An image cut at its right and lower edge to whole patches, and a sentence if anything was cut."""
    height, width = pixels.shape[:2]
    if height < patch or width < patch:
        raise InputError(f"an image of {height} x {width} px; at least {patch} x {patch} was expected")
    cut = pixels[: height // patch * patch, : width // patch * patch]
    said = None
    if cut.shape != pixels.shape:
        said = f"{height} x {width} px cut to {cut.shape[0]} x {cut.shape[1]}, whole patches of {patch} px"
    return cut, said


def patch_names(rows: int, cols: int) -> list[str]:
    """``"r2c5"`` for the patch in row 2 and column 5, row by row."""
    return [f"r{r}c{c}" for r in range(rows) for c in range(cols)]


def patch_centres(rows: int, cols: int, side: int, transform: Sequence[float] | None = None) -> np.ndarray:
    """Centres of patches, (P, 2): (x, y) in pixels from the upper left corner, or through ``transform``.

    Parameters
    ----------
    rows, cols, side : int
        Patches down and across; their side, px.
    transform : 6 floats, optional
        ``x = a col + b row + c``, ``y = d col + e row + f``: rasterio's and GDAL's pixel-corner convention
        (in rasterio's order).

    Examples
    --------
    >>> patch_centres(1, 2, 8).tolist()
    [[4.0, 4.0], [12.0, 4.0]]
    >>> patch_centres(1, 1, 8, (10, 0, 5000, 0, -10, 9000)).tolist()
    [[5040.0, 8960.0]]
    """
    row, col = np.divmod(np.arange(rows * cols), cols)
    x, y = (col + 0.5) * side, (row + 0.5) * side
    if transform is not None:
        a, b, c, d, e, f = check_transform(transform)
        x, y = a * x + b * y + c, d * x + e * y + f
    return np.stack([x, y], 1)


def check_transform(transform: Sequence[float]) -> tuple[float, ...]:
    """Six finite numbers of an invertible affine map, or an InputError."""
    values = tuple(float(v) for v in tuple(transform)[:6])
    if len(values) != 6 or not np.isfinite(values).all() or values[0] * values[4] == values[1] * values[3]:
        raise InputError(
            f"transform {tuple(transform)}; six numbers a, b, c, d, e, f of an invertible map "
            "x = a col + b row + c, y = d col + e row + f were expected"
        )
    return values


def truth_patches(mask: np.ndarray, patch: int, *, cover: float = 0.1) -> np.ndarray:
    """Which patches a landmark covers by more than ``cover`` of their area: (N, H, W) bool to (N, P) bool."""
    n, height, width = mask.shape
    share = mask.reshape(n, height // patch, patch, width // patch, patch).mean((2, 4))
    return share.reshape(n, -1) > cover
