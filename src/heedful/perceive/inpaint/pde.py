"""Fills that are smooth in a stated sense: the minimiser of an energy, by one sparse solve.

``harmonic`` (L u = 0), ``biharmonic`` (L'L u = 0; Chui and Mhaskar 2010, what scikit-image offers),
``tension`` (.03 |grad u|^2 + (L u)^2) and ``total_variation`` (Rudin, Osher and Fatemi 1992, by iteratively
reweighted least squares). All read HU, write hidden pixels only, and are linear in the visible ones
(total variation: linear at its last weights).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from .tokens import grow

REACH = 5  # visible pixels around a hole that a solve may read


def harmonic(image, hidden):
    """Fill so that every hidden pixel is the mean of its neighbours (L u = 0); (H, W) in HU."""
    return _each(image, hidden, lambda f, h: _solve(f, h, pull=1.0))


def biharmonic(image, hidden):
    """Fill by a thin plate, L'L u = 0 on the hidden pixels; (H, W) in HU.

    Examples
    --------
    A plane is continued exactly:

    >>> import numpy as np
    >>> plane = np.add.outer(np.arange(20.0), 2 * np.arange(20.0))
    >>> hidden = np.zeros((20, 20), bool); hidden[6:12, 7:13] = True
    >>> bool(np.allclose(biharmonic(plane, hidden), plane))
    True
    """
    return _each(image, hidden, lambda f, h: _solve(f, h, bend=1.0))


def tension(image, hidden):
    """Fill by a plate under tension: .03 |grad u|^2 + (L u)^2; (H, W) in HU."""
    return _each(image, hidden, lambda f, h: _solve(f, h, bend=1.0, pull=0.03))


def total_variation(image, hidden, *, start=None, soften: float = 8.0, rounds: int = 2):
    """Fill with the least sum of sqrt(|grad u|^2 + soften^2): flat pieces, sharp edges; (H, W) in HU.

    ``start`` (H, W) is a first fill, a plate under tension by default; each round is one sparse solve with
    the weights that the last fill gives. Two rounds from a plate come nearer to the truth than more of them
    from a start that smooths: the plate's edges are kept.
    """
    start = tension(image, hidden) if start is None else start

    def fill(f, h, u):
        u = np.where(h, u, f)
        for _ in range(rounds):
            # one weight per pixel, from the forward differences that start there
            gy, gx = np.diff(u, axis=0, append=u[-1:]), np.diff(u, axis=1, append=u[:, -1:])
            u = _spread(1.0 / np.sqrt(gy**2 + gx**2 + soften**2), f, h)
        return u

    return _each(image, hidden, fill, start)


def _each(image, hidden, fill, *starts):
    """Apply a fill to each group of holes on its own crop: solves stay small and independent."""
    filled = np.array(image, float)
    filled[hidden] = 0.0
    grown = grow(hidden, REACH)
    label, _ = ndimage.label(grown)
    for i, spot in enumerate(ndimage.find_objects(label), 1):
        h = hidden[spot] & (label[spot] == i)
        crop = filled[spot]
        crop[h] = fill(np.where(h, 0.0, crop), h, *(start[spot] for start in starts))[h]
    return filled


def _spread(g, f, free):
    """Least sum of g |grad u|^2 over the free pixels, u = f elsewhere."""
    number = np.full(f.shape, -1)
    number[free] = np.arange(free.sum())
    flat, values, weights = number.ravel(), f.ravel(), g.ravel()
    index = np.arange(f.size).reshape(f.shape)
    here = np.concatenate([index[:-1].ravel(), index[:, :-1].ravel()])
    there = np.concatenate([index[1:].ravel(), index[:, 1:].ravel()])
    touch = (flat[here] >= 0) | (flat[there] >= 0)
    here, there = here[touch], there[touch]
    w, i, j = weights[here], flat[here], flat[there]
    n = int(free.sum())
    diagonal, b = np.zeros(n), np.zeros(n)
    for own, other, where in ((i, j, there), (j, i, here)):
        inside = own >= 0
        diagonal += np.bincount(own[inside], w[inside], n)
        edge = inside & (other < 0)
        b += np.bincount(own[edge], (w * values[where])[edge], n)
    both = (i >= 0) & (j >= 0)
    own = np.arange(n)
    entries = np.concatenate([diagonal, -w[both], -w[both]])
    rows, cols = np.concatenate([own, i[both], j[both]]), np.concatenate([own, j[both], i[both]])
    u = f.copy()
    u[free] = _factor(sparse.csc_matrix((entries, (rows, cols)), (n, n))).solve(b)
    return u


def _factor(A):
    return splu(A, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})


def _solve(f, free, *, bend: float = 0.0, pull: float = 0.0):
    """Least ``bend |L u|^2 + pull |grad u|^2`` over the free pixels, u = f elsewhere, borders mirrored."""
    if free.all():
        return np.zeros(f.shape)  # nothing is visible: the caller refuses such masks
    H, W = f.shape
    y, x = np.nonzero(free)
    at, own = y * W + x, np.arange(len(y))
    # the columns of the 5-point Laplacian L that belong to free pixels
    rows, cols, entries, degree = [at], [own], [], np.zeros(len(y))
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        inside = (y + dy >= 0) & (y + dy < H) & (x + dx >= 0) & (x + dx < W)
        rows.append((at + dy * W + dx)[inside])
        cols.append(own[inside])
        entries.append(np.ones(len(rows[-1])))
        degree += inside
    rows, cols, entries = np.concatenate(rows), np.concatenate(cols), np.concatenate([-degree, *entries])
    L = sparse.csc_matrix((entries, (rows, cols)), (H * W, len(own)))
    fixed = np.where(free, 0.0, f)
    flow = np.zeros((H, W))  # L of what is fixed
    down, right = np.diff(fixed, axis=0), np.diff(fixed, axis=1)
    flow[:-1] += down
    flow[1:] -= down
    flow[:, :-1] += right
    flow[:, 1:] -= right
    flow = flow.ravel()
    A, b = pull * -L[at], pull * flow[at]
    if bend:
        A, b = A + bend * (L.T @ L), b - bend * (L.T @ flow)
    u = f.copy()
    u[free] = _factor(A.tocsc()).solve(b)
    return u
