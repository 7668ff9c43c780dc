"""What may have happened to a pixel: nothing, a source changed, destroyed, or of another date or place.

One logistic model over these states. Its coefficients are not negative on hinges of abnormality (the
stranger a source looks, or the less two sources belong together, the likelier is damage), so that damage of
a kind that was never planted can still only raise suspicion. How much of a scene is in which state is
estimated on the scene itself, by EM: a fixed prior of a few per cent would never justify leaving a source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

CHANGED, DESTROYED, ELSEWHERE = "changed", "destroyed", "elsewhere"
KINDS_OF = {
    CHANGED: ("add", "mult", "stripe"),
    DESTROYED: ("fill", "noise"),
    ELSEWHERE: ("swap", "shift"),
}
KNOTS = (0.5, 0.8, 0.95, 0.99, 0.999)
RIDGE = 3e-3
USUAL = 0.02  # share of a scene that is in any one damaged state, before the scene has been looked at
COUNTED = 20.0  # pixels that this is worth
LEAST = 0.004  # no state is ruled out by the rest of the scene


@dataclass
class Hinges:
    """How far a value lies above quantiles of undamaged pixels: (n, F) -> (n, 5 F), none negative."""

    knots: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, clean: np.ndarray) -> Hinges:
        return cls(np.quantile(clean, KNOTS, axis=0), clean.std(0) + 1e-3)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        far = [np.clip((x - k) / self.spread, 0, 6) for k in self.knots]
        return np.concatenate(far, -1).astype(np.float32)


@dataclass
class States:
    """Posterior of each state from a row of evidence.

    Attributes
    ----------
    found : list of (kind, sources)
        States that were planted; the undamaged one is not in the list and comes first in every array. A pair
        of sources of which neither is declared the reference shares one `elsewhere`.
    columns : dict of str to list of int
        For every source, which columns of the evidence are held against it alone ('own s') and against its
        pairs ('pairs s'; none for the declared reference: that two sources do not belong together is never
        held against it).
    hinges : dict of str to Hinges
    coef : list of arrays
        One for each of `found`: its hinges' coefficients and the intercept.
    prior : array (1 + K,)
        Share of each state in training.
    calibration : dict of str to (claimed, observed)
        Isotonic, per source, on rows that were held out in space and in kind.
    """

    found: list[tuple[str, tuple[str, ...]]]
    columns: dict[str, list[int]]
    hinges: dict[str, Hinges]
    coef: list[np.ndarray]
    prior: np.ndarray
    calibration: dict[str, tuple[np.ndarray, np.ndarray]]

    @property
    def labels(self) -> list[str]:
        """'optical elsewhere', ...: one for each of `found`."""
        return [" or ".join(who) + " " + kind for kind, who in self.found]

    def log_posterior(self, e: np.ndarray) -> np.ndarray:
        """(n, K) evidence -> (n, 1 + states), at the training shares."""
        h = self._hinges(e)
        s = [np.zeros(len(e))]
        for state, c in zip(self.found, self.coef, strict=True):
            s.append(_design(h, state) @ c.astype(np.float32))
        return _normal(np.stack(s, 1).astype(float))

    def posterior(self, log_posterior: np.ndarray, rates: np.ndarray) -> np.ndarray:
        """(n, 1 + states) at a scene's own shares of the states, calibrated."""
        p = np.exp(_normal(log_posterior - np.log(self.prior) + np.log(rates)))
        return self.calibrated(p)

    def calibrated(self, p: np.ndarray) -> np.ndarray:
        """Every source's states scaled to what was observed where as much was claimed."""
        out = p.copy()
        for s, (x, y) in self.calibration.items():
            mine = [k + 1 for k, (_, who) in enumerate(self.found) if who == (s,)]
            claimed = p[:, mine].sum(1)
            # a little of the claim itself: it keeps the order where the calibration is flat
            seen = 0.95 * np.interp(claimed, x, y) + 0.05 * claimed
            out[:, mine] *= (seen / np.maximum(claimed, 1e-6))[:, None]
        total = out[:, 1:].sum(1)
        out[:, 1:] /= (np.maximum(total, 0.995) / 0.995)[:, None]
        out[:, 0] = 1 - out[:, 1:].sum(1)
        return out

    def damage(self, p: np.ndarray, source: str, kind: str | None = None) -> np.ndarray:
        """P(this source is damaged), (n,); a state that two sources share counts half for each."""
        out = np.zeros(len(p))
        for k, (what, who) in enumerate(self.found):
            if source in who and kind in (None, what):
                out += p[:, k + 1] / (len(who) if kind is None else 1)
        return out

    def rates(self, log_posterior: np.ndarray, steps: int = 100) -> np.ndarray:
        """Share of each state in a scene, by EM on its unlabelled pixels (Saerens et al. 2002)."""
        usual = np.full(len(self.prior), USUAL)
        usual[0] = 1 - usual[1:].sum()
        rate, odds = usual.copy(), log_posterior - np.log(self.prior)
        for _ in range(steps if len(odds) else 0):
            p = np.exp(_normal(odds + np.log(rate)))
            rate = (p.sum(0) + COUNTED * usual) / (len(p) + COUNTED)
        rate = np.maximum(rate, LEAST)
        return rate / rate.sum()

    def level(self, e: np.ndarray) -> dict[int, float]:
        """How far the median of each column lies on the strange side of that of undamaged training pixels.

        At most as far as one in twenty of these does: beyond that it is no longer a matter of land.
        """
        out = {}
        for name, h in self.hinges.items():
            for j, c in enumerate(self.columns[name]):
                most = h.knots[KNOTS.index(0.95), j] - h.knots[0, j]
                out[c] = float(np.clip(-np.median(e[:, c]) - h.knots[0, j], 0.0, most))
        return out

    def _hinges(self, e: np.ndarray) -> dict[str, np.ndarray]:
        return {name: h(-e[:, self.columns[name]]) for name, h in self.hinges.items()}

    # -- fitting
    @classmethod
    def fit(
        cls,
        e: np.ndarray,
        names: Sequence[str],
        sources: Sequence[str],
        reference: str | None,
        damaged: Mapping[str, np.ndarray],
        planted: np.ndarray,
        weight: np.ndarray,
        fold: np.ndarray,
        splits: Sequence[tuple[np.ndarray, np.ndarray]],
        seed: int,
    ) -> tuple[States, np.ndarray]:
        """Fit, and calibrate on held-out rows.

        Parameters
        ----------
        e : array (n, K), names : K names of its columns
        sources : names; reference : the one whose date is right, if declared
        damaged : dict of kind to bool array (n, S)
            Where each kind of damage was planted.
        planted : bool (n,), weight : (n,), fold : int (n,)
        splits : (train, test) bool masks; every row is in one test part
        seed : int

        Returns
        -------
        States, and the calibrated posterior of every row while it was held out (n, 1 + states)
        """
        from sklearn.isotonic import IsotonicRegression

        shared = reference is None and len(sources) == 2
        wanted = [(kind, (s,)) for kind in (DESTROYED, CHANGED) for s in sources]
        wanted += [(ELSEWHERE, tuple(sources))] if shared else [
            (ELSEWHERE, (s,)) for s in sources if s != reference
        ]
        state, some = np.zeros(len(e), int), np.stack([damaged[k] for k in damaged]).any(0)
        for k, (kind, who) in enumerate(wanted):
            hit = np.logical_or.reduce([damaged[kind][:, sources.index(s)] for s in who])
            state[hit] = k + 1
        single = (some.sum(1) < 2) | damaged[ELSEWHERE].all(1)
        kept = [k for k in range(len(wanted)) if (single & (state == k + 1)).sum() >= 30]
        number = np.zeros(len(wanted) + 1, int)
        number[[k + 1 for k in kept]] = np.arange(len(kept)) + 1
        state = number[state]
        columns = {f"own {s}": _about(names, s) for s in sources}
        columns |= {f"pairs {s}": _among(names, s) for s in sources if s != reference}
        hinges = {k: Hinges.fit(-e[~planted][:, c]) for k, c in columns.items()}
        made = cls([wanted[k] for k in kept], columns, hinges, [], np.ones(1), {})
        h, moved = made._hinges(e), damaged[ELSEWHERE].any(1)
        rng, claimed = np.random.default_rng([seed, 6]), np.zeros((len(e), len(kept) + 1))
        for train, test in splits:
            # another place has no relatives but itself: held out in space alone
            rows = np.flatnonzero((train | (moved & (fold != fold[test][0]))) & single)
            rows = rows[rng.permutation(len(rows))[:12000]]
            made.coef, made.prior = _solve(h, made.found, rows, state, weight, 60)
            claimed[test] = np.exp(made.log_posterior(e[test]))
        made.coef, made.prior = _solve(h, made.found, np.flatnonzero(single), state, weight, 80)
        for i, s in enumerate(sources):
            if any(who == (s,) for _, who in made.found):
                iso = IsotonicRegression(y_min=0.002, y_max=0.995, out_of_bounds="clip")
                alone = sum(claimed[:, k + 1] for k, (_, who) in enumerate(made.found) if who == (s,))
                hit = some[:, i] if not shared else (damaged[CHANGED] | damaged[DESTROYED])[:, i]
                iso.fit(alone, hit, weight)
                made.calibration[s] = (
                    np.asarray(iso.X_thresholds_, float),
                    np.asarray(iso.y_thresholds_, float),
                )
        return made, made.calibrated(claimed)


def _about(names: Sequence[str], source: str) -> list[int]:
    """Columns about a source alone."""
    return [i for i, n in enumerate(names) if n.startswith((f"normal[{source}]", f"steady[{source}]"))]


def _among(names: Sequence[str], source: str) -> list[int]:
    """Columns about pairs that a source is part of."""
    return [
        i for i, n in enumerate(names)
        if n.split("[")[0] in ("dependence", "residual", "mended", "follows", "agrees")
        and source in n.split("[")[1].split("]")[0].split(",")
    ]


def _design(h: dict[str, np.ndarray], state: tuple[str, tuple[str, ...]]) -> np.ndarray:
    """What a state is told by: a damaged source by itself and its pairs, another place by pairs alone."""
    kind, who = state
    parts = [] if kind == ELSEWHERE else [h[f"own {who[0]}"]]
    if f"pairs {who[0]}" in h:
        parts.append(h[f"pairs {who[0]}"])
    return np.concatenate([*parts, np.ones((len(parts[0]), 1), np.float32)], 1)


def _normal(s: np.ndarray) -> np.ndarray:
    """Log-probabilities."""
    s = s - s.max(1, keepdims=True)
    return s - np.log(np.exp(s).sum(1, keepdims=True))


def _solve(h, found, rows, state, weight, steps: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Coefficients and shares: weighted cross-entropy with a ridge, none but intercepts below 0."""
    x = [_design({k: v[rows] for k, v in h.items()}, s) for s in found]
    t, w = state[rows], (weight[rows] / weight[rows].sum()).astype(np.float32)
    ends = np.cumsum([0] + [a.shape[1] for a in x])
    last = ends[1:] - 1
    ridge, start = np.full(ends[-1], RIDGE), np.full(ends[-1], 0.01)
    ridge[last], start[last] = 0.0, -2.0
    bounds = [(None, None) if i in set(last) else (0, None) for i in range(ends[-1])]
    every = np.arange(len(t))

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        c = b.astype(np.float32)
        s = [np.zeros(len(t), np.float32)] + [a @ c[i:j] for a, i, j in zip(x, ends, ends[1:], strict=False)]
        p = np.exp(_normal(np.stack(s, 1)))
        value = -float((w * np.log(np.maximum(p[every, t], 1e-12))).sum())
        p[every, t] -= 1
        p *= w[:, None]
        slope = np.concatenate([a.T @ p[:, k + 1] for k, a in enumerate(x)]) if x else np.zeros(0)
        return value + 0.5 * float((ridge * b * b).sum()), slope.astype(float) + ridge * b

    if x:
        start = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}
        ).x
    prior = np.bincount(t, w, len(found) + 1)
    return [start[i:j] for i, j in zip(ends, ends[1:], strict=False)], np.maximum(prior, 1e-6) / prior.sum()
