"""A scene as a whole, before any of its pixels is judged: shares of the states, and its own level.

Land that was not trained on looks a little strange everywhere, and EM takes a little evidence in every pixel
for damage in every pixel. So where a source would be damaged in most of a scene, the scene's own median is
taken for undamaged and damage is judged relative to it: what covers less than half of a scene can still be
told from strange land. Another date is not counted: it shows in how the sources fit each other, not in
either of them, and may well be that of the whole scene.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .states import ELSEWHERE, USUAL, States

UNFAMILIAR = "all of it unlike the training scenes"  # a key of `Outlook.rate`
MOSTLY = 0.6, 0.8  # claimed damage from which a scene is levelled, and wholly: EM claims up to twice of it
FAMILIAR = 0.05  # least share of undamaged pixels in a scene of which damage can be told
BELIEVED = 0.2  # else this much of what the states say


@dataclass(frozen=True)
class Outlook:
    """A scene as a whole.

    Attributes
    ----------
    rate : dict of str to float
        Share of the scene in each state.
    level : dict of str to float
        How far the scene's median lies from the training scenes', by column of the evidence; empty where
        the scene is as familiar as the training scenes.
    """

    rate: dict[str, float]
    level: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, states: States, e: np.ndarray, names: list[str]) -> Outlook:
        """From the evidence (n, K) of pixels that stand for the scene, and the names of its columns."""
        rate, level = states.rates(states.log_posterior(e)), {}
        own = sum(r for (kind, _), r in zip(states.found, rate[1:], strict=True) if kind != ELSEWHERE)
        share = np.clip((own - MOSTLY[0]) / (MOSTLY[1] - MOSTLY[0]), 0.0, 1.0)
        if len(e) and share > 0:
            level = {names[c]: float(share * x) for c, x in states.level(e).items() if x > 0}
            moved = cls({}, level).levelled(e, names)
            rate = states.rates(states.log_posterior(moved))
        if rate[0] >= FAMILIAR:
            return cls(dict(zip(states.labels, rate[1:].tolist(), strict=True)), level)
        # damage everywhere, or other land than was trained on: nobody can tell, so little is made of it
        return cls(dict.fromkeys(states.labels, USUAL) | {UNFAMILIAR: float(1 - rate[0])}, level)

    @classmethod
    def given(cls, rate: Mapping[str, float] | Outlook) -> Outlook:
        """From shares that the caller knows."""
        return rate if isinstance(rate, Outlook) else cls(dict(rate))

    def levelled(self, e: np.ndarray, names: list[str]) -> np.ndarray:
        """Evidence (..., K) relative to the scene's own median."""
        if not self.level:
            return e
        return e + np.array([self.level.get(n, 0.0) for n in names], e.dtype)

    def believed(self, p: np.ndarray) -> np.ndarray:
        """Posteriors (n, 1 + states), drawn to undamaged where nobody can tell."""
        if not self.rate.get(UNFAMILIAR):
            return p
        out = BELIEVED * p
        out[:, 0] += 1 - BELIEVED
        return out

    def notes(self) -> list[str]:
        """In words."""
        said = [f"about {r:.0%} of the scene: {state}" for state, r in self.rate.items() if r > 0.02]
        if self.level:
            said.append(
                f"a source would be damaged in over {MOSTLY[0]:.0%} of the scene, so it is more likely other "
                "land than was trained on: damage was judged relative to the scene's own median"
            )
        return said

    def to_json(self) -> str:
        return json.dumps({"rate": self.rate, "level": self.level})

    @classmethod
    def from_json(cls, text: str) -> Outlook:
        """What `to_json` wrote (the tag `outlook` of a written answer)."""
        return cls(**json.loads(text))


def probes(height: int, width: int, side: int = 128) -> list[tuple[slice, slice]]:
    """Where the scene's mismatch rate is estimated: everywhere in a small scene, else 16 fixed windows.

    >>> len(probes(300, 300)), len(probes(10980, 10980))
    (1, 16)
    """
    if height * width <= 512 * 512:
        return [(slice(0, height), slice(0, width))]
    at = lambda n: [int(i * (n - min(side, n)) / 3) for i in range(4)]  # noqa: E731
    return [
        (slice(i, min(i + side, height)), slice(j, min(j + side, width)))
        for i in at(height)
        for j in at(width)
    ]


def seen_in(e: np.ndarray, every: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
    """Every second pixel of a window that has data in all sources: rows of evidence (n, K)."""
    return e[window][::2, ::2][every[window][::2, ::2]]
