"""The arbiter's answer for a scene: weights, opinions, and their exact mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from .evidence import JOINT
from .experts import softmax
from .gate import HARDENED, NULL

NO_DATA = -1


@dataclass(frozen=True)
class Arbitration:
    """The arbiter's answer for a scene; every map is (H, W), or (n, 1) for points.

    Attributes
    ----------
    z : array (H, W, C)
        The mix, sum over keys of weights x opinions: centred log-probabilities, or the quantity.
    weights : array (H, W, E)
        One per key, summing to 1.
    opinions : array (H, W, E, C)
        Each key's z.
    keys : tuple of str
        The sources, then 'joint', 'hardened', 'null'.
    reliability : dict of str to array (H, W)
        Calibrated probability that the source is intact.
    mismatch : dict of str to array (H, W)
        Probability that the source is of another date or place, at the scene's own rate.
    rate : dict of str to float
        That rate.
    valid : dict of str to bool array (H, W)
    classes : array or None
    h, prior : arrays (H, W, F), (H, W, E)
        Query and log prior: weights = softmax(h . keys + prior); see `reading`.
    """

    z: np.ndarray
    weights: np.ndarray
    opinions: np.ndarray
    keys: tuple[str, ...]
    reliability: dict[str, np.ndarray]
    mismatch: dict[str, np.ndarray]
    rate: dict[str, float]
    valid: dict[str, np.ndarray]
    classes: np.ndarray | None
    h: np.ndarray | None = None
    prior: np.ndarray | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(self.valid)

    @property
    def proba(self) -> np.ndarray:
        """Class probabilities (H, W, C)."""
        return softmax(self.z)

    @property
    def labels(self) -> np.ndarray:
        """Classes (H, W), or the quantity; no-data where no source has data (-1, or NaN)."""
        anything = np.logical_or.reduce(list(self.valid.values()))
        if self.classes is None:
            return np.where(anything, self.z[..., 0], np.nan)
        return np.where(anything, self.classes[self.z.argmax(-1)], NO_DATA)

    @property
    def effective_sources(self) -> np.ndarray:
        """exp(entropy of the weights): how many keys the answer rests on."""
        w = self.weights
        return np.exp(-(w * np.log(np.maximum(w, 1e-30))).sum(-1))

    def admitted(self, source: str) -> np.ndarray:
        """The weight of the keys that take this source at its word: its own and the joint one's."""
        return self.weights[..., self.keys.index(source)] + self.weights[..., self.keys.index(JOINT)]

    def without(self, key: str) -> np.ndarray:
        """z if a key, or every key that reads a source, had been left out: the exact effect of removal."""
        gone = [k for k in self.keys if k == key or (key in self.valid and k in (JOINT, HARDENED))]
        keep = np.array([k not in gone for k in self.keys])
        w = self.weights * keep
        w = w / np.maximum(w.sum(-1, keepdims=True), 1e-12)
        return np.einsum("...e,...ec->...c", w, self.opinions)

    def share(self, source: str) -> np.ndarray:
        """The source's part in the decision: own weight, and its Shapley part of the keys that read both.

        The decision is the log-odds m between the two likeliest classes (or the value). With two sources the
        joint expert's m splits exactly: phi_a = ((m_ab - m_b) + (m_a - m_0)) / 2, and phi_a + phi_b =
        m_ab - m_0. The weight of the joint keys is shared by the size of these; with the null's weight the
        shares sum to 1.
        """
        if len(self.valid) != 2:
            raise InputError(
                "the joint expert's opinion is split between two sources only",
                remedy="read `weights` and `admitted` instead",
            )
        a, b = (source, next(s for s in self.valid if s != source))
        m = self.decision()
        at = {k: m[..., i] for i, k in enumerate(self.keys)}
        phi = {s: 0.5 * np.abs((at[JOINT] - at[t]) + (at[s] - at[NULL])) for s, t in ((a, b), (b, a))}
        both = sum(self.weights[..., i] for i, k in enumerate(self.keys) if k in (JOINT, HARDENED))
        return self.weights[..., self.keys.index(a)] + both * phi[a] / np.maximum(phi[a] + phi[b], 1e-9)

    def decision(self) -> np.ndarray:
        """Each key's log-odds (H, W, E) of the likeliest class against the runner-up; or its value."""
        if self.classes is None:
            return self.opinions[..., 0]
        order = np.argsort(self.z, -1)
        pick = lambda c: np.take_along_axis(self.opinions, c[..., None, None], -1)[..., 0]  # noqa: E731
        return pick(order[..., -1]) - pick(order[..., -2])
