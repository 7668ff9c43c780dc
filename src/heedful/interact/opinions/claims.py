"""What a picture of camps asserts: that people listen within their camp more than the network makes them."""

from __future__ import annotations

import numpy as np

from ...files.graphs import Network
from ...trust import Claim, examine
from .reading import listening

LARGEST = 3000  # people: the claimed keys are a mask of N x N bits


def camp_claim(
    opinions, tau: float, label: np.ndarray, network: Network | None = None, *, seed: int = 0
) -> Claim:
    """The claim that attention to others stays within the listener's own camp.

    On a network the null redraws who is connected to whom with every degree kept; on the complete graph the
    opinions are exchanged. Listening to oneself is left out on both sides.
    """
    n = len(opinions)
    keys = label[:, None] == label[None, :]
    np.fill_diagonal(keys, False)
    if network is None:
        from ...files.graphs import build

        i, j = np.nonzero(~np.eye(n, dtype=bool))
        weights = listening(opinions, tau, build(i, j, n, listens="source"), self_weight=0.0)
    else:
        weights = listening(opinions, tau, network, self_weight=0.0)
    return Claim(
        weights,
        queries=_asked(label, network),
        keys=keys,
        null="label" if network is None else "rewire",
        name="people listen within their own camp",
        caution="about this state at this tau; says nothing on how long it lasts",
        seed=seed,
    )


def _asked(label: np.ndarray, network: Network | None) -> np.ndarray:
    """Those who hear somebody, and are not alone in their camp."""
    _, camp, size = np.unique(label, return_inverse=True, return_counts=True)
    hears = np.ones(len(label), bool) if network is None else np.diff(network.indptr) > 0
    return np.flatnonzero(hears & (size[camp] > 1))


def examine_camps(opinions, tau, label, network=None, *, level: str = "quick", seed: int = 0) -> list:
    """Verdicts for a state's camps: none at level "none", with a single camp, where nobody has company in
    theirs, or above 3000 people.
    """
    if level == "none" or len(np.unique(label)) < 2 or len(label) > LARGEST:
        return []
    if (
        network is None and len(label) > 600
    ):  # all pairs are listed for the claim: a seeded part of the people
        some = np.sort(np.random.default_rng(seed).choice(len(label), 600, replace=False))
        opinions, label = np.asarray(opinions)[some], label[some]
        if len(np.unique(label)) < 2:
            return []
    if not len(_asked(label, network)):
        return []
    claim = camp_claim(opinions, tau, label, network, seed=seed)
    return [examine(claim, level=level, seed=seed, draws=99 if level == "quick" else 999)]
