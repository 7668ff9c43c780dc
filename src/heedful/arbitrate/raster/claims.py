"""What the arbiter's picture asserts, and its test: damage planted into the very scene that is shown.

The claim is "where a source is damaged, the weights leave it". With five keys an exchange of their
contents has too
few outcomes to test it; planting has not: the damage is known, no labels are needed, and the null moves
the mask over the scene, so that smoothness on both sides is kept.
"""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...trust import Verdict
from .model import SourceArbiter
from .plant import RELATED, corrupt
from .tokens import Scene

QUICK = ("cloud", "wrong date", "interference")


def claims(
    arbiter: SourceArbiter, scene: Scene, *, level: str = "quick", seed: int = 0, side: int = 192
) -> list[Verdict]:
    """Plant damage in the middle of a scene and see whether the weights leave it.

    Parameters
    ----------
    arbiter : SourceArbiter
    scene : Scene
        Labels are not needed.
    level : {"quick", "full"}
        Three kinds of damage, or all of `plant.RELATED`.
    side : int
        Side of the part that is used, pixels.

    Returns
    -------
    list of Verdict
        *supported*: AUROC above .7, and above 95 % of those for the mask moved in a circle over the scene.
    """
    h, w = scene.shape
    if scene.points or min(h, w) < 32:
        return []
    top, left, k = max((h - side) // 2, 0), max((w - side) // 2, 0), min(side, h, w)
    part = scene.window(slice(top, top + k), slice(left, left + k))
    kinds = dict(arbiter.sources) if isinstance(arbiter.sources, dict) else None
    silent = [n for n, x in part.sources.items() if np.isfinite(x).all(1).mean() < 0.1]
    if silent:
        said, why = "the weight leaves what is damaged", f"{silent[0]} has no data in the middle of the scene"
        return [Verdict(said, "not testable", 0.0, None, None, k * k, "", reason=why)]
    made = []
    for name in QUICK if level == "quick" else RELATED:
        try:
            bad, masks = corrupt(part, name, seed, kinds=kinds)
        except InputError:
            continue  # the scene has no source of that kind
        answer = arbiter.arbitrate(bad)
        s = next(s for s in masks if masks[s].any())
        said = f"the weight leaves {s} where {name} was planted"
        found, null = moved_mask(masks[s], -answer.admitted(s), seed=seed)
        p = float((1 + (null >= found).sum()) / (1 + len(null)))
        made.append(
            Verdict(
                said,
                "supported" if found > 0.7 and p <= 0.05 else "not supported",
                found - 0.5,
                None,
                p,
                int(masks[s].size),
                f"{np.median(null):.2f} for the same mask elsewhere",
                measure="AUROC of the weight",
                origin=0.5,
                items="pixels",
            )
        )
    return made


def moved_mask(mask: np.ndarray, score: np.ndarray, *, draws: int = 199, seed: int = 0):
    """AUROC of a score against a mask (H, W), and of the same mask moved in circles over the image.

    Examples
    --------
    >>> m = np.zeros((20, 20), bool); m[3:9, 4:12] = True
    >>> found, null = moved_mask(m, m.astype(float), draws=49)
    >>> found, bool(null.max() < 1)
    (1.0, True)
    """
    from scipy.stats import rankdata

    rank = rankdata(score).reshape(mask.shape)
    n, size = int(mask.sum()), mask.size
    auroc = lambda m: float((rank[m].sum() - n * (n + 1) / 2) / (n * (size - n)))  # noqa: E731
    rng = np.random.default_rng([seed, 14])
    h, w = mask.shape
    moves = [
        (int(rng.integers(h // 8, h - h // 8)), int(rng.integers(w // 8, w - w // 8))) for _ in range(draws)
    ]
    return auroc(mask), np.array([auroc(np.roll(mask, m, (0, 1))) for m in moves])


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
