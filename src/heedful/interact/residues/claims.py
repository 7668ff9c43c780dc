"""What a map asserts, tested: best pairs vary together more than shuffled columns do; a site is attended."""

from __future__ import annotations

import numpy as np

from . import couplings as cp
from .model import SiteContacts, site_weights
from .neighbours import unit_spread

PAIRS = 5
HALF = 0.5  # of the query strength: 1.2 times the reach away


def shuffled(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every column permuted on its own: composition and gaps stay, covariation goes."""
    return rng.permuted(codes, axis=0)


def examine_contacts(
    model: SiteContacts, codes: np.ndarray, *, separation: int = 6, level: str = "quick", seed: int = 0
) -> list:
    """Test that the residues of the best pairs attend to each other.

    The null exchanges the residues' keys. Said beside it: how many of the pairs score above every pair of the
    same map fitted on the same alignment with every column shuffled.

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

    pairs = model.ranked(separation)[: max(PAIRS, len(model.scores_) // 5)]
    length = len(model.scores_)
    keys = np.zeros((length, length), bool)
    keys[pairs[:, 0], pairs[:, 1]] = keys[pairs[:, 1], pairs[:, 0]] = True
    claim = Claim(
        model.weights(separation=separation),
        queries=np.flatnonzero(keys.any(1)),
        keys=keys,
        name=f"residues of the best {len(pairs)} pairs attend to each other",
        caution="pairs chosen by their scores, so this checks concentration and not that they touch; "
        + beyond_shuffled(model, codes, pairs, separation=separation, seed=seed),
    )
    return [examine(claim, level=level, seed=seed)]


def beyond_shuffled(model: SiteContacts, codes, pairs, *, separation: int = 6, seed: int = 0) -> str:
    """One sentence: how many of the pairs score above every pair of the same map on shuffled columns."""
    null = shuffled_scores(model, codes, seed=seed)
    i, j = np.triu_indices(len(null), separation)
    top = null[i, j].max()
    above = int((raw_scores(model)[pairs[:, 0], pairs[:, 1]] > top).sum())
    return (
        f"{above} of the {len(pairs)} pairs score above every pair of the alignment with its columns shuffled"
    )


def raw_scores(model: SiteContacts) -> np.ndarray:
    """The head that leads the map, in its own units: couplings, or mutual information in a shallow family."""
    return model.coupling_ if model.mixture_[0] else model.mutual_


def shuffled_scores(model: SiteContacts, codes: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """`raw_scores` of the same model fitted on shuffled columns (in closed form, whatever the method)."""
    codes = shuffled(codes, np.random.default_rng(seed))
    f = cp.frequencies(codes, model.weights_)
    if not model.mixture_[0]:
        return cp.mutual_head(f)
    return cp.corrected(cp.site_alphabet(f, model.letters, model.pseudocount)[0])


def other_half(
    codes: np.ndarray, strength: np.ndarray, members: np.ndarray, *, count: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The best residues by the map of half the sequences, and the map of the other half.

    Returns
    -------
    chosen : bool (L,)
        The ``count`` residues outside the site that it attends to most.
    scores : (L, L)
    """
    from .site import linked

    half = np.random.default_rng([seed, 5]).permutation(len(codes)) < len(codes) // 2
    one, other = (SiteContacts(neighbours=0, seed=seed).fit(codes[rows]).scores_ for rows in (half, ~half))
    attention = np.where(members, -np.inf, linked(one, strength))
    chosen = np.zeros(len(members), bool)
    chosen[np.argsort(-attention, kind="stable")[:count]] = True
    return chosen & ~members, other


def examine_site(
    scores: np.ndarray,
    strength: np.ndarray,
    members: np.ndarray,
    chosen: np.ndarray,
    *,
    caution: str = "",
    keys=4.0,
    level: str = "quick",
    seed: int = 0,
) -> list:
    """Test that the residues that ask from the site attend to the residues named as linked.

    Those that ask are the ones with a query strength of a half or more: the ranking adds up their rows. The
    residues claimed must not have been chosen by these same scores.

    Parameters
    ----------
    strength : (L,)
        `site.nearness`.
    members, chosen : bool (L,)
        The site, and the residues claimed: known ones, or the best of `other_half`.
    """
    if level == "none" or not chosen.any():
        return []
    from ...trust import Claim, examine

    weights = site_weights(unit_spread(scores), separation=1, keys=keys, strength=strength)
    asking = members | (strength >= HALF)
    claim = Claim(weights, queries=np.flatnonzero(asking), keys=np.flatnonzero(chosen),
                  name=f"the {asking.sum()} residues at the site attend to {chosen.sum()} named",
                  caution=caution + "couplings are contacts: nearness to the site explains most of such "
                  "attention (see the random-site p and the distance column)")  # fmt: skip
    return [examine(claim, level=level, seed=seed)]
