"""Fill what is hidden in a CT volume, with an interval and the sources of every voxel."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from ...errors import InputError
from . import mix, provenance, rehide, volume
from .filling import Filling, Part
from .patches import attend_patches
from .tokens import check, depth_of, readable

METHODS = ("mix", "trained", "attention", "plain")
MIXED = ("mix", "trained")
SHIPPED_SPREAD = {0.9: (1.4, 1.55, 1.5)}  # quantiles of |error| / spread in volumes, developer slices


class Inpainter(BaseEstimator):
    """Fill hidden voxels of a CT volume from visible ones.

    Within a slice the fill is a convex mix of six reconstructions, one of them attention over patches; where
    neighbouring slices are visible it is a robust local regression on them, corrected by attention.
    ``fit`` learns the mix's weights and the interval's width on the scan itself, by hiding look-alike places.

    Parameters
    ----------
    method : str
        "mix"; "trained" (the mix and a correction learned on whole volumes); "attention" (patches on a
        kriging base alone); "plain" (one softmax over patches, read directly: the idea in its plainest form).
    calibrate : bool
        Learn weights and interval by re-hiding in ``fit``; else the shipped ones are used.
    level : float
        Wanted coverage of the interval; only 0.9 is shipped, others need ``calibrate``.
    rehidings : int
    in_plane : bool
        Fill each slice by itself even where its neighbours are visible.
    seed : int
    weights : Corrector, optional
        What "trained" adds within a slice; fitted.

    Attributes
    ----------
    calibration_ : dict of (int, str) to Calibration
        For each damaged slice and route.

    Examples
    --------
    >>> from heedful.perceive.inpaint.holes import phantom
    >>> truth, _ = phantom(seed=0, size=96); hidden = np.zeros(truth.shape, bool)
    >>> hidden[0, 40:52, 40:52] = True
    >>> filling = Inpainter().fit_predict(truth, hidden)
    >>> bool((filling.hu == truth)[~hidden].all()), bool(np.abs(filling.hu - truth)[hidden].mean() < 40)
    (True, True)
    """

    def __init__(
        self,
        method: str = "mix",
        calibrate: bool = False,
        level: float = 0.9,
        rehidings: int = 4,
        in_plane: bool = False,
        seed: int = 0,
        weights=None,
    ):
        self.method = method
        self.calibrate = calibrate
        self.level = level
        self.rehidings = rehidings
        self.in_plane = in_plane
        self.seed = seed
        self.weights = weights

    def fit(self, hu, hidden, progress=None, heights=None):
        """Learn from the scan's own visible places what fills best and how far it errs.

        Parameters
        ----------
        hu : array, shape (Z, H, W) or (H, W)
        hidden : bool array, same shape
        progress : callable, optional
            Called after each slice and each re-hiding.
        heights : array, shape (Z,), optional
            Where the slices lie, mm; by default they are equally far apart.
        """
        hu, hidden, heights = check(hu, hidden, heights)
        self.check_params()
        self.calibration_ = {}
        if self.calibrate:
            start, closed, _ = readable(hu, hidden)
            rough = self._fill(start, hidden, closed, {}, heights, progress)
            filled = start.copy()
            for part in rough:
                filled[part.z][part.hidden] = part.value
            for z in np.flatnonzero(hidden.any((1, 2))).tolist():
                own = [part for part in rough if part.z == z]
                self.calibration_ |= self._calibrate(filled, closed, own, z, heights, progress)
        return self

    def predict(self, hu, hidden, progress=None, heights=None) -> Filling:
        """Fill the hidden voxels.

        Parameters
        ----------
        hu : array, shape (Z, H, W) or (H, W)
            HU of any number type; visible voxels come back as they are.
        hidden : bool array, same shape
        progress : callable, optional
            Called after each slice.
        heights : array, shape (Z,), optional
            As in ``fit``.

        Returns
        -------
        Filling
        """
        hu, hidden, heights = check(hu, hidden, heights)
        self.check_params()
        start, closed, notes = readable(hu, hidden)
        parts = self._fill(start, hidden, closed, getattr(self, "calibration_", {}), heights, progress)
        out = np.array(hu, float)
        low, high = np.full(hu.shape, np.nan), np.full(hu.shape, np.nan)
        for part in parts:
            out[part.z][part.hidden] = part.value
            low[part.z][part.hidden], high[part.z][part.hidden] = part.low, part.high
        missing = sum(int(p.hidden.sum()) for p in parts if p.sources is None)
        if missing:
            notes = (*notes, f"{missing} voxels have no source: no window of their slice is wholly visible")
        if self.calibrate and any(p.calibration.pixels == 0 for p in parts):
            notes = (
                *notes,
                "a slice had no room to re-hide its holes: shipped weights and interval are used there",
            )
        return Filling(out, low, high, hidden, tuple(parts), tuple(notes), self.level)

    def fit_predict(self, hu, hidden, progress=None, heights=None) -> Filling:
        """``fit`` and ``predict`` on the same scan, which is how it is meant to be used."""
        return self.fit(hu, hidden, progress, heights).predict(hu, hidden, progress, heights)

    def check_params(self):
        """Refuse parameters that are not among those allowed."""
        if self.method not in METHODS:
            raise InputError(f"method is {self.method!r}, one of {', '.join(METHODS)} is expected")
        if (self.method == "trained") != (self.weights is not None):
            raise InputError("the method 'trained' and weights go together", remedy="give both, or neither")
        if not 0.5 <= self.level < 1:
            raise InputError(f"level is {self.level}, 0.5 to below 1 is expected")
        if self.level != 0.9 and not self.calibrate:
            raise InputError(f"no {self.level:.0%} interval is shipped", remedy="calibrate on the scan")
        if self.rehidings < 1:
            raise InputError(f"rehidings is {self.rehidings}, at least 1 is expected")

    def _fill(self, hu, hidden, closed, calibrations, heights, progress=None):
        """All parts: first what the neighbouring slices know, then the rest of each slice in its plane."""
        parts, start = [], hu
        for z in np.flatnonzero(hidden.any((1, 2))).tolist():
            flat = np.zeros(hidden.shape[1:], bool)
            image = start[z].copy()
            if self.method not in MIXED or self.in_plane or len(hidden) == 1:
                flat = hidden[z].copy()
            else:
                for region in volume.regions(hidden[z]):
                    offsets = volume.taps(closed, z, region)
                    if offsets:
                        part = self._from_neighbours(
                            start, closed, z, region, offsets, heights, calibrations.get((z, "volume"))
                        )
                        image[region] = part.value
                        parts.append(part)
                    else:
                        flat |= region
            if flat.any():
                cal = calibrations.get((z, "slice"))
                parts.append(self._in_plane(image, flat, closed[z] & ~flat, z, cal))
            if progress:
                progress()
        return parts

    def _from_neighbours(self, hu, hidden, z, region, offsets, heights, cal):
        cal = cal or self._shipped_between()
        done = volume.fill_region(hu, hidden, z, region, offsets, heights=heights, shares=cal.weights)
        wide = _at_depth(cal.quantiles, region) * done.spread * (1.0 if cal.pixels else done.typical)
        found = np.isfinite(done.score).any(1).all()
        return Part(
            z,
            region,
            "volume",
            done.fill,
            done.fill - wide,
            done.fill + wide,
            provenance.of_neighbours(done) if found else None,
            done.fill - done.ridge,
            float(cal.weights[0]),
            cal,
        )

    def _in_plane(self, image, flat, avoid, z, cal):
        cal = cal or rehide.shipped(self.level)
        fills, asked = mix.experts(image, flat, avoid=avoid, seed=self.seed)
        if self.method in MIXED:
            value = mix.combine(fills, cal.weights)
            if self.weights is not None:
                added = self.weights.correct(image, flat, fills)
                value, fills = np.clip(value + added, mix.LOW, mix.HIGH), fills + added
        else:
            asked = self._asked(image, flat, avoid)
            if asked is None:
                raise InputError(
                    f"slice {z}: no window of it is wholly visible, attention has no source",
                    remedy="use the mix",
                )
            value = np.clip(asked.fill[flat], mix.LOW, mix.HIGH)
        wide = _at_depth(cal.quantiles, flat) * mix.disagreement(fills, value)
        at = mix.EXPERTS.index("attention")
        share = 1.0 if self.method not in MIXED else float(cal.weights[at])
        return Part(
            z,
            flat,
            "slice",
            value,
            value - wide,
            value + wide,
            None if asked is None else provenance.of_patches(asked, image, flat),
            fills[at] if self.method in MIXED else value,
            0.0 if asked is None else share,
            cal,
            asked,
            avoid,
        )

    def _asked(self, image, flat, avoid):
        """Attention over patches by itself: on its kriging base, or plain."""
        image, plain = np.clip(image, mix.LOW, mix.HIGH), self.method == "plain"
        return attend_patches(image, flat, avoid=avoid, plain=plain, seed=self.seed)

    def _calibrate(self, filled, closed, own, z, heights, progress):
        """Re-hide a slice's holes, and fill them there the way they were filled here: {(z, route): ...}."""
        learned = {}
        for route in sorted({part.route for part in own}):
            holes = np.logical_or.reduce([part.hidden for part in own if part.route == route])
            if route == "slice":
                learned[z, route] = rehide.calibrate(
                    filled[z],
                    holes,
                    closed=closed[z],
                    ask=None if self.method in MIXED else self._asked,
                    level=self.level,
                    rounds=self.rehidings,
                    seed=self.seed,
                    correct=None if self.weights is None else self.weights.correct,
                    progress=progress,
                )
            else:
                learned[z, route] = self._between(filled, holes, closed, z, heights, progress)
        return learned

    def _between(self, filled, holes, closed, z, heights, progress):
        """The interval's width where neighbouring slices fill, from holes moved within the slice."""
        rng = np.random.default_rng(self.seed)
        used, gathered = np.zeros(holes.shape, bool), []
        for turn in range(self.rehidings):
            again = rehide.look_alike(filled[z], closed[z], used, rng, holes=holes)
            used |= again
            both = closed.copy()
            both[z] |= again
            for region in volume.regions(again):
                if offsets := volume.taps(both, z, region):
                    done = volume.fill_region(filled, both, z, region, offsets, heights=heights)
                    gathered.append((turn, region, done, filled[z][region]))
            if progress:
                progress()
        if not gathered:
            return self._shipped_between()

        def shares(without=None):
            some = [(done.corrections, truth - done.ridge) for t, _, done, truth in gathered if t != without]
            return volume.fit_shares(some) if some else np.array(volume.SHARES)

        # each round is judged with shares from the other rounds
        error = [truth - done.ridge - shares(t) @ done.corrections for t, _, done, truth in gathered]
        scores = [np.abs(e) / g[2].spread for e, g in zip(error, gathered, strict=True)]
        depth = [depth_of(region) for _, region, _, _ in gathered]
        rounds = [[i for i, g in enumerate(gathered) if g[0] == t] for t in sorted({g[0] for g in gathered})]
        by_round = [[np.concatenate([part[i] for i in own]) for own in rounds] for part in (scores, depth)]
        tap = [np.mean((truth - done.tap) ** 2) for _, _, done, truth in gathered]
        return rehide.Calibration(
            shares(),
            rehide.widths(*by_round, self.level, (1 - self.level) / 10),
            sum(map(len, scores)),
            self.rehidings,
            None,
            float(np.sqrt(np.mean([np.mean(e**2) for e in error]))),
            float(np.sqrt(np.mean(tap))),
            "four-tap cubic along z",
        )

    def _shipped_between(self):
        quantiles = np.array(SHIPPED_SPREAD.get(self.level, (np.nan,) * 3), float)
        return rehide.Calibration(np.array(volume.SHARES), quantiles)


def _at_depth(quantiles, region):
    """Each hidden pixel's quantile, by its depth in the hole: (P,)."""
    return np.asarray(quantiles)[np.digitize(depth_of(region), rehide.BINS)]
