"""The arbiter's weights as a `Weights` operator over pixels and keys, and as a labelled `Reading`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...attention import Bias, EffectiveKeys, Entropy, TopK, Weights
from ...errors import InputError
from .answer import Arbitration
from .model import SourceArbiter
from .tokens import Scene


def weights_of(arbiter: SourceArbiter, answer: Arbitration, at: np.ndarray | None = None) -> Weights:
    """The very weights of an answer as `heedful.Weights`, float64.

    Query = the pixel's evidence in the gate's basis, key = the gate's row for an expert, prior = its bias,
    the log-reliability of the sources it reads, the mismatch stage, and -inf where they have no data.

    Parameters
    ----------
    arbiter : SourceArbiter
    answer : Arbitration
        From ``arbitrate(scene, keep=True)``.
    at : int array (n, 2), optional
        Rows and columns; every pixel by default.
    """
    if answer.h is None or answer.prior is None:
        raise InputError("the answer was made without its queries", remedy="use arbitrate(scene, keep=True)")
    h = answer.h.reshape(-1, answer.h.shape[-1])
    prior = answer.prior.reshape(-1, len(answer.keys))
    if at is not None:
        flat = np.ravel_multi_index(tuple(np.asarray(at).T), answer.weights.shape[:2])
        h, prior = h[flat], prior[flat]
    keys = arbiter.state_.gate.keys
    return Weights(h.astype(np.float64), keys.astype(np.float64), [Bias(prior.astype(np.float64))], scale=1.0)


def pick(scene: Scene, n: int, seed: int = 0) -> np.ndarray:
    """n pixels (row, column) without repetition."""
    h, w = scene.shape
    chosen = np.random.default_rng([seed, 9]).permutation(h * w)[: min(n, h * w)]
    return np.stack(np.unravel_index(np.sort(chosen), (h, w)), 1)


def read(
    arbiter: SourceArbiter, scene: Scene, *, pixels: int = 400, seed: int = 0
) -> tuple[Any, Arbitration]:
    """A labelled reading of some pixels, with the answer for all.

    Returns
    -------
    reading : Reading
        Queries are pixels ('row 12, column 40'), keys are the sources, joint, hardened and null.
    answer : Arbitration
    """
    from ...reading import Reading

    answer = arbiter.arbitrate(scene, keep=True)
    at = pick(scene, pixels, seed)
    w = weights_of(arbiter, answer, at)
    _, r = w.read(None, [TopK(len(answer.keys)), Entropy(), EffectiveKeys()])
    names = [f"row {i}, column {j}" for i, j in at]
    return Reading(r, queries=names, keys=list(answer.keys)), answer
