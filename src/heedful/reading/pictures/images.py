"""Pictures on a grid of cells: matrices, slices with provenance, map swipes, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .base import Picture, clip, clips, pack, quantise

LARGEST_SIDE = 768  # a larger image is shown as block means, and the page says so


@dataclass(frozen=True, eq=False)
class Matrix(Picture):
    """A matrix with named rows and columns: lags, contacts, groups against groups.

    Parameters
    ----------
    values : array (R, C)
    rows, columns : sequence of str
    signed : bool
        Diverging colours around 0 instead of a magnitude scale.
    marks : bool array (R, C), optional
        Cells to be ringed: what is significant, or true.
    row_label, column_label : str

    Examples
    --------
    >>> Matrix("Lags", [[.1, .9]], ["x"], ["1", "2"], row_label="to", column_label="lag").to_dict()["values"]
    [[0.1, 0.9]]
    """

    kind: ClassVar[str] = "matrix"

    values: np.ndarray
    rows: Sequence[str]
    columns: Sequence[str]
    signed: bool = field(default=False, kw_only=True)
    marks: np.ndarray | None = field(default=None, kw_only=True)
    row_label: str = field(default="", kw_only=True)
    column_label: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        rows, columns = self._names("rows"), self._names("columns")
        values = self._array("values", len(rows), len(columns), optional=False)
        if values.size > 1_000_000:
            raise self._refuse(f"values holds {values.size} cells", "show the top keys instead: Tokens")
        marks = self._array("marks", *values.shape)
        self._set(rows=rows, columns=columns, values=values, marks=None if marks is None else marks > 0)

    def _fields(self) -> dict[str, Any]:
        marks = None if self.marks is None else pack(np.argwhere(self.marks))
        return {
            "values": pack(self.values),
            "rows": clips(self.rows),
            "columns": clips(self.columns),
            "signed": bool(self.signed),
            "marks": marks,
            "row_label": clip(self.row_label),
            "column_label": clip(self.column_label),
        }


@dataclass(frozen=True, eq=False)
class Slice(Picture):
    """A grey image with an overlay, outlines, and for single pixels where their value came from.

    Parameters
    ----------
    image : array (H, W)
        Values in ``unit``.
    overlay : array (H, W), optional
        A magnitude drawn in colour over the image; NaN is clear.
    overlay_label : str
    outlines : dict of str to bool array (H, W), optional
        Regions drawn by their edge: a lesion, a landmark, the hole.
    sources : dict, optional
        ``pixel`` (P, 2) [row, column], ``source`` (P, k, 2), ``weight`` (P, k), and where wanted
        ``contribution`` (P, k): click a pixel, see its sources. A negative row or column is 'none'.
    window : (low, high), optional
        Values shown as black and white; by default the 0.5th and 99.5th percentile.

    Examples
    --------
    >>> image = np.arange(12.0).reshape(3, 4)
    >>> s = Slice("CT", image, unit="HU", window=(0, 11), outlines={"hole": image > 8},
    ...           sources={"pixel": [[1, 1]], "source": [[[0, 0], [2, 3]]], "weight": [[.6, .4]]})
    >>> s.to_dict()["image"]["s"]
    [3, 4]
    """

    kind: ClassVar[str] = "slice"

    image: np.ndarray
    overlay: np.ndarray | None = field(default=None, kw_only=True)
    overlay_label: str = field(default="", kw_only=True)
    outlines: Mapping[str, np.ndarray] | None = field(default=None, kw_only=True)
    sources: Mapping[str, np.ndarray] | None = field(default=None, kw_only=True)
    window: tuple[float, float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        image = self._array("image", None, None, optional=False)
        outlines = {
            str(name): self._array(f"outline {clip(name, 60)!r}", *image.shape, values=mask) > 0
            for name, mask in (self.outlines or {}).items()
        }
        window = spread(image) if self.window is None else (float(self.window[0]), float(self.window[1]))
        self._set(
            image=image,
            overlay=self._array("overlay", *image.shape),
            outlines=outlines,
            window=window,
            sources=self._check_sources(image.shape),
        )

    def _check_sources(self, shape: tuple[int, ...]) -> dict[str, np.ndarray] | None:
        if self.sources is None:
            return None
        if not {"pixel", "source", "weight"} <= set(self.sources):
            raise self._refuse(
                f"sources has {sorted(self.sources)}", "give pixel (P, 2), source (P, k, 2), weight (P, k)"
            )
        upper = max(shape)
        pixel = self._index("sources pixel", None, 2, upper=upper, values=self.sources["pixel"])
        given = self.sources["source"]
        source = self._index("sources source", len(pixel), None, 2, upper=upper, values=given)
        if (pixel >= shape).any() or (source >= shape).any():
            raise self._refuse(f"a source lies outside the image {shape}", "positions are [row, column]")
        checked = {"pixel": pixel, "source": source}
        for name in ("weight", "contribution"):
            if self.sources.get(name) is not None:
                checked[name] = self._array(f"sources {name}", *source.shape[:2], values=self.sources[name])
        return checked

    def _fields(self) -> dict[str, Any]:
        step = -(-max(self.image.shape) // LARGEST_SIDE)
        overlay = None
        if self.overlay is not None:
            shown = shrink(self.overlay, step)
            overlay = quantise(shown, *_range(shown))
        return {
            "image": quantise(shrink(self.image, step), *self.window),
            "overlay": overlay,
            "step": step,
            "overlay_label": clip(self.overlay_label),
            "shape": list(self.image.shape),
            "outlines": [
                {"name": clip(name), "runs": runs(shrink(mask.astype(float), step) >= 0.5)}
                for name, mask in self.outlines.items()
            ],
            "sources": None if self.sources is None else {k: pack(v) for k, v in self.sources.items()},
        }


@dataclass(frozen=True, eq=False)
class Swipe(Picture):
    """Two images of one place under a movable divide, with layers to lay over both.

    Parameters
    ----------
    left, right : array (H, W) or (H, W, 3)
        Grey values, stretched over their 0.5th to 99.5th percentile, or colour: 0..1, or 0..255
        where they are uint8.
    left_label, right_label : str
    layers : dict of str to array (H, W), optional
        Magnitudes, per-source weights say; NaN is clear.

    Examples
    --------
    >>> s = Swipe("Scene", np.eye(4), np.ones((4, 4, 3)), left_label="cloudy", right_label="filled")
    >>> s.to_dict()["kind"]
    'swipe'
    """

    kind: ClassVar[str] = "swipe"

    left: np.ndarray
    right: np.ndarray
    left_label: str = field(kw_only=True)
    right_label: str = field(kw_only=True)
    layers: Mapping[str, np.ndarray] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        left, right = self._image("left"), self._image("right")
        if left.shape[:2] != right.shape[:2]:
            raise self._refuse(
                f"left is {left.shape[:2]} and right is {right.shape[:2]} pixels", "bring both to one grid"
            )
        layers = {
            str(name): self._array(f"layer {clip(name, 60)!r}", *left.shape[:2], values=values)
            for name, values in (self.layers or {}).items()
        }
        self._set(left=left, right=right, layers=layers)

    def _image(self, name: str) -> np.ndarray:
        given = np.asarray(getattr(self, name))
        if given.ndim == 2:
            return self._array(name, None, None)
        image = self._array(name, None, None, 3, optional=False)
        return image / 255.0 if given.dtype == np.uint8 else image

    def _fields(self) -> dict[str, Any]:
        step = -(-max(self.left.shape[:2]) // LARGEST_SIDE)

        def shown(image: np.ndarray) -> dict[str, Any]:
            small = shrink(image, step)
            return quantise(small, *(spread(small) if image.ndim == 2 else (0.0, 1.0)))

        return {
            "left": shown(self.left),
            "right": shown(self.right),
            "step": step,
            "left_label": clip(self.left_label),
            "right_label": clip(self.right_label),
            "layers": [
                {"name": clip(name), "values": quantise(shrink(values, step), *_range(values))}
                for name, values in self.layers.items()
            ],
        }


def spread(image: np.ndarray) -> tuple[float, float]:
    """Return the 0.5th and 99.5th percentile, or (0, 1) for an image with nothing in it."""
    known = image[~np.isnan(image)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, [0.5, 99.5])
    if high <= low:
        low, high = known.min(), known.max()
    return float(low), float(high if high > low else low + 1.0)


def _range(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = min(0.0, float(known.min())), float(known.max())
    return low, high if high > low else low + 1.0


def shrink(image: np.ndarray, step: int) -> np.ndarray:
    """Means over ``step`` x ``step`` blocks; a block with nothing known stays missing.

    Examples
    --------
    >>> shrink(np.array([[1.0, 3.0, np.nan]]), 2)
    array([[ 2., nan]])
    """
    if step <= 1:
        return image
    height, width = image.shape[:2]
    pad = [(0, -height % step), (0, -width % step)] + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(np.asarray(image, dtype=np.float64), pad, constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, *image.shape[2:])
    known = ~np.isnan(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def runs(mask: np.ndarray) -> list[int]:
    """Lengths of the alternating runs of a mask read row by row, starting with a run of False.

    Examples
    --------
    >>> runs(np.array([[False, True], [True, False]]))
    [1, 2, 1]
    """
    flat = np.asarray(mask, dtype=bool).ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths
