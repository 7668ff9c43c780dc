"""Calibration on the scan itself: hide look-alike places whose truth is known, and see who fills them best.

Every hole is moved to the place of the same slice whose surroundings look most like its own; there the truth
is known. The experts' errors at such places give the mix its weights and the interval its width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from . import mix
from .pde import biharmonic
from .tokens import EIGHT, depth_of, grow

RING = 6  # pixels around a hole that are compared
GAP = 4  # pixels kept between holes
BINS = (2.5, 5.5)  # depth in a hole, pixels: an interval's width is calibrated for each
PULL = 0.1  # how strongly the weights are held to the shipped ones
# |error| / disagreement for each depth that 90 % of a developer slice's pixels stay below, mean of 28 cases.
SHIPPED_QUANTILES = {0.9: (2.7, 3.25, 3.35)}


@dataclass(frozen=True)
class Calibration:
    """What re-hiding taught.

    Parameters
    ----------
    weights : array, shape (6,), or (3,)
        The mix; between slices the shares of attention and the two krigings.
    quantiles : array, shape (3,)
        Half-width of the interval in units of the experts' disagreement, by depth.
    pixels : int
        Re-hidden pixels; 0 means shipped values.
    rounds : int
    error : array, shape (6,)
        Each expert's root mean square error at the re-hidden places, HU.
    mixed : float
        The fill's, each round predicted with weights from the other rounds, HU.
    peer : float
        What is used today, at the same places, HU.
    peer_name : str
    """

    weights: np.ndarray
    quantiles: np.ndarray
    pixels: int = 0
    rounds: int = 0
    error: np.ndarray | None = None
    mixed: float = float("nan")
    peer: float = float("nan")
    peer_name: str = "biharmonic"


def shipped(level: float = 0.9) -> Calibration:
    """The shipped weights and quantiles; only the 90 % interval is shipped."""
    quantiles = SHIPPED_QUANTILES.get(level, (np.nan,) * 3)
    return Calibration(mix.shipped(), np.array(quantiles, float))


def features(image):
    """What a ring is compared by: (5, H, W) level, air, fat, bone, edges."""
    edges = np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1))
    return np.stack(
        [
            image / 300.0,
            1.5 * (image < -500),
            ((image > -200) & (image < -20)) * 1.0,
            1.5 * (image > 200),
            np.sqrt(edges / 8.0) / 8.0,
        ]
    )


def look_alike(image, hidden, used, rng, holes=None):
    """One re-hiding: every hole moved to a look-alike place.

    Parameters
    ----------
    image : array, shape (H, W)
        HU, already filled.
    hidden : bool array, shape (H, W)
        All that is no measurement; nothing is re-hidden within 4 pixels of it.
    used : bool array, shape (H, W)
        Places of earlier rounds, avoided while there is room.
    rng : Generator
    holes : bool array, shape (H, W), optional
        The holes to be moved; all that is hidden by default.

    Returns
    -------
    bool array, shape (H, W)
        The re-hidden pixels; holes for which there is no room are left out.
    """
    again = np.zeros(hidden.shape, bool)
    seen = features(image)
    fixed = grow(hidden, GAP)
    label, _ = ndimage.label(hidden if holes is None else holes, EIGHT)
    for i, spot in enumerate(ndimage.find_objects(label), 1):
        hole = np.argwhere(label[spot] == i) + np.array([spot[0].start, spot[1].start])
        own = np.pad(label[spot] == i, RING)
        ring = np.argwhere(ndimage.binary_dilation(own, EIGHT, iterations=RING) & ~own)
        ring += [spot[0].start - RING, spot[1].start - RING]
        for forbidden in (fixed | grow(again | used, GAP), fixed | grow(again, GAP)):
            place = _best_place(seen, hole, ring, forbidden, hidden, rng)
            if place is not None:
                again[place[:, 0], place[:, 1]] = True
                break
    return again


def _best_place(seen, hole, ring, forbidden, hidden, rng):
    """Of up to 60 random allowed shifts (120 near by for long holes) the one with the most similar ring."""
    H, W = forbidden.shape
    low, high = hole.min(0), hole.max(0)
    long = (high - low).max() > 90
    want, loss = (120, 0.5) if long else (60, 0.0)
    first, last = -low, np.array([H - 1, W - 1]) - high
    if long:
        first, last = np.maximum(first, -80), np.minimum(last, 80)
    shifts = np.stack([rng.integers(first[a], last[a] + 1, want * 15) for a in (0, 1)], 1)
    own = _summary(seen, ring, hidden)
    best, chosen, found = np.inf, None, 0
    for shift in np.unique(shifts, axis=0)[rng.permutation(len(np.unique(shifts, axis=0)))]:
        moved = hole + shift
        free = ~forbidden[moved[:, 0], moved[:, 1]]
        if free.mean() < 1.0 - loss or free.sum() < 4:
            continue
        found += 1
        other = _summary(seen, ring + shift, hidden)
        distance = np.inf if own is None or other is None else float(((own - other) ** 2).sum())
        if distance < best or chosen is None:
            best, chosen = distance, moved[free]
        if found == want:
            break
    return chosen


def _summary(seen, ring, hidden):
    """Mean and standard deviation of the features over the ring's visible pixels: (10,), or None."""
    H, W = hidden.shape
    ring = ring[(ring >= 0).all(1) & (ring[:, 0] < H) & (ring[:, 1] < W)]
    ring = ring[~hidden[ring[:, 0], ring[:, 1]]]
    if len(ring) == 0:
        return None
    values = seen[:, ring[:, 0], ring[:, 1]]
    return np.concatenate([values.mean(1), values.std(1)])


def fit_weights(G, start=None):
    """Convex weights of least squared error, held to the shipped ones.

    Parameters
    ----------
    G : array, shape (E, E)
        Mean products of the experts' errors, HU^2.
    start : array, shape (E,), optional
        The weights to be held to; the shipped ones by default.

    Returns
    -------
    array, shape (E,)

    Examples
    --------
    An expert that errs ten times as much gets nothing:

    >>> fit_weights(np.diag([100.0, 100.0, 10000.0]), np.ones(3) / 3).round(2).tolist()
    [0.49, 0.49, 0.02]
    """
    start = mix.shipped() if start is None else np.asarray(start, float)
    A = G / (np.trace(G) / len(G)) + PULL * np.eye(len(G))
    found = optimize.minimize(
        lambda w: w @ A @ w - 2 * PULL * w @ start,
        start,
        jac=lambda w: 2 * A @ w - 2 * PULL * start,
        bounds=[(0.0, 1.0)] * len(G),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones(len(w))},
        method="SLSQP",
    )
    w = np.where(found.x > 1e-9, found.x, 0.0)  # the solver leaves 1e-17 where it means nothing
    return w / w.sum()


def calibrate(
    image,
    hidden,
    *,
    closed=None,
    ask=None,
    level: float = 0.9,
    rounds: int = 4,
    seed: int = 0,
    correct=None,
    progress=None,
):
    """Learn the mix and the interval's width by hiding look-alike places.

    Parameters
    ----------
    image : array, shape (H, W)
        HU with the holes already filled (their fill is read as surroundings, never as a source or as truth).
    hidden : bool array, shape (H, W)
        The holes that are re-hidden.
    closed : bool array, shape (H, W), optional
        All that is no measurement: the holes, and what else was filled or is not a number.
    ask : callable, optional
        ``(image, hidden, closed) -> Asked or None``: where attention alone is the fill, instead of the mix.
    level : float
        Wanted coverage of the interval.
    rounds : int
    seed : int
    correct : callable, optional
        ``(image, hidden, fills) -> (P,)``: what is added to the mix, HU.
    progress : callable, optional
        Called after each round.

    Returns
    -------
    Calibration
        The shipped one where no place could be re-hidden.
    """
    rng = np.random.default_rng(seed)
    used = np.zeros(hidden.shape, bool)
    closed = hidden if closed is None else closed
    gathered, peer = [], []
    for r in range(rounds):
        again = look_alike(image, closed, used, rng, holes=hidden)
        if again.any():
            used |= again
            fills, _ = mix.experts(image, again, avoid=closed, seed=seed + r)
            added = 0.0 if correct is None else correct(image, again, fills)
            asked = None if ask is None else ask(image, again, closed)
            alone = None if asked is None else np.clip(asked.fill[again], mix.LOW, mix.HIGH)
            # the mix is judged with what is added to it: as if the truth lacked that
            gathered.append((fills + added, image[again], depth_of(again), alone))
            plain = np.clip(biharmonic(np.clip(image, mix.LOW, mix.HIGH), again)[again], -1000, 1000)
            peer.append(np.mean((plain - np.clip(image[again], -1000, 1000)) ** 2))
        if progress:
            progress()
    return summarise(gathered, level, float(np.sqrt(np.mean(peer))) if peer else float("nan"))


def summarise(gathered, level: float = 0.9, peer: float = float("nan")) -> Calibration:
    """Weights and quantiles from re-hidden places: a list of (fills (6, P), truth (P,), depth (P,), alone).

    ``alone`` (P,) is the fill that is judged where it is not the mix, else None. ``peer`` is what today's
    fill errs there, HU.
    """
    gathered = [g for g in gathered if not np.isnan(g[0]).any()]
    if not gathered:
        return shipped(level)
    errors = [np.clip(fills, -1000, 1000) - np.clip(truth, -1000, 1000) for fills, truth, *_ in gathered]
    G = np.stack([e @ e.T / e.shape[1] for e in errors])
    z, depth, squares = [], [], []
    for r, (fills, truth, deep, fill) in enumerate(gathered):
        if fill is None:
            others = np.delete(G, r, 0)
            fill = mix.combine(fills, fit_weights(others.mean(0)) if len(others) else mix.shipped())
        z.append(np.abs(np.clip(truth, mix.LOW, mix.HIGH) - fill) / mix.disagreement(fills, fill))
        depth.append(deep)
        squares.append((np.clip(truth, -1000, 1000) - np.clip(fill, -1000, 1000)) ** 2)
    quantiles = widths(z, depth, level)
    error = np.sqrt(np.mean([np.diag(g) for g in G], axis=0))
    return Calibration(
        fit_weights(G.mean(0)),
        quantiles,
        sum(map(len, z)),
        len(gathered),
        error,
        float(np.sqrt(np.mean([s.mean() for s in squares]))),
        peer,
    )


def widths(z, depth, level, margin: float = 0.0):
    """Half-widths by depth that hold ``level`` of a round's errors when the other rounds set them.

    Places differ more than pixels of one place, so a quantile of all pixels together holds less of the next
    place than it says. The level is raised until rounds left out, each judged by the others, are held.

    Parameters
    ----------
    z, depth : lists of arrays, shape (P,)
        For each round |error| over its expected size, and the depth in the hole, pixels.
    level : float
    margin : float
        How much more than ``level`` is to be held of the rounds left out: they are easier than the hole
        itself, round which nothing could be re-hidden.

    Returns
    -------
    array, shape (3,)

    Examples
    --------
    >>> rng = np.random.default_rng(0); deep = [np.ones(500)] * 4
    >>> z = [s * np.abs(rng.normal(size=500)) for s in (.5, 1, 1, 2)]
    >>> widths(z, deep, .9)[0] > by_depth(np.concatenate(z), np.concatenate(deep), .9)[0]
    np.True_
    """
    whole = np.concatenate(z), np.concatenate(depth)
    if len(z) == 1:
        return by_depth(*whole, level + margin)
    for raised in np.arange(level, 1 - (1 - level) / 8, (1 - level) / 20):
        held = []
        for r in range(len(z)):
            others = [np.concatenate(part[:r] + part[r + 1 :]) for part in (z, depth)]
            held.append(np.mean(z[r] <= by_depth(*others, raised)[np.digitize(depth[r], BINS)]))
        if np.mean(held) >= level + margin:
            break
    return by_depth(*whole, raised)


def _quantile(z, level):
    """The conformal quantile: the ceil((n + 1) level)-th smallest."""
    return float(np.sort(z)[min(int(np.ceil((len(z) + 1) * level)), len(z)) - 1])


def by_depth(z, depth, level):
    """Quantiles of |error| over its expected size, by depth in the hole; pooled where pixels are few."""
    where = np.digitize(depth, BINS)
    counts = np.bincount(where, minlength=len(BINS) + 1)
    pooled, split = _quantile(z, level), counts[counts > 0].min() >= 100
    return np.array(
        [_quantile(z[where == b], level) if split and counts[b] else pooled for b in range(len(BINS) + 1)]
    )
