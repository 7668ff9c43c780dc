"""Knock-out: does the output move more without the claimed keys than without others?"""

from __future__ import annotations

import numpy as np

from .claim import Claim
from .mass import paired
from .verdict import Test

SETS = 199


def without(claim: Claim, removed: np.ndarray) -> np.ndarray:
    """Outputs (items, Dv) with keys removed (items, Nk) and the rest renormalised: ``W.without`` exactly."""
    kept = claim.rows * ~removed
    total = kept.sum(-1, keepdims=True)
    return claim.outputs(np.divide(kept, total, out=np.zeros_like(kept), where=total > 0))


def knock_out(claim: Claim, *, sets: int = SETS, seed: int = 0, progress=None) -> Test:
    """The quantity's change without the claimed keys, against random sets of the same size and the same mass.

    Sets are drawn per query from its allowed keys. The curves of comprehensiveness (the heaviest claimed
    keys taken out first) and sufficiency (only they kept) are in ``detail``, with the leave-one-out ceiling.
    """
    rng = np.random.default_rng(seed)
    p, claimed = claim.rows, claim.claimed
    allowed = np.isfinite(claim.scores[1])
    size, mass = claimed.sum(-1), (p * claimed).sum(-1)
    base = claim.outputs(p)
    effect = claim.change(base, without(claim, claimed))
    same_size, same_mass = np.empty((sets, len(p))), np.empty((sets, len(p)))
    for b in range(sets) if progress is None else progress(range(sets), "random knock-outs"):
        order = np.argsort(np.where(allowed, rng.random(p.shape), 2.0), axis=-1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(p.shape[-1])[None], -1)
        same_size[b] = claim.change(base, without(claim, (rank < size[:, None]) & allowed))
        held = np.take_along_axis(p, order, -1).cumsum(-1)
        # keys in random order until their mass is nearest to the claimed one
        count = np.abs(held - mass[:, None]).argmin(-1) + 1
        same_mass[b] = claim.change(base, without(claim, (rank < count[:, None]) & allowed))
    gap_size, interval_size = paired(effect - same_size.mean(0), claim, seed)
    gap_mass, interval_mass = paired(effect - same_mass.mean(0), claim, seed)
    p_size = (1 + int((same_size.mean(1) >= effect.mean() - 1e-15).sum())) / (1 + sets)
    p_mass = (1 + int((same_mass.mean(1) >= effect.mean() - 1e-15).sum())) / (1 + sets)
    says = (
        f"the quantity moves {effect.mean():.3g} without them; {same_size.mean():.3g} without random sets of "
        f"the same size (p = {p_size:.3f}), {same_mass.mean():.3g} of the same mass (p = {p_mass:.3f})"
    )
    return Test(
        "knock-out", p_size <= 0.05, gap_size, interval_size, p_size, len(p), "random sets of the same size",
        says,
        {"effect": effect, "same_size": same_size.mean(0), "same_mass": same_mass.mean(0), "p_mass": p_mass,
         "gap_mass": gap_mass, "interval_mass": interval_mass, "curves": curves(claim, base)},
    )  # fmt: skip


def curves(claim: Claim, base: np.ndarray, steps: int = 10) -> dict[str, np.ndarray]:
    """Mean change as a growing share of the claimed keys is taken out, or alone kept."""
    p, claimed = claim.rows, claim.claimed
    shares = np.linspace(0.0, 1.0, steps + 1)
    found: dict[str, np.ndarray] = {"share": shares}
    rankings = {"by weight": np.where(claimed, p, -1.0)}
    nk = p.shape[-1]
    if claimed.any(0).sum() <= 64 and claim.values is not None:
        alone = np.full(p.shape, -1.0)
        for j in np.flatnonzero(claimed.any(0)):
            one = np.zeros_like(claimed)
            one[:, j] = claimed[:, j]
            alone[:, j] = np.where(claimed[:, j], claim.change(base, without(claim, one)), -1.0)
        rankings["by leave-one-out"] = alone
    for name, score in rankings.items():
        order = np.argsort(-score, axis=-1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(nk)[None], -1)
        out, kept = [], []
        for share in shares:
            chosen = (rank < np.ceil(share * claimed.sum(-1, keepdims=True))) & claimed
            out.append(claim.change(base, without(claim, chosen)).mean())
            kept.append(claim.change(base, without(claim, ~chosen)).mean() if share else np.nan)
        found[f"comprehensiveness {name}"], found[f"sufficiency {name}"] = np.array(out), np.array(kept)
    return found
