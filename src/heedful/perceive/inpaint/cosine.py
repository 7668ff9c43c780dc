"""Sparse-cosine refinement: hidden pixels moved towards what few cosine waves per block can say.

Overlapping orthonormal DCT blocks are hard-thresholded with a threshold that sinks from round to round and
averaged, the visible pixels are put back after each round (O. Guleryuz, "Nonlinear approximation based image
recovery using adaptive sparse reconstructions", IEEE TIP 15, 2006).
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import fft, ndimage


def refine(
    start,
    hidden,
    *,
    block: int,
    step: int,
    rounds: int,
    first: float,
    last: float,
    seed: int = 0,
    compiled: bool | None = None,
):
    """Refine a fill by iterated thresholding of overlapping cosine blocks.

    Parameters
    ----------
    start : array, shape (H, W)
        HU, already filled.
    hidden : bool array, shape (H, W)
    block, step : int
        Block side and distance between blocks, pixels; the origin moves from round to round.
    rounds : int
    first, last : float
        Threshold of the first and the last round, HU of an orthonormal coefficient; geometric in between.
    seed : int
        Of the origins.
    compiled : bool, optional
        Use the numba kernel; by default where numba is installed.

    Returns
    -------
    array, shape (H, W)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(48); image = 100 * np.cos(np.pi * 6 * (x + .5) / 48)[None, :].repeat(48, 0)
    >>> hidden = np.zeros((48, 48), bool); hidden[20:28, 20:28] = True
    >>> start = np.where(hidden, 0.0, image)
    >>> better = refine(start, hidden, block=16, step=2, rounds=8, first=300, last=5)
    >>> bool(np.abs(better - image).max() < .5 * np.abs(start - image).max())
    True
    """
    rng = np.random.default_rng(seed)
    u = np.array(start, float)
    # square neighbourhoods of side 2 block + 1, as a running maximum
    label, _ = ndimage.label(ndimage.maximum_filter(hidden, 2 * block + 1))
    spots = ndimage.find_objects(label)
    for threshold in np.geomspace(first, last, rounds):
        origin = rng.integers(0, step, 2)
        for spot in spots:
            crop, h = u[spot], hidden[spot]
            crop[h] = _average(crop, h, block, step, origin, threshold, compiled)[h]
    return u


def _average(u, hidden, block, step, origin, threshold, compiled):
    """The weighted mean of all thresholded blocks that touch a hidden pixel."""
    pad = block
    padded = np.pad(u, pad, mode="reflect" if min(u.shape) > pad else "symmetric")
    touched = np.pad(hidden, pad)
    rows = np.arange(origin[0], padded.shape[0] - block + 1, step)
    cols = np.arange(origin[1], padded.shape[1] - block + 1, step)
    # a block touches a hidden pixel where the box sum of the mask is not zero
    box = np.pad(touched.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    r, c = rows[:, None], cols[None, :]
    count = box[r + block, c + block] - box[r, c + block] - box[r + block, c] + box[r, c]
    at = np.argwhere(count > 0)
    r, c = rows[at[:, 0]], cols[at[:, 1]]
    total, norm = np.zeros(padded.shape), np.zeros(padded.shape)
    kernel = _kernel() if compiled is not False else None
    if kernel is not None:
        single = np.ascontiguousarray(padded, np.float32)
        kernel(single, r, c, _basis(block), np.float32(threshold), total, norm)
    else:
        _blocks_numpy(padded, r, c, block, threshold, total, norm)
    inner = (slice(pad, -pad), slice(pad, -pad))
    return np.divide(total[inner], norm[inner], out=u.copy(), where=norm[inner] > 0)


def _blocks_numpy(padded, r, c, block, threshold, total, norm):
    """Threshold the blocks at (r, c) and add them up, each weighted by one over its number of waves."""
    views = np.lib.stride_tricks.sliding_window_view
    coefficients = fft.dctn(views(padded, (block, block))[r, c], axes=(1, 2), norm="ortho")
    keep = np.abs(coefficients) >= threshold
    keep[:, 0, 0] = True
    weight = 1.0 / keep.sum((1, 2))
    blocks = fft.idctn(np.where(keep, coefficients, 0.0), axes=(1, 2), norm="ortho", overwrite_x=True)
    blocks *= weight[:, None, None]
    for i, j, values, w in zip(r, c, blocks, weight, strict=True):
        total[i : i + block, j : j + block] += values
        norm[i : i + block, j : j + block] += w


@functools.cache
def _basis(n: int) -> np.ndarray:
    """The orthonormal cosine transform as a matrix (n, n), rows are waves."""
    return np.ascontiguousarray(fft.dct(np.eye(n), axis=0, norm="ortho"), np.float32)


@functools.cache
def _kernel():
    """The compiled form of ``_blocks_numpy``, or None without numba."""
    try:
        import numba
    except ImportError:
        return None

    def loop(padded, r, c, basis, threshold, total, norm):
        n = basis.shape[0]
        turned = basis.T.copy()
        half, wave = np.empty((n, n), np.float32), np.empty((n, n), np.float32)
        for block in range(r.shape[0]):
            x = padded[r[block] : r[block] + n, c[block] : c[block] + n]
            half[:] = 0
            for i in range(n):  # basis @ x
                for k in range(n):
                    value = basis[i, k]
                    for j in range(n):
                        half[i, j] += value * x[k, j]
            wave[:] = 0
            for i in range(n):  # ... @ basis.T
                for k in range(n):
                    value = half[i, k]
                    for j in range(n):
                        wave[i, j] += value * turned[k, j]
            kept = 1
            half[:] = 0
            for i in range(n):  # keep the large waves; inverse along the rows only where there is one
                for k in range(n):
                    value = wave[i, k]
                    if (i == 0 and k == 0) or abs(value) >= threshold:
                        kept += (i > 0) or (k > 0)
                        for j in range(n):
                            half[i, j] += value * basis[k, j]
            wave[:] = 0
            for i in range(n):
                for k in range(n):
                    value = turned[i, k]
                    for j in range(n):
                        wave[i, j] += value * half[k, j]
            w = 1.0 / kept
            for i in range(n):
                for j in range(n):
                    total[r[block] + i, c[block] + j] += w * wave[i, j]
                    norm[r[block] + i, c[block] + j] += w

    options = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
    try:
        return numba.njit(cache=True, **options)(loop)
    except RuntimeError:  # no folder is writable for the cache
        return numba.njit(**options)(loop)
