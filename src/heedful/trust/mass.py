"""The null and the mask null: is the mass more than chance, more than the mask's arithmetic?"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .claim import Claim, softmax
from .draws import Masses
from .stability import t_interval
from .tail import tail_p
from .verdict import Test

DRAWS = 999
LEVEL = 0.05
FEWEST = 6  # queries below which their spread says nothing: 2 ** -6 < .025 < 2 ** -5
NEIGHBOURS = 30  # pairs of neighbouring keys from which their likeness is told
MANY = 20  # cells from which a map's own variation can be told
SMALL = 30  # queries below which the t interval replaces the bootstrap, which is then too narrow


def mask_null(claim: Claim, *, seed: int = 0) -> Test:
    """Mass on the claimed keys above what the priors alone give: nearest-8 sits near by arithmetic.

    Where each query's allowed keys weigh the same, exchanging their contents gives the mask's mass on
    average, so the null answers this as well and few queries are no obstacle; else fewer than 6 queries
    (live ones) leave the claim untestable.
    """
    _, prior = claim.scores
    seen = (claim.rows * claim.claimed).sum(-1)
    alone = (softmax(prior) * claim.claimed).sum(-1)
    gap, interval = paired(seen - alone, claim, seed)
    live = claim.live
    says = f"{claim.measure} {seen[live].mean():.3f}, the mask alone gives {alone[live].mean():.3f}"
    passed, blocks = None, ""
    if interval is not None:
        passed = interval[0] > 0
    elif claim.null.kind == "label" and _flat(prior):
        says += f" ({claim.n} queries give no interval; the null has the same mask)"
    else:
        blocks = f"{claim.n} queries are too few to set against the mask, {FEWEST} at least are needed"
        says += f"; {blocks}"
    return Test(
        "mask null", passed, gap, interval, None, claim.n, "the priors alone", says,
        {"mass": seen, "mask": alone}, blocks=blocks,
    )  # fmt: skip


def _flat(prior: np.ndarray) -> bool:
    allowed = np.isfinite(prior)
    high = np.where(allowed, prior, -np.inf).max(-1)
    return bool((np.where(allowed, high[:, None] - np.where(allowed, prior, 0.0), 0.0) <= 1e-12).all())


def paired(difference: np.ndarray, claim: Claim, seed: int) -> tuple[float, tuple[float, float] | None]:
    """Mean over queries and its 95 % interval; queries, not heads, are the unit.

    Student's t below 30 queries (the percentile bootstrap covers 89 % with 8), the bootstrap above; no
    interval below 6.
    """
    live = claim.live.reshape(claim.leads, -1)
    held = np.where(live, difference.reshape(claim.leads, -1), 0.0).sum(0)
    by_query = held[live.any(0)] / live.sum(0)[live.any(0)]
    n = len(by_query)
    mean = float(by_query.mean())
    if n < FEWEST:
        return mean, None
    if n < SMALL:
        return mean, t_interval(by_query)
    low, high = np.percentile(_resamples(n, seed) @ by_query, [2.5, 97.5])
    return mean, (float(low), float(high))


@lru_cache(maxsize=4)
def _resamples(n: int, seed: int) -> np.ndarray:
    """Shares (2000, n) that each of n queries has in bootstrap samples: the same for all tests of a claim."""
    drawn = np.random.default_rng(seed).integers(0, n, (2000, n)) + n * np.arange(2000)[:, None]
    return np.bincount(drawn.reshape(-1), minlength=2000 * n).reshape(2000, n) / n


def _order_matters(claim: Claim) -> str:
    """Said where keys are exchanged freely although neighbours that are not claimed are alike."""
    if claim.null.kind != "label":
        return ""
    count = claim.allowed.sum(0)
    mean = np.where(claim.allowed, claim.scores[0], 0.0).sum(0) / np.maximum(count, 1)
    free = (count > 0) & ~claim.claimed.any(0)
    pairs = np.flatnonzero(free[1:] & free[:-1])
    a, b = mean[pairs], mean[pairs + 1]
    if len(pairs) < NEIGHBOURS or a.std() == 0 or b.std() == 0:
        return ""
    r = float(np.corrcoef(a, b)[0, 1])
    if r <= max(0.2, 3 / np.sqrt(len(pairs))):
        return ""
    return f"neighbouring keys are alike (r = {r:.2f}), which exchanging them one by one does not keep"


def _excess(masses: np.ndarray, centre: np.ndarray, scaled: bool) -> np.ndarray:
    """Masses above their centre, where asked for in units of each draw's own mean deviation over cells."""
    excess = masses - centre
    if not scaled:
        return excess
    size = np.abs(excess).mean(1, keepdims=True)
    return np.divide(excess, size, out=np.zeros_like(excess), where=size > 0)


def null(
    claim: Claim,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    tail: str = "count",
    masses: Masses | None = None,
    progress=None,
) -> Test:
    """Mass on the claimed keys against draws in which exactly the claimed structure is broken.

    p = (1 + b) / (1 + B); with a family of cells, b counts draws whose *largest* excess in any cell reaches
    that of the claimed one (maximum statistic, Westfall & Young 1993). A cell's excess is its mass above
    its own mean over all draws, the observed one among them, so that the test is exact under
    exchangeability; dividing by each cell's spread would cost most of the power, since softmax masses are
    heavy-tailed and few draws tell their spread (docs/trust.md). Exchanged blocks tear neighbours apart
    that are alike, so their maps vary less than the observed one; with over 20 cells every map's excesses
    are divided by its own mean deviation, which undoes that (a studentised permutation, Janssen 1997). Where
    draws *equal* to the observed one alone keep p above .05, the null is too coarse for the claim, and that
    is said.

    Parameters
    ----------
    claim : Claim
    draws : int
        Of a circular null with no more shifts than that, all shifts are taken, once each.
    seed : int
    tail : {"count", "fit"}
        "fit" lets p fall below 1 / (B + 1) by :func:`heedful.trust.tail.tail_p`.
    masses : Masses, optional
        The claim's, where they were made already.
    progress : callable, optional
    """
    masses = Masses(claim) if masses is None else masses
    observed = masses.observed()
    drawn = masses.drawn(draws, np.random.default_rng(seed), progress)
    total = len(drawn)
    everything = np.concatenate([observed[None], drawn])
    centre, spread = everything.mean(0), everything.std(0)
    moves = spread > 1e-9 * np.abs(centre)  # the rest is rounding: a tie
    scaled = claim.null.kind == "block" and len(observed) > MANY
    excess = _excess(everything, np.where(moves, centre, everything), scaled)
    largest, near = excess[1:].max(1), 1e-9 * excess[:, 0].std()
    reached = int((largest >= excess[0, 0] - near).sum())
    beyond = int((largest > excess[0, 0] + near).sum())
    p = (1 + reached) / (1 + total)
    source = f"all {total + 1} shifts counted" if masses.all_of_them(draws) else f"{total} draws counted"
    if tail == "fit" and moves[0]:
        above = _excess(everything, drawn.mean(0), scaled)
        p, source = tail_p(above[1:].max(1), float(above[0, 0])) or (p, source)
    blocks = ""
    if p > LEVEL >= (1 + beyond) / (1 + total):
        blocks = (
            f"{reached - beyond} of {total} null draws give exactly the observed {claim.measure}: they "
            "cannot tell"
        )
    effect = float(observed[0] - drawn[:, 0].mean())
    half = np.percentile(drawn[:, 0], [2.5, 97.5])
    interval = (float(observed[0] - half[1]), float(observed[0] - half[0]))
    more = len(observed) - masses.heads * (claim.family is not None)  # the claimed cell is one of them
    cells = f", the largest of {more} cells" if len(observed) > 1 else ""
    words = claim.null.words + cells
    says = (
        f"{claim.measure} {observed[0]:.3f}, {drawn[:, 0].mean():.3f} with {words}, "
        f"p = {p:.4f} ({source})" + (f"; {blocks}" if blocks else "")
    )
    return Test(
        "null", None if blocks else p <= LEVEL, effect, interval, p, total, words, says,
        {"observed": float(observed[0]), "drawn": drawn[:, 0], "largest": largest}, p_from=source,
        blocks=blocks, caution=_order_matters(claim),
    )  # fmt: skip
