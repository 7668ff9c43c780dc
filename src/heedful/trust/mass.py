"""The null and the mask null: is the mass more than chance, more than the mask's arithmetic?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .claim import Claim, softmax
from .verdict import Test

DRAWS = 999


def mask_null(claim: Claim, *, seed: int = 0) -> Test:
    """Mass on the claimed keys above what the priors alone give: nearest-8 sits near by arithmetic."""
    _, prior = claim.scores
    seen = (claim.rows * claim.claimed).sum(-1)
    alone = (softmax(prior) * claim.claimed).sum(-1)
    gap, interval = paired(seen - alone, claim, seed)
    return Test(
        "mask null", interval[0] > 0, gap, interval, None, len(seen), "the priors alone",
        f"mass {seen.mean():.3f}, the mask alone gives {alone.mean():.3f}",
        {"mass": seen, "mask": alone},
    )  # fmt: skip


def paired(difference: np.ndarray, claim: Claim, seed: int) -> tuple[float, tuple[float, float]]:
    """Mean over queries and its 95 % bootstrap interval; queries, not heads, are the unit."""
    by_query = difference.reshape(claim.leads, -1).mean(0)
    rng = np.random.default_rng(seed)
    n = len(by_query)
    if n < 2:
        return float(by_query.mean()), (-np.inf, np.inf)
    draws = by_query[rng.integers(0, n, (2000, n))].mean(-1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(by_query.mean()), (float(low), float(high))


def null(claim: Claim, *, draws: int = DRAWS, seed: int = 0, progress=None) -> Test:
    """Mass on the claimed keys against draws in which exactly the claimed structure is broken.

    p = (1 + b) / (1 + B); with a family of cells, b counts draws whose *largest* standardised cell reaches
    the claimed one (maximum statistic, Westfall & Young 1993). The claimed cell is standardised with the
    observed data counted among the draws, so that the test is exact under exchangeability.
    """
    content, prior = claim.scores
    rng = np.random.default_rng(seed)
    sets = (
        claim.claimed[None]
        if claim.family is None
        else np.concatenate([claim.claimed[None], np.tile(claim.family, (1, claim.leads, 1))])
    )
    nk = content.shape[-1]
    flat = sets.reshape(len(sets), -1).astype(float)
    shared = bool((sets == sets[:, :1]).all())  # the same cells for every item: column sums suffice

    def mass(p: np.ndarray) -> np.ndarray:
        """Mean mass per cell."""
        if shared:
            return sets[:, 0].astype(float) @ p.mean(0)
        return flat @ p.reshape(-1) / len(p)

    observed = mass(claim.rows)
    rounds: Iterable[int] = range(draws)
    drawn = np.empty((draws, len(sets)))
    allowed = np.isfinite(prior)
    for b in rounds if progress is None else progress(rounds, "null draws"):
        if claim.null.kind == "rewire":
            p = softmax(np.where(claim.null.rewired(allowed, rng), content, -np.inf))
        else:
            p = softmax(content[:, claim.null.permutation(nk, rng)] + prior)
        drawn[b] = mass(p)
    everything = np.concatenate([observed[None], drawn])
    centre, spread = everything.mean(0), everything.std(0)
    z = (everything - centre) / np.where(spread > 0, spread, 1.0)
    largest = z[1:].max(1) if len(sets) > 1 else z[1:, 0]
    # ties count against the claim, with room for rounding
    reached = int((largest >= z[0, 0] - 1e-12).sum())
    p_value = (1 + reached) / (1 + draws)
    effect = float(observed[0] - drawn[:, 0].mean())
    half = np.percentile(drawn[:, 0], [2.5, 97.5])
    interval = (float(observed[0] - half[1]), float(observed[0] - half[0]))
    cells = f", the largest of {len(sets) - 1} cells" if len(sets) > 1 else ""
    return Test(
        "null", p_value <= 0.05, effect, interval, p_value, draws, claim.null.words + cells,
        f"mass {observed[0]:.3f}, {drawn[:, 0].mean():.3f} with {claim.null.words}{cells}, p = {p_value:.4f}",
        {"observed": float(observed[0]), "drawn": drawn[:, 0], "distinct": claim.null.distinct(nk)},
    )  # fmt: skip
