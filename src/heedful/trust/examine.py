"""`examine`: put a claim to the tests and say what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError
from .claim import Claim
from .identify import identify
from .knockout import knock_out
from .mass import mask_null, null
from .refits import Refit, refit_tests
from .verdict import Test, Verdict

LEVEL = 0.05
FEWEST = 8  # queries (or distinct null draws) below which nothing can be said at the 5 % level


def examine(
    claim: Claim,
    refit: Refit | None = None,
    level: str = "quick",
    *,
    seed: int = 0,
    draws: int = 999,
    progress: Callable[..., Any] | None = None,
) -> Verdict:
    """Test a claim and give a verdict.

    Quick: the null that the claim names, the mask null, knock-out, identifiability. Full adds what needs
    refitting (:class:`Refit`): re-initialised weights, other seeds, a planted cause, uniform weights.

    Parameters
    ----------
    claim : Claim
    refit : Refit, optional
        How to fit again; only used at level "full".
    level : {"quick", "full"}
    seed : int
    draws : int
        Null draws; the smallest possible p is 1 / (draws + 1).
    progress : callable, optional
        ``progress(iterable, text)``, for instance :func:`heedful.learn.progress`.

    Returns
    -------
    Verdict
        *supported*: the mass is beyond the null (p <= .05) and above what the mask alone gives, and, where
        there are values, the output moves more without the keys than without random sets of the same size.
        *not testable*: too few queries or null draws, nothing that the claim could be told apart from, or
        an accuracy that uniform weights reach as well.

    Raises
    ------
    InputError
        For an unknown level.
    """
    if level not in ("quick", "full"):
        raise InputError(f"level is {level!r}, 'quick' or 'full' was expected")
    reason = untestable(claim)
    if reason:
        return _verdict(claim, "not testable", (), reason)
    first = null(claim, draws=draws, seed=seed, progress=progress)
    tests: list[Test] = [first, mask_null(claim, seed=seed)]
    if claim.values is not None:
        tests += [knock_out(claim, seed=seed, progress=progress), identify(claim, seed=seed)]
    if level == "full" and refit is not None:
        tests += refit_tests(claim, refit, seed=seed, progress=progress)
    blocked = [t for t in tests if t.name == "uniform baseline" and t.passed is False]
    if blocked:
        return _verdict(claim, "not testable", tests, blocked[0].says)
    failed = [t for t in tests if t.passed is False]
    reason = "; ".join(f"{t.name}: {t.says}" for t in failed)
    return _verdict(claim, "not supported" if failed else "supported", tests, reason)


def untestable(claim: Claim) -> str:
    """Why nothing can be said, or ''."""
    content, prior = claim.scores
    allowed = np.isfinite(prior)
    live = allowed.any(-1)
    if not live.any():
        return "no claimed query may attend to any key"
    inside = claim.claimed & allowed
    if not inside.any():
        return "no claimed query may attend to a claimed key"
    if bool((inside == allowed).all()):
        return "the claim names every key that the queries may attend to"
    choice = allowed.sum(-1) - inside.sum(-1)
    if claim.null.kind != "rewire" and int((choice > 0).sum()) == 0:
        return "no query has a choice"
    if len(claim.queries) < 2 and claim.leads < 2 and allowed.sum() < FEWEST:
        return f"{int(allowed.sum())} keys for a single query are too few"
    distinct = claim.null.distinct(content.shape[-1])
    if distinct < 1 / LEVEL:
        return f"the null has only {int(distinct)} different draws"
    return ""


def _verdict(claim: Claim, status: str, tests, reason: str) -> Verdict:
    if not tests:
        return Verdict(
            claim.name, status, float("nan"), None, None, len(claim.queries), "", (), claim.caution, reason
        )
    first = tests[0]
    return Verdict(
        claim.name, status, first.effect, first.interval, first.p, len(claim.queries), first.compared_with,
        tuple(tests), claim.caution, reason,
    )  # fmt: skip
