"""`find`: which scenes show what the query image shows, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from ...attention import TopK
from ...errors import InputError
from ...reading import Reading
from .measures import average_precision, overlap
from .model import PatchClassifier
from .reading import AT_ONCE, ask, cell_names
from .rivals import class_token
from .tokens import as_images, check_transform, patch_centres, truth_patches


@dataclass(frozen=True)
class Found:
    """Scenes in the order of how much of the query they show, and where.

    Attributes
    ----------
    order : (S,) int
        Scene numbers, best first.
    scores : (S,) float
        In scene order: the query's logit (0: none of it).
    maps : (S, P)
        In scene order: what each patch adds to the score.
    places : (S, 2)
        Centre of the leading patch, (x, y) in pixels or in the transform's coordinates.
    query : dict of str to float
        What the query image is taken for: the probabilities of the classes.
    reading : Reading or None
        The weights of the query over the cells of each scene (``method="tied"``).
    names : (S,) str
    """

    order: np.ndarray
    scores: np.ndarray
    maps: np.ndarray
    places: np.ndarray
    query: dict[str, float]
    reading: Reading | None
    names: tuple[str, ...]

    def table(self, top: int = 10):
        """The first scenes: a DataFrame with rank, scene, score and place."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "rank": n + 1,
                    "scene": self.names[i],
                    "score": float(self.scores[i]),
                    "x": float(self.places[i, 0]),
                    "y": float(self.places[i, 1]),
                }
                for n, i in enumerate(self.order[:top])
            ]
        )

    def precision(self, relevant: Sequence[bool]) -> float:
        """Average precision of the ranking, given which scenes show the same landmark."""
        return average_precision(self.scores, np.asarray(relevant, bool))

    def overlap(self, landmark: np.ndarray, relevant: Sequence[bool], *, patch: int) -> float:
        """Mean intersection over union of the top k patches and the landmark's k, over relevant scenes.

        Parameters
        ----------
        landmark : (S, H, W) bool
        relevant : (S,) bool
        patch : int
        """
        truth = truth_patches(landmark, patch)
        rows = np.asarray(relevant, bool) & truth.any(1)
        return float(overlap(self.maps[rows], truth[rows]).mean()) if rows.any() else float("nan")


def find(
    query_image: Any,
    scenes: Any,
    *,
    model: PatchClassifier,
    transform: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> Found:
    """Rank scenes by how much of the query image's landmark they show, and say where.

    The query image is read once: its class probabilities ``p`` mix the class queries into one,
    ``q = sum_c p_c w_c``; that query is then read over the tokens of every scene, its evidence being weight
    and value at once.

    Parameters
    ----------
    query_image : array (H, W[, bands])
    scenes : array (S, H, W[, bands])
        May be larger than the query image (``method="tied"``).
    model : PatchClassifier
    transform : 6 floats, optional
        As in `locate`, common to the scenes.
    names : sequence of str, optional
        Of the scenes.

    Returns
    -------
    Found

    Raises
    ------
    InputError
        For images that do not fit the model.

    Examples
    --------
    >>> from heedful.perceive.locate import PatchClassifier, find, make_scenes
    >>> scenes = make_scenes(64, kinds=("ring", "cross"), seed=0)
    >>> model = PatchClassifier(iterations=3, polish=0, taught=8, channels=(4, 4, 8, 8, 8))
    >>> model = model.fit(scenes.images, scenes.labels)
    >>> find(scenes.images[0], scenes.images[1:9], model=model).table(2)["rank"].tolist()
    [1, 2]
    """
    one = np.asarray(query_image)
    if one.ndim not in (2, 3):
        raise InputError(f"the query image has shape {one.shape}; (H, W) or (H, W, bands) was expected")
    p = torch.from_numpy(model.predict_proba(one[None]))[0]
    pixels = as_images(scenes, patch=model.patch)
    names = tuple(names) if names is not None else tuple(f"scene {i}" for i in range(len(pixels)))
    if len(names) != len(pixels):
        raise InputError(f"{len(names)} names for {len(pixels)} scenes")
    x = model.prepare(pixels)
    with torch.no_grad():
        scores, maps, r, tokens = (_tied if model.method == "tied" else _plain)(model, p[None], x)
    scores, maps = scores[:, 0], maps[:, 0]
    reading = None
    if r is not None:
        reading = Reading(
            r,
            queries=["query image"],
            keys=cell_names(*tokens.shape[2:]),
            lead=("scene",),
            unit="logit",
            title="Where the query image's landmark is found",
        )
        reading.data = reading.data.assign_coords(scene_name=("scene", np.array(names, dtype=object)))
    rows, cols = pixels.shape[1] // model.patch, pixels.shape[2] // model.patch
    centres = patch_centres(
        rows, cols, model.patch, None if transform is None else check_transform(transform)
    )
    return Found(
        np.argsort(-scores, kind="stable"),
        scores,
        maps,
        centres[maps.argmax(1)],
        {str(c): float(v) for c, v in zip(model.classes_, p, strict=True)},
        reading,
        names,
    )


def mean_average_precision(model, queries, query_labels, scenes, labels, landmark=None) -> dict[str, float]:
    """Retrieval over many queries: mAP of the read, of the mean token's cosine, and by chance; the overlap.

    Parameters
    ----------
    model : PatchClassifier
    queries, query_labels : images and their classes
    scenes, labels : images and their classes ("none" where they show no landmark)
    landmark : (S, H, W) bool, optional
        For the overlap.

    Returns
    -------
    dict
        ``mAP``, ``mAP of the mean token`` (the same stem without the read), ``chance`` (share of relevant
        scenes), ``overlap``.
    """
    labels, query_labels = np.asarray(labels), np.asarray(query_labels)
    relevant = labels == query_labels[:, None]
    p = torch.from_numpy(model.predict_proba(queries))
    x = model.prepare(scenes)
    with torch.no_grad():
        scores, maps, _, tokens = _tied(model, p, x) if model.method == "tied" else _plain(model, p, x)
        found = {
            "mAP": np.mean([average_precision(scores[:, i], r) for i, r in enumerate(relevant)]),
            "chance": relevant.mean(),
        }
        if tokens is not None:
            asked = torch.cat(
                [model.net_.tokens(part).mean((2, 3)) for part in model.prepare(queries).split(AT_ONCE)]
            )
            pooled = tokens.mean((2, 3))
            centre = pooled.mean(0)
            cosine = normalize(asked - centre, dim=1) @ normalize(pooled - centre, dim=1).T
            found["mAP of the mean token"] = np.mean(
                [average_precision(c, r) for c, r in zip(cosine.numpy(), relevant, strict=True)]
            )
    if landmark is not None:
        truth = truth_patches(landmark, model.patch)
        each = [
            overlap(maps[rows, i], truth[rows]).mean()
            for i, r in enumerate(relevant)
            if (rows := r & truth.any(1)).any()
        ]
        found["overlap"] = np.mean(each)
    return {name: float(value) for name, value in found.items()}


def _tied(model, p, x):
    """Scores (S, Q), maps (S, Q, P), the reads and the tokens, for class mixtures p (Q, C)."""
    net = model.net_
    tokens = torch.cat([net.tokens(part) for part in x.split(AT_ONCE)])
    query = p @ torch.cat([net.evidence.weight.flatten(1), net.evidence.bias[:, None]], 1)
    weights, each, maps, _ = ask(net, query, tokens, model.patch)
    _, r = weights.read(None, [TopK(min(8, each.shape[1]))])
    return (each.sum(1) + p @ net.bias).numpy(), maps.numpy(), r, tokens


def _plain(model, p, x):
    logits = torch.cat([model.net_(part) for part in x.split(AT_ONCE)])
    maps = class_token(model.net_, x)["attention"].numpy()
    return (logits @ p.T).numpy(), np.repeat(maps[:, None], len(p), 1), None, None
