"""Pictures of a fill: the slice with its sources, the interval, the mix, tissue shares."""

from __future__ import annotations

import numpy as np

from ...reading import pictures as pic
from . import mix
from .filling import Filling, Part

WINDOW = (-160.0, 240.0)  # HU, the soft-tissue window
PIXELS = 600  # clickable pixels of a slice at most
VIEW = 256  # pixels shown of a slice at most, around the holes


def filled_slice(filling: Filling, z: int, *, tissue=None, names=None, verdict=None, seed: int = 0):
    """The filled slice: width of the interval over it, holes outlined, sources on click."""
    parts = [p for p in filling.parts if p.z == z]
    hidden = filling.hidden[z]
    spot = _spot(hidden)
    corner = np.array([spot[0].start, spot[1].start])
    width = np.where(hidden, filling.high[z] - filling.low[z], np.nan)
    outlines = {"filled": hidden[spot]}
    if tissue is not None:
        for t in np.unique(tissue[z][hidden])[:4]:
            outlines[(names or {}).get(int(t), f"label {int(t)}")] = (tissue[z] == t)[spot]
    at, source, weight = _clickable(parts, seed)
    inside = (
        (source >= 0).all(-1) & (source >= corner).all(-1) & (source < corner + width[spot].shape).all(-1)
    )
    sources = (
        {
            "pixel": at - corner,
            "source": np.where(inside[..., None], source - corner, -1),
            "weight": weight,
        }
        if len(at)
        else None
    )
    image = np.where(np.isfinite(filling.hu[z]), filling.hu[z], mix.LOW)
    routes = ", ".join(sorted({"its neighbours" if p.route == "volume" else "its own plane" for p in parts}))
    return pic.Slice(
        f"Slice {z}, filled from {routes}",
        image[spot],
        overlay=width[spot],
        overlay_label=f"width of the {filling.level:.0%} interval, HU",
        outlines=outlines,
        sources=sources,
        window=WINDOW,
        unit="HU",
        verdict=verdict,
        caption="Click a filled voxel to see the visible voxels that it asked, and their weights.",
    )


def _spot(hidden):
    """The part of the slice that is shown: the holes and room around them, up to 256 pixels."""
    rows, cols = np.nonzero(hidden)
    found = []
    for values, size in ((rows, hidden.shape[0]), (cols, hidden.shape[1])):
        length = min(max(VIEW, values.max() - values.min() + 32), size)
        start = int(np.clip((values.min() + values.max() - length) // 2, 0, size - length))
        found.append(slice(start, start + int(length)))
    return tuple(found)


def _clickable(parts: list[Part], seed):
    at, source, weight = [], [], []
    rng = np.random.default_rng(seed)
    for part in parts:
        if part.sources is None:
            continue
        pixels = np.argwhere(part.hidden)
        place, w, _ = part.sources.read(8)
        pick = np.arange(len(pixels))
        if len(pick) > PIXELS // len(parts):
            pick = np.sort(rng.choice(pick, PIXELS // len(parts), replace=False))
        pad = 8 - place.shape[1]
        at.append(pixels[pick])
        source.append(np.pad(place[pick], ((0, 0), (0, pad), (0, 0)), constant_values=-1))
        weight.append(np.pad(w[pick], ((0, 0), (0, pad))))
    if not at:
        return np.zeros((0, 2), int), np.zeros((0, 8, 2), int), np.zeros((0, 8))
    return np.concatenate(at), np.concatenate(source), np.concatenate(weight)


def before_after(damaged, filling: Filling, z: int):
    """The slice as it came, and filled."""
    spot = _spot(filling.hidden[z])
    tone = lambda image: np.clip(np.nan_to_num(image, nan=WINDOW[0]), *WINDOW)[spot]  # noqa: E731
    return pic.Swipe(
        f"Slice {z}, before and after",
        tone(np.where(filling.hidden[z], WINDOW[0], damaged[z])),
        tone(filling.hu[z]),
        left_label="as it came",
        right_label="filled",
        unit="HU",
    )


def mixture(part: Part):
    """What each reconstruction weighs in the fill of a slice."""
    error = part.calibration.error
    caption = (
        "Shipped weights."
        if error is None
        else (
            "Learned at re-hidden places of this slice; root mean square errors there: "
            + ", ".join(f"{e} {x:.0f} HU" for e, x in zip(mix.EXPERTS, error, strict=True))
            + "."
        )
    )
    return pic.Bars(
        f"Slice {part.z}: what the fill is mixed from",
        list(mix.EXPERTS),
        part.calibration.weights,
        caption=caption,
    )


def tissue_shares(frame):
    """Share of the weight by tissue of hole and of source, marked where above the area's share."""
    wide = frame.pivot_table(index="hole in", columns="source in", values="share of weight", fill_value=0.0)
    area = frame.pivot_table(index="hole in", columns="source in", values="share of area", fill_value=0.0)
    return pic.Matrix(
        "Where the sources lie",
        wide.to_numpy(),
        list(wide.index),
        list(wide.columns),
        marks=wide.to_numpy() > area.reindex_like(wide).to_numpy(),
        row_label="hole in",
        column_label="sources in",
        caption="Marked: more than the tissue's share of the area.",
    )
