"""Held-out pairs: who is listened to next, by tau's model, by popularity and by a block model, on the same
split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...files.graphs import Network
from .blocks import BlockModel, Popularity
from .model import TauEstimator, group_codes
from .sampled import draw_absent

FEWEST = 20  # edges of a network that models are compared on
NEGATIVES = 99


@dataclass(frozen=True)
class HeldOut:
    """One model on the held-out edges.

    Parameters
    ----------
    log_likelihood : (E,)
        Log probability of each edge among it and 99 people not listened to: -4.605 is chance.
    auc : (E,)
        Share of those 99 whom the model puts below the true one.
    """

    name: str
    log_likelihood: np.ndarray
    auc: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """All models on one split.

    Parameters
    ----------
    results : dict of str to HeldOut
        The first is ours.
    listeners : (E,) int
        Whose edge each is: the block of the bootstrap.
    model : TauEstimator
        Fitted to the training edges.
    """

    results: dict[str, HeldOut]
    listeners: np.ndarray
    model: TauEstimator

    def difference(self, other: str, measure: str = "log_likelihood", *, draws: int = 1000, seed: int = 0):
        """Mean of ours minus ``other`` and its 95 % interval, whole listeners redrawn: (mean, low, high)."""
        ours = next(iter(self.results.values()))
        gap = getattr(ours, measure) - getattr(self.results[other], measure)
        who, place = np.unique(self.listeners, return_inverse=True)
        total, count = np.bincount(place, gap), np.bincount(place)
        rng = np.random.default_rng(seed)
        weight = rng.multinomial(len(who), np.full(len(who), 1 / len(who)), size=draws)
        means = (weight @ total) / (weight @ count)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(gap.mean()), float(low), float(high)

    def table(self):
        """pandas.DataFrame: one row per model."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"model": r.name, "log-likelihood per edge": r.log_likelihood.mean(), "AUC": r.auc.mean()}
                for r in self.results.values()
            ]
        )


def split(network: Network, share: float = 0.2, *, seed: int = 0) -> tuple[Network, Network]:
    """Training and held-out edges; an undirected pair stays on one side."""
    if not 0 < share < 1:
        raise InputError(f"a held-out share of {share}", remedy="between 0 and 1")
    rows, cols = network.rows.astype(np.int64), network.indices.astype(np.int64)
    pair = np.minimum(rows, cols) * network.size + np.maximum(rows, cols)
    from .measures import is_symmetric

    if is_symmetric(network):
        kinds, place = np.unique(pair, return_inverse=True)
        away = (np.random.default_rng(seed).random(len(kinds)) < share)[place]
    else:
        away = np.random.default_rng(seed).random(network.edges) < share
    if network.edges < FEWEST or not away.any() or away.all():
        raise InputError(
            f"{network.edges} edges are too few to hold a share of {share} out",
            remedy=f"give at least {FEWEST} edges, and a share between 0 and 1",
        )
    return network.keep(~away), network.keep(away)


def compare(
    network: Network,
    opinions=None,
    *,
    estimator: TauEstimator | None = None,
    share: float = 0.2,
    seed: int = 0,
) -> Comparison:
    """Fit on the training edges, judge on the held-out ones.

    Parameters
    ----------
    network : Network
    opinions : (N,) or (N, d), optional
        None: latent ones, from the training edges alone.
    estimator : TauEstimator, optional
    share : float
        Share of the edges held out.
    seed : int
        Of the split and of the 99 people beside each held-out edge.
    """
    train, test = split(network, share, seed=seed)
    model = (estimator or TauEstimator()).fit(train, opinions)
    plain = TauEstimator(**{**model.get_params(), "method": "plain"}).fit(train, opinions)
    models = {
        "attention": model,
        "plain softmax of the distance": plain,
        "popularity": Popularity().fit(train),
        "block model": BlockModel(seed=seed).fit(train),
    }
    if model.groups:
        together = np.stack([group_codes(g, network.size) for g in model.groups], 1)
        kinds, known = np.unique(together, axis=0, return_inverse=True)
        if len(kinds) <= network.size // 5:
            models["block model of the groups given"] = BlockModel(known.reshape(-1)).fit(train)
    negatives = draw_absent(test, train, test.rows, NEGATIVES, seed)
    return Comparison({n: judge(n, m, test, negatives) for n, m in models.items()}, test.rows, model)


def judge(name: str, model, test: Network, negatives: np.ndarray) -> HeldOut:
    """A model's log-likelihood and AUC per held-out edge; ties count half."""
    i = test.rows
    own = model.scores(i, test.indices)
    others = model.scores(i[:, None], negatives)
    top = np.maximum(own, others.max(1))
    value = own - top - np.log(np.exp(own - top) + np.exp(others - top[:, None]).sum(1))
    auc = (others < own[:, None]).mean(1) + 0.5 * (others == own[:, None]).mean(1)
    return HeldOut(name, value, auc)
