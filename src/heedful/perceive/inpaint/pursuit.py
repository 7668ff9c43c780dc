"""Matching pursuit in the Fourier domain: the inner loop of frequency-selective reconstruction.

A block's window b (the visible signal minus its weighted mean) is modelled as a sum of real waves. With
weights w over the window, R = FFT(b w) and W = FFT(w), one step picks the wave of the largest weighted
residual, adds a share ``c = .5 R_k / W_0`` of it to the model and takes that wave, *as seen through the
weights*, out of the residual: ``R_j -= c W_(j-k) + conj(c) W_(j+k)``. Nothing is transformed again.

The window is real, so R is Hermitian and only 32 x 17 of its 32 x 32 entries are kept.

Source: J. Seiler and A. Kaup, "Complex-valued frequency selective extrapolation for fast image and
video signal extrapolation", IEEE Signal Processing Letters 17 (2010); the block schedule, decay and
thresholds are those published with OpenCV contrib's ``xphoto`` module.
"""

from __future__ import annotations

import functools
import math

import numpy as np

N = 32  # window, pixels
HALF = N // 2 + 1  # frequencies kept of a real window's last axis
FILLED = 0.5  # what an already filled pixel weighs beside a visible one
OPTIONS = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}}


@functools.cache
def low_pass() -> np.ndarray:
    """Preference for low frequencies, 1 at k = 0 and 0 at the corner: (32, 17), squared as |R|^2 is."""
    rows = np.minimum(np.arange(N), N - np.arange(N))
    k = np.hypot(rows[:, None], np.arange(HALF)[None, :])
    return np.ascontiguousarray((1.0 - math.sqrt(2.0) / N * k) ** 2)


def pursue(residual: np.ndarray, weight: np.ndarray, steps: np.ndarray, *, compiled: bool | None = None):
    """The waves that model each window.

    Parameters
    ----------
    residual : complex array, shape (B, 32, 17)
        ``rfft2(b * w)`` of every block's window. Overwritten.
    weight : complex array, shape (B, 32, 17)
        ``rfft2(w)``.
    steps : int array, shape (B,)
        Waves to take, for each block.
    compiled : bool, optional
        Use the numba kernel; by default where numba is installed. Both give the same model.

    Returns
    -------
    complex array, shape (B, 32, 17)
        The model C; ``1024 * irfft2(C)`` is the window it stands for.

    Examples
    --------
    A pure wave, half of it hidden, is recovered:

    >>> import numpy as np
    >>> x = np.arange(32); wave = 100 * np.cos(2 * np.pi * 3 * x / 32)[None, :].repeat(32, 0)
    >>> w = np.ones((32, 32)); w[8:24, 8:24] = 0
    >>> C = pursue(np.fft.rfft2(wave * w)[None], np.fft.rfft2(w)[None], np.array([40]))
    >>> bool(np.abs(1024 * np.fft.irfft2(C[0]) - wave).max() < 1)
    True
    """
    kernel = _kernel() if compiled is not False else None
    if compiled and kernel is None:
        raise RuntimeError("numba is not installed")
    if kernel is not None:
        model = np.zeros(residual.shape, np.complex128)
        kernel(
            np.ascontiguousarray(residual, np.complex128),
            np.ascontiguousarray(weight, np.complex128),
            np.ascontiguousarray(steps, np.int64),
            low_pass(),
            model,
        )
        return model
    return _pursue_numpy(residual, weight, steps)


def _full(spectrum: np.ndarray) -> np.ndarray:
    """All 32 x 32 entries of a Hermitian spectrum of which 32 x 17 are stored."""
    full = np.empty((*spectrum.shape[:-1], N), np.complex128)
    full[..., :HALF] = spectrum
    rows = (-np.arange(N)) % N
    full[..., HALF:] = np.conj(spectrum[..., rows, 1 : HALF - 1][..., ::-1])
    return full


def _pursue_numpy(residual, weight, steps):
    """The same pursuit, all blocks side by side in NumPy (where numba is not installed)."""
    B = len(residual)
    R, W = np.array(residual, np.complex128), _full(np.asarray(weight))
    model, prefer = np.zeros_like(R), low_pass().ravel()
    a, b, block = np.arange(N)[None, :, None], np.arange(HALF)[None, None, :], np.arange(B)
    for step in range(int(steps.max(initial=0))):
        energy = (R.real**2 + R.imag**2).reshape(B, -1) * prefer
        best = energy.argmax(1)
        ka, kb = best // HALF, best % HALF
        c = 0.5 * R[block, ka, kb] / W[:, 0, 0].real
        own = ((-ka) % N == ka) & ((-kb) % N == kb)
        c = np.where(own, 0.5 * c.real, c) * ((step < steps) & (W[:, 0, 0].real > 0))
        pick = block[:, None, None], None, None
        minus = W[pick[0], (a - ka[:, None, None]) % N, (b - kb[:, None, None]) % N]
        plus = W[pick[0], (a + ka[:, None, None]) % N, (b + kb[:, None, None]) % N]
        R -= c[:, None, None] * minus + np.conj(c)[:, None, None] * plus
        model[block, ka, kb] += c
        edge = (kb == 0) | (kb == HALF - 1)  # the mirror wave lies in the stored half as well
        np.add.at(model, (block[edge], (-ka[edge]) % N, kb[edge]), np.conj(c[edge]))
    return model


@functools.cache
def _kernel():
    """The compiled loop, or None without numba. Single-threaded on purpose: blocks are many and short."""
    try:
        import numba
    except ImportError:
        return None

    def loop(R, W, steps, prefer, model):
        n, half = 32, 17
        # W unrolled: 32 rows, columns -17 .. 47 of the periodic spectrum, real and imaginary parts apart
        re, im = np.empty((n, 2 * n)), np.empty((n, 2 * n))
        rr, ri = np.empty((n, half)), np.empty((n, half))
        for block in range(R.shape[0]):
            w0 = W[block, 0, 0].real
            if w0 <= 0.0:
                continue
            for a in range(n):
                for b in range(half):
                    rr[a, b], ri[a, b] = R[block, a, b].real, R[block, a, b].imag
                for b in range(2 * n):
                    col = b % n
                    if col < half:
                        v = W[block, a, col]
                    else:
                        v = np.conj(W[block, (n - a) % n, n - col])
                    re[a, b], im[a, b] = v.real, v.imag
            for _ in range(steps[block]):
                top, ka, kb = -1.0, 0, 0
                for a in range(n):
                    row = -1.0
                    for b in range(half):
                        row = max(row, (rr[a, b] * rr[a, b] + ri[a, b] * ri[a, b]) * prefer[a, b])
                    if row > top:
                        top, ka = row, a
                for b in range(half):
                    if (rr[ka, b] * rr[ka, b] + ri[ka, b] * ri[ka, b]) * prefer[ka, b] == top:
                        kb = b
                        break
                cr, ci = 0.5 * rr[ka, kb] / w0, 0.5 * ri[ka, kb] / w0
                if (n - ka) % n == ka and (kb == 0 or kb == half - 1):
                    cr, ci = 0.5 * cr, 0.0
                for a in range(n):
                    low, high = (a - ka) % n, (a + ka) % n
                    mr, mi = re[low, n - kb : n - kb + half], im[low, n - kb : n - kb + half]
                    pr, pi = re[high, kb : kb + half], im[high, kb : kb + half]
                    for b in range(half):
                        rr[a, b] -= cr * (mr[b] + pr[b]) - ci * (mi[b] - pi[b])
                        ri[a, b] -= cr * (mi[b] + pi[b]) + ci * (mr[b] - pr[b])
                model[block, ka, kb] += complex(cr, ci)
                if kb == 0 or kb == half - 1:
                    model[block, (n - ka) % n, kb] += complex(cr, -ci)

    return jitted(numba, loop)


def jitted(numba, function):
    """A loop compiled for one thread, kept on disk where a folder is writable."""
    try:
        return numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # no folder is writable for the cache
        return numba.njit(**OPTIONS)(function)


@functools.cache
def compiled_steps():
    """The compiled forms of what ``fsr`` does around the pursuit, in its order; or None without numba."""
    try:
        import numba
    except ImportError:
        return None

    def choose(waiting, lacking):
        missing = np.zeros(len(waiting), np.int64)
        for b in range(len(waiting)):
            i, j = waiting[b]
            for di in range(3):
                for dj in range(3):
                    missing[b] += lacking[i + di, j + dj]  # the block itself lacks in all of them
        least = missing.min()
        chosen, taken = np.zeros(len(waiting), np.bool_), np.zeros(lacking.shape, np.bool_)
        for b in range(len(waiting)):
            i, j = waiting[b]
            if missing[b] == least and not taken[i + 1, j + 1]:
                chosen[b] = True
                taken[i : i + 3, j : j + 3] = True
        return chosen

    def look(f, known, decay, corner):
        mass, mean, deviation = np.zeros(len(corner)), np.zeros(len(corner)), np.zeros(len(corner))
        for block in range(len(corner)):
            r, c = corner[block]
            first, second, total = 0.0, 0.0, 0.0
            for i in range(N):
                for j in range(N):
                    w = decay[i, j] * known[r + i, c + j]
                    b = f[r + i, c + j]
                    total += w
                    first += w * b
                    second += w * b * b
            if total > 0:
                mass[block], mean[block] = total, first / total
                deviation[block] = np.sqrt(max(second / total - (first / total) ** 2, 0.0))
        return mass, mean, deviation

    def take_out(f, known, decay, corner, mean):
        seen, weight = np.empty((len(corner), N, N)), np.empty((len(corner), N, N))
        for block in range(len(corner)):
            r, c = corner[block]
            for i in range(N):
                for j in range(N):
                    w = decay[i, j] * known[r + i, c + j]
                    weight[block, i, j] = w
                    seen[block, i, j] = w * (f[r + i, c + j] - mean[block])
        return seen, weight

    def put_back(f, known, todo, batch, size, model, mean, low, high):
        half = (N - size) // 2
        for block in range(len(batch)):
            for i in range(size):
                for j in range(size):
                    r, c = batch[block, 0] * size + i, batch[block, 1] * size + j
                    if todo[r, c]:
                        f[r, c] = min(max(model[block, half + i, half + j] + mean[block], low), high)
                        known[r, c], todo[r, c] = FILLED, False

    return tuple(jitted(numba, step) for step in (choose, look, take_out, put_back))
