"""Tests that fit again: re-initialised weights, other seeds, uniform weights, a planted cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from .alternatives import compare
from .claim import Claim
from .mass import LEVEL, null
from .stability import rank_stability, spearman, t_interval
from .verdict import Test


@dataclass(frozen=True)
class Refit:
    """How to fit a model again; each part is optional, and its test is made where it is given.

    Parameters
    ----------
    seed : callable, int -> Claim
        The same claim on a model fitted with another seed (or on a bootstrap sample).
    random : callable, int -> Claim, or (depth, int) -> Claim where ``depths`` are given
        The same claim on a model whose weights are re-initialised and not trained: all of them, or the
        ``depth`` layers nearest to the output.
    depths : sequence of int
        Growing; the last is the whole model (Adebayo et al. 2018, cascading randomisation).
    uniform : callable, int -> (float, float)
        Held-out accuracy with learned weights, and when fitted with uniform weights.
    spike : callable, (strength, int) -> Claim
        The claim on the user's own data with a planted cause of that strength, fitted again. Plant where
        there is nothing: the rate at strength 0 is then that of false alarms.
    strengths : sequence of float
    repeats : int

    Examples
    --------
    >>> Refit(seed=lambda s: ..., uniform=lambda s: ..., repeats=3).cost
    '7 fits (3 other seeds and 1 twice, 3 with uniform weights)'
    """

    seed: Callable[[int], Claim] | None = None
    random: Callable[..., Claim] | None = None
    uniform: Callable[[int], tuple[float, float]] | None = None
    spike: Callable[[float, int], Claim] | None = None
    strengths: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 2.0)
    repeats: int = 5
    depths: Sequence[int] = ()

    @property
    def cost(self) -> str:
        """How many fits the full level takes, in words."""
        r, parts, total = self.repeats, [], 0
        for given, number, words in (
            (self.random, r * max(len(self.depths), 1), "{} re-initialised"),
            (self.seed, r + 1, f"{r} other seeds and 1 twice"),
            (self.uniform, r, "{} with uniform weights"),
            (self.spike, r * len(self.strengths), "{} with a planted cause"),
        ):
            if given is not None:
                total += number
                parts.append(words.format(number))
        return f"{total} fits ({', '.join(parts)})" if parts else "no fits"


def refit_tests(
    claim: Claim, refit: Refit | None, *, seed: int = 0, progress=None, announce=None
) -> list[Test]:
    """The other readings, and all the tests for which a way to refit was given."""
    tests = [] if claim.values is None else [_readings(claim, seed)]
    parts = () if refit is None else (refit.random, refit.seed, refit.uniform, refit.spike)
    if not any(parts):
        none = Test("refits", None, np.nan, None, None, 0, "", "not made: no way to refit was given")
        return [*tests, none]
    run = _Runs(refit, progress, announce)
    rounds = [seed + 1 + r for r in range(refit.repeats)]
    if refit.random is not None:
        depths = tuple(refit.depths) or (None,)
        plan = [(s,) if d is None else (d, s) for d in depths for s in rounds]
        tests.append(_randomise(claim, depths, run(refit.random, plan, "re-initialised weights", claim)))
    if refit.seed is not None:
        plan = [(s,) for s in (*rounds, rounds[0])]  # the first seed twice: is the fit its seed's function?
        tests.append(_reproduce(claim, run(refit.seed, plan, "other seeds", claim)))
    if refit.uniform is not None:
        tests.append(_uniform(run(refit.uniform, [(s,) for s in rounds], "uniform weights")))
    if refit.spike is not None:
        plan = [(float(g), s) for g in refit.strengths for s in rounds]
        tests.append(_spike(run(refit.spike, plan, "planted causes")))
    return tests


class _Runs:
    """Fits again and again; a fit that fails is counted and named, never hidden and never fatal."""

    def __init__(self, refit: Refit, progress, announce):
        self.refit, self.announce, self.first = refit, announce or (lambda text: None), True
        self.go = (lambda rounds, text: rounds) if progress is None else progress
        self.announce(f"The full level takes {refit.cost}.")

    def __call__(self, fit: Callable[..., Any], plan, text: str, like: Claim | None = None) -> _Found:
        found = _Found(text)
        for at in self.go(plan, text):
            start = time.perf_counter()
            try:
                made = fit(*at)
                if like is not None:
                    _same_keys(made, like)
            except Exception as error:  # the other fits are not thrown away for one
                found.failed.append(f"{type(error).__name__}: {error}".strip().splitlines()[0][:120])
                continue
            if self.first:
                self.announce(f"One fit took {time.perf_counter() - start:.1f} s.")
                self.first = False
            found.made.append((at, made))
        return found


class _Found:
    """What came through (arguments, result), and why the rest did not."""

    def __init__(self, text: str):
        self.text, self.made, self.failed = text, [], []

    @property
    def lost(self) -> str:
        """'; 2 of 5 fits failed (ValueError: singular)', or ''."""
        total = len(self.made) + len(self.failed)
        return f"; {len(self.failed)} of {total} fits failed ({self.failed[0]})" if self.failed else ""

    def short(self, name: str, least: int = 2) -> Test | None:
        """The test that could not be made, where too few came through."""
        if len(self.made) >= least:
            return None
        made, total = len(self.made), len(self.made) + len(self.failed)
        blocks = f"{name}: {made} of {total} fits came through, {least} are needed"
        return Test(name, None, np.nan, None, None, made, self.text, blocks + self.lost, blocks=blocks)


def _same_keys(made: Claim, like: Claim) -> None:
    got, want = made.rows.shape[-1], like.rows.shape[-1]
    if got != want:
        raise InputError(f"the refit has {got} keys, the claim {want}")


def _profile(claim: Claim) -> np.ndarray:
    return claim.rows[claim.live].mean(0)


def _mass(claim: Claim) -> float:
    return float((claim.rows * claim.claimed)[claim.live].sum(-1).mean())


def _readings(claim: Claim, seed: int) -> Test:
    """Raw weight beside other readings, by what deleting their top keys does; informs."""
    table = compare(claim, seed=seed)
    listed = ", ".join(f"{r.reading} {r.change:.3g}" for r in table.itertuples())
    raw = table.set_index("reading")["change"]["weight"]
    return Test(
        "other readings", None, float(raw), None, None, claim.n, "other readings of the same weights",
        f"{claim.what} moves, top keys deleted, by {listed}", {"table": table},
    )  # fmt: skip


def _randomise(claim: Claim, depths: tuple, found: _Found) -> Test:
    """The reading must not be that of an untrained net (Adebayo et al. 2018, arXiv:1810.03292)."""
    last = [c for at, c in found.made if depths == (None,) or at[0] == depths[-1]]
    if len(last) < 2:
        found.made = [(None, c) for c in last]
        return found.short("randomise")
    mine, masses = _mass(claim), [_mass(c) for c in last]
    low, high = t_interval([mine - m for m in masses])
    cascade = {
        d: [spearman(_profile(claim), _profile(c)) for at, c in found.made if d is None or at[0] == d]
        for d in depths
    }
    alike = cascade[depths[-1]]
    says = (
        f"{claim.measure} {mine:.3f}, {np.mean(masses):.3f} with re-initialised weights; rank similarity of "
        f"the two readings {np.mean(alike):.2f} +- {np.std(alike, ddof=1):.2f} over {len(alike)} seeds"
    )
    if len(depths) > 1:
        steps = ", ".join(f"{d}: {np.mean(r):.2f}" for d, r in cascade.items() if r)
        says += f"; re-initialised from the top, by layers, {steps}"
    return Test(
        "randomise", low > 0, mine - float(np.mean(masses)), (low, high), None, len(last),
        "re-initialised weights", says + found.lost,
        {"similarity": alike, "cascade": cascade, "masses": masses},
    )  # fmt: skip


def _reproduce(claim: Claim, found: _Found) -> Test:
    """Does the reading come again with other seeds?"""
    seeds = [at[0] for at, _ in found.made]
    twice = [c for (s,), c in found.made if seeds.count(s) > 1]
    one_each = dict(reversed([(s, c) for (s,), c in found.made]))
    others = list(one_each.values())
    if len(others) < 2:
        found.made = [(None, c) for c in others]
        return found.short("reproduce")
    masses = [_mass(c) for c in others]
    mean, (low, high) = rank_stability([_profile(claim), *map(_profile, others)])
    says = (
        f"rank stability {mean:.2f} [{low:.2f}, {high:.2f}] over {len(others) + 1} fits; {claim.measure} on "
        f"the claimed keys {np.mean(masses):.3f} (sd {np.std(masses, ddof=1):.3f})"
    )
    jitter = 0.0
    if len(twice) == 2:
        jitter = abs(_mass(twice[0]) - _mass(twice[1]))
        if jitter > 1e-9:
            says += f"; the same seed again differs by {jitter:.2g}: the fit is not deterministic"
    return Test(
        "reproduce", low > 0, mean, (low, high), None, len(others), "other seeds", says + found.lost,
        {"masses": masses, "same seed": jitter},
    )  # fmt: skip


def _uniform(found: _Found) -> Test:
    """If uniform weights are as accurate, the weights cannot be tested (Wiegreffe & Pinter 2019)."""
    if found.short("uniform baseline"):
        return found.short("uniform baseline")
    pairs = np.array([pair for _, pair in found.made], float)
    gap = pairs[:, 0] - pairs[:, 1]
    low, high = t_interval(gap)
    learned, uniform = pairs.mean(0)
    says = f"held-out accuracy {learned:.3f}, {uniform:.3f} when fitted with uniform weights"
    return Test(
        "uniform baseline", True if low > 0 else None, float(gap.mean()), (low, high), None, len(pairs),
        "uniform weights", says + found.lost, {"pairs": pairs},
        blocks="" if low > 0 else f"{says}: the model does not need its weights",
    )  # fmt: skip


def _spike(found: _Found) -> Test:
    """The instrument's detection curve on the user's own data; its limit is where half are found."""
    if found.short("spike-in"):
        return found.short("spike-in")
    hits = [(at[0], null(c, draws=199, seed=at[1]).p <= LEVEL) for at, c in found.made]
    strengths = np.array(sorted({g for g, _ in hits}))
    rate = np.array([np.mean([hit for g, hit in hits if g == strength]) for strength in strengths])
    # from where on at least half are found at every greater strength; at 0 nothing was planted
    under = np.flatnonzero((rate < 0.5) | (strengths == 0))
    first = 0 if not under.size else int(under[-1]) + 1
    limit = float(strengths[first]) if first < len(strengths) else float("inf")
    listed = ", ".join(f"{g:g}: {r:.0%}" for g, r in zip(strengths, rate, strict=True))
    says = f"detected at strength {listed}; " + (
        f"half are found from {limit:g} on" if np.isfinite(limit) else "half are found at none of them"
    )
    if strengths[0] == 0 and rate[0] >= 0.5:
        says += "; at strength 0 something is found already, so this is no detection limit"
    return Test(
        "spike-in", None, limit, None, None, len(hits), "planted causes of growing strength",
        says + found.lost, {"strength": strengths, "rate": rate},
    )  # fmt: skip
