"""From rasters to tokens: one token per named source and pixel, carrying the pixel and its neighbourhood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import ndimage

from ...errors import InputError
from ...files.raster import Grid, from_xarray

RADAR_NAMES = ("sar", "s1", "sentinel1", "sentinel-1", "radar", "vv", "vh", "palsar")
OTHER_NAMES = ("dem", "dtm", "dsm", "elevation", "height", "slope", "aspect", "terrain", "temperature")


@dataclass(frozen=True)
class Scene:
    """Co-registered sources on one grid.

    Parameters
    ----------
    sources : dict of str to array (B, H, W)
        Each source's bands in its own units; NaN = no data. A table of points is ``(n, B)``. An xarray
        DataArray or Dataset may have its dimensions in any order; its grid becomes the scene's.
    labels : array (H, W), optional
        Class codes (integers; negative = unlabelled) or a measured quantity (float; NaN = unlabelled).
    bands : dict of str to sequence of str
        Band names for each source.
    transform, crs : optional
        The affine transform and the coordinate reference system, as rasterio gives them.

    Examples
    --------
    >>> s = Scene({"optical": np.ones((4, 8, 9)), "sar": np.zeros((2, 8, 9))})
    >>> s.shape, s.names
    ((8, 9), ('optical', 'sar'))
    """

    sources: Mapping[str, np.ndarray]
    labels: np.ndarray | None = None
    bands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    transform: Any = None
    crs: Any = None

    def __post_init__(self):
        if not self.sources:
            raise InputError("no source was given", remedy="name at least two, e.g. {'optical': a, 'sar': b}")
        clean, found = {}, {}
        for name, x in self.sources.items():
            if hasattr(x, "data_vars") or {"y", "lat", "latitude"} & set(map(str, getattr(x, "dims", ()))):
                # xarray: its own names say which axis is which
                x, bands, found[name] = from_xarray(x)
                object.__setattr__(self, "bands", {**self.bands, name: self.bands.get(name, bands)})
            x = np.asarray(x)
            if x.dtype.kind not in "fiu":
                raise InputError(f"source {name!r} holds {x.dtype}, numbers were expected")
            x = x.astype(np.float32, copy=False)
            if x.ndim == 2:  # a table of points: n images of one pixel
                x = x[:, :, None, None]
            elif x.ndim == 3:
                x = x[None]
            elif x.ndim != 4:
                raise InputError(f"source {name!r} has shape {x.shape}, (bands, rows, columns) was expected")
            clean[name] = x
        grids = {name: (x.shape[0], *x.shape[2:]) for name, x in clean.items()}
        if len(set(grids.values())) > 1:
            said = ", ".join(
                f"{name} {g[1]} x {g[2]}" if g[0] == 1 else f"{name} {g[0]} points"
                for name, g in grids.items()
            )
            raise InputError(
                f"the sources lie on different grids ({said})",
                remedy="reproject them to one grid first (heedful raster ... --reproject)",
            )
        object.__setattr__(self, "sources", clean)
        self._one_grid({name: grid for name, grid in found.items() if grid is not None})
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.dtype.kind not in "biuf":
                raise InputError(
                    f"labels hold {labels.dtype}, class codes (integers) or a quantity were expected",
                    remedy="number the classes: np.unique(labels, return_inverse=True)[1]",
                )
            n, h, w = next(iter(grids.values()))
            if labels.size != n * h * w:
                raise InputError(
                    f"labels have shape {labels.shape}, the sources {(h, w) if n == 1 else (n,)}"
                )
            object.__setattr__(self, "labels", labels.reshape(n, h, w))

    def _one_grid(self, found: Mapping[str, Grid]) -> None:
        """Refuse xarray objects of different places; where they lie is where the scene lies."""
        for name, grid in found.items():
            first = next(iter(found))
            if (how := found[first].differs(grid)) is not None:
                raise InputError(
                    f"the sources lie on different grids ({first} and {name}: {how})",
                    remedy="reproject them to one grid first (rioxarray's reproject_match, or --reproject)",
                )
        if found and self.transform is None:
            grid = next(iter(found.values()))
            object.__setattr__(self, "transform", grid.transform)
            object.__setattr__(self, "crs", self.crs or grid.crs)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.sources)

    @property
    def points(self) -> bool:
        """Whether this is a table of points, without neighbourhoods."""
        return next(iter(self.sources.values())).shape[2:] == (1, 1)

    @property
    def shape(self) -> tuple[int, int]:
        x = next(iter(self.sources.values()))
        return (x.shape[0], 1) if self.points else tuple(x.shape[2:])

    def window(self, rows: slice, columns: slice) -> Scene:
        """The part of the scene within rows and columns, with its own transform."""
        cut = {name: x[:, :, rows, columns] for name, x in self.sources.items()}
        labels = None if self.labels is None else self.labels[:, rows, columns]
        at = self.transform
        if at is not None:
            top, left = rows.indices(self.shape[0])[0], columns.indices(self.shape[1])[0]
            a, b, c, d, e, f = tuple(at)[:6]
            moved = (a, b, c + a * left + b * top, d, e, f + d * left + e * top)
            at = moved if isinstance(at, tuple | list) else type(at)(*moved)
        return Scene(cut, labels, self.bands, at, self.crs)

    def with_sources(self, **sources: np.ndarray) -> Scene:
        """The scene with some sources replaced."""
        return replace(self, sources={**{k: np.asarray(v) for k, v in self.sources.items()}, **sources})


def kind_of(name: str, given: str | None = None) -> str:
    """'radar', 'other' or 'optical' by what was declared, or by the source's name.

    >>> kind_of("s1_vv"), kind_of("dem"), kind_of("landsat")
    ('radar', 'other', 'optical')
    """
    if given is not None:
        if given not in ("optical", "radar", "other"):
            raise InputError(f"source {name!r} is declared {given!r}; optical, radar or other was expected")
        return given
    low = name.lower()
    for kind, names in (("radar", RADAR_NAMES), ("other", OTHER_NAMES)):
        if any(low == r or low.startswith(r + "_") or r in low.split("_") for r in names):
            return kind
    return "optical"


def box(x: np.ndarray, size: int, valid: np.ndarray | None = None) -> np.ndarray:
    """Mean over a size x size window of what is valid, exact at borders.

    Each output is its own sum (no running total), so a tile with a halo gives the same bytes as the whole.

    Parameters
    ----------
    x : array (..., H, W)
    size : int, odd
    valid : bool array broadcastable to x, optional

    Returns
    -------
    array (..., H, W), 0 where nothing in the window is valid.

    Examples
    --------
    >>> float(box(np.arange(9.0).reshape(3, 3), 3)[1, 1])
    4.0
    """
    weight = np.ones(x.shape[-2:], x.dtype) if valid is None else valid.astype(x.dtype)
    if size == 1 or x.shape[-2:] == (1, 1):
        return x * weight
    return _total(x * weight, size) / np.maximum(_total(weight, size), 1e-12)


def _total(x: np.ndarray, size: int) -> np.ndarray:
    kernel = np.ones(size)
    return ndimage.correlate1d(
        ndimage.correlate1d(x, kernel, -1, mode="constant"), kernel, -2, mode="constant"
    )


@dataclass
class Scaler:
    """Per band: median and robust spread of the training pixels, and the range they had."""

    centre: np.ndarray
    spread: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaler:
        """From training pixels (n, B), NaN ignored."""
        if not np.isfinite(x).any():
            raise InputError("every pixel of a source is no-data", remedy="leave this source out")
        q = np.nanquantile(x, [0.001, 0.25, 0.5, 0.75, 0.999], axis=0)
        spread = (q[3] - q[1]) / 1.349
        wide = np.nanstd(x, axis=0)
        spread = np.where(spread > 1e-3 * np.maximum(wide, 1e-12), spread, wide)
        return cls(q[2], np.where(spread > 0, spread, 1.0), q[0], q[4])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Standardised blocks (N, B, H, W); NaN stays NaN."""
        shape = (1, -1, 1, 1)
        return ((x - self.centre.reshape(shape)) / self.spread.reshape(shape)).astype(np.float32)

    def check_units(self, name: str, x: np.ndarray) -> None:
        """Refuse a scene whose whole source is in other units than the training data."""
        values = x[np.isfinite(x)]
        if values.size == 0:
            return
        median, trained = float(np.median(values)), float(np.median(self.centre))
        # what is negative may be a temperature, unless it is low throughout or radar by its name
        radar = kind_of(name) == "radar"
        if (radar or np.median(self.high) <= 6) and trained < 0 and (values >= 0).all():
            raise InputError(
                f"{name!r} is never negative (median {median:.3g}); it was trained on decibels "
                f"(median {trained:.3g} dB)",
                remedy="convert power with 10*log10, amplitude 20*log10",
            )
        if trained > 0 and median < 0 and (radar or (values < 6).all()):
            raise InputError(
                f"{name!r} looks like decibels (median {median:.3g}); it was trained on linear "
                f"values (median {trained:.3g})",
                remedy="convert with 10**(dB/10)",
            )
        if trained > 0 and median > 0:
            ratio = median / trained
            if ratio > 300 or ratio < 1 / 300:
                raise InputError(
                    f"{name!r} has a median of {median:.3g}, the training data {trained:.3g}",
                    remedy="bring both to one scale (reflectance 0..1 or 0..10000)",
                )


def describe(z: np.ndarray, neighbourhood: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A source's tokens: pixel, neighbourhood mean and spread, and where there is data.

    Parameters
    ----------
    z : array (N, B, H, W)
        Standardised bands; NaN = no data.
    neighbourhood : int
        Side of the window, pixels; 1 = the pixel alone.

    Returns
    -------
    features : array (N, H, W, F)
        B pixel values, then (neighbourhood > 1) B means and B standard deviations.
    marginal : array (N, H, W, M)
        What the reliability density looks at: compressed mean and spread.
    valid : bool array (N, H, W)
        All bands present.
    """
    valid = np.isfinite(z).all(1)
    filled = np.where(valid[:, None], z, 0.0).astype(np.float32)
    pixel = np.moveaxis(filled, 1, -1)
    if neighbourhood == 1:
        return pixel, np.arcsinh(pixel), valid
    v = valid[:, None]
    mean = box(filled, neighbourhood, v)
    spread = np.sqrt(np.maximum(box(filled**2, neighbourhood, v) - mean**2, 0.0))
    mean, spread = np.moveaxis(mean, 1, -1), np.moveaxis(spread, 1, -1)
    marginal = np.concatenate([np.arcsinh(mean), np.log(spread + 0.05)], -1)
    return np.concatenate([pixel, mean, spread], -1), marginal, valid


def cut(scene: Scene, block: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """A scene as separate square blocks, so that no window of one block sees another.

    Returns
    -------
    sources : dict of arrays (N, B, b, b), labels : array (N, b, b), corner : int array (N, 2)
    """
    if scene.points:
        n = scene.shape[0]
        return dict(scene.sources), scene.labels, np.stack([np.arange(n), np.zeros(n, int)], 1)
    h, w = scene.shape
    b = min(block, h, w)
    corners = [(i, j) for i in range(0, h - b + 1, b) for j in range(0, w - b + 1, b)]
    take = lambda x: np.stack([x[..., i : i + b, j : j + b] for i, j in corners])  # noqa: E731
    sources = {name: take(x[0]) for name, x in scene.sources.items()}
    return sources, take(scene.labels[0]), np.asarray(corners)
