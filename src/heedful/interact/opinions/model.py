"""tau from data: who listens to whom, given opinions that were observed or are latent in the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...files.graphs import Network
from ...learn.estimator import Estimator
from . import likelihood
from .latent import spectral_opinions
from .likelihood import Features, Task

DENSE = 3000  # nodes up to which everyone is a candidate; above, candidates are sampled


class TauEstimator(Estimator):
    """Estimate the temperature of listening from a network and opinions.

    P(i listens to j) = softmax_j(-|x_i - x_j|^2 / (2 tau) + g_j + sum_g b_g [same group g]).

    Parameters
    ----------
    groups : sequence of (N,) labels, optional
        Being alike in each adds its own term (chamber, state); None or "" is unknown, and like nobody.
    popularity : {"free", "degree", "none"}
        "free": a log popularity g_j per node, estimated along. "degree": eta log(1 + audience), quicker,
        but the
        audience also reflects how central an opinion is, which biases tau. "none": everyone alike.
    dims : int
        Axes of a latent opinion, where none is given.
    per_axis : bool
        One tau per opinion axis instead of one for all.
    folds : int
        A latent opinion is built from all folds of edges but one, and tau is fitted on that one, in turn: no
        edge explains itself.
    method : {"refined", "plain"}
        "plain" is the bare idea: one softmax of the distance, nothing beside.
    bootstrap : int
        Redrawings of whole listeners for the interval.
    candidates : int, optional
        People not heard that each edge is compared with; None takes everyone up to 3000 nodes, 40 sampled
        ones above.
    seed : int

    Attributes
    ----------
    tau_ : float or (d,) array
        In squared opinion units; inf where the like-minded are not preferred.
    tau_interval_ : (2,) or (d, 2) array
        95 %, node-block bootstrap.
    coefficients_ : dict of str to (value, low, high)
    opinions_ : (N, d)
        The opinions used (for latent ones, of the whole network, unit variance per axis).
    log_likelihood_ : float
        Per edge, of the exponential clocks (of the choice sets above 3000 nodes).

    Examples
    --------
    >>> from heedful.interact.opinions.synthetic import listening_network
    >>> net, x = listening_network(300, tau=0.5, degree=20, seed=1)
    >>> model = TauEstimator().fit(net, x)
    >>> bool(model.tau_interval_[0] < 0.5 < model.tau_interval_[1])
    True
    """

    def __init__(
        self,
        *,
        groups: Sequence = (),
        popularity: str = "free",
        dims: int = 1,
        per_axis: bool = False,
        folds: int = 5,
        method: str = "refined",
        bootstrap: int = 500,
        candidates: int | None = None,
        seed: int = 0,
    ):
        self.groups, self.popularity, self.dims, self.per_axis = groups, popularity, dims, per_axis
        self.folds, self.method, self.bootstrap = folds, method, bootstrap
        self.candidates, self.seed = candidates, seed

    def fit(self, X: Network, y=None) -> TauEstimator:
        """Fit to a network and opinions.

        Parameters
        ----------
        X : Network
            Who listens to whom; edge weights are not used.
        y : (N,) or (N, d), optional
            Observed opinions; None builds latent ones by cross-fitting.
        """
        network = X
        if self.method not in ("refined", "plain"):
            raise InputError(f"method '{self.method}'", remedy="'refined' or 'plain'")
        if self.popularity not in ("free", "degree", "none"):
            raise InputError(f"popularity '{self.popularity}'", remedy="'free', 'degree' or 'none'")
        if network.edges == 0:
            raise InputError("nobody listens to anybody: there is nothing to estimate tau from")
        if (np.diff(network.indptr) >= network.size - 1).all():
            raise InputError("everyone listens to everyone: who is listened to says nothing about tau")
        refined = self.method == "refined"
        codes = tuple(group_codes(g, network.size) for g in self.groups) if refined else ()
        self.latent_ = y is None
        if y is not None:
            x = np.asarray(y, np.float64).reshape(network.size, -1) if len(y) == network.size else None
            if x is None or not np.isfinite(x).all():
                raise InputError("opinions must be finite, one per node", remedy="take nodes without one out")
            if not (np.ptp(x, axis=0) > 0).any():
                raise InputError("all opinions are the same: tau cannot be told")
            tasks = [Task(network, self._features(x, network, codes))]
        else:
            if self.folds < 2:
                raise InputError(f"{self.folds} folds", remedy="2 or more")
            fold = pair_folds(network, self.folds, self.seed)
            tasks = []
            for f in range(self.folds):
                rest = network.keep(fold != f)
                features = self._features(spectral_opinions(rest, self.dims), rest, codes)
                tasks.append(Task(network.keep(fold == f), features, rest))
            x = spectral_opinions(network, self.dims)
        self.opinions_ = x
        self.features_ = self._features(x, network, codes)
        self.network_ = network
        p = self.features_(np.array([0]), np.array([0])).shape[-1]
        free = refined and self.popularity == "free"
        best = likelihood.maximise(self._sums(tasks), p, network.size, free=free)
        self.theta_ = theta = best.theta
        self.gate_ = best.gate
        self.log_likelihood_ = best.value / network.edges
        draws = likelihood.node_bootstrap(best, draws=self.bootstrap, seed=self.seed)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        self.draws_ = draws
        k = self.features_.axes
        # 1 / tau is what is estimated; its interval turns over when inverted, and 0 becomes infinity
        tau, upper, lower = _invert(theta[:k]), _invert(low[:k]), _invert(high[:k])
        interval = np.stack([lower, upper], -1)
        self.tau_ = tau if self.per_axis else float(tau[0])
        self.tau_interval_ = interval if self.per_axis else interval[0]
        names = [f"1/tau {a + 1}" if self.per_axis else "1/tau" for a in range(k)]
        names += ["popularity"] * (self.features_.popularity is not None)
        names += [f"same group {g + 1}" for g in range(len(codes))]
        self.coefficients_ = {
            name: (float(t), float(a), float(b))
            for name, t, a, b in zip(names, theta, low, high, strict=True)
        }
        return self

    def scores(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Logits of the pairs (i, j), which broadcast: what the softmax over j is taken of."""
        i, j = np.asarray(i), np.asarray(j)
        s = self.features_(i, j) @ self.theta_
        return s if self.gate_ is None else s + self.gate_[j]

    def predict(self, X=None, top: int = 5) -> np.ndarray:
        """(N, top) people whom each listener is most likely to hear next, not heard yet; -1 where there
        are fewer.
        """
        network = self.network_
        out = np.full((network.size, top), -1, np.int64)
        rows = max(1, likelihood.BLOCK // network.size)
        for a in range(0, network.size, rows):
            block = np.arange(a, min(a + rows, network.size))
            s = self.scores(block[:, None], np.arange(network.size)[None, :])
            s[np.arange(len(block)), block] = -np.inf
            s[likelihood._dense(network, block)] = -np.inf
            best = np.argsort(-s, axis=1, kind="stable")[:, :top]
            keep = np.isfinite(np.take_along_axis(s, best, 1))
            out[block, : best.shape[1]] = np.where(keep, best, -1)
        return out

    def _features(self, x, network, codes) -> Features:
        degree = self.popularity == "degree" and self.method == "refined"
        return Features(x, np.log1p(network.audience) if degree else None, codes, self.per_axis)

    def _sums(self, tasks):
        n = tasks[0].chosen.size
        count = self.candidates or (None if n <= DENSE else 40)
        if count is None:
            return lambda theta, gate: likelihood.dense_sums(tasks, theta, gate)
        from .sampled import SampledTask, sampled_sums

        drawn = [SampledTask(task, count, self.seed + f) for f, task in enumerate(tasks)]
        return lambda theta, gate: sampled_sums(drawn, theta, gate)


def pair_folds(network: Network, folds: int, seed: int) -> np.ndarray:
    """A fold (E,) per edge, the same for i -> j and j -> i: else a mutual edge would explain itself."""
    rows, cols = network.rows.astype(np.int64), network.indices.astype(np.int64)
    pair = np.minimum(rows, cols) * network.size + np.maximum(rows, cols)
    kinds, place = np.unique(pair, return_inverse=True)
    return np.random.default_rng(seed).integers(0, folds, len(kinds))[place]


def group_codes(labels, n: int) -> np.ndarray:
    """Integer codes (N,) of labels; None, NaN and "" become -1."""
    import pandas as pd

    if len(labels) != n:
        raise InputError(f"{len(labels)} group labels for {n} nodes")
    series = pd.Series(list(labels), dtype=object).replace("", None)
    return pd.factorize(series)[0].astype(np.int64)


def _invert(beta: np.ndarray) -> np.ndarray:
    return np.divide(1.0, beta, out=np.full_like(beta, np.inf), where=beta > 0)
