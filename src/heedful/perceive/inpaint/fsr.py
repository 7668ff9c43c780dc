"""Frequency-selective reconstruction of a slice: blocks of waves, easiest blocks first, two shifted grids.

Source: the block schedule of Seiler and Kaup's FSR (see ``pursuit``); order by fewest missing neighbours
and cycle spinning over shifted grids (R. Coifman and D. Donoho, "Translation-invariant de-noising", 1995).
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from .pursuit import FILLED, N, compiled_steps, pursue

SPAN = 2524.0  # HU from -1024 to 1500: what the published thresholds are shares of
SIZES = (16, 8, 4)
SMOOTH = {16: 0.014, 8: 0.030, 4: np.inf}  # a block is done at this size below this share of SPAN
RHO = {16: 0.80, 8: 0.70, 4: 0.66}
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
    steps = compiled_steps() if compiled is not False else None
    choose, look, take_out, put_back = steps or (_choose, _look, _take_out, _put_back)
    while len(waiting):
        chosen = choose(waiting, lacking)
        batch, waiting = waiting[chosen], waiting[~chosen]
        mass, mean, deviation = look(f, known, decay, batch * size - half)
        take = (mass > 0) & (deviation < SMOOTH[size] * SPAN)
        if not take.any():
            continue
        batch, mean, deviation = batch[take], mean[take], deviation[take]
        seen, weight = take_out(f, known, decay, batch * size - half, mean)
        count = np.clip(500.0 * deviation / SPAN, 10, 50).astype(np.int64)
        model = pursue(fft.rfft2(seen), fft.rfft2(weight), count, compiled=compiled)
        put_back(f, known, todo, batch, size, N * N * fft.irfft2(model, s=(N, N)), mean, low, high)
        lacking[batch[:, 0] + 1, batch[:, 1] + 1] = False
    if size == SIZES[-1] and todo.any():  # farther than a window from anything known: as smooth as can be
        near = ndimage.distance_transform_edt(known == 0, return_distances=False, return_indices=True)
        f[todo] = f[tuple(index[todo] for index in near)]
        known[todo] = FILLED
        todo[:] = False


def _choose(waiting, lacking):
    """Of the waiting blocks those with the fewest missing neighbours, no two of them adjacent: (B,) bool."""
    missing = sum(lacking[waiting[:, 0] + i, waiting[:, 1] + j] for i, j in AROUND)
    chosen, taken = np.zeros(len(waiting), bool), set()
    for b in np.flatnonzero(missing == missing.min()).tolist():
        i, j = waiting[b].tolist()
        if (i, j) not in taken:
            chosen[b] = True
            taken.update((i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1))
    return chosen


def _windows(f, known, decay, corner):
    r, c = corner[:, 0, None, None] + np.arange(N)[:, None], corner[:, 1, None, None] + np.arange(N)
    return decay * known[r, c], f[r, c]


def _look(f, known, decay, corner):
    """Each window's weight, weighted mean and deviation: (B,) each."""
    w, b = _windows(f, known, decay, corner)
    mass = w.sum((1, 2))
    safe = np.where(mass > 0, mass, 1.0)
    mean = (w * b).sum((1, 2)) / safe
    return mass, mean, np.sqrt((w * (b - mean[:, None, None]) ** 2).sum((1, 2)) / safe)


def _take_out(f, known, decay, corner, mean):
    """The weighted windows less their means, and the weights: (B, 32, 32) each."""
    w, b = _windows(f, known, decay, corner)
    return w * (b - mean[:, None, None]), w


def _put_back(f, known, todo, batch, size, model, mean, low, high):
    """Write the blocks' hidden pixels."""
    core = slice((N - size) // 2, (N + size) // 2)
    values = np.clip(model[:, core, core] + mean[:, None, None], low, high)
    for (i, j), block in zip(batch, values, strict=True):
        place = (slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size))
        new = todo[place]
        f[place][new] = block[new]
        known[place][new] = FILLED
        todo[place] = False
