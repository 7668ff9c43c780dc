"""The gate: one query per pixel, one key per expert, a log-reliability, a softmax.

    w = softmax(U c + b + log rho)      rho_e = sum_k P_k w_e^(k) / w_e^(0)

c is the pixel's context (an additive piecewise-linear basis of how sure and how agreed the experts are), U c
+ b the scores of an undamaged pixel, w^(0) their softmax. P_k is the probability of state k (see `states`),
w^(k) the weights were that state known: the same scores with a row of their own, from which every key that
takes the damaged source at its word is taken out; a source of another date leaves all to the declared
reference. So the weights are the expected ones, w = sum_k P_k w^(k), and rho is how much the evidence of
damage changes the trust in a key; -inf wherever a key reads a source without data. All is trained through
the mix z = sum_e w_e z_e itself: there is no path around the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .evidence import JOINT
from .experts import softmax
from .states import CHANGED, ELSEWHERE

QUANTILES = (0.01, 0.05, 0.2, 0.5, 0.8)
CONTEXT = ("disagree", "sure", "agrees", "follows")
HARDENED, NULL = "hardened", "null"
OUT = -30.0  # the score of a key in a state that takes it out
START = {JOINT: 1.5, HARDENED: 1.0, NULL: -1.0}


@dataclass
class Basis:
    """Context (n, K) -> h (n, 6 K): standardised, and five hinges at quantiles of clean pixels."""

    mean: np.ndarray
    spread: np.ndarray
    knots: np.ndarray

    @classmethod
    def fit(cls, clean: np.ndarray) -> Basis:
        return cls(clean.mean(0), clean.std(0) + 1e-3, np.quantile(clean, QUANTILES, axis=0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        parts = [(x - self.mean) / self.spread] + [np.maximum(k - x, 0) / self.spread for k in self.knots]
        return np.clip(np.concatenate(parts, -1), -12, 12).astype(np.float32)


@dataclass
class Gate:
    """Keys U (E, F), and a row of scores for each state, (1 + K, E)."""

    keys: np.ndarray
    rows: np.ndarray

    def weights(
        self, h: np.ndarray, states: np.ndarray, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The weights of pixels, and the log of their prior (the row of an undamaged pixel + log rho).

        Parameters
        ----------
        h : (n, F), states : (n, 1 + K), allowed : bool (n, E)

        Returns
        -------
        weights, log_prior : (n, E)
            weights = softmax(h . keys + log_prior); exactly 0 and -inf where a key is not allowed.
        """
        scores = np.where(allowed, h @ self.keys.T, -np.inf)
        first = softmax(scores + self.rows[0])
        w = states[:, :1] * first
        for k, row in enumerate(self.rows[1:]):
            w = w + states[:, k + 1, None] * softmax(scores + row)
        with np.errstate(divide="ignore", invalid="ignore"):
            rho = np.where(first > 0, np.log(w) - np.log(first), -np.inf)
        return w, self.rows[0] + rho

    @classmethod
    def fit(
        cls,
        h: np.ndarray,
        states: np.ndarray,
        z: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        out: np.ndarray,
        keys: Sequence[str],
        *,
        classes: bool,
        seed: int,
        steps: int = 300,
    ) -> Gate:
        """Minimise the loss of the mix.

        Parameters
        ----------
        h : (n, F), states : (n, 1 + K), z : (n, E, C), y : (n,), weight : (n,)
        out : (1 + K, E)
            From `taken_out`.
        keys : names of the E keys
        classes : bool
            Cross-entropy of the mixed log-probabilities; squared error otherwise.
        """
        import torch

        n, experts = len(h), z.shape[1]
        th, tp, tz = (torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in (h, states, z))
        ty = torch.from_numpy(y.astype(np.int64 if classes else np.float32))
        tw = torch.from_numpy((weight / weight.mean()).astype(np.float32))
        gone = torch.from_numpy(out.astype(np.float32))
        start = np.tile([START.get(k, 0.0) for k in keys], (len(out), 1))
        table = torch.zeros(experts, h.shape[1], requires_grad=True)
        rows = torch.tensor(start, dtype=torch.float32, requires_grad=True)
        optimiser = torch.optim.Adam([table, rows], 2e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        draw = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            i = torch.randint(n, (min(4096, n),), generator=draw)
            scores = (th[i] @ table.T)[:, None] + rows + gone
            w = (tp[i][..., None] * scores.softmax(-1)).sum(1)
            mix = (w[..., None] * tz[i]).sum(1)
            loss = (
                torch.nn.functional.cross_entropy(mix, ty[i], reduction="none")
                if classes
                else (mix[:, 0] - ty[i]) ** 2
            )
            # a strong pull: context moves weights where nothing is wrong, and hides what is
            total = (tw[i] * loss).mean() + 0.1 * ((table**2).sum() + table.abs().sum()) / experts
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            schedule.step()
        return cls(table.detach().numpy().astype(float), (rows.detach() + gone).numpy().astype(float))


def taken_out(
    found: Sequence[tuple[str, tuple[str, ...]]], keys: Sequence[str], reference: str | None
) -> np.ndarray:
    """(1 + K, E): 0, or `OUT` where a state takes a key out.

    A damaged source takes itself and the joint key out; one that was changed (a veil, a gain) the hardened
    key as well, which knows only the veils and gains that were planted. Another date takes out all but the
    declared reference; without one, nobody knows which of two is wrong: the keys that read both are out.

    >>> taken_out([("changed", ("sar",))], ["optical", "sar", "joint", "null"], None)[1].tolist()
    [0.0, -30.0, -30.0, 0.0]
    """
    out = np.zeros((len(found) + 1, len(keys)))
    for k, (kind, who) in enumerate(found):
        for e, key in enumerate(keys):
            if kind != ELSEWHERE:
                gone = key in (*who, JOINT) or (kind == CHANGED and key == HARDENED)
            elif reference is not None:
                gone = key != reference
            else:
                gone = key in (JOINT, HARDENED) or who == (key,)
            out[k + 1, e] = OUT if gone else 0.0
    return out
