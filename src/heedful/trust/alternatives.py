"""Other readings of the same weights, ranked by what deleting their top keys does: raw weight often loses."""

from __future__ import annotations

import numpy as np

from .claim import Claim
from .knockout import without


def rankings(claim: Claim, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores (items, Nk) of each reading; higher is said to matter more.

    *weight x value* is the term p_ij v_j along the output (contribution weights); *gradient x attention* is
    the free form p_ij <dQ/do, v_j - o>, Q the claim's quantity, its derivative by central differences.
    """
    p, v = claim.rows, claim.item_values
    per_lead = len(p) // claim.leads
    lead_of = np.repeat(np.arange(claim.leads), per_lead)
    out = claim.outputs(p)
    along = (
        np.einsum("ic,icn->in", out, np.stack([v[l].T for l in lead_of]))
        if len(p) * v[0].size < 5e7
        else None
    )
    if along is None:
        along = np.stack([v[l] @ o for l, o in zip(lead_of, out, strict=True)])
    norms = np.linalg.norm(v, axis=-1)[lead_of]
    slope = _gradient(claim, out)
    moved = np.stack([(v[l] - o) @ g for l, o, g in zip(lead_of, out, slope, strict=True)])
    return {
        "weight": p,
        "weight x value": p * along,
        "weight x |value|": p * norms,
        "gradient x attention": np.abs(p * moved),
        "random": np.random.default_rng(seed).random(p.shape),
    }


def _gradient(claim: Claim, out: np.ndarray) -> np.ndarray:
    if claim.quantity is None:
        return out
    step = 1e-4 * np.maximum(np.abs(out).max(), 1e-12)
    columns = []
    for c in range(out.shape[1]):
        shift = np.zeros(out.shape[1])
        shift[c] = step
        columns.append(
            (np.asarray(claim.quantity(out + shift)) - np.asarray(claim.quantity(out - shift))) / (2 * step)
        )
    return np.stack(columns, -1)


def compare(claim: Claim, *, top: int = 5, seed: int = 0):
    """Mean change of the quantity when each reading's top keys are deleted, with the leave-one-out ceiling.

    Parameters
    ----------
    claim : Claim
        With values; the quantity by default is the size of the output's change.
    top : int
        Keys deleted per query.

    Returns
    -------
    pandas.DataFrame
        reading, change, share of the way from random to leave-one-out.
    """
    import pandas as pd

    scores = rankings(claim, seed=seed)
    base, allowed = claim.outputs(claim.rows), np.isfinite(claim.scores[1])
    if allowed.shape[-1] <= 256:
        alone = np.zeros_like(claim.rows)
        for j in range(allowed.shape[-1]):
            one = np.zeros_like(allowed)
            one[:, j] = True
            alone[:, j] = claim.change(base, without(claim, one & allowed))
        scores["leave-one-out"] = alone
    changes = {}
    for name, score in scores.items():
        order = np.argsort(np.where(allowed, -score, np.inf), axis=-1)[:, :top]
        chosen = np.zeros_like(allowed)
        np.put_along_axis(chosen, order, True, -1)
        changes[name] = float(claim.change(base, without(claim, chosen & allowed)).mean())
    low, high = changes["random"], changes.get("leave-one-out", np.nan)
    share = [(c - low) / (high - low) if high > low else np.nan for c in changes.values()]
    return pd.DataFrame({"reading": list(changes), "change": list(changes.values()), "share": share})
