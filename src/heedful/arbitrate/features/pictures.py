"""Weights and contributions of patients as pictures: data, not drawings."""

from __future__ import annotations

import numpy as np

from ...reading import pictures as pic
from .answer import FeatureAnswer
from .claims import signal_table
from .model import FeatureArbiter


def sources(arbiter: FeatureArbiter) -> pic.Table:
    """What the permutation null says of each source."""
    return pic.Table("Which sources matter, against shuffled labels", signal_table(arbiter))


def patient(answer: FeatureAnswer, i: int, name: str = "") -> pic.Waterfall:
    """One patient: weight x log-odds of every key; they add up to the answer exactly."""
    parts = answer.contributions()[i]
    order = np.argsort(-np.abs(parts))
    return pic.Waterfall(
        f"Patient {name or i}",
        [f"{answer.keys[k]} (weight {answer.weights[i, k]:.2f})" for k in order],
        parts[order],
        start=0.0,
        end_label="log-odds",
        unit="log-odds",
        caption="weight x opinion of each key",
    )


def by_source(answer: FeatureAnswer) -> pic.Bars:
    """Mean absolute part of each source in the answers, its part of the joint expert included."""
    size = np.abs(answer.by_source).mean(0)
    order = np.argsort(-size)
    weights = np.array([answer.weights[:, answer.keys.index(answer.sources[k])].mean() for k in order])
    return pic.Bars(
        "How much each source moves the answers",
        [answer.sources[k] for k in order],
        size[order],
        weights=weights,
        unit="log-odds, mean absolute",
        caption="the bar is the source's own part and its linear part of the joint expert; the weight "
        "beside it is its own key's",
    )


def along_context(
    arbiter: FeatureArbiter, answer: FeatureAnswer, values: np.ndarray, name: str
) -> pic.Curves | pic.Matrix:
    """Weights along a context column; by value where it holds words."""
    if name in arbiter.coding_.values:
        kinds = arbiter.coding_.values[name]
        shown = [i for i in range(len(answer.keys)) if answer.weights[:, i].max() > 0.05]
        mean = np.stack([answer.weights[np.asarray(values).astype(str) == v].mean(0)[shown] for v in kinds])
        return pic.Matrix(
            f"Whom the class query believes, by {name}",
            mean,
            kinds,
            [answer.keys[i] for i in shown],
            row_label=name,
            unit="mean weight",
        )
    order = np.argsort(values, kind="stable")
    shown = [k for i, k in enumerate(answer.keys) if answer.weights[:, i].max() > 0.05]
    return pic.Curves(
        f"Whom the class query believes, along {name}",
        values[order],
        {k: answer.weights[order, answer.keys.index(k)] for k in shown},
        x_label=name,
        y_label="weight",
    )
