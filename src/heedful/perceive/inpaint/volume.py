"""Damage in one slice of a volume: the slices above and below know most of it.

1. **Four-tap**: cubic interpolation along z through the two nearest visible slices on each side, what one
   would use today; gaps of several slices only move the taps apart.
2. **Ridge**: around each hole, what the taps leave over is regressed on the 3 x 3 neighbourhoods in those
   slices (36 numbers), penalised, the nearest pixels counting most, with Cauchy weights that keep edges and
   vessels from bending the fit. It is shrunk by what it is worth on blocks of the surroundings left out.
3. **Attention** on the ridge's visible residual e: a hidden voxel asks visible voxels of its slice whose
   surroundings *in the neighbouring slices* look like its own. The correction is shrunk by n / (n + 4), n
   being the effective number of sources.
4. **Kriging** of the same residual from just outside the hole, for its outermost pixels.

Fill = ridge + .8 attention + .25 kriging + .2 kriging of shorter range; or with shares learned at re-hidden
places (``fit_shares``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial import cKDTree

from .tokens import EIGHT, grow

MERGE, READ = 8, 30  # pixels: holes closer than this are one region; how far around it the ridge learns
FADE = 10.0  # pixels from the hole over which a sample's say in the ridge falls by e
PENALTY, CAUCHY = 50.0, 40.0  # HU^2 per sample; HU
FOLDS, BLOCK = 3, 8  # the ridge is judged on each third of the surroundings, in blocks of so many pixels
SHIFT, PATCH = 5, 3  # attention: shifts up to, patch side, pixels
NOISE = 20.0  # HU: how much two looks at the same tissue differ
SHARES = (0.8, 0.25, 0.2)
LOW, HIGH = -1024.0, 1500.0


@dataclass(frozen=True)
class Filled:
    """The fill of one slice from its neighbours.

    Parameters
    ----------
    fill : array, shape (P,)
        HU at the hidden pixels in row order.
    tap, ridge : array, shape (P,)
        What interpolation alone and the ridge alone give, HU.
    source : int array, shape (P, M, 2)
        Row and column, in the same slice, of the visible pixels that were asked, best first.
    score : array, shape (P, M)
        Logits of their weights; -inf where there are fewer than M.
    value : array, shape (P, M)
        The sources' residuals, HU: what the weights average.
    spread : array, shape (P,)
        The interval's unit of length, HU: see ``_spread``.
    typical : float
        What ``spread`` is multiplied by where the interval is not calibrated on the scan.
    corrections : array, shape (3, P)
        What attention and the two krigings say of the ridge's residual, HU.
    """

    fill: np.ndarray
    tap: np.ndarray
    ridge: np.ndarray
    source: np.ndarray
    score: np.ndarray
    value: np.ndarray
    spread: np.ndarray
    typical: float
    corrections: np.ndarray


def taps(hidden, z: int, component) -> list[int]:
    """The nearest slices above and below in which a component's surroundings are visible, two on each side.

    Parameters
    ----------
    hidden : bool array, shape (Z, H, W)
    z : int
    component : bool array, shape (H, W)

    Returns
    -------
    list of int
        Offsets from z, ascending: up to two below, up to two above.

    Examples
    --------
    >>> hidden = np.zeros((9, 8, 8), bool); hidden[3:5, 2:4, 2:4] = True
    >>> taps(hidden, 3, hidden[3])
    [-2, -1, 2, 3]
    """
    zone = grow(component, 2)
    found = []
    for direction in (-1, 1):
        side = []
        at = z + direction
        while 0 <= at < len(hidden) and len(side) < 2 and abs(at - z) <= 8:
            if not hidden[at][zone].any():
                side.append(at - z)
            at += direction
        found += side
    return sorted(found)


def interpolation(offsets) -> np.ndarray:
    """Lagrange weights at 0 for taps at the offsets; one-sided taps are not extrapolated.

    Examples
    --------
    >>> interpolation([-2, -1, 1, 2]).round(4).tolist()
    [-0.1667, 0.6667, 0.6667, -0.1667]
    """
    offsets = np.asarray(offsets, float)
    if (offsets < 0).all() or (offsets > 0).all():
        return (np.abs(offsets) == np.abs(offsets).min()).astype(float)
    return np.array([np.prod([-o / (p - o) for o in offsets if o != p]) for p in offsets])


def regions(hidden) -> list[np.ndarray]:
    """The holes of a slice, those closer than 8 pixels together: bool arrays (H, W)."""
    label, n = ndimage.label(ndimage.maximum_filter(hidden, MERGE + 1), EIGHT)
    return [hidden & (label == i) for i in range(1, n + 1)]


def fill_region(
    volume, hidden, z: int, region, offsets, *, heights=None, top: int = 64, shares=SHARES
) -> Filled:
    """Fill one region of one slice from the slices at the offsets.

    Parameters
    ----------
    volume : array, shape (Z, H, W)
        HU, finite; hidden voxels are not read.
    hidden : bool array, shape (Z, H, W)
        All that is hidden, in any slice.
    z : int
    region : bool array, shape (H, W)
        What is to be filled in slice z.
    offsets : list of int
        From ``taps``.
    heights : array, shape (Z,), optional
        Where the slices lie, mm; by default they are equally far apart.
    top : int
        Sources kept for each pixel.
    shares : (float, float, float)
        Of attention and the two krigings.

    Returns
    -------
    Filled

    Examples
    --------
    >>> y, x = np.mgrid[:60, :60]; volume = np.stack([x * 3.0 + y + 10 * z for z in range(5)])
    >>> hidden = np.zeros((5, 60, 60), bool); hidden[2, 20:32, 20:32] = True
    >>> done = fill_region(volume, hidden, 2, hidden[2], [-2, -1, 1, 2])
    >>> bool(np.abs(done.fill - volume[2][hidden[2]]).max() < 1)
    True
    """
    rows, cols = np.nonzero(region)
    pad = READ + SHIFT
    low = np.maximum([rows.min() - pad, cols.min() - pad], 0)
    high = np.minimum([rows.max() + pad + 1, cols.max() + pad + 1], region.shape)
    spot = (slice(low[0], high[0]), slice(low[1], high[1]))
    todo = region[spot]
    neighbours = np.clip(volume[[z + o for o in offsets]][:, spot[0], spot[1]], LOW, HIGH)
    unseen = hidden[[z + o for o in offsets]][:, spot[0], spot[1]].any(0)
    slice_ = np.clip(np.where(hidden[z][spot], 0.0, volume[z][spot]), LOW, HIGH)
    away = ndimage.distance_transform_edt(~todo)
    usable = (away <= READ) & ~hidden[z][spot] & ~ndimage.maximum_filter(unseen, 3)
    away_z = offsets if heights is None else [heights[z + o] - heights[z] for o in offsets]
    tap = np.tensordot(interpolation(away_z), neighbours, 1)
    ridge = tap.copy()
    if usable.sum() > 9 * len(offsets) * 3:
        ridge = tap + _judged(slice_ - tap, neighbours, usable, np.exp(-away[usable] / FADE))
    residual = np.where(usable, slice_ - ridge, 0.0)
    correction, source, score, value = _attention(residual, neighbours, usable, todo, top)
    first = _kriging(residual, usable, todo, 1.6, 0.3, 6)
    second = _kriging(residual, usable, todo, 1.0, 1.0, 3)
    corrections = np.stack([correction, first, second])
    fill = ridge[todo] + np.asarray(shares) @ corrections
    spread, typical = _spread(residual, usable, todo, ridge - tap, correction, neighbours)
    return Filled(
        np.clip(fill, LOW, HIGH),
        tap[todo],
        ridge[todo],
        source + low,
        score,
        value,
        spread,
        typical,
        corrections,
    )


def _spread(residual, usable, todo, change, correction, neighbours):
    """How far the fill may err up to a factor, (P,) HU; and that factor where it is not calibrated.

    The residual's local energy, what ridge and attention disagree by with what they correct, and how much the
    neighbouring slices differ among themselves. The weights are round numbers near those that make the
    absolute errors of developer slices of both volumes most likely (a Laplace law). Which place errs more
    than another is told so, but not how much all of them err: uncalibrated, the level is the residual's.
    """
    e2 = np.where(usable, np.minimum(residual**2, 200.0**2), 0.0)
    mass = ndimage.gaussian_filter(usable.astype(float), 6)[todo]
    apart = neighbours[:, todo].var(0)
    # where nothing near by is visible the mean of the surroundings stands in, and without any the neighbours
    whole = e2[usable].mean() if usable.sum() > 50 else np.mean(apart) + 200.0
    local = (ndimage.gaussian_filter(e2, 6)[todo] + 0.02 * whole) / (mass + 0.02)
    spread = np.sqrt(local + 4 * change[todo] ** 2 + 6 * correction**2 + 0.5 * apart + 13.0**2)
    texture = neighbours[-1, todo] - neighbours[0, todo]
    return spread, float(np.sqrt(local + 0.01 * texture**2 + 3.0**2).mean() / spread.mean())


def fit_shares(gathered, pull: float = 0.3) -> np.ndarray:
    """Shares of attention and the two krigings, not negative, from re-hidden places.

    Parameters
    ----------
    gathered : list of (corrections (3, P), missing (P,))
        Each re-hidden region's corrections, and what the ridge missed there, HU.
    pull : float
        How strongly the shares are held to the shipped ones.

    Returns
    -------
    array, shape (3,)

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(3, 500))
    >>> fit_shares([(x, np.array([.9, .1, 0]) @ x)], pull=1e-6).round(2).tolist()
    [0.9, 0.1, 0.0]
    """
    A = np.concatenate([corrections for corrections, _ in gathered], 1)
    y = np.concatenate([missing for _, missing in gathered])
    y = np.clip(y, -3 * CAUCHY, 3 * CAUCHY)  # a vessel that the ridge missed teaches nothing about shares
    scale = np.sqrt(np.trace(A @ A.T) / 3) or 1.0
    X = np.concatenate([A.T / scale, np.sqrt(pull) * np.eye(3)])
    return optimize.nnls(X, np.concatenate([y / scale, np.sqrt(pull) * np.asarray(SHARES)]))[0]


def _judged(target, neighbours, usable, say):
    """The ridge's prediction everywhere, times the share of it (0 to 1) that held on blocks left out."""
    rows, cols = np.nonzero(usable)
    fold = (rows // BLOCK + cols // BLOCK) % FOLDS
    truth, unseen = target[usable], np.zeros(len(rows))
    for k in range(FOLDS):
        others = np.where(fold == k, 1e-9, say)
        unseen[fold == k] = _ridge(target, neighbours, usable, others)[usable][fold == k]
    w = say / (1.0 + ((truth - unseen) / CAUCHY) ** 2)
    share = (w * unseen * truth).sum() / max((w * unseen**2).sum(), 1e-9)
    return np.clip(share, 0.0, 1.0) * _ridge(target, neighbours, usable, say)


def _ridge(target, neighbours, usable, say):
    """Prediction of ``target`` everywhere from 3 x 3 neighbourhoods of every tap, robustly fitted.

    ``say`` are the usable pixels' weights. Terms that bend with the level or with the change across the gap
    were tried and left out: better on a few slices, worse and less safe on many.
    """
    H, W = usable.shape
    wide = np.pad(neighbours, ((0, 0), (1, 1), (1, 1)), mode="edge")  # a slice has no other side to wrap to
    features = np.stack([slab[y : y + H, x : x + W] for slab in wide for y in (2, 1, 0) for x in (2, 1, 0)])
    X, y = features[:, usable].T, target[usable]
    w = say
    for _ in range(4):
        mean_x, mean_y = np.average(X, axis=0, weights=w), np.average(y, weights=w)
        centred = X - mean_x
        A = (centred * w[:, None]).T @ centred + PENALTY * w.sum() * np.eye(X.shape[1])
        beta = np.linalg.solve(A, (centred * w[:, None]).T @ (y - mean_y))
        e = y - mean_y - centred @ beta
        w = say / (1.0 + (e / CAUCHY) ** 2)
    return np.tensordot(beta, features - mean_x[:, None, None], 1) + mean_y


def _attention(residual, neighbours, usable, todo, top):
    """Correction (P,), sources (P, M, 2), logits (P, M) and residuals (P, M) of the hidden pixels."""
    at = np.argwhere(todo)
    depth = ndimage.distance_transform_edt(todo)[todo].max()
    shifts = [(dy, dx) for dy in range(-SHIFT, SHIFT + 1) for dx in range(-SHIFT, SHIFT + 1) if dy or dx]
    reach = int(np.ceil(depth)) + SHIFT
    coarse = range(-(reach // 3) * 3, reach + 1, 3)  # deep pixels ask farther away, on a coarser grid
    shifts += [(dy, dx) for dy in coarse for dx in coarse if max(abs(dy), abs(dx)) > SHIFT]
    H, W = todo.shape
    # descriptors: the 5 x 5 patches of every tap, so that a difference is a plain squared distance
    half = PATCH // 2
    padded = np.pad(neighbours, ((0, 0), (half, half), (half, half)), mode="edge").astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(padded, (PATCH, PATCH), (1, 2))
    own = views[:, at[:, 0], at[:, 1]].swapaxes(0, 1).reshape(len(at), -1)
    D = np.full((len(at), len(shifts)), np.inf, np.float32)
    for s, (dy, dx) in enumerate(shifts):
        r, c = at[:, 0] + dy, at[:, 1] + dx
        inside = (r >= 0) & (r < H) & (c >= 0) & (c < W)
        inside[inside] = usable[r[inside], c[inside]]
        if inside.any():
            other = views[:, r[inside], c[inside]].swapaxes(0, 1).reshape(int(inside.sum()), -1)
            difference = own[inside] - other
            D[inside, s] = np.einsum("pf,pf->p", difference, difference) / PATCH**2
    count = min(top, len(shifts))
    best = np.argsort(D, axis=1, kind="stable")[:, :count]
    near = np.take_along_axis(D, best, 1).astype(float)
    with np.errstate(invalid="ignore"):
        logit = -(near - near[:, :1]) / (2.0 * NOISE**2 * len(neighbours))
    logit = np.where(np.isfinite(near), logit, -np.inf)
    source = at[:, None, :] + np.array(shifts)[best]
    found = np.isfinite(logit)
    r, c = np.clip(source[..., 0], 0, H - 1), np.clip(source[..., 1], 0, W - 1)
    value = np.where(found, residual[r, c], 0.0)
    weight = np.exp(logit)
    total = weight.sum(1)
    p = weight / np.where(total > 0, total, 1.0)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.exp(-np.where(p > 0, p * np.log(p), 0.0).sum(1))
    correction = np.where(total > 0, effective / (effective + 4.0), 0.0) * (p * value).sum(1)
    return correction, source, logit, value


def _kriging(residual, usable, todo, length, nugget, deep):
    """Kriging of the residual (P,) from the 24 nearest visible pixels within 3 of the hole."""
    at = np.argwhere(todo).astype(float)
    ring = usable & (ndimage.distance_transform_edt(~todo) <= 3)
    known = np.argwhere(ring)
    result = np.zeros(len(at))
    shallow = np.flatnonzero(ndimage.distance_transform_edt(todo)[todo] <= deep)
    count = min(24, len(known))
    if count < 3 or len(shallow) == 0:
        return result
    _, nearest = cKDTree(known).query(at[shallow], count)
    points = known[nearest].astype(float)
    between = ((points[:, :, None] - points[:, None]) ** 2).sum(-1)
    A = np.exp(-between / (2 * length**2)) + nugget * np.eye(count)
    b = np.exp(-((points - at[shallow][:, None]) ** 2).sum(-1) / (2 * length**2))
    e = residual[known[:, 0], known[:, 1]][nearest]
    result[shallow] = np.einsum("pk,pk->p", np.linalg.solve(A, b[..., None])[..., 0], e)
    return result
