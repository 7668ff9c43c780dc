"""Frequency-selective reconstruction of a slice: blocks of waves, easiest blocks first, two shifted grids.

Source: the block schedule of Seiler and Kaup's FSR (see ``pursuit``); order by fewest missing neighbours
and cycle spinning over shifted grids (R. Coifman and D. Donoho, "Translation-invariant de-noising", 1995).
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from .pursuit import N, pursue

SPAN = 2524.0  # HU from -1024 to 1500: what the published thresholds are shares of
SIZES = (16, 8, 4)
SMOOTH = {16: 0.014, 8: 0.030, 4: np.inf}  # a block is done at this size below this share of SPAN
RHO = {16: 0.80, 8: 0.70, 4: 0.66}
FILLED = 0.5  # what an already filled pixel weighs beside a visible one
SHIFTS = ((0, 0), (2, 2))
AROUND = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]  # on a grid padded by one


def frequency_selective(image, hidden, *, shifts=SHIFTS, low=-1024.0, high=1500.0, compiled=None):
    """Fill a slice by frequency-selective reconstruction.

    Parameters
    ----------
    image : array, shape (H, W)
        HU; what lies under ``hidden`` is not read.
    hidden : bool array, shape (H, W)
    shifts : sequence of (int, int)
        Offsets of the block grid in pixels; the fills are averaged.
    low, high : float
        Fills are clipped to this range, HU.
    compiled : bool, optional
        See ``pursue``.

    Returns
    -------
    array, shape (H, W)
        The slice with hidden pixels filled; visible pixels are as they were.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:64, :64]; image = 200 * np.cos(x / 5.0) + 100 * np.sin(y / 7.0)
    >>> hidden = np.zeros((64, 64), bool); hidden[24:40, 24:40] = True
    >>> filled = frequency_selective(image, hidden)
    >>> bool(np.abs(filled - image).max() < 60), bool((filled == image)[~hidden].all())
    (True, True)
    """
    image, hidden = np.asarray(image, float), np.asarray(hidden, bool)
    if not hidden.any():
        return image.copy()
    filled = image.copy()
    filled[hidden] = np.mean(
        [f[hidden] for f in _all_grids(image, hidden, shifts, low, high, compiled)], axis=0
    )
    return filled


def _all_grids(image, hidden, shifts, low, high, compiled):
    """One run for each block grid, side by side on one canvas: they share batches and never touch."""
    H, W = image.shape
    # a margin of weightless pixels: half a window and the shift, and up to whole blocks of 16
    corners = [(N + (-dy) % 16, N + (-dx) % 16) for dy, dx in shifts]
    tall = -(-(max(top for top, _ in corners) + H + N) // 16) * 16
    wide = -(-(max(left for _, left in corners) + W + N) // 16) * 16
    spots = [
        (slice(top, top + H), slice(n * wide + left, n * wide + left + W))
        for n, (top, left) in enumerate(corners)
    ]
    shape = (tall, wide * len(shifts))
    f, known, todo, outside = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool), np.ones(shape, bool)
    for inside in spots:
        f[inside] = np.where(hidden, 0.0, np.clip(image, low, high))
        known[inside], todo[inside], outside[inside] = ~hidden, hidden, False
    for size in SIZES:
        _one_size(f, known, todo, outside, size, low, high, compiled)
    return [f[inside] for inside in spots]


def _one_size(f, known, todo, outside, size, low, high, compiled):
    """All blocks of one size: again and again the blocks with the fewest unfilled neighbours, as a batch."""
    half = (N - size) // 2
    offset = np.arange(N) - (N - 1) / 2.0
    distance = np.hypot(offset[:, None], offset[None, :])
    decay = RHO[size] ** distance
    if size == 4:
        decay *= np.maximum(np.abs(offset)[:, None], np.abs(offset)[None, :]) < size / 2 + 12
    rows, cols = todo.shape[0] // size, todo.shape[1] // size
    open_ = todo.reshape(rows, size, cols, size).any((1, 3))
    void = outside.reshape(rows, size, cols, size).all((1, 3))  # beyond the image nothing is ever known
    lacking = np.pad(open_ | void, 1, constant_values=True)
    waiting = np.argwhere(open_)  # not yet looked at in this size
    window = np.arange(N)
    core = slice(half, half + size)
    while len(waiting):
        missing = sum(lacking[waiting[:, 0] + i, waiting[:, 1] + j] for i, j in AROUND)
        chosen = _apart(waiting, missing)
        batch, waiting = waiting[chosen], waiting[~chosen]
        r, c = batch[:, 0] * size - half, batch[:, 1] * size - half
        ri, ci = r[:, None, None] + window[None, :, None], c[:, None, None] + window[None, None, :]
        w, b = decay * known[ri, ci], f[ri, ci]
        mass = w.sum((1, 2))
        safe = np.where(mass > 0, mass, 1.0)
        mean = (w * b).sum((1, 2)) / safe
        b = b - mean[:, None, None]
        deviation = np.sqrt((w * b * b).sum((1, 2)) / safe)
        take = (mass > 0) & (deviation < SMOOTH[size] * SPAN)
        if not take.any():
            continue
        w, b, mean, deviation, batch = w[take], b[take], mean[take], deviation[take], batch[take]
        steps = np.clip(500.0 * deviation / SPAN, 10, 50).astype(np.int64)
        model = pursue(fft.rfft2(b * w), fft.rfft2(w), steps, compiled=compiled)
        values = np.clip(N * N * fft.irfft2(model, s=(N, N))[:, core, core] + mean[:, None, None], low, high)
        for (i, j), block in zip(batch, values, strict=True):
            place = (slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size))
            new = todo[place]
            f[place][new] = block[new]
            known[place][new] = FILLED
            todo[place] = False
        lacking[batch[:, 0] + 1, batch[:, 1] + 1] = False
    if size == SIZES[-1] and todo.any():  # farther than a window from anything known: as smooth as can be
        near = ndimage.distance_transform_edt(known == 0, return_distances=False, return_indices=True)
        f[todo] = f[tuple(index[todo] for index in near)]
        known[todo] = FILLED
        todo[:] = False


def _apart(waiting, missing):
    """Of the waiting blocks those with the fewest missing neighbours, no two of them adjacent: (B,) bool."""
    chosen, taken = np.zeros(len(waiting), bool), set()
    for b in np.flatnonzero(missing == missing.min()).tolist():
        i, j = waiting[b].tolist()
        if (i, j) not in taken:
            chosen[b] = True
            taken.update((i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1))
    return chosen
