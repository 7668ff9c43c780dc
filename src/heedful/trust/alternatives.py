"""Other readings of the same weights, ranked by what deleting their top keys does: raw weight often loses."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from .claim import Claim
from .removal import without

ALONE = 256  # keys up to which each is left out alone, for the ceiling


def rankings(claim: Claim, *, seed: int = 0, rollout: Any = None) -> dict[str, np.ndarray]:
    """Scores (items, Nk) of each reading; higher is said to matter more.

    With p the row, o its output, v the values, Q the claim's quantity (by default the size of the output's
    change, to first order its component along o) and g = dQ/do, by central differences:

    - *weight*: p_j
    - *weight x value*: p_j <v_j, o>, the term of the sum along the output (a contribution weight but for the
      factor 1 / |o|^2)
    - *weight x |value|*: p_j |v_j| (Kobayashi et al. 2020, arXiv:2004.10102)
    - *gradient x attention*: |p_j <g, v_j>|, the query's share of dQ/dv_j . v_j: its free form, which needs
      no backward pass through the weights
    - *gradient x score*: |p_j <g, v_j - o>|, the derivative for key j's score: what taking j out does, to
      first order
    - *rollout*: the rows of a ``Stack`` for these queries (Abnar & Zuidema 2020, arXiv:2005.00928), where
      the layers below are given
    - *random*: a seeded order

    Parameters
    ----------
    claim : Claim
        With values.
    seed : int
    rollout : Stack, optional
        All layers from the input up to the claim's; their tokens are the claim's queries and keys.
    """
    if claim.values is None:
        raise InputError("Claim(values) is missing; readings are compared by what happens to the output")
    p, v = claim.rows, claim.item_values
    out = claim.outputs(p)
    slope = _gradient(claim, out)

    def along(direction: np.ndarray) -> np.ndarray:
        """<direction_i, v_j> (items, Nk)."""
        split = direction.reshape(claim.leads, -1, direction.shape[-1])
        return (split @ v.swapaxes(1, 2)).reshape(p.shape)

    norms = np.repeat(np.linalg.norm(v, axis=-1), len(p) // claim.leads, axis=0)
    scores = {
        "weight": p,
        "weight x value": p * along(out),
        "weight x |value|": p * norms,
        "gradient x attention": np.abs(p * along(slope)),
        "gradient x score": np.abs(p * (along(slope) - (slope * out).sum(-1, keepdims=True))),
    }
    if rollout is not None:
        scores["rollout"] = _rollout(claim, rollout)
    scores["random"] = np.random.default_rng(seed).random(p.shape)
    return scores


def _rollout(claim: Claim, stack: Any) -> np.ndarray:
    """Rows (items, Nk) of a stack of layers for the claim's queries, the same for all heads."""
    nq, nk = claim.weights.shape[-2:]
    if nq != nk or stack.shape[-1] != nk or len(stack.shape) > 2:
        raise InputError(
            f"rollout is {stack.shape}, the claim's weights are {claim.weights.shape}; one matrix over the "
            "same tokens was expected"
        )
    one_hot = np.zeros((nk, len(claim.queries)))
    one_hot[claim.queries, np.arange(len(claim.queries))] = 1.0
    rows = np.asarray(stack.T @ one_hot).T
    return np.tile(rows, (claim.leads, 1))


def _gradient(claim: Claim, out: np.ndarray) -> np.ndarray:
    """dQ/do (items, Dv)."""
    if claim.quantity is None:
        return out
    step = 1e-4 * np.maximum(np.abs(out).max(), 1e-12)
    columns = []
    for c in range(out.shape[1]):
        shift = np.zeros(out.shape[1])
        shift[c] = step
        up, down = (claim.measured(out + s) for s in (shift, -shift))
        columns.append((up - down) / (2 * step))
    return np.stack(columns, -1)


def compare(claim: Claim, *, top: int = 5, seed: int = 0, rollout: Any = None):
    """Mean change of the quantity when each reading's top keys are deleted, with the leave-one-out ceiling.

    Parameters
    ----------
    claim : Claim
        With values; the quantity by default is the size of the output's change.
    top : int
        Keys deleted per query.
    seed : int
    rollout : Stack, optional
        See :func:`rankings`.

    Returns
    -------
    pandas.DataFrame
        reading, change, share of the way from random to leave-one-out. Leave-one-out up to 256 keys; it
        ranks keys by what each does alone, so another reading's set can still pass it.

    Raises
    ------
    InputError
        For a claim without values, or a rollout over other tokens.

    Examples
    --------
    >>> from heedful import Weights
    >>> k = np.eye(6) * 4; v = np.eye(6); v[0] = 0  # the heaviest key carries nothing
    >>> claim = Claim(Weights(np.full((3, 6), 1.0) + 3 * np.eye(6)[:1], k), range(3), [0], values=v)
    >>> table = compare(claim, top=1).set_index("reading")["change"]
    >>> bool(table["weight x value"] <= table["leave-one-out"])
    True
    """
    import pandas as pd

    scores = rankings(claim, seed=seed, rollout=rollout)
    base, allowed, live = claim.outputs(claim.rows), claim.allowed, claim.live
    if allowed.shape[-1] <= ALONE:
        alone = np.zeros_like(claim.rows)
        for j in range(allowed.shape[-1]):
            one = np.zeros_like(allowed)
            one[:, j] = True
            alone[:, j] = claim.change(base, without(claim, one & allowed))
        scores["leave-one-out"] = alone
    changes = {}
    for name, score in scores.items():
        order = np.argsort(np.where(allowed, -score, np.inf), axis=-1, kind="stable")[:, :top]
        chosen = np.zeros_like(allowed)
        np.put_along_axis(chosen, order, True, -1)
        changes[name] = float(claim.change(base, without(claim, chosen & allowed))[live].mean())
    low, high = changes["random"], changes.get("leave-one-out", np.nan)
    share = [(c - low) / (high - low) if high > low else np.nan for c in changes.values()]
    return pd.DataFrame({"reading": list(changes), "change": list(changes.values()), "share": share})
