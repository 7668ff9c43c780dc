"""A seeded landscape, half under damage: does the arbiter know whom to believe?"""

from __future__ import annotations

import numpy as np

from ...reading.story import Score, Story
from .claims import claims, paired_interval
from .evidence import JOINT
from .model import SourceArbiter
from .pictures import class_weights, stress_table, swipe, why
from .plain import failures
from .plant import corrupt
from .reading import weights_of
from .scenes import CLASSES, landscape
from .stressing import stress

QUICK = ("cloud", "no-data as 0", "wrong date", "interference")


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Fit on one seeded landscape, arbitrate another under cloud, plant the stress table.

    Parameters
    ----------
    seed : int
    quick : bool
        A small scene and few trees, within 12 s of CPU; else the settings of the benchmark's rows.

    Returns
    -------
    Story
    """
    size, test = (160, 128) if quick else (320, 256)
    settings = (
        {"trees": 14, "rows": 3000, "gate_rows": 9000, "folds": 2, "passes": 3, "light": True, "block": 40}
        if quick
        else {"trees": 60, "rows": 8000, "light": True}
    )
    train, clear = landscape(size, seed=seed), landscape(test, seed=seed + 100)
    arbiter = SourceArbiter(sources=("optical", "sar"), date_reference="sar", seed=seed, **settings).fit(
        train
    )
    day = arbiter.arbitrate(clear)
    y = clear.labels[0]
    right = lambda z: (z.argmax(-1) == y).astype(float)  # noqa: E731
    alone = {s: right(day.opinions[..., day.keys.index(s), :]) for s in day.sources}
    best = max(alone, key=lambda s: alone[s].mean())
    gain = paired_interval(right(day.z) - alone[best], seed=seed)
    soil, forest = np.isin(y, (1, 2)), np.isin(y, (3, 4))
    share = day.share("sar")
    contrast = share[soil].mean() - share[forest].mean()

    bad, masks = corrupt(clear, "cloud", seed)
    answer = arbiter.arbitrate(bad, keep=True)
    cloud = masks["optical"]
    inside = np.where(
        cloud, right(answer.z) - right(answer.opinions[..., answer.keys.index(JOINT), :]), np.nan
    )
    rebuilt = np.asarray(weights_of(arbiter, answer, np.argwhere(cloud)[:50]).rows(range(50)))
    told = np.abs(rebuilt - answer.weights[cloud][:50]).max()
    frame = stress(arbiter, clear, corruptions=QUICK if quick else None, seed=seed)
    literal = failures(train, clear, seed=seed)

    i, j = (int(v) for v in np.argwhere(cloud)[len(np.argwhere(cloud)) // 2])
    notes = [
        "every weight was rebuilt by heedful.Weights from query, key and prior: largest difference "
        f"{told:.1e}",
        f"SAR's share of the answer is {share[soil].mean():.2f} on soil and "
        f"{share[forest].mean():.2f} on forest",
        "date_reference='sar': which of two dates is the right one cannot be told from a pair of images",
    ]
    notes += [f"method='plain' (the literal idea): {k} = {v:.2g}" for k, v in literal.items()]
    lost = frame.loc[frame["delta"] < -0.02, "corruption"].tolist()
    if lost:
        notes.append(
            "behind the best of each source alone, the stack and the hardened stack by over .02 under: "
            + ", ".join(lost)
        )
    return Story(
        study="raster",
        title="Whom to believe, per pixel",
        data=f"seeded landscapes, {size} px to fit and {test} px to test, 4 optical bands and SAR VV, VH; "
        "soil moisture shows in SAR alone, the kind of forest in the optical bands alone",
        headline=f"Under cloud the arbiter leaves the optical source (AUROC of its weight "
        f"{frame.loc[frame.corruption == 'cloud', 'AUROC weight'].iloc[0]:.2f}); on a clear day it is "
        "right on "
        f"{right(day.z).mean():.1%} of pixels, {best} alone on {alone[best].mean():.1%}.",
        scores=[
            Score(
                "accuracy, clear day",
                float(right(day.z).mean()),
                float(alone[best].mean()),
                f"{best} alone",
                interval=gain,
            ),
            Score(
                "accuracy, clear day",
                float(right(day.z).mean()),
                float(right(day.opinions[..., day.keys.index(JOINT), :]).mean()),
                "LightGBM on the stack",
                interval=paired_interval(right(day.z) - right(day.opinions[..., day.keys.index(JOINT), :])),
            ),
            Score(
                "accuracy under cloud",
                float(right(answer.z)[cloud].mean()),
                float(right(answer.opinions[..., answer.keys.index(JOINT), :])[cloud].mean()),
                "LightGBM on the stack",
                interval=paired_interval(inside, seed=seed),
            ),
            Score(
                "SAR's share, soil minus forest",
                float(contrast),
                0.0,
                "the same everywhere",
                interval=paired_interval_between(share, soil, forest, seed=seed),
            ),
        ],
        verdicts=claims(arbiter, clear, seed=seed, side=96 if quick else 192),
        pictures=[
            swipe(
                bad,
                answer,
                truth=cloud,
                caption="pull the divide; lay the weights over the images. The cloud was planted.",
            ),
            why(answer, i, j, list(CLASSES)),
            class_weights(day, y, list(CLASSES)),
            stress_table(frame),
        ],
        tables={"stress": frame},
        notes=notes,
    )


def paired_interval_between(
    value: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    block: int = 16,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[float, float]:
    """95 % interval of mean(value | first) - mean(value | second), resampling square blocks of pixels."""
    h, w = value.shape
    i, j = np.mgrid[:h, :w]
    owner = ((i // block) * (-(-w // block)) + j // block).ravel()
    n = owner.max() + 1
    sums = [np.bincount(owner, (value * m).ravel(), n) for m in (first, second)]
    counts = [np.bincount(owner, m.ravel().astype(float), n) for m in (first, second)]
    pick = np.random.default_rng([seed, 12]).integers(n, size=(draws, n))
    mean = [s[pick].sum(1) / np.maximum(c[pick].sum(1), 1) for s, c in zip(sums, counts, strict=True)]
    low, high = np.quantile(mean[0] - mean[1], [0.025, 0.975])
    return float(low), float(high)
