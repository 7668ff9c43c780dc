"""Sparse-cosine refinement: hidden pixels moved towards what few cosine waves per block can say.

Overlapping orthonormal DCT blocks are hard-thresholded with a threshold that sinks from round to round and
averaged, the visible pixels are put back after each round (O. Guleryuz, "Nonlinear approximation based image
recovery using adaptive sparse reconstructions", IEEE TIP 15, 2006).
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import fft, ndimage

from .pursuit import jitted


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
    spots = [(spot, _Touched(hidden, spot, block)) for spot in ndimage.find_objects(label)]
    for threshold in np.geomspace(first, last, rounds):
        origin = rng.integers(0, step, 2)
        for spot, touched in spots:
            crop, h = u[spot], hidden[spot]
            crop[h] = _average(crop, touched, block, step, origin, threshold, compiled)[h]
    return u


class _Touched:
    """Which blocks of a crop hold a hidden pixel. Only at the slice's edge is the crop mirrored."""

    def __init__(self, hidden, spot, block):
        at_edge = any(a.start < block or a.stop > n - block for a, n in zip(spot, hidden.shape, strict=True))
        self.pad = block if at_edge else 0
        h = np.pad(hidden[spot], self.pad)
        # a block touches a hidden pixel where the box sum of the mask is not zero
        self.box = np.pad(h.cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def __call__(self, block, step, origin):
        """Rows and columns of the blocks' corners, row by row."""
        H, W = np.subtract(self.box.shape, 1)
        rows, cols = np.arange(origin[0], H - block + 1, step), np.arange(origin[1], W - block + 1, step)
        r, c = rows[:, None], cols[None, :]
        count = self.box[r + block, c + block] - self.box[r, c + block]
        count += self.box[r, c] - self.box[r + block, c]
        at = np.nonzero(count)
        return rows[at[0]], cols[at[1]]


def _average(u, touched, block, step, origin, threshold, compiled):
    """The weighted mean of all thresholded blocks that touch a hidden pixel."""
    pad = touched.pad
    padded = np.pad(u, pad, mode="reflect" if min(u.shape) > pad else "symmetric") if pad else u
    r, c = touched(block, step, origin)
    kernel = _kernel() if compiled is not False else None
    if kernel is not None:
        single = np.ascontiguousarray(padded, np.float32)
        total, norm = np.zeros_like(single), np.zeros_like(single)
        basis = _basis(block)
        kernel(single, r, c, basis, np.ascontiguousarray(basis.T), np.float32(threshold), total, norm)
    else:
        total, norm = np.zeros(padded.shape), np.zeros(padded.shape)
        _blocks_numpy(padded, r, c, block, threshold, total, norm)
    inner = (slice(pad, -pad), slice(pad, -pad)) if pad else ...
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

    def loop(padded, r, c, basis, turned, threshold, total, norm):
        # Blocks of one row share columns: these are transformed once, and what is kept is added up as
        # waves along y, turned back once for the whole row of blocks.
        n = basis.shape[0]
        longest, first = 0, 0
        for last in range(r.shape[0] + 1):
            if last == r.shape[0] or r[last] != r[first]:
                longest, first = max(longest, last - first), last
        along, waves = np.empty((longest * n, n), np.float32), np.empty((longest * n, n), np.float32)
        first = 0
        while first < r.shape[0]:
            last = first
            while last < r.shape[0] and r[last] == r[first]:
                last += 1
            top, left, right = r[first], c[first], c[last - 1] + n
            down = np.dot(basis, np.ascontiguousarray(padded[top : top + n, left:right]))
            for b in range(last - first):
                at = c[first + b] - left
                for i in range(n):
                    for j in range(n):
                        along[b * n + i, j] = down[i, at + j]
            rows = (last - first) * n
            np.dot(along[:rows], turned, waves[:rows])
            kept_down, weight = np.zeros_like(down), np.zeros(right - left, np.float32)
            for b in range(last - first):
                kept = 0
                for i in range(n):
                    for j in range(n):
                        value = waves[b * n + i, j]
                        stays = abs(value) >= threshold or (i == 0 and j == 0)
                        kept += stays
                        waves[b * n + i, j] = value if stays else np.float32(0)
                weight_of = np.float32(1.0 / kept)
                at = c[first + b] - left
                for j in range(n):
                    weight[at + j] += weight_of
                for i in range(n):
                    for j in range(n):
                        waves[b * n + i, j] *= weight_of
            np.dot(waves[:rows], basis, along[:rows])
            for b in range(last - first):
                at = c[first + b] - left
                for i in range(n):
                    for j in range(n):
                        kept_down[i, at + j] += along[b * n + i, j]
            total[top : top + n, left:right] += np.dot(turned, kept_down)
            norm[top : top + n, left:right] += weight
            first = last

    return jitted(numba, loop)
