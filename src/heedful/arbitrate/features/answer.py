"""The answer for some patients: weights, opinions, and their exact sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

JOINT, SPARSE, FOREST, NULL = "joint", "sparse", "forest", "null"
WHOLE = (JOINT, SPARSE, FOREST)  # keys that read every source


@dataclass(frozen=True)
class FeatureAnswer:
    """The answer for some patients.

    Attributes
    ----------
    z : array (n,)
        Log-odds of the second class: the sum over keys of weight x opinion, exactly.
    weights, opinions : arrays (n, E)
    keys : tuple of str
        The sources, then 'joint', 'sparse', 'forest' (where there is one) and 'null'.
    by_source : array (n, S)
        Each source's whole part: own weight x opinion, and its linear part of the joint ridge and the sparse
        expert; centred on the training mean.
    phi : array (n, d)
        The class query's basis of the context.
    """

    z: np.ndarray
    weights: np.ndarray
    opinions: np.ndarray
    keys: tuple[str, ...]
    by_source: np.ndarray
    phi: np.ndarray

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(k for k in self.keys if k not in (*WHOLE, NULL))

    @property
    def proba(self) -> np.ndarray:
        """P(second class), (n,)."""
        return 1 / (1 + np.exp(-self.z))

    def contributions(self) -> np.ndarray:
        """weight x opinion (n, E): rows add up to z."""
        return self.weights * self.opinions

    def without(self, key: str) -> np.ndarray:
        """z (n,) had a key been left out and the other weights kept their proportions."""
        keep = np.array([k != key for k in self.keys])
        w = self.weights * keep
        return (w * self.opinions).sum(1) / np.maximum(w.sum(1), 1e-12)
