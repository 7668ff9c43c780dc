"""The class query's weights as a `Weights` operator over patients and keys, and as a labelled `Reading`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...attention import EffectiveKeys, Entropy, Gate, TopK, Weights
from .answer import FeatureAnswer
from .model import FeatureArbiter


def weights_of(arbiter: FeatureArbiter, answer: FeatureAnswer) -> Weights:
    """Patients x keys: query = the context's basis, key = what the gate learned, prior = its bias;
    float64."""
    g = arbiter.gate_
    return Weights(
        np.asarray(answer.phi, np.float64),
        np.asarray(g.keys, np.float64),
        [Gate(np.asarray(g.bias, np.float64))],
        scale=1.0,
    )


def read(
    arbiter: FeatureArbiter, X: pd.DataFrame, patients: Sequence[str] | None = None
) -> tuple[Any, FeatureAnswer]:
    """A labelled reading, with the answer.

    Returns
    -------
    reading : Reading
        Queries are patients, keys are the sources, joint, forest and null.
    answer : FeatureAnswer
    """
    from ...reading import Reading

    answer = arbiter.arbitrate(X)
    w = weights_of(arbiter, answer)
    _, r = w.read(None, [TopK(len(answer.keys)), Entropy(), EffectiveKeys()])
    names = [str(p) for p in (patients if patients is not None else range(len(answer.z)))]
    return Reading(r, queries=names, keys=list(answer.keys)), answer
