"""The stress table: damage that is planted, so that it is known, against what the weights say and what it
costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...errors import InputError
from ...learn import progress
from ...trust.stability import mean_interval
from .claims import paired_interval
from .evidence import JOINT
from .gate import HARDENED
from .model import Arbitration, SourceArbiter
from .plant import RELATED, corrupt
from .tokens import Scene

STACKS = {JOINT: "stack", HARDENED: "hardened stack"}


def quality(z: np.ndarray, y: np.ndarray, at: np.ndarray, classes: np.ndarray | None) -> float:
    """Accuracy of the largest z; or R2, within an area."""
    if classes is not None:
        return float((classes[z.argmax(-1)] == y)[at].mean())
    return float(1 - ((z[..., 0] - y)[at] ** 2).mean() / max(y[at].var(), 1e-12))


def stress(
    arbiter: SourceArbiter,
    scene: Scene,
    *,
    corruptions: Sequence[str] | None = None,
    seed: int = 0,
    draws: int = 1,
) -> pd.DataFrame:
    """Plant each corruption on a labelled scene and read the answer.

    Parameters
    ----------
    arbiter : SourceArbiter
        Fitted on other scenes.
    scene : Scene
        With labels, taken to be undamaged.
    corruptions : sequence of str, optional
        All of `plant.RELATED` whose kind of source the scene has.
    seed, draws : int
        Planting draws, averaged.

    Returns
    -------
    DataFrame
        One row per corruption: `trained` (a related kind was planted in training), AUROC of 1 - weight and of
        1 - reliability against the planted mask, accuracy (or R2) inside the damaged area of the arbiter,
        each
        source alone, the stack (joint expert) and the hardened stack; `cost`: the arbiter's loss against the
        undamaged scene, there; `delta`: the arbiter minus the best of the others. `attrs["undamaged"]`:
        95 % intervals of the arbiter minus either stack on the undamaged scene, over blocks of pixels.
    """
    from sklearn.metrics import roc_auc_score

    if scene.labels is None:
        raise InputError("the scene has no labels: nothing can be scored", remedy="give one with labels")
    y = scene.labels.reshape(scene.shape)
    known = np.isfinite(y) if y.dtype.kind == "f" else y >= 0
    if arbiter.classes_ is not None and y.dtype.kind == "f":
        raise InputError(
            "the labels are a quantity, the arbiter was fitted on classes", remedy="give whole numbers"
        )
    if arbiter.classes_ is None and known.any():
        f, mean = arbiter.state_, float(y[known].mean())
        if abs(mean - f.null[0]) > 20 * f.scale:
            raise InputError(
                f"the labels have a mean of {mean:.3g}, those that the arbiter was fitted on {f.null[0]:.3g}",
                remedy="give the same quantity in the same units",
            )
    trained = tuple(arbiter.kinds) if arbiter.kinds else ()
    before = arbiter.arbitrate(scene)
    rows = [_row("none (clean)", "", before, before, y, known, arbiter, None, roc_auc_score)]
    for name in progress(list(corruptions or RELATED), "stress"):
        parts = []
        for d in range(draws):
            try:
                bad, masks = corrupt(
                    scene,
                    name,
                    seed + d,
                    kinds=dict(arbiter.sources) if isinstance(arbiter.sources, dict) else None,
                )
            except InputError:
                if corruptions is not None:
                    raise
                break  # the scene has no source of that kind
            mark = "yes" if not trained or set(RELATED[name]) & set(trained) else "never"
            parts.append(
                _row(name, mark, arbiter.arbitrate(bad), before, y, known, arbiter, masks, roc_auc_score)
            )
        if parts:
            mean = {
                k: np.mean([p[k] for p in parts]) if isinstance(v, float) else v for k, v in parts[0].items()
            }
            rows.append(mean)
    frame = pd.DataFrame(rows)
    frame.attrs["undamaged"] = {
        name: paired_interval(_gain(before, key, y, known, arbiter.classes_), seed=seed)
        for key, name in STACKS.items()
        if key in before.keys
    }
    frame.attrs["reference"] = arbiter.date_reference
    frame.attrs["measure"] = "R2" if arbiter.classes_ is None else "accuracy"
    others = [c for c in frame.columns if c.endswith("alone") or c in ("stack", "hardened stack")]
    frame["best other"] = frame[others].max(axis=1)
    frame["delta"] = frame["arbiter"] - frame["best other"]
    return frame


def _gain(a: Arbitration, key: str, y: np.ndarray, known: np.ndarray, classes) -> np.ndarray:
    """The arbiter's quality minus a key's by pixel (H, W), whose mean is the difference; NaN = unlabelled."""
    other = a.opinions[..., a.keys.index(key), :]
    if classes is None:
        gain = ((other[..., 0] - y) ** 2 - (a.z[..., 0] - y) ** 2) / max(y[known].var(), 1e-12)
    else:
        right = [(classes[z.argmax(-1)] == y).astype(float) for z in (a.z, other)]
        gain = right[0] - right[1]
    return np.where(known, gain, np.nan)


def over_kinds(difference: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean over kinds of damage (K,), resampling kinds; NaN = not scored."""
    return mean_interval(difference[np.isfinite(difference)], seed=(seed, 12))


def _row(
    name: str, trained: str, a: Arbitration, before: Arbitration, y, known, arbiter, masks, auroc
) -> dict:
    bad = known if masks is None else np.logical_or.reduce(list(masks.values())) & known
    classes = arbiter.classes_
    row: dict = {
        "corruption": name,
        "trained": trained,
        "source": "",
        "AUROC weight": np.nan,
        "AUROC reliability": np.nan,
    }
    for s in a.sources:
        if masks is not None and masks[s].any() and not masks[s].all():
            row["source"] = s
            row["AUROC weight"] = float(auroc(masks[s].ravel(), -a.admitted(s).ravel()))
            if s in a.reliability:
                row["AUROC reliability"] = float(auroc(masks[s].ravel(), -a.reliability[s].ravel()))
    row["arbiter"] = quality(a.z, y, bad, classes)
    for i, k in enumerate(a.keys):
        if k in a.sources:
            row[f"{k} alone"] = quality(a.opinions[..., i, :], y, bad, classes)
        elif k in (JOINT, HARDENED):
            row[STACKS[k]] = quality(a.opinions[..., i, :], y, bad, classes)
    row["cost"] = quality(before.z, y, bad, classes) - row["arbiter"]
    return row
