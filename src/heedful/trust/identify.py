"""Identifiability: how much mass could the claimed keys carry with the very same output?"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from ..errors import InputError
from .claim import Claim
from .verdict import Test

ITEMS, KEYS = 4, 2000  # rows examined; keys per row beyond which the programme is not attempted
ROUNDING = 1e-6  # how far the given weights may lie outside what the programmes find


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
    row, values, claimed = np.asarray(row, float), np.asarray(values, float), np.asarray(claimed, bool)
    values = values[:, None] if values.ndim == 1 else values
    if row.min(initial=0.0) < 0 or abs(row.sum() - 1) > 1e-6:
        raise InputError(f"weights run from {row.min():.3g} and sum to {row.sum():.6g}; shares were expected")
    shifted = values - row @ values
    scale = np.abs(shifted).max(0, initial=0.0)
    used = scale > 1e-12 * np.abs(values).max(initial=1e-300)  # the same value in every key says nothing
    # the output is 0 in these coordinates; equalities that say the same are left out
    u, s, _ = np.linalg.svd((shifted[:, used] / scale[used]).T, full_matrices=False)
    rank = int((s > 1e-10 * max(s[0], 1e-300)).sum()) if s.size else 0
    rows = (u[:, :rank].T @ (shifted[:, used] / scale[used]).T) if rank else np.zeros((0, len(row)))
    mass = float(row @ claimed)
    if rank >= len(row) - 1:  # as many equations as keys: these weights are the only ones
        return mass, mass
    equal, right = np.vstack([rows, np.ones(len(row))]), np.append(np.zeros(len(rows)), 1.0)
    ends = []
    for sign in (1.0, -1.0):
        found = linprog(
            sign * claimed.astype(float), A_eq=equal, b_eq=right, bounds=(0, None), method="highs-ds",
            options={"presolve": False},
        )  # fmt: skip
        # rounding can leave the given weights a hair infeasible: they themselves are then the bound
        ends.append(sign * found.fun if found.status == 0 else mass)
    return min(float(np.clip(ends[0], 0, 1)), mass), max(float(np.clip(ends[1], 0, 1)), mass)


def identify(claim: Claim, *, seed: int = 0) -> Test:
    """The mean interval of mass over a few seeded queries; informs, does not decide."""
    rng = np.random.default_rng(seed)
    p, claimed, v, allowed = claim.rows, claim.claimed, claim.item_values, claim.allowed
    per_lead = len(p) // claim.leads
    count = allowed.sum(-1)
    fit = np.flatnonzero((count > 0) & (count <= KEYS))
    if not fit.size:
        return Test(
            "identify", None, np.nan, None, None, 0, "weights with the same output",
            f"not attempted: more than {KEYS} keys a query",
        )  # fmt: skip
    some = rng.permutation(fit)[:ITEMS]
    ends = [mass_interval(p[i, keys], v[i // per_lead][keys], claimed[i, keys])
            for i in some for keys in [np.flatnonzero(allowed[i])]]  # fmt: skip
    low, high = np.mean(ends, 0)
    mass = float((p * claimed)[some].sum(-1).mean())
    says = (
        f"weights with the same output carry between {low:.2f} and {high:.2f} on the claimed keys "
        f"({mass:.2f} read, {len(some)} queries)"
    )
    exact = int((np.ptp(ends, axis=1) <= ROUNDING).sum())
    if exact == len(ends):
        says += ": the weights are a fact about the output"
    else:
        says += ": the weights are a fact about the mechanism, not about the output"
    return Test(
        "identify", None, mass, (float(low), float(high)), None, len(ends), "weights with the same output",
        says, {"ends": np.array(ends), "queries": some},
    )  # fmt: skip
