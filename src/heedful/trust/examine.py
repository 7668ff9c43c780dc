"""`examine`: put a claim to the tests and say what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..attention.arrays import whole
from ..errors import InputError
from .claim import Claim
from .draws import Masses
from .identify import identify
from .knockout import delete_inputs, knock_out
from .mass import LEVEL, mask_null, null
from .refits import Refit, refit_tests
from .verdict import Test, Verdict

FEWEST = 8  # keys for a single query below which nothing can be said at the 5 % level
QUICK = ("null", "mask null", "knock-out", "input deletion", "identify")


def examine(
    claim: Claim,
    refit: Refit | None = None,
    level: str = "quick",
    *,
    seed: int = 0,
    draws: int = 999,
    tail: str = "count",
    tests: Sequence[str] | None = None,
    progress: Callable[..., Any] | None = None,
    announce: Callable[[str], Any] | None = None,
) -> Verdict:
    """Test a claim and give a verdict.

    Quick: the null that the claim names, the mask null, knock-out (and input deletion where the claim says
    how), identifiability. Full adds the other readings and what needs refitting (:class:`Refit`):
    re-initialised weights, other seeds, uniform weights, a planted cause.

    Parameters
    ----------
    claim : Claim
    refit : Refit, optional
        How to fit again; only used at level "full".
    level : {"quick", "full"}
    seed : int
    draws : int
        Null draws; the smallest possible p is 1 / (draws + 1).
    tail : {"count", "fit"}
        "fit" gives p below that from a tail fitted to the draws; the verdict then says so (``p_from``).
    tests : sequence of str, optional
        Of the quick tests only these ("null" always): what the verdict rests on is listed in ``tests``.
    progress : callable, optional
        ``progress(iterable, text)``, for instance :func:`heedful.learn.progress`.
    announce : callable, optional
        Told in one sentence what the full level will cost before it starts, and after the first fit how
        long; by default it is written to the standard error stream.

    Returns
    -------
    Verdict
        *supported*: the mass is beyond the null (p <= .05) and above what the mask alone gives, and, where
        there are values, the output moves more without the keys than without random sets of the same size;
        and no test of a refit failed.
        *not supported*: a test that could be made failed.
        *not testable*: none failed, but one that is needed could not be made (too few queries or null draws,
        no refit came through), or uniform weights are as accurate.

    Raises
    ------
    InputError
        For an unknown level, tail or test.
    """
    if not isinstance(claim, Claim):
        raise InputError(
            f"examine takes a Claim, got {type(claim).__name__}",
            remedy="write Claim(W, queries=..., keys=...)",
        )
    for word, given, known in (("level", level, ("quick", "full")), ("tail", tail, ("count", "fit"))):
        if given not in known:
            raise InputError(f"{word} is {given!r}, {known[0]!r} or {known[1]!r} was expected")
    draws, seed = whole(draws, "draws"), whole(seed, "seed", 0)
    if draws < 1 / LEVEL - 1:
        raise InputError(f"draws is {draws}; p <= {LEVEL:g} needs {int(1 / LEVEL) - 1} at least")
    unknown = [t for t in tests or () if t not in QUICK]
    if unknown:
        raise InputError(f"test {unknown[0]!r} is not known; one of {', '.join(QUICK)} was expected")
    masses = Masses(claim)
    reason = untestable(claim, masses)
    if reason:
        return _verdict(claim, "not testable", (), reason)
    wanted = set(QUICK if tests is None else tests)
    made: list[Test] = [null(claim, draws=draws, seed=seed, tail=tail, masses=masses, progress=progress)]
    if "mask null" in wanted:
        made.append(mask_null(claim, seed=seed))
    if claim.values is not None and "knock-out" in wanted:
        made.append(knock_out(claim, seed=seed, progress=progress))
    if claim.delete is not None and "input deletion" in wanted:
        made.append(delete_inputs(claim, seed=seed, progress=progress))
    if claim.values is not None and "identify" in wanted:
        made.append(identify(claim, seed=seed))
    if level == "full":
        say = announce or (lambda text: print(text, file=sys.stderr))
        made += refit_tests(claim, refit, seed=seed, progress=progress, announce=say)
    failed = [t for t in made if t.passed is False]
    blocked = [t for t in made if t.blocks]
    useless = [t for t in blocked if t.name == "uniform baseline"]
    if useless:  # whatever the weights are, the model does not need them
        return _verdict(claim, "not testable", made, useless[0].blocks)
    if failed:
        return _verdict(claim, "not supported", made, "; ".join(f"{t.name}: {t.says}" for t in failed))
    if blocked:
        return _verdict(claim, "not testable", made, "; ".join(t.blocks for t in blocked))
    return _verdict(claim, "supported", made, "")


def untestable(claim: Claim, masses: Masses | None = None) -> str:
    """Why nothing can be said, or ''.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Weights
    >>> W = Weights(np.eye(9), np.eye(9))
    >>> untestable(Claim(W, range(9), range(9)))
    'the claim names every key that the queries may attend to'
    """
    allowed, live = claim.allowed, claim.live
    if not live.any():
        return "no claimed query may attend to any key"
    inside = claim.claimed & allowed
    if not inside.any():
        return "no claimed query may attend to a claimed key"
    if claim.null.kind != "rewire":
        if bool((inside == allowed).all()):
            return "the claim names every key that the queries may attend to"
        if bool((inside.any(-1) == (inside == allowed).all(-1))[live].all()):
            return "no query has a choice between claimed and other keys"
    if live.sum() < 2 and allowed.sum() < FEWEST:
        return f"{int(allowed.sum())} keys for a single query are too few"
    return _too_few_draws(claim, masses or Masses(claim))


def _too_few_draws(claim: Claim, masses: Masses) -> str:
    """Whether the null has too few outcomes for p <= .05, before any is drawn."""
    # without priors and with one set of keys for all queries, only *which* keys it holds can differ
    which = claim.keys[0] if masses.even and masses.shared else None
    distinct = claim.null.distinct(masses.nk, which)
    if distinct < 1 / LEVEL:
        return (
            f"the null has only {int(distinct)} different draws, {int(1 / LEVEL)} at least are needed for "
            f"p <= {LEVEL:g}"
        )
    if claim.family is None or masses.heads > 1:
        return ""
    number = _numbered(claim.family)
    single = which is not None and which.sum() == 1 and (number >= 0).all()
    if claim.null.kind == "label" and single and (np.bincount(number) <= 1).all():
        return (
            "the cells are single keys, and exchanging keys cannot change the largest of them; claim groups "
            "of keys, or a null that keeps more"
        )
    if claim.null.kind == "circular":
        back, shifts = _coming_back(claim, number, masses.shifts)
        if (1 + back) / (1 + shifts) > LEVEL:
            return (
                f"{back} of {shifts} shifts move the claimed cell onto another of its family, which is then "
                "as large; a longer series, or fewer lags, are needed"
            )
    return ""


def _numbered(family: np.ndarray) -> np.ndarray:
    """The cell of each key, (Nk,) or (Nq, Nk), -1 for none; the first one where cells overlap."""
    return family if family.dtype != bool else np.where(family.any(0), family.argmax(0), -1)


def _coming_back(claim: Claim, number: np.ndarray, shifts: np.ndarray | None) -> tuple[int, int]:
    """How many shifts put most of the claimed pairs into one cell of the family, and of how many."""
    if shifts is None:
        return 0, 1
    row, column = np.nonzero(claim.keys)
    # over all shifts it does not matter that a shift says where contents come from, not where they go
    to = shifts[:, column]
    cell = number[to] if number.ndim == 1 else number[row, to]
    back = sum(2 * np.bincount(one + 1)[1:].max(initial=0) > len(column) for one in cell)
    return int(back), len(shifts)


def _verdict(claim: Claim, status: str, tests, reason: str) -> Verdict:
    caution = "; ".join(dict.fromkeys(c for c in (claim.caution, *(t.caution for t in tests)) if c))
    told = {"caution": caution, "reason": reason, "measure": claim.measure}
    if not tests:
        return Verdict(claim.name, status, float("nan"), None, None, claim.n, "", (), **told)
    first = tests[0]
    return Verdict(
        claim.name, status, first.effect, first.interval, first.p, claim.n, first.compared_with, tuple(tests),
        p_from=first.p_from, **told,
    )  # fmt: skip
