"""Attention over patches: each hidden tile asks the visible windows that look like its surroundings.

The values are not HU but what a local linear predictor leaves over: with L the kriging weights from a tile's
known surroundings, the fill is ``mu + L q + sum_i a_i (V_i - L K_i)``. The base follows the hole's edge, the
attention adds the texture that the sources have beyond it.

The weights are a softmax of ``-D / tau`` over the nearest candidates, D the weighted squared difference of
two windows after removing each one's mean, plus a tenth of the squared difference of the means. For one wave
of tiles D is three matrix products: ``(K^2) w' - (K w')^2 - 2 K (w (q - mu))' + const``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dposv

from .tokens import TISSUE, Bank, Geometry, Tiles, bank_of, floor_of, tiles_of

SIGHT = 4.0  # pixels over which the surroundings' weight falls by e
MEAN_SHARE = 0.1
RANGE = 12.0  # kriging: correlation length of the Matern-3/2 covariance, pixels
NUGGET, FILLED_NUGGET = 0.02, 0.07
CONTEXT = 2  # pixels around a tile that kriging reads
FILLED = 0.5
SHARP = 0.2  # temperature over the geometric mean of the best and the 21st distance


@dataclass(frozen=True)
class Asked:
    """What the attention over patches gives: a fill, and for each tile its sources.

    Parameters
    ----------
    fill : array, shape (H, W)
        HU.
    tiles : Tiles
    geometry : Geometry
    source : int array, shape (T, M, 2)
        Row and column of the pixel that stands where the tile's corner stands, best first. The source of the
        tile's pixel (r, c) is this plus (r, c).
    score : array, shape (T, M)
        ``-(D - D_best) / tau``; the weights are its softmax. -inf where there are fewer than M candidates.
    temperature : array, shape (T,)
        tau, HU^2.
    base : array, shape (H, W)
        The kriging part of the fill, HU.
    owner : int array, shape (H, W)
        The tile that filled each hidden pixel; -1 elsewhere.
    limit, seed : int
        Of the draw of candidates.
    floor : float
        HU: windows with a mean below were no candidates.
    """

    fill: np.ndarray
    tiles: Tiles
    geometry: Geometry
    source: np.ndarray
    score: np.ndarray
    temperature: np.ndarray
    base: np.ndarray
    owner: np.ndarray
    limit: int = 2000
    seed: int = 0
    floor: float = TISSUE


def attend_patches(
    image,
    hidden,
    *,
    geometry: Geometry | None = None,
    top: int = 100,
    keys: int = 2000,
    plain: bool = False,
    avoid=None,
    seed: int = 0,
) -> Asked | None:
    """Fill by attention over patches.

    Parameters
    ----------
    image : array, shape (H, W)
        HU; hidden pixels are not read.
    hidden : bool array, shape (H, W)
    geometry : Geometry, optional
        By default 6-pixel tiles in 18-pixel windows; smaller where fewer than 200 such windows are visible.
    top : int
        Candidates kept for each tile.
    keys : int
        Candidate windows at most.
    plain : bool
        The idea in its plainest form: no kriging base, values are HU.
    avoid : bool array, shape (H, W), optional
        Pixels that are read as surroundings but are no source (filled, not measured).
    seed : int
        Of the draw of candidates.

    Returns
    -------
    Asked or None
        None where no window is fully visible.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.tile(np.arange(8.0) * 40, (96, 12)); hidden = np.zeros((96, 96), bool)
    >>> hidden[40:52, 40:52] = True
    >>> asked = attend_patches(image, hidden)
    >>> bool(np.abs(asked.fill - image).max() < 20), asked.source.shape
    (True, (4, 100, 2))
    """
    image = np.where(hidden, 0.0, image)
    closed = hidden if avoid is None else hidden | avoid
    bank, floor = None, floor_of(image, hidden)
    for candidate in [geometry] if geometry else [Geometry(), Geometry(6, 14, 1), Geometry(4, 10, 1)]:
        geometry, bank = candidate, bank_of(image, closed, candidate, limit=keys, floor=floor, seed=seed)
        if len(bank) >= 200:
            break
    if len(bank) == 0:
        return None
    tiles = tiles_of(hidden, geometry)
    count = min(top, len(bank))
    n, side, m = geometry.window, geometry.tile, geometry.margin
    fill, base = np.pad(image, n), np.zeros(np.add(image.shape, 2 * n))
    owner = np.full(fill.shape, -1)
    known = np.pad((~hidden).astype(float), n)
    source = np.zeros((len(tiles), count, 2), int)
    score, temperature = np.full((len(tiles), count), -np.inf), np.zeros(len(tiles))
    K = bank.pixels.reshape(len(bank), -1)
    K2 = K * K
    decay = _decay(geometry)
    grid = np.arange(n)
    for wave in np.unique(tiles.wave):
        which = np.flatnonzero(tiles.wave == wave)
        r, c = tiles.corner[which, 0] + n - m, tiles.corner[which, 1] + n - m
        at = r[:, None, None] + grid[None, :, None], c[:, None, None] + grid[None, None, :]
        q, seen = fill[at], known[at]
        w = decay * seen
        w /= np.maximum(w.sum((1, 2), keepdims=True), 1e-12)
        mu = (w * q).sum((1, 2))
        D, mean = _distances(K, K2, w.reshape(len(which), -1), q.reshape(len(which), -1), mu)
        best = (
            np.argpartition(D, count - 1, axis=1)[:, :count]
            if count < len(bank)
            else np.tile(np.arange(len(bank)), (len(which), 1))
        )
        near = np.take_along_axis(D, best, 1)
        order = np.argsort(near, axis=1, kind="stable")
        best, near = np.take_along_axis(best, order, 1), np.take_along_axis(near, order, 1)
        tau = np.maximum(25.0, SHARP * np.sqrt(near[:, 0] * near[:, min(20, count - 1)]))
        logit = -(near - near[:, :1]) / tau[:, None]
        a = np.exp(logit)
        a /= a.sum(1, keepdims=True)
        source[which] = bank.corner[best] + m
        score[which], temperature[which] = logit, tau
        L = None if plain else _kriging(seen, geometry)
        values, ground = _values(L, q, seen, mu, a, bank, best, mean, geometry)
        for j in range(len(which)):
            place = (slice(r[j] + m, r[j] + m + side), slice(c[j] + m, c[j] + m + side))
            new = known[place] == 0
            fill[place][new], base[place][new] = values[j][new], ground[j][new]
            known[place][new], owner[place][new] = FILLED, which[j]
    inner = (slice(n, -n), slice(n, -n))
    base, owner = base[inner], owner[inner]
    return Asked(fill[inner], tiles, geometry, source, score, temperature, base, owner, keys, seed, floor)


def _decay(geometry):
    """Weight of each pixel of the window by its distance to the tile."""
    x = np.arange(geometry.window)
    beyond = np.maximum(np.maximum(geometry.margin - x, x - (geometry.margin + geometry.tile - 1)), 0)
    return np.exp(-np.hypot(beyond[:, None], beyond[None, :]) / SIGHT)


def _distances(K, K2, w, q, mu):
    """D (T, K) in HU^2, and the keys' means under each tile's weights (T, K)."""
    w32, centred = w.astype(np.float32), (w * (q - mu[:, None])).astype(np.float32)
    mean = (w32 @ K.T).astype(float)
    D = (w32 @ K2.T).astype(float) - mean**2 - 2.0 * (centred @ K.T)
    D += (w * (q - mu[:, None]) ** 2).sum(1)[:, None] + MEAN_SHARE * (mean - mu[:, None]) ** 2
    return np.maximum(D, 0.0), mean


def _kriging(seen, geometry):
    """Weights (T, tile^2, context^2) with which a tile's known surroundings predict its pixels."""
    reach = min(CONTEXT, geometry.margin)
    side = geometry.tile + 2 * reach
    cut = slice(geometry.margin - reach, geometry.margin + geometry.tile + reach)
    have = seen[:, cut, cut].reshape(len(seen), -1)
    y, x = np.divmod(np.arange(side * side), side)
    h = np.sqrt(3.0) * np.hypot(y[:, None] - y, x[:, None] - x) / RANGE
    covariance = (1.0 + h) * np.exp(-h)
    inner = ((y >= reach) & (y < side - reach) & (x >= reach) & (x < side - reach)).nonzero()[0]
    L = np.zeros((len(seen), len(inner), side * side))
    solved: dict[bytes, int] = {}  # tiles of one hole often see the same pattern
    for t in range(len(seen)):
        pattern = have[t].tobytes()
        if pattern in solved:
            L[t] = L[solved[pattern]]
            continue
        solved[pattern] = t
        at = np.flatnonzero(have[t] > 0)
        if len(at):
            A = covariance[at[:, None], at]
            A.ravel()[:: len(at) + 1] += np.where(have[t, at] >= 1, NUGGET, FILLED_NUGGET)
            _, weights, failed = dposv(A, covariance[at[:, None], inner], lower=1, overwrite_a=1)
            assert failed == 0, "a Matern covariance with a nugget is positive definite"
            L[t][:, at] = weights.T
    return L


def _values(L, q, seen, mu, a, bank: Bank, best, mean, geometry):
    """Fill and base of each tile (T, tile, tile), HU."""
    T, side, m = len(q), geometry.tile, geometry.margin
    core = slice(m, m + side)
    means = np.take_along_axis(mean, best, 1)
    if L is None:
        V = np.einsum("tm,tmij->tij", a, bank.pixels[best][:, :, core, core])
        return V, np.zeros_like(V)
    reach = min(CONTEXT, m)
    cut, inner = slice(m - reach, m + side + reach), slice(reach, reach + side)
    near = np.ascontiguousarray(bank.pixels[:, cut, cut]).reshape(len(bank), -1)
    values, ground = np.empty((T, side, side)), np.empty((T, side, side))
    for t in range(T):
        known = np.where(seen[t, cut, cut] > 0, q[t, cut, cut] - mu[t], 0.0).ravel()
        # the average source window is enough: both parts are linear in it
        mix = a[t] @ near[best[t]].astype(float) - a[t] @ means[t]
        ground[t] = (mu[t] + L[t] @ known).reshape(side, side)
        texture = mix.reshape(side + 2 * reach, -1)[inner, inner] - (L[t] @ mix).reshape(side, side)
        values[t] = ground[t] + texture
    return values, ground
