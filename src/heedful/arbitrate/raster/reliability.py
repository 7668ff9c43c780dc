"""How normal is each source here, and do the sources agree: a density per source, a dependence per pair.

Per source: a Gaussian mixture on the neighbourhood's mean and spread, read as a rank among held-out clean
training pixels. Per pair: the pointwise mutual information of two mixtures against their joint one,
pooled over
a window, first gated by the densities (a bright cloud has a *high* mutual information with nothing), and the
residual of one source predicted from the other. A density sees damage to one source; only the pair can see a
wrong date, where each source is perfectly normal. What one offset over a window would mend is no wrong date
but a source out of calibration.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .experts import Boosted
from .tokens import box

CHUNK = 4096  # rows whose distances stay in the second cache


@dataclass
class Mixture:
    """Gaussian mixture with full covariances on whitened principal components, as plain arrays."""

    mean: np.ndarray
    axes: np.ndarray
    log_weight: np.ndarray
    centre: np.ndarray
    precision: np.ndarray  # Cholesky factors (K, d, d)

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        components: int,
        *,
        dimensions: int = 12,
        regularise: float = 1e-2,
        seed: int = 0,
        iterations: int = 60,
    ) -> Mixture:
        """From rows (n, D)."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        mean, axes = whitening(x, dimensions)
        white = (x - mean) @ axes
        components = max(1, min(components, len(x) // (6 * white.shape[1])))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            g = GaussianMixture(
                components,
                reg_covar=regularise,
                random_state=seed,
                max_iter=iterations,
                tol=3e-3,
                init_params="k-means++",
            ).fit(white)
        return cls(mean, axes, np.log(g.weights_), g.means_, g.precisions_cholesky_)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """(n, D) -> (n,)."""
        offset = self.log_weight - 0.5 * self.axes.shape[1] * np.log(2 * np.pi)
        offset = offset + np.log(np.einsum("kdd->kd", self.precision)).sum(1)
        start = np.einsum("kd,kde->ke", self.centre, self.precision)
        out = np.empty(len(x))
        for i in range(0, len(x), CHUNK):
            white = (x[i : i + CHUNK] - self.mean) @ self.axes
            terms = np.empty((len(self.log_weight), len(white)))
            for k, p in enumerate(self.precision):
                y = white @ p
                y -= start[k]
                np.einsum("nd,nd->n", y, y, out=terms[k])
            terms *= -0.5
            terms += offset[:, None]
            top = terms.max(0)
            terms -= top
            out[i : i + CHUNK] = top + np.log(np.exp(terms, out=terms).sum(0))
        return out


def whitening(x: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and axes (D, d) that give the leading components unit variance."""
    mean = x.mean(0)
    _, s, vt = np.linalg.svd(x - mean, full_matrices=False)
    s = s / np.sqrt(max(len(x) - 1, 1))
    keep = min(dimensions, int((s > 1e-4 * s[0]).sum()), len(s))
    return mean, vt[:keep].T / s[:keep]


@dataclass
class Pair:
    """Dependence of two sources: joint against product, and one predicted from the other."""

    first: str
    second: str
    white: dict[str, tuple[np.ndarray, np.ndarray]]
    joint: Mixture
    alone: dict[str, Mixture]
    predicted: str
    regressors: list[Boosted]
    spread: np.ndarray

    @classmethod
    def fit(
        cls,
        a: str,
        b: str,
        tokens: dict[str, np.ndarray],
        target: dict[str, np.ndarray],
        *,
        trees: int,
        seed: int,
        light: bool,
    ) -> Pair:
        """From rows: `tokens[s]` (n, D_s) compressed smooth descriptors, `target[s]` (n, B_s) band means."""
        white = {s: whitening(tokens[s], 6) for s in (a, b)}
        w = {s: (tokens[s] - white[s][0]) @ white[s][1] for s in (a, b)}
        k = (10, 5, 6) if light else (14, 6, 8)
        joint = Mixture.fit(np.concatenate([w[a], w[b]], 1), k[0], seed=seed)
        alone = {s: Mixture.fit(w[s], n, seed=seed) for s, n in ((a, k[1]), (b, k[2]))}
        # predict the source with fewer bands from the richer one
        predicted, other = (a, b) if target[a].shape[1] <= target[b].shape[1] else (b, a)
        models = [
            Boosted(0, trees=max(20, trees // 2), leaves=15, seed=seed).fit(tokens[other], column)
            for column in target[predicted].T
        ]
        spread = np.stack(
            [
                np.std(column - m.predict(tokens[other])[:, 0])
                for m, column in zip(models, target[predicted].T, strict=True)
            ]
        )
        return cls(a, b, white, joint, alone, predicted, models, np.maximum(spread, 1e-6))

    @property
    def other(self) -> str:
        return self.second if self.predicted == self.first else self.first

    def dependence(self, tokens: dict[str, np.ndarray], conditional: np.ndarray) -> np.ndarray:
        """Pointwise mutual information of rows, nats, from their `conditional`: log p(a | b) - log p(a)."""
        mean, axes = self.white[self.predicted]
        return conditional - self.alone[self.predicted].log_density((tokens[self.predicted] - mean) @ axes)

    def conditional(self, tokens: dict[str, np.ndarray], moved: Iterable[np.ndarray]) -> list[np.ndarray]:
        """log p(predicted source | other source) of rows, for each of several tokens of the predicted."""
        (mean, axes), (mean_o, axes_o) = self.white[self.predicted], self.white[self.other]
        given = (tokens[self.other] - mean_o) @ axes_o
        alone = self.alone[self.other].log_density(given)
        out = []
        for x in moved:
            pair = (x - mean) @ axes, given
            both = np.concatenate(pair if self.predicted == self.first else pair[::-1], 1)
            out.append(self.joint.log_density(both) - alone)
        return out

    def forecast(self, tokens: dict[str, np.ndarray]) -> np.ndarray:
        """The predicted source's band means from the other's tokens, (n, B)."""
        return np.stack([m.predict(tokens[self.other])[:, 0] for m in self.regressors], 1)


@dataclass
class Reference:
    """Where clean held-out pixels lie: sorted log densities per source, limits of each pair's dependence."""

    density: dict[str, np.ndarray] = field(default_factory=dict)
    limits: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)

    def log_rank(self, source: str, log_density: np.ndarray) -> np.ndarray:
        """log of the share of clean pixels that are at most this normal."""
        ref = self.density[source]
        return np.log((np.searchsorted(ref, log_density, side="right") + 1.0) / (len(ref) + 1.0))


@dataclass
class Bank:
    """All that was fitted on one set of clean blocks: experts, densities, pairs."""

    experts: dict[str, object]
    densities: dict[str, Mixture]
    pairs: dict[tuple[str, str], Pair]


def smooth_tokens(marginal: np.ndarray, size: int, valid: np.ndarray) -> np.ndarray:
    """The descriptors smoothed once more: dependence is between places, not between noise."""
    m = np.moveaxis(marginal, -1, 1)
    return np.moveaxis(box(m.astype(np.float32), size, valid[:, None]), 1, -1)


def fit_densities(marginal: dict[str, np.ndarray], *, seed: int, light: bool) -> dict[str, Mixture]:
    """One mixture per source, from rows (n, M)."""
    return {s: Mixture.fit(x, 8 if light else 12, dimensions=12, seed=seed) for s, x in marginal.items()}


def fit_pairs(
    smooth: dict[str, np.ndarray], target: dict[str, np.ndarray], *, trees: int, seed: int, light: bool
) -> dict[tuple[str, str], Pair]:
    """One dependence model for every two sources."""
    return {
        (a, b): Pair.fit(a, b, smooth, target, trees=trees, seed=seed, light=light)
        for a, b in combinations(smooth, 2)
    }


def local_correlation(
    x: np.ndarray, y: np.ndarray, size: int, valid: np.ndarray, ridge: float = 1e-3
) -> np.ndarray:
    """Correlation of two maps (N, C, H, W) within a moving window, averaged over C: (N, H, W)."""
    v = valid[:, None]
    mx, my = box(x, size, v), box(y, size, v)
    cov = box(x * y, size, v) - mx * my
    vx, vy = box(x * x, size, v) - mx**2, box(y * y, size, v) - my**2
    return (cov / np.sqrt(np.maximum(vx, 0) * np.maximum(vy, 0) + ridge)).mean(1)


def gated_means(
    values: Sequence[np.ndarray], gate: np.ndarray, size: int, fallback: float
) -> list[np.ndarray]:
    """Window means of values (N, H, W) where the gate is open, drawn to the clean median where it is shut."""
    g = gate.astype(np.float32)
    held = box(g, size) + 0.05
    return [(box(g * v, size) + 0.05 * fallback) / held for v in values]
