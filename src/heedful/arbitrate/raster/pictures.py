"""The arbiter's maps and tables as pictures: data, not drawings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...reading import pictures as pic
from .answer import Arbitration
from .evidence import JOINT
from .gate import HARDENED, NULL
from .tokens import Scene, kind_of


def stretch(x: np.ndarray) -> np.ndarray:
    """Bands (B, H, W) as an image in 0..1: red, green, blue where there are three, else grey."""
    rgb = x[[2, 1, 0]] if x.shape[0] >= 3 else x[:1]
    rgb = np.where(np.isfinite(rgb), rgb, np.nan)
    whole = [b[np.isfinite(b)] for b in rgb]
    lo, hi = np.array([np.quantile(b, [0.02, 0.98]) if b.size else (0, 1) for b in whole]).T[..., None, None]
    image = np.clip((rgb - lo) / np.maximum(hi - lo, 1e-9), 0, 1)
    return np.moveaxis(image, 0, -1) if len(rgb) == 3 else image[0]


def swipe(
    scene: Scene,
    a: Arbitration,
    title: str = "Two views of one place, and who is believed",
    truth: np.ndarray | None = None,
    caption: str = "",
) -> pic.Swipe:
    """Optical left, radar right, with each weight, the reliabilities and the answer as layers."""
    first = next((s for s in scene.names if kind_of(s) == "optical"), scene.names[0])
    second = next((s for s in scene.names if s != first), first)
    layers = {f"weight of {k}": a.weights[..., i] for i, k in enumerate(a.keys)}
    layers |= {f"{s} intact": r for s, r in a.reliability.items()}
    layers |= {f"{s} of another date or place": m for s, m in a.mismatch.items()}
    layers["keys the answer rests on"] = a.effective_sources
    layers["answer"] = np.asarray(a.labels, float)
    if truth is not None:
        layers["planted damage"] = truth.astype(float)
    return pic.Swipe(
        title,
        stretch(scene.sources[first][0]),
        stretch(scene.sources[second][0]),
        left_label=first,
        right_label=second,
        layers=layers,
        caption=caption,
    )


def why(
    a: Arbitration,
    row: int,
    column: int,
    names: list[str] | None = None,
    *,
    origin: tuple[int, int] = (0, 0),
) -> pic.Waterfall:
    """One pixel: each key's weighted log-odds for the winning class against the runner-up; they add up.

    `origin`: row and column of the whole scene where the answer's part of it begins.
    """
    z, w = a.opinions[row, column], a.weights[row, column]
    if a.classes is None:
        value, unit, said = z[:, 0], "", "value"
    else:
        order = np.argsort(a.z[row, column])
        top, next_ = order[-1], order[-2]
        value, unit = z[:, top] - z[:, next_], "log-odds"
        label = lambda c: names[int(a.classes[c])] if names else f"class {a.classes[c]}"  # noqa: E731
        said = f"{label(top)} against {label(next_)}"
    return pic.Waterfall(
        f"Why this pixel: {said} (row {origin[0] + row}, column {origin[1] + column})",
        [f"{k} (weight {x:.2f})" for k, x in zip(a.keys, w, strict=True)],
        w * value,
        start=0.0,
        end_label="answer",
        unit=unit,
        caption="weight x opinion of each key; they add up to the answer exactly",
    )


def stress_table(frame: pd.DataFrame) -> pic.Table:
    """The stress table, rounded."""
    return pic.Table("Planted damage: what the weights say and what it costs", frame.round(3))


def class_weights(a: Arbitration, labels: np.ndarray, names: list[str]) -> pic.Matrix:
    """Who decides in each true class: the two sources' shares, or with more of them each key's weight."""
    codes = [c for c in range(len(names)) if (labels == c).any()]
    if len(a.sources) == 2:
        shown = [*a.sources, NULL]
        maps = [a.share(s) for s in a.sources] + [a.weights[..., a.keys.index(NULL)]]
        caption = "a source's own weight, and its part of the keys that read both (Shapley)"
    else:
        shown = [*(k for k in a.keys if k in a.sources), JOINT, *(k for k in (HARDENED, NULL) if k in a.keys)]
        maps = [a.weights[..., a.keys.index(k)] for k in shown]
        caption = "weights; where nothing is damaged they hardly differ between classes"
    return pic.Matrix(
        "Who decides, by class",
        np.array([[m[labels == c].mean() for m in maps] for c in codes]),
        [names[c] for c in codes],
        shown,
        row_label="class",
        column_label="source" if len(a.sources) == 2 else "key",
        caption=caption,
    )
