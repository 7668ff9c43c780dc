"""What the arbiter's picture asserts, in a form that can be tested."""

from __future__ import annotations

from typing import Any

import numpy as np

from .answer import Arbitration
from .model import SourceArbiter
from .reading import pick, weights_of
from .tokens import Scene


def claims(
    arbiter: SourceArbiter, scene: Scene, answer: Arbitration, *, pixels: int = 300, seed: int = 0
) -> list[Any]:
    """'The keys with weight are those the answer rests on', for the likeliest class of some pixels.

    The values are what each key holds for the class that is likeliest in the scene as a whole, averaged
    over the pixels: a matrix product needs one value per key.
    """
    from ...trust import Claim

    at = pick(scene, pixels, seed)
    w = weights_of(arbiter, answer, at)
    z = answer.opinions[at[:, 0], at[:, 1]]
    return [
        Claim(
            w,
            [f"row {i}, column {j}" for i, j in at],
            list(answer.keys),
            values=z.mean(0),
            name="the weights say which source the answer rests on",
        )
    ]


def paired_interval(
    difference: np.ndarray, block: int = 16, *, seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """95 % interval of the mean of a map (H, W), by resampling square blocks of pixels (neighbours are
    not independent).

    Examples
    --------
    >>> low, high = paired_interval(np.ones((64, 64)))
    >>> low, high
    (1.0, 1.0)
    """
    h, w = difference.shape
    i, j = np.mgrid[:h, :w]
    owner = (i // block) * (-(-w // block)) + j // block
    seen = np.isfinite(difference)
    total = np.bincount(owner[seen], difference[seen], owner.max() + 1)
    count = np.bincount(owner[seen], minlength=owner.max() + 1)
    use = np.flatnonzero(count)
    rng = np.random.default_rng([seed, 11])
    pick_ = rng.choice(use, (draws, len(use)))
    means = total[pick_].sum(1) / count[pick_].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
