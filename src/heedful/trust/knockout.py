"""Knock-out: does the output move more without the claimed keys than without others?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .claim import Claim, one_each
from .mass import LEVEL, paired
from .removal import HELD, Removal
from .verdict import Test

SETS, MASS_SETS, INPUT_SETS = 199, 29, 39
ALONE = 256  # claimed keys up to which each is taken out alone


def knock_out(
    claim: Claim, *, sets: int = SETS, mass_sets: int = MASS_SETS, seed: int = 0, progress=None
) -> Test:
    """The quantity's change without the claimed keys, against random sets of the same size and the same mass.

    Keys are drawn in one order for all queries, each of which takes the first of them that it may attend to,
    as many as it has claimed keys. So queries that claim the same keys are given the same random ones, and p
    counts sets of keys, not queries. The curves of comprehensiveness (the
    heaviest claimed keys taken out first) and sufficiency (only they kept) are in ``detail``, with the
    leave-one-out ceiling.
    """
    rng = np.random.default_rng(seed)
    live, rows = claim.live, Removal(claim)
    effect = rows.change(rows.claimed)
    same_size = _same_size(rows, sets, rng, progress)
    mass = (rows.p * rows.claimed).sum(-1, keepdims=True)
    same_mass = np.stack([rows.change(rows.nearest(rows.order(rng), mass)) for _ in range(mass_sets)])
    gap_size, interval_size = paired(effect - same_size.mean(0), claim, seed)
    gap_mass, interval_mass = paired(effect - same_mass.mean(0), claim, seed)
    moved = float(effect[live].mean())
    p, blocks = _p(moved, same_size[:, live].mean(1), np.abs(claim.item_values).max())
    p_mass, _ = _p(moved, same_mass[:, live].mean(1), np.abs(claim.item_values).max())
    unit = f" {claim.unit}" if claim.unit else ""
    says = (
        f"{claim.what} moves {moved:.3g}{unit} without them; {same_size[:, live].mean():.3g} without random "
        f"sets of the same size (p = {p:.3f}), {same_mass[:, live].mean():.3g} of the same mass "
        f"(p = {p_mass:.3f})" + (f"; {blocks}" if blocks else "")
    )
    return Test(
        "knock-out", None if blocks else p <= LEVEL, gap_size, interval_size, p, claim.n,
        "random sets of the same size", says,
        {"effect": effect, "same_size": same_size.mean(0), "same_mass": same_mass.mean(0), "p_mass": p_mass,
         "gap_mass": gap_mass, "interval_mass": interval_mass, "curves": curves(rows)},
        p_from=f"{sets} sets counted", blocks=blocks,
    )  # fmt: skip


def _p(moved: float, others: np.ndarray, size: float) -> tuple[float, str]:
    """(1 + b) / (1 + B), and why that cannot tell where sets that move it *exactly* as much decide it."""
    near = 1e-9 * max(moved, float(others.max(initial=0.0))) + 1e-13 * size
    reached, beyond = int((others >= moved - near).sum()), int((others > moved + near).sum())
    p = (1 + reached) / (1 + len(others))
    if moved > near and p > LEVEL >= (1 + beyond) / (1 + len(others)):
        return p, f"{reached - beyond} of {len(others)} random sets move it exactly as much: they cannot tell"
    return p, ""


def _same_size(rows: Removal, sets: int, rng: np.random.Generator, progress) -> np.ndarray:
    """Changes (sets, items) without random sets of as many allowed keys."""
    go: Callable = (lambda rounds, text: rounds) if progress is None else progress
    size = rows.claimed.sum(-1)
    if not rows.alike:
        return np.stack([
            rows.change(rows.first(rows.order(rng), size)) for _ in go(range(sets), "random knock-outs")
        ])  # fmt: skip
    allowed = np.flatnonzero(rows.allowed[0])
    keys = allowed[np.argsort(rng.random((sets, len(allowed))), axis=1)[:, : size[0]]]
    step = int(np.clip(HELD // max(len(size) * int(size[0]), 1), 1, sets))
    found = []
    for at in go(range(0, sets, step), "random knock-outs"):
        found += rows.changes(keys[at : at + step])
    return np.stack(found)


def curves(rows: Removal, steps: int = 10) -> dict[str, np.ndarray]:
    """Mean change as a growing share of the claimed keys is taken out, or alone kept."""
    claimed, live = rows.claimed, rows.claim.live
    used = claimed.any(0)
    shares = np.linspace(0.0, 1.0, steps + 1)
    found: dict[str, np.ndarray] = {"share": shares}
    rankings = {"by weight": np.where(claimed, rows.p, -1.0)}
    if used.sum() <= ALONE:
        alone = np.full(claimed.shape, -1.0)
        for j in np.flatnonzero(used):
            one = np.zeros_like(claimed)
            one[:, j] = claimed[:, j]
            alone[:, j] = np.where(claimed[:, j], rows.change(one), -1.0)
        rankings["by leave-one-out"] = alone
    for name, score in rankings.items():
        order = np.argsort(-score[:, used], axis=-1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.broadcast_to(np.arange(order.shape[1]), order.shape), -1)
        out, kept = [], []
        for share in shares:
            chosen = np.zeros_like(claimed)
            chosen[:, used] = rank < np.ceil(share * claimed.sum(-1, keepdims=True))
            chosen &= claimed
            out.append(rows.change(chosen)[live].mean())
            kept.append(rows.change_alone(chosen)[live].mean() if share else np.nan)
        found[f"comprehensiveness {name}"], found[f"sufficiency {name}"] = np.array(out), np.array(kept)
    return found


def delete_inputs(claim: Claim, *, sets: int = INPUT_SETS, seed: int = 0, progress=None) -> Test:
    """The same with keys deleted from the model's *input*, where the claim says how: all layers lose them."""
    rng = np.random.default_rng([seed, 1])
    n, nk = claim.keys.shape
    allowed = claim.allowed.reshape(claim.leads, n, nk).any(0)
    live = allowed.any(-1)
    claimed = claim.keys & allowed
    size = claimed.sum(-1)

    def quantity(removed: np.ndarray) -> np.ndarray:
        return one_each(claim.delete(removed), n, "Claim(delete)")

    before = quantity(np.zeros((n, nk), dtype=bool))
    effect = np.abs(before - quantity(claimed))[live]
    others = []
    for _ in range(sets) if progress is None else progress(range(sets), "inputs deleted"):
        order = rng.permutation(nk)
        seen = allowed[:, order]
        chosen = np.empty_like(allowed)
        chosen[:, order] = seen & (seen.cumsum(-1) <= size[:, None])
        others.append(float(np.abs(before - quantity(chosen))[live].mean()))
    moved, others = float(effect.mean()), np.array(others)
    p, blocks = _p(moved, others, float(np.abs(before).max()))
    unit = f" {claim.unit}" if claim.unit else ""
    says = (
        f"{claim.what} moves {moved:.3g}{unit} when they are deleted from the input, {others.mean():.3g} for "
        f"random sets of the same size (p = {p:.3f})" + (f"; {blocks}" if blocks else "")
    )
    return Test(
        "input deletion", None if blocks else p <= LEVEL, moved - float(others.mean()), None, p,
        int(live.sum()), "random sets of the same size deleted from the input", says,
        {"effect": effect, "others": others},
        p_from=f"{sets} sets counted", blocks=blocks,
    )  # fmt: skip
