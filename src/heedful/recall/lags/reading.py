"""The lag graph as attention: for each link, weights over the lags at which it could stand."""

from __future__ import annotations

import numpy as np

from ...attention import Bias, Weights
from ...attention.reads import EffectiveKeys, Entropy, TopK
from ...errors import InputError
from .model import LagScan


def link_names(scan: LagScan) -> list[str]:
    """'oil -> jobs' for each link found, with its lag where the same pair has several."""
    pairs = [f"{a} → {b}" for a, b in zip(scan.links["source"], scan.links["target"], strict=True)]
    return [
        name if pairs.count(name) == 1 else f"{name} (lag {lag})"
        for name, lag in zip(pairs, scan.links["lag"], strict=True)
    ]


def lag_weights(scan: LagScan) -> Weights:
    """`Weights` of the links found (queries) over the lags 1 .. max_lag (keys).

    The score of a lag is the log-likelihood that the target's model gains with the link at that lag, so a
    row is, under a flat prior, the posterior of the link's lag. It enters as a `Bias`: the content score of
    a log-likelihood ratio is no inner product.
    """
    if scan.method == "plain":
        raise InputError("the plain method finds no links", remedy="read PlainAttention.weights() instead")
    if not len(scan.links):
        raise InputError("no link was found, so there is no attention over lags to read")
    index = {name: i for i, name in enumerate(scan.names)}
    score = np.stack(
        [
            scan.lag_scores(index[row.source], index[row.target], int(row.lag))
            for row in scan.links.itertuples()
        ]
    )
    return Weights(np.zeros((len(score), 1)), np.zeros((score.shape[1], 1)), [Bias(score)])


def read(scan: LagScan):
    """A labelled `Reading`: rows are links, columns are lags in steps of the clock."""
    from ...reading import Reading

    weights = lag_weights(scan)
    _, r = weights.read(None, [TopK(min(3, scan.max_lag)), Entropy(), EffectiveKeys()])
    return Reading(r, queries=link_names(scan), keys=[f"lag {lag}" for lag in range(1, scan.max_lag + 1)])
