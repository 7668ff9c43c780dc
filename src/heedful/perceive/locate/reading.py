"""`locate`: which patches an image's class rests on, where they lie, and what each is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...attention import EffectiveKeys, Graph, Mass, Moments, TopK, Weights
from ...errors import InputError
from ...reading import Reading
from .model import PatchClassifier
from .nets import CELL, TiedRead
from .tokens import as_images, check_transform, patch_centres, patch_names
from .training import per_patch

AT_ONCE = 256  # images whose weights are read together


def class_weights(net: TiedRead, tokens: torch.Tensor, query: torch.Tensor | None = None) -> Weights:
    """The tied read as ``Weights`` (B, C, h w), classes (or queries given, (Q, d + 1)) asking cells.

    The offset ``b_c`` joins the query as one more channel, against a channel of ones, so that the score
    ``e_jc = [w_c, b_c] . [t_j, 1]`` is the value too.
    """
    flat = tokens.flatten(2).transpose(1, 2)
    keys = torch.cat([flat, flat.new_ones(*flat.shape[:2], 1)], 2)
    if query is None:
        query = torch.cat([net.evidence.weight.flatten(1), net.evidence.bias[:, None]], 1)
    return Weights(query, keys, temperature=net.temperature, scale=1.0)


def ask(net: TiedRead, query: torch.Tensor | None, tokens: torch.Tensor, patch: int):
    """Weights, contributions (B, cells, Q), and per patch (B, Q, P): what lands on it, and its weight."""
    weights = class_weights(net, tokens, query)
    evidence = weights.k @ weights.q.mT  # the score is the value
    weight = (evidence / net.temperature - weights.lse()[:, None, :]).exp()
    each = weight * evidence
    landed = torch.cat(
        [
            source_weights(net, part).T @ some  # the adjoint puts it where the evidence lies
            for part, some in zip(tokens.split(AT_ONCE), each.split(AT_ONCE), strict=True)
        ]
    )
    # summed here: the read `Mass` holds a table of cells by groups, 4 GB for an image of 1024 px
    landed, mass = (
        per_patch(cells.transpose(1, 2).reshape(len(tokens), -1, *tokens.shape[2:]), patch)
        for cells in (landed, weight)
    )
    return weights, each, landed, mass


def source_weights(net: TiedRead, tokens: torch.Tensor) -> Weights:
    """The source read as ``Weights``: each cell's neighbours as keys, (B, h w, h w), over a sparse graph.

    What a cell hands on lands where the adjoint puts it: ``source.T @ contributions``.
    """
    b, _, h, w = tokens.shape
    reach, side = net.source.reach, net.source.side
    row, col = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    listener, source, kept = [], [], []
    for n in range(side**2):
        r, c = row + n // side - reach, col + n % side - reach
        inside = ((r >= 0) & (r < h) & (c >= 0) & (c < w)).flatten()
        listener.append((row * w + col).flatten()[inside])
        source.append((r * w + c).flatten()[inside])
        kept.append(n * h * w + inside.nonzero()[:, 0])
    log_share = net.source.shares(tokens).clamp_min(1e-30).log().flatten(1)[:, torch.cat(kept)]
    graph = Graph.from_edges(torch.cat(listener), torch.cat(source), n=h * w, log_weight=log_share)
    empty = tokens.new_zeros(b, h * w, 1)
    return Weights(empty, empty, [graph])


class Located(Reading):
    """A `Reading` over images, classes and cells, with what landed on each patch.

    Attributes
    ----------
    data : xarray.Dataset
        Of `Reading`: ``top_weight``, ``top_key``, ``effective_keys``, ``mass`` (weight per patch; the groups
        are patches), ``moment_mean`` (the weight's centre, x and y) and ``moment_variance`` (px^2).
        Added, per image, class and patch: ``contribution`` (in units of the logit; with ``offset`` they sum
        to ``logit``); ``patch_x``, ``patch_y``; per image ``asked`` (class number).
    """

    def maps(self) -> np.ndarray:
        """(N, P): what each patch adds to the logit of the class asked for."""
        asked = self.data["asked"].values
        if "contribution" not in self.data:
            return self.data["mass"].values[:, 0, : self.data.sizes["patch"]]
        return self.data["contribution"].values[np.arange(len(asked)), asked]

    def grid(self) -> np.ndarray:
        """(N, rows, cols): the same, laid out as the image is."""
        return self.maps().reshape(-1, *self.data.attrs["grid"])

    def table(self, k: int = 5):
        """The k leading patches of each image: a DataFrame with place, weight and contribution."""
        import pandas as pd

        maps, rows = self.maps(), []
        asked = self.data["asked"].values
        weight = self.data["mass"].values
        for i, values in enumerate(maps):
            query = min(int(asked[i]), weight.shape[1] - 1)
            for rank, patch in enumerate(np.argsort(-values, kind="stable")[:k]):
                rows.append(
                    {
                        "image": str(self.data["image_name"].values[i]),
                        "class": str(self.data["asked_name"].values[i]),
                        "rank": rank + 1,
                        "patch": str(self.data["patch_name"].values[patch]),
                        "x": float(self.data["patch_x"].values[patch]),
                        "y": float(self.data["patch_y"].values[patch]),
                        "contribution": float(values[patch]),
                        "weight": float(weight[i, query, patch]),
                        "logit": float(self.data["logit"].values[i, int(asked[i])]),
                    }
                )
        return pd.DataFrame(rows)


def locate(
    images: Any,
    query: str | Sequence[str] | None = None,
    *,
    model: PatchClassifier,
    transform: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    top: int = 8,
) -> Located:
    """Where in each image the evidence for a class lies, in one forward pass.

    Parameters
    ----------
    images : array (N, H, W[, bands])
        uint8 or float in [0, 1]; sides multiples of the model's patch. With ``method="tied"`` they may be of
        another size than those trained on.
    query : str, or one per image, optional
        The class to look for; what the model predicts by default.
    model : PatchClassifier
        Fitted.
    transform : 6 floats, optional
        ``x = a col + b row + c``, ``y = d col + e row + f`` (rasterio's order): places are then given in
        those coordinates, else in pixels from the upper left corner.
    names : sequence of str, optional
        Of the images.
    top : int
        How many cells the reading lists per image and class.

    Returns
    -------
    Located
        A `Reading`: per image and class the weights over cells, their mass per patch, and each patch's exact
        contribution to the logit. ``locate(...).table()`` lists places.

    Raises
    ------
    InputError
        For images that do not fit the model, or a class that it does not know.

    Examples
    --------
    >>> from heedful.perceive.locate import PatchClassifier, locate, make_scenes
    >>> scenes = make_scenes(64, kinds=("ring", "cross"), seed=0)
    >>> model = PatchClassifier(iterations=3, polish=0, taught=8, channels=(4, 4, 8, 8, 8))
    >>> model = model.fit(scenes.images, scenes.labels)
    >>> found = locate(scenes.images[:2], "ring", model=model)
    >>> found.maps().shape, sorted(found.table(1).columns)[:3]
    ((2, 36), ['class', 'contribution', 'image'])
    """
    pixels = as_images(images, patch=model.patch)
    if names is not None and len(names) != len(pixels):
        raise InputError(f"{len(names)} names for {len(pixels)} images")
    if transform is not None:
        transform = check_transform(transform)
    rows, cols = pixels.shape[1] // model.patch, pixels.shape[2] // model.patch
    x = model.prepare(pixels)
    with torch.no_grad():
        made = _tied(model, x, top) if model.method == "tied" else _plain(model, x, top)
    reading, logits, landed = made
    names = list(names) if names is not None else [f"image {i}" for i in range(len(pixels))]
    asked = model.indices(query, logits).numpy()
    centres = patch_centres(rows, cols, model.patch, transform)
    data = reading.data
    data["logit"] = (("image", "class"), logits.numpy())
    if landed is not None:
        data["contribution"] = (("image", "query", "patch"), landed.numpy())
        data["offset"] = (("query",), model.net_.bias.numpy())
    data["asked"] = (("image",), asked)
    data.attrs["grid"] = (rows, cols)
    if "moment_mean" in data and transform is not None:  # read in pixels, told in the map's coordinates
        a, b, c, d, e, f = transform
        x_, y_ = np.moveaxis(data["moment_mean"].values.astype(float), -1, 0)
        data["moment_mean"] = (
            ("image", "query", "quantity"),
            np.stack([a * x_ + b * y_ + c, d * x_ + e * y_ + f], -1),
        )
    coordinates = {
        "image_name": ("image", np.array(names, dtype=object)),
        "asked_name": ("image", model.classes_[asked].astype(object)),
        "class_name": ("class", model.classes_.astype(object)),
        "patch_name": ("patch", np.array(patch_names(rows, cols), dtype=object)),
        "patch_x": ("patch", centres[:, 0]),
        "patch_y": ("patch", centres[:, 1]),
    }
    reading.data = data.assign_coords(coordinates)
    return reading


def _tied(model, x, top):
    """One forward pass; the weights read through the core; contributions landed by the adjoint."""
    net = model.net_
    tokens = torch.cat([net.tokens(part) for part in x.split(AT_ONCE)])
    h, w = tokens.shape[2:]
    weights, each, landed, mass = ask(net, None, tokens, model.patch)
    places = torch.from_numpy(patch_centres(h, w, CELL)).float()
    wanted = [TopK(min(top, h * w)), EffectiveKeys(), Moments(places)]
    _, r = weights.read(None, wanted)
    reading = Located(
        r,
        queries=model.classes_.tolist(),
        keys=cell_names(h, w),
        lead=("image",),
        unit="logit",
        title="Where the class query looks",
    )
    reading.data["mass"] = (("image", "query", "group"), mass.numpy())
    patches = patch_names(h * CELL // model.patch, w * CELL // model.patch)
    reading.data = reading.data.assign_coords(group_name=("group", np.array(patches, dtype=object)))
    return reading, each.sum(1) + net.bias, landed


def _plain(model, x, top):
    """The class token's row of the last layer, head by head; the mass per patch is the mean over heads."""
    net, record = model.net_, []
    logits = net(x, record)
    q, k, _ = record[-1]
    n = k.shape[-2] - 1
    rows, cols = x.shape[2] // model.patch, x.shape[3] // model.patch
    patches = patch_names(rows, cols)
    groups = torch.cat([torch.tensor([-1]), torch.arange(n)])
    weights = Weights(q[:, :, :1], k)
    _, r = weights.read(None, [TopK(min(top, n)), EffectiveKeys(), Mass(groups, names=patches)])
    reading = Located(
        r,
        queries=["class token"],
        keys=["class token", *patches],
        lead=("image", "head"),
        title="Where the class token looks",
    )
    reading.data["mass"] = reading.data["mass"].mean("head")
    return reading, logits, None


def cell_names(h: int, w: int) -> list[str]:
    """``"x8y4"``: the cell whose upper left corner lies at 8 px across, 4 px down."""
    return [f"x{c * CELL}y{r * CELL}" for r in range(h) for c in range(w)]
