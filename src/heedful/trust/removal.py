"""What taking keys out does to an output, for many sets of keys, without attending again."""

from __future__ import annotations

import numpy as np

from .claim import Claim

HELD = 1 << 21  # numbers held at once
LEFT = 1e-6  # weight left below which a difference would hold no digits


def without(claim: Claim, removed: np.ndarray) -> np.ndarray:
    """Outputs (items, Dv) with keys removed (items, Nk) and the rest renormalised: ``W.without`` exactly."""
    kept = claim.rows * ~removed
    total = kept.sum(-1, keepdims=True)
    return claim.outputs(np.divide(kept, total, out=np.zeros_like(kept), where=total > 0))


class Removal:
    """The claim's rows, as whole rows or, where few keys are allowed, as lists of those alone.

    A set S takes out of a row p and its output o

        (o - sum_S p_j v_j) / (1 - sum_S p_j).

    Sets are bool arrays of the shape of ``p``.

    Parameters
    ----------
    claim : Claim
        With values.

    Attributes
    ----------
    base : array (items, Dv)
        The outputs as they are.
    p, allowed, claimed : arrays (items, K)
        K = Nk, or the largest number of allowed keys; claimed keys are allowed ones.
    keys : int array (items, K) or None
        Which keys the lists hold.
    """

    def __init__(self, claim: Claim):
        self.claim, self.base = claim, claim.outputs(claim.rows)
        self.leads, self.items, nk = claim.leads, *claim.rows.shape
        count = claim.allowed.sum(-1)
        most = max(int(count.max(initial=0)), 1)
        self.keys = None
        if most * 4 < nk and self.items * most * self.base.shape[-1] <= 4 * HELD:
            row, column = np.nonzero(claim.allowed)
            at = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
            self.keys = np.zeros((self.items, most), dtype=np.intp)
            self.keys[row, at] = column
            self.allowed = np.arange(most) < count[:, None]
            self.p = np.take_along_axis(claim.rows, self.keys, 1) * self.allowed
            self.claimed = np.take_along_axis(claim.claimed, self.keys, 1) & self.allowed
            lead = np.arange(self.items) // (self.items // self.leads)
            self.values = claim.item_values[lead[:, None], self.keys]
        else:
            self.p, self.allowed = claim.rows, claim.allowed
            self.claimed = claim.claimed & claim.allowed

    def carried(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mass (items, 1) and weighted sum of values (items, Dv) of the chosen keys."""
        if self.keys is not None:
            held = self.p * chosen
            return held.sum(-1, keepdims=True), (held[:, None] @ self.values)[:, 0]
        used = chosen.any(0)
        held, v = self.p * chosen if used.mean() > 0.5 else None, self.claim.item_values
        if held is None:
            held, v = self.p[:, used] * chosen[:, used], v[:, used]
        part = held.reshape(self.leads, self.items // self.leads, held.shape[-1]) @ v
        return held.sum(-1, keepdims=True), part.reshape(self.items, -1)

    def change(self, chosen: np.ndarray) -> np.ndarray:
        """How much the quantity moves (items,) without the chosen keys."""
        mass, part = self.carried(chosen)
        if (mass > 1 - LEFT).any():
            return self.change_alone(self.allowed & ~chosen)
        return self.claim.change(self.base, (self.base - part) / (1.0 - mass))

    def change_alone(self, chosen: np.ndarray) -> np.ndarray:
        """How much it moves (items,) with the chosen keys alone."""
        mass, part = self.carried(chosen)
        alone = np.divide(part, mass, out=np.zeros_like(part), where=mass > 0)
        return self.claim.change(self.base, alone)

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """One random order of all keys, as places in the lists (items, K) or in whole rows (1, Nk)."""
        nk = self.claim.rows.shape[-1]
        if self.keys is None:
            return rng.permutation(nk)[None]
        return np.argsort(np.where(self.allowed, rng.random(nk)[self.keys], 2.0), axis=-1)

    def first(self, order: np.ndarray, size: np.ndarray) -> np.ndarray:
        """The first ``size`` (items,) allowed keys of each item in an order."""
        seen = np.take_along_axis(self.allowed, order, 1)
        return self._back(order, seen & (seen.cumsum(-1, dtype=np.int32) <= size[:, None]))

    def nearest(self, order: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """Keys in an order until their mass is nearest to ``mass`` (items, 1)."""
        held = np.take_along_axis(self.p, order, 1).cumsum(-1)
        held = np.concatenate([np.zeros((self.items, 1)), held], 1)
        return self._back(order, np.arange(order.shape[1]) < np.abs(held - mass).argmin(-1)[:, None])

    def _back(self, order: np.ndarray, sorted_: np.ndarray) -> np.ndarray:
        chosen = np.empty(self.p.shape, dtype=bool)
        np.put_along_axis(chosen, np.broadcast_to(order, chosen.shape), sorted_, 1)
        return chosen

    @property
    def alike(self) -> bool:
        """Whether all items may attend to the same keys and claim equally many: sets can then be shared."""
        size = self.claimed.sum(-1)
        return self.keys is None and bool(
            (self.allowed == self.allowed[:1]).all() and (size == size[0]).all()
        )

    def changes(self, sets: np.ndarray) -> list[np.ndarray]:
        """How much it moves (items,) without each set of keys (sets, size), the same for all items."""
        per = self.items // self.leads
        rows = self.claim.rows.reshape(self.leads, per, -1)
        mass = np.empty((len(sets), self.leads, per))
        part = np.empty((len(sets), self.leads, per, self.base.shape[-1]))
        for h, v in enumerate(self.claim.item_values):
            picked = rows[h].T[sets]  # (sets, size, queries)
            mass[:, h] = picked.sum(1)
            part[:, h] = picked.swapaxes(1, 2) @ v[sets]
        mass = mass.reshape(len(sets), self.items, 1)
        after = (self.base - part.reshape(len(sets), *self.base.shape)) / np.maximum(1.0 - mass, LEFT)
        poor = (mass > 1 - LEFT).any((1, 2))
        for b in np.flatnonzero(poor):
            removed = np.zeros(self.claim.rows.shape, dtype=bool)
            removed[:, sets[b]] = True
            after[b] = without(self.claim, removed)
        return [self.claim.change(self.base, one) for one in after]
