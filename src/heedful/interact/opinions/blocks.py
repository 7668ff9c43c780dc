"""The two models that a network is usually explained by: popularity, and a degree-corrected block model."""

from __future__ import annotations

import numpy as np

from ...files.graphs import Network
from .latent import spectral_opinions

BLOCKS = (2, 3, 4, 6, 8, 12, 16, 24, 32)


class Popularity:
    """P(i listens to j) proportional to 1 + the audience of j."""

    def fit(self, network: Network) -> Popularity:
        """Count the audiences."""
        self.log_audience_ = np.log1p(network.audience)
        return self

    def scores(self, i, j) -> np.ndarray:
        """Logits of the pairs, which broadcast."""
        return np.broadcast_to(self.log_audience_[j], np.broadcast_shapes(np.shape(i), np.shape(j)))


class BlockModel:
    """Degree-corrected stochastic block model (Karrer and Newman 2011): P(i -> j) ~ audience_j omega[z_i,
    z_j].

    Blocks by spectral clustering, refined by moving nodes while the likelihood rises; their number is chosen
    on a fifth of the training edges, unless the blocks are given.

    Parameters
    ----------
    blocks : (N,) int, optional
        Known blocks.
    seed : int
    """

    def __init__(self, blocks=None, *, seed: int = 0):
        self.blocks, self.seed = blocks, seed

    def fit(self, network: Network) -> BlockModel:
        """Find the blocks (unless given) and their rates."""
        self.log_audience_ = np.log1p(network.audience)
        if self.blocks is not None:
            self.z_ = np.asarray(self.blocks)
        else:
            away = np.random.default_rng(self.seed).random(network.edges) < 0.2
            inner, judge = network.keep(~away), network.keep(away)
            counts = [k for k in BLOCKS if k <= network.size // 5] or [2]

            def quality(k):
                model = BlockModel(_find_blocks(inner, k, self.seed), seed=self.seed).fit(inner)
                return float(_log_share(model, judge).mean())

            self.tried_ = {k: quality(k) for k in counts}
            self.z_ = _find_blocks(network, max(self.tried_, key=self.tried_.get), self.seed)
        self.log_rate_ = _log_rates(network, self.z_)
        return self

    def scores(self, i, j) -> np.ndarray:
        """Logits of the pairs, which broadcast."""
        return self.log_audience_[j] + self.log_rate_[self.z_[i], self.z_[j]]


def _log_rates(network, z) -> np.ndarray:
    """Observed over expected edges between blocks, both raised by one edge's worth."""
    k = int(z.max()) + 1
    counts = np.zeros((k, k))
    np.add.at(counts, (z[network.rows], z[network.indices]), 1.0)
    expected = np.outer(counts.sum(1), counts.sum(0)) / max(counts.sum(), 1.0)
    return np.log((counts + 1.0) / (expected + 1.0))


def _find_blocks(network, k, seed) -> np.ndarray:
    from sklearn.cluster import KMeans

    x = spectral_opinions(network, min(k, network.size - 2))
    z = KMeans(k, n_init=4, random_state=seed).fit_predict(x[:, : max(k - 1, 1)])
    A = network.matrix()
    A.data[:] = 1.0
    best = _likelihood(network, z)
    for _ in range(20):
        one = np.eye(k)[z]
        out, into = A @ one, A.T @ one
        rate = _log_rates(network, z)
        moved = np.argmax(out @ rate.T + into @ rate, axis=1)
        # all at once would swing: half of those who want to move do
        change = (moved != z) & (np.random.default_rng(seed).random(len(z)) < 0.5)
        tried = np.where(change, moved, z)
        value = _likelihood(network, tried)
        if value <= best + 1e-9 or len(np.unique(tried)) < 2:
            break
        z, best = tried, value
    return np.unique(z, return_inverse=True)[1]


def _likelihood(network, z) -> float:
    rate = _log_rates(network, z)
    return float(rate[z[network.rows], z[network.indices]].sum())


def _log_share(model, judge) -> np.ndarray:
    n = judge.size
    s = model.scores(np.arange(n)[:, None], np.arange(n)[None, :]) if n <= 5000 else None
    if s is None:  # judged against a sample of 500
        some = np.random.default_rng(0).integers(0, n, 500)
        s = model.scores(judge.rows[:, None], some[None, :])
        own = model.scores(judge.rows, judge.indices)
        return own - np.logaddexp(own, np.log(np.exp(s - s.max()).sum(1)) + s.max())
    lse = np.log(np.exp(s - s.max()).sum(1)) + s.max()
    return s[judge.rows, judge.indices] - lse[judge.rows]
