"""Tests that fit again: other seeds, re-initialised weights, a planted cause, uniform weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .claim import Claim
from .mass import null
from .verdict import Test


@dataclass(frozen=True)
class Refit:
    """How to fit a model again; each part is optional, and its test is made where it is given.

    Parameters
    ----------
    seed : callable, int -> Claim
        The same claim on a model fitted with another seed (or on a bootstrap sample).
    random : callable, int -> Claim
        The same claim on a model of re-initialised, untrained weights.
    uniform : callable, int -> (float, float)
        Held-out accuracy with learned weights, and when fitted with uniform weights.
    spike : callable, (strength, int) -> Claim
        The claim on the user's own data with a planted cause of that strength, fitted again.
    strengths : sequence of float
    repeats : int
    """

    seed: Callable[[int], Claim] | None = None
    random: Callable[[int], Claim] | None = None
    uniform: Callable[[int], tuple[float, float]] | None = None
    spike: Callable[[float, int], Claim] | None = None
    strengths: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 2.0)
    repeats: int = 5


def refit_tests(claim: Claim, refit: Refit, *, seed: int = 0, progress=None) -> list[Test]:
    """All the tests for which a way to refit was given."""
    go = (lambda rounds, text: rounds) if progress is None else progress
    rounds = [seed + 1 + r for r in range(refit.repeats)]
    tests = []
    if refit.random is not None:
        tests.append(_randomise(claim, [refit.random(s) for s in go(rounds, "re-initialised weights")]))
    if refit.seed is not None:
        tests.append(_reproduce(claim, [refit.seed(s) for s in go(rounds, "other seeds")]))
    if refit.uniform is not None:
        tests.append(_uniform([refit.uniform(s) for s in go(rounds, "uniform weights")]))
    if refit.spike is not None:
        plan = [(g, s) for g in refit.strengths for s in rounds]
        found = [
            (g, null(refit.spike(g, s), draws=199, seed=s).p <= 0.05) for g, s in go(plan, "planted causes")
        ]
        tests.append(_spike(refit, found))
    return tests


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.stats import spearmanr

    value = spearmanr(a, b).statistic
    return 0.0 if np.isnan(value) else float(value)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import t

    n = len(values)
    half = t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n) if n > 1 else np.inf
    return float(np.mean(values) - half), float(np.mean(values) + half)


def _key_profile(claim: Claim) -> np.ndarray:
    return claim.rows.mean(0)


def _randomise(claim: Claim, others: list[Claim]) -> Test:
    """The reading must not be that of an untrained net (Adebayo et al. 2018, arXiv:1810.03292)."""
    mine = float((claim.rows * claim.claimed).sum(-1).mean())
    masses = [float((c.rows * c.claimed).sum(-1).mean()) for c in others]
    alike = [_spearman(_key_profile(claim), _key_profile(c)) for c in others]
    gap = [mine - m for m in masses]
    low, high = _interval(gap)
    return Test(
        "randomise", low > 0, float(np.mean(gap)), (low, high), None, len(others), "re-initialised weights",
        f"mass {mine:.3f}, {np.mean(masses):.3f} with re-initialised weights; rank similarity of the two "
        f"readings {np.mean(alike):.2f}",
        {"similarity": alike},
    )  # fmt: skip


def _reproduce(claim: Claim, others: list[Claim]) -> Test:
    """Does the reading come again with other seeds?"""
    alike = [_spearman(_key_profile(claim), _key_profile(c)) for c in others]
    masses = [float((c.rows * c.claimed).sum(-1).mean()) for c in others]
    low, high = _interval(alike)
    return Test(
        "reproduce", low > 0, float(np.mean(alike)), (low, high), None, len(others), "other seeds",
        f"rank stability {np.mean(alike):.2f} [{low:.2f}, {high:.2f}]; mass on the claimed keys "
        f"{np.mean(masses):.3f} (sd {np.std(masses):.3f}) over {len(others)} seeds",
    )  # fmt: skip


def _uniform(pairs: list[tuple[float, float]]) -> Test:
    """If uniform weights are as accurate, the weights cannot be tested (Wiegreffe & Pinter 2019)."""
    gap = [a - b for a, b in pairs]
    low, high = _interval(gap)
    return Test(
        "uniform baseline", low > 0, float(np.mean(gap)), (low, high), None, len(pairs), "uniform weights",
        f"held-out accuracy {np.mean([a for a, _ in pairs]):.3f}, {np.mean([b for _, b in pairs]):.3f} when "
        "fitted with uniform weights",
    )  # fmt: skip


def _spike(refit: Refit, found: list[tuple[float, bool]]) -> Test:
    """The instrument's detection curve on the user's own data; its limit is where half are found."""
    strengths = np.array(sorted({g for g, _ in found}))
    rate = np.array([np.mean([hit for g, hit in found if g == strength]) for strength in strengths])
    over = np.flatnonzero(rate >= 0.5)
    limit = float(strengths[over[0]]) if over.size else float("inf")
    listed = ", ".join(f"{g:g}: {r:.0%}" for g, r in zip(strengths, rate, strict=True))
    return Test(
        "spike-in", None, limit, None, None, len(found), "planted causes of growing strength",
        f"detected at strength {listed}; half are found from {limit:g} on",
        {"strength": strengths, "rate": rate},
    )  # fmt: skip
