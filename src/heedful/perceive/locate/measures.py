"""Did it point at the landmark? The measures of a map of importance over patches, and their chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...errors import InputError
from .rivals import CHUNK, blank


def precision_at_k(maps: np.ndarray, truth: np.ndarray, k: int | None = None) -> np.ndarray:
    """Share of the top patches that are the landmark's, (N,).

    Parameters
    ----------
    maps : (N, P)
        Importance.
    truth : (N, P) bool
        The landmark's patches.
    k : int, optional
        How many top patches; as many as the landmark has, image by image, by default. All of them where there
        are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> precision_at_k(np.array([[.5, .3, .2, 0]]), np.array([[True, False, True, False]])).tolist()
    [0.5]
    """
    maps, truth = _pair(maps, truth)
    order = np.argsort(-maps, axis=1, kind="stable")
    hits = np.take_along_axis(truth, order, 1).cumsum(1)
    counts = truth.sum(1) if k is None else np.full(len(truth), min(k, maps.shape[1]))
    return hits[np.arange(len(maps)), counts - 1] / counts


def pointing(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether the single top patch is the landmark's, (N,) bool.

    Source: J. Zhang et al., "Top-down neural attention by excitation backprop", ECCV 2016 (pointing game).
    """
    maps, truth = _pair(maps, truth)
    return truth[np.arange(len(maps)), maps.argmax(1)]


def mass_on(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Share of the positive importance that lies on the marked patches, (N,); 0 where none is positive."""
    maps, truth = _pair(maps, truth, empty=True)
    positive = np.clip(maps, 0, None)
    total = positive.sum(1)
    return np.divide((positive * truth).sum(1), total, out=np.zeros(len(maps)), where=total > 0)


def overlap(maps: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Intersection over union of the landmark's k patches and the map's top k, (N,)."""
    p = precision_at_k(maps, truth)
    return p / (2 - p)  # both sets have k members: |A & B| = p k, |A | B| = (2 - p) k


def chance(truth: np.ndarray) -> float:
    """Expected precision, pointing and mass of a map that knows nothing: the landmark's share of the area."""
    return float(np.asarray(truth).mean())


def permutation_p(
    maps: np.ndarray, truth: np.ndarray, *, measure=mass_on, rounds: int = 999, seed: int = 0
) -> float:
    """One-sided p: is the measure greater than for the same maps against *other images'* landmarks?

    Permuting whole truths keeps both the maps' and the landmarks' habits (a liking for the middle, sizes), so
    a centre bias that both share earns nothing. p = (1 + exceedances) / (1 + rounds).
    """
    maps, truth = _pair(maps, truth)
    rng = np.random.default_rng(seed)
    seen = measure(maps, truth).mean()
    null = [measure(maps, truth[rng.permutation(len(truth))]).mean() for _ in range(rounds)]
    return float((1 + np.sum(np.asarray(null) >= seen)) / (1 + rounds))


def deletion(model, X, classes: Sequence[int], maps: np.ndarray, *, most: int = 5) -> dict[str, np.ndarray]:
    """What is left of the answer once a map's top patches are replaced by the image's mean colour.

    Parameters
    ----------
    model : PatchClassifier
    X : images (N, H, W, bands)
    classes : (N,) int
        The class numbers that are to be destroyed.
    maps : (N, P)
    most : int
        Up to how many patches are blanked: all of them where there are fewer.

    Returns
    -------
    dict
        ``probability``: (N,) mean of the class's probability over 1..``most`` blanked patches (the area
        under the deletion curve: lower is better); ``correct``: (N,) bool, whether the class still wins
        after ``most``. Where there is one class alone, it is set against "no landmark".

    Source: V. Petsiuk, A. Das, K. Saenko, "RISE", BMVC 2018 (deletion).
    """
    x, most = model.prepare(X), min(most, np.shape(maps)[1])
    order = torch.from_numpy(np.argsort(-np.asarray(maps), axis=1, kind="stable"))
    wanted = torch.as_tensor(np.asarray(classes))
    area, correct = torch.zeros(len(x)), torch.zeros(len(x), dtype=torch.bool)
    for rows in torch.arange(len(x)).split(CHUNK):
        marked = torch.zeros(len(rows), maps.shape[1], dtype=torch.bool)
        here = torch.arange(len(rows))
        for n in range(most):
            marked[here, order[rows, n]] = True
            with torch.no_grad():
                logits = model.net_(blank(x[rows], marked, patch=model.patch))
            if logits.shape[1] == 1:  # one class: its rival is the constant 0 of "no landmark"
                logits = torch.cat([logits, torch.zeros_like(logits)], 1)
            area[rows] += logits.softmax(1)[here, wanted[rows]] / most
            correct[rows] = logits.argmax(1) == wanted[rows]
    return {"probability": area.numpy(), "correct": correct.numpy()}


def average_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Mean of the precision at each relevant item of the ranking; NaN where none is relevant.

    Examples
    --------
    >>> import numpy as np
    >>> round(average_precision(np.array([3., 2., 1.]), np.array([True, False, True])), 3)
    0.833
    """
    relevant = np.asarray(relevant, bool)[np.argsort(-np.asarray(scores), kind="stable")]
    if not relevant.any():
        return float("nan")
    return float((relevant.cumsum() / np.arange(1, len(relevant) + 1))[relevant].mean())


def _pair(maps, truth, *, empty: bool = False):
    maps, truth = np.asarray(maps, float), np.asarray(truth, bool)
    if maps.shape != truth.shape or maps.ndim != 2:
        raise InputError(f"maps {maps.shape} and truth {truth.shape}; both (images, patches) were expected")
    if not empty and not truth.any(1).all():
        raise InputError(
            "an image has no landmark patch",
            where=f"image {int(np.argmin(truth.any(1)))}",
            remedy="leave it out of the measures",
        )
    return maps, truth
