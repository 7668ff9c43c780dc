"""The reading of a fill: which visible places each hidden place asked, as ``Weights`` over all candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from . import mix
from .filling import Filling, Part
from .tokens import bank_of

CLASSES = {0: "air and lung", 1: "fat", 2: "soft tissue", 3: "bone and contrast"}
EDGES = (-300.0, -20.0, 180.0)  # HU between the classes
ROWS = 96  # hidden places read at most for one piece
UNSEEN = -60.0  # logit of a candidate that is not among a place's nearest: e^-60 of the best


@dataclass(frozen=True)
class Question:
    """Hidden places as queries, visible places as keys, and what both are made of.

    Parameters
    ----------
    weights : Weights
        (Q, K); a key that is not among a query's nearest has a weight of e^-60.
    query_at, key_at : int array, shape (Q, 2), (K, 2)
        Row and column of each place's middle.
    query_class, key_class : int array
        Tissue: from the label map, else by HU.
    key_hu : array, shape (K,)
        Mean HU of the key's middle.
    names : dict of int to str
        The tissues' names.
    labels : int array, shape (H, W)
        The slice's tissue map; told by HU, hidden pixels are what the nearest visible one is.
    share : float
        Attention's weight in the fill.
    """

    weights: object
    query_at: np.ndarray
    key_at: np.ndarray
    query_class: np.ndarray
    key_class: np.ndarray
    key_hu: np.ndarray
    names: dict[int, str]
    labels: np.ndarray
    share: float


def question(
    filling: Filling, part: Part, tissue=None, names: dict[int, str] | None = None, *, seed: int = 0
):
    """The weights of one piece of a fill over every candidate source.

    Parameters
    ----------
    filling : Filling
    part : Part
        With sources.
    tissue : int array, shape (Z, H, W), optional
        A label map; without it tissue is told by HU (of the surroundings, for hidden places).
    names : dict of int to str, optional
        Of the map's labels.
    seed : int
        Of the draw of hidden places, where there are more than 96.

    Returns
    -------
    Question
    """
    from ...attention import Weights

    image = np.clip(filling.hu[part.z], mix.LOW, mix.HIGH)
    image = np.where(np.isfinite(image), image, mix.LOW)
    closed = filling.hidden[part.z]
    rng = np.random.default_rng(seed)
    score, at, side = part.sources.score, part.sources.at, 1
    first = np.unique(part.sources.row, return_index=True)[1]  # a row's first pixel
    rows = np.arange(len(score))
    if len(rows) > ROWS:
        rows = np.sort(rng.choice(rows, ROWS, replace=False))
    pixels = np.argwhere(part.hidden)[first[rows]]
    score, source = score[rows], at[first[rows]]
    if part.asked is not None:  # tiles: a key is a window, named by the pixel that stands for this one
        side = part.asked.geometry.tile
        source = part.asked.source[rows]
        pixels = part.asked.tiles.corner[rows]
        geometry = part.asked.geometry
        bank = bank_of(
            np.where(closed, 0.0, image),
            closed | part.avoid,
            geometry,
            limit=part.asked.limit,
            floor=part.asked.floor,
            seed=part.asked.seed,
        )
        key_at = np.unique(np.concatenate([bank.corner + geometry.margin, source.reshape(-1, 2)]), axis=0)
    else:
        reach = int(
            np.abs(source[np.isfinite(score)] - np.repeat(pixels, np.isfinite(score).sum(1), 0)).max()
        )
        near = ndimage.maximum_filter(part.hidden, 2 * reach + 1) & ~closed
        key_at = np.argwhere(near)
        if len(key_at) > 6000:
            key_at = key_at[np.sort(rng.choice(len(key_at), 6000, replace=False))]
        key_at = np.unique(np.concatenate([key_at, source[np.isfinite(score)]]), axis=0)
    width = image.shape[1] + 1
    place = np.searchsorted(key_at[:, 0] * width + key_at[:, 1], source[..., 0] * width + source[..., 1])
    logits = np.full((len(rows), len(key_at)), UNSEEN)
    live = np.isfinite(score)
    r, m = np.nonzero(live)
    logits[r, place[r, m]] = np.maximum(score[r, m], UNSEEN)
    # q = identity and k = logits' transpose: the content score of query i and key j is logits[i, j]
    weights = Weights(np.eye(len(rows)), np.ascontiguousarray(logits.T), scale=1.0)
    level = ndimage.uniform_filter(image, side) if side > 1 else image
    middle = side // 2
    key_mid, query_mid = key_at + middle, np.minimum(pixels + middle, np.array(image.shape) - 1)
    key_hu = level[key_mid[:, 0], key_mid[:, 1]]
    if tissue is not None:
        labels = tissue[part.z]
        present = np.unique(labels)
        names = {int(t): (names or {}).get(int(t), f"label {int(t)}") for t in present}
        return Question(
            weights,
            query_mid,
            key_mid,
            _most(labels, part.hidden, pixels, side),
            labels[key_mid[:, 0], key_mid[:, 1]],
            key_hu,
            names,
            labels,
            part.share,
        )
    classes = np.digitize(image, EDGES)
    around = ndimage.distance_transform_edt(closed, return_distances=False, return_indices=True)
    nearest = classes[tuple(around)]
    return Question(
        weights,
        query_mid,
        key_mid,
        nearest[query_mid[:, 0], query_mid[:, 1]],
        np.digitize(key_hu, EDGES),
        key_hu,
        CLASSES,
        nearest,
        part.share,
    )


def _most(labels, hidden, corners, side):
    """The commonest label under each hidden tile."""
    found = []
    for r, c in corners:
        spot = (slice(r, r + side), slice(c, c + side))
        values, counts = np.unique(labels[spot][hidden[spot]], return_counts=True)
        found.append(values[counts.argmax()] if len(values) else labels[r, c])
    return np.array(found)


def read(filling: Filling, question_: Question, part: Part):
    """The labelled reading of a question: top sources, effective sources, how much each source is used."""
    from ...attention import Columns, EffectiveKeys, TopK
    from ...reading import Reading

    _, r = question_.weights.read(question_.key_hu[:, None], [TopK(8), EffectiveKeys(), Columns()])
    name = lambda at: [f"z {part.z}, y {y}, x {x}" for y, x in at]  # noqa: E731
    return Reading(
        r,
        queries=name(question_.query_at),
        keys=name(question_.key_at),
        unit="HU",
        title="Sources of the hidden places",
    )


def shares(filling: Filling, tissue, names: dict[int, str] | None = None):
    """Share of the sources' weight by tissue, for hidden voxels of each tissue; a DataFrame.

    Parameters
    ----------
    filling : Filling
    tissue : int array, shape (Z, H, W)
    names : dict of int to str, optional

    Returns
    -------
    DataFrame
        A row per tissue under the holes and tissue of the sources: share of the weight, area share among
        visible voxels of the same slices, voxels.
    """
    import pandas as pd

    gathered: dict[tuple[int, int], list] = {}
    visible = np.concatenate(
        [
            tissue[p.z][~filling.hidden[p.z] & (filling.hu[p.z] > -500)]
            for p in filling.parts
            if p.sources is not None
        ]
    )
    labels, counts = np.unique(visible, return_counts=True)
    area = dict(zip(labels.tolist(), (counts / counts.sum()).tolist(), strict=True))
    for part in filling.parts:
        if part.sources is None:
            continue
        share, present = part.sources.shares(tissue[part.z])
        under = tissue[part.z][part.hidden]
        for t in np.unique(under):
            for i, source in enumerate(present):
                gathered.setdefault((int(t), int(source)), []).append(share[under == t, i])
    name = lambda t: (names or {}).get(t, f"label {t}")  # noqa: E731
    rows = [
        {
            "hole in": name(t),
            "source in": name(s),
            "share of weight": float(np.concatenate(v).mean()),
            "share of area": area.get(s, 0.0),
            "voxels": len(np.concatenate(v)),
        }
        for (t, s), v in sorted(gathered.items())
    ]
    return pd.DataFrame(rows)
