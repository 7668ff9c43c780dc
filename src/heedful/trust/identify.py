"""Identifiability: how much mass could the claimed keys carry with the very same output?"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from .claim import Claim
from .verdict import Test

ITEMS, KEYS = 8, 2000  # rows examined, and keys per row beyond which the programme is not attempted


def mass_interval(row: np.ndarray, values: np.ndarray, claimed: np.ndarray) -> tuple[float, float]:
    """Smallest and largest mass on the claimed keys over all weights that give the same output.

    Over p >= 0, sum p = 1, V^T p = o: two linear programmes (HiGHS). With N <= Dv + 1 keys in general
    position the weights are unique; with more, they are a fact about the mechanism, not about the output
    (Brunner et al., ICLR 2020, arXiv:1908.04211).

    Parameters
    ----------
    row : array (N,)
        Weights that sum to 1.
    values : array (N, Dv)
    claimed : bool array (N,)

    Returns
    -------
    (float, float)

    Examples
    --------
    >>> import numpy as np
    >>> low, high = mass_interval(np.array([.5, .5]), np.array([[0.0], [1.0]]), np.array([True, False]))
    >>> round(low, 6), round(high, 6)
    (0.5, 0.5)
    """
    centre = row @ values
    shifted = values - centre
    scale = np.abs(shifted).max(0)
    used = scale > 0
    # the output is 0 in these coordinates; equalities that say the same are left out
    u, s, _ = np.linalg.svd((shifted[:, used] / scale[used]).T, full_matrices=False)
    rank = int((s > 1e-10 * max(s[0], 1e-300)).sum()) if s.size else 0
    rows = (u[:, :rank].T @ (shifted[:, used] / scale[used]).T) if rank else np.zeros((0, len(row)))
    equal, right = np.vstack([rows, np.ones(len(row))]), np.append(np.zeros(len(rows)), 1.0)
    ends = []
    for sign in (1.0, -1.0):
        found = linprog(
            sign * claimed.astype(float), A_eq=equal, b_eq=right, bounds=(0, None), method="highs"
        )
        # rounding can leave the given weights a hair infeasible: they themselves are then the bound
        ends.append(sign * found.fun if found.status == 0 else float(row @ claimed))
    mass = float(row @ claimed)
    return min(float(np.clip(ends[0], 0, 1)), mass), max(float(np.clip(ends[1], 0, 1)), mass)


def identify(claim: Claim, *, seed: int = 0) -> Test:
    """The mean interval of mass over a few seeded queries; informs, does not decide."""
    rng = np.random.default_rng(seed)
    p, claimed, v = claim.rows, claim.claimed, claim.item_values
    allowed = np.isfinite(claim.scores[1]) & (p.sum(-1, keepdims=True) > 0)
    per_lead = len(p) // claim.leads
    chosen = rng.permutation(np.flatnonzero(allowed.sum(-1) > 0))[:ITEMS]
    ends, exact = [], 0
    for i in chosen:
        keys = np.flatnonzero(allowed[i])
        if len(keys) > KEYS:
            continue
        ends.append(mass_interval(p[i, keys], v[i // per_lead][keys], claimed[i, keys]))
        exact += len(keys) <= v.shape[-1] + 1
    if not ends:
        return Test(
            "identify",
            None,
            np.nan,
            None,
            None,
            0,
            "weights with the same output",
            f"not attempted: more than {KEYS} keys a query",
        )
    low, high = np.mean(ends, 0)
    mass = float((p * claimed).sum(-1).mean())
    says = f"weights with the same output carry between {low:.2f} and {high:.2f} on the claimed keys"
    if exact == len(ends):
        says += f" (at most {v.shape[-1] + 1} keys a query: the weights are a fact about the output)"
    return Test(
        "identify",
        None,
        mass,
        (float(low), float(high)),
        None,
        len(ends),
        "weights with the same output",
        says,
    )
