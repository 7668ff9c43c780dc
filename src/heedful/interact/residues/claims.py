"""What a contact map asserts, and its test: the best pairs vary together more than shuffled columns do."""

from __future__ import annotations

import numpy as np

from . import couplings as cp
from .model import SiteContacts, site_weights


def shuffled(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every column permuted on its own: composition and gaps stay, covariation goes."""
    return rng.permuted(codes, axis=0)


def examine_contacts(
    model: SiteContacts, codes: np.ndarray, *, separation: int = 6, level: str = "quick", seed: int = 0
) -> list:
    """Test that the best pairs of a fitted map are not what shuffled columns would give.

    Parameters
    ----------
    model : SiteContacts
        Fitted on ``codes``.
    codes : (N, L)
    level : {"none", "quick", "full"}

    Returns
    -------
    list of trust.Verdict
        Empty for "none".
    """
    if level == "none":
        return []
    from ...trust import Claim, examine

    pairs = model.ranked(separation)[:5]
    weights = model.weights(separation=separation)

    def refit(rng: np.random.Generator):
        f = cp.frequencies(shuffled(codes, rng), model.weights_)
        norms, _, _ = cp.site_alphabet(f, model.letters, model.pseudocount)
        return site_weights(cp.corrected(norms), separation=separation)

    claim = Claim(
        weights,
        queries=pairs[:, 0],
        keys=pairs[:, 1],
        null=refit,
        name="the five best pairs vary together more than shuffled columns do",
    )
    return [examine(claim, level=level, seed=seed)]
