"""A scene larger than memory: read, arbitrated and written window by window; the same as the whole at
once."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...files.raster import RasterStack, RasterWriter
from ...files.raster import tiles as windows_of
from ...learn import progress
from .outlook import Outlook, probes, seen_in
from .tokens import Scene

if TYPE_CHECKING:
    from .model import Arbitration, SourceArbiter


LEAST_TILE = 16
CACHE = 256  # MB of GDAL's own block cache: its default is a twentieth of the machine's memory


def halo(neighbourhood: int) -> int:
    """Margin in pixels that makes a tile's answer the whole's: neighbourhood, smoothing, window of 21."""
    return neighbourhood - 1 + 10


Window = tuple[slice, slice]


def padded(window: Window, height: int, width: int, margin: int) -> Window:
    """A window with a margin, within the image."""
    grow = lambda s, n: slice(max(s.start - margin, 0), min(s.stop + margin, n))  # noqa: E731
    return grow(window[0], height), grow(window[1], width)


def within(inner: Window, outer: Window) -> Window:
    """Where a window lies in the one that was read for it."""
    return tuple(slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True))


FILLS = (0.0, -9999.0, -32768.0, 65535.0)  # what programs write where there is nothing


def filled(x: np.ndarray) -> np.ndarray:
    """Pixels of a source (B, ...) that hold one of `FILLS` in every band: counts, one for each value.

    >>> filled(np.array([[0.0, -9999.0, 5.0], [0.0, -9999.0, 0.0]])).tolist()
    [1, 1, 0, 0]
    """
    return np.array([int((x == value).all(0).sum()) for value in FILLS])


def look(arbiter: SourceArbiter, stack: RasterStack) -> Outlook:
    """The scene as a whole, from the probe windows of files."""
    g, margin = stack.grid, halo(arbiter.neighbourhood)
    found, values = [], {n: [] for n in stack.rasters}
    at = [(inner, padded(inner, g.height, g.width, margin)) for inner in probes(g.height, g.width)]
    for _, read in at:  # units are those of the whole scene: a window may well be all water or all bright
        part = stack.read(*read)
        for n, x in part.items():
            values[n].append(x[:, ::4, ::4].reshape(len(x), -1))
    arbiter.check(Scene({n: np.concatenate(v, 1)[:, None] for n, v in values.items()}))
    for inner, read in at:
        tokens, _, e = arbiter._evidence(Scene(stack.read(*read)))
        found.append(seen_in(e[0], tokens.all_valid()[0], within(inner, read)))
    return arbiter.outlook(np.concatenate(found))


def predict_files(
    arbiter: SourceArbiter, stack: RasterStack, out: str | Path, *, tile: int = 512
) -> tuple[Path, dict]:
    """Arbitrate rasters on disk into a GeoTIFF on the same grid.

    Parameters
    ----------
    arbiter : SourceArbiter
    stack : RasterStack
    out : path
        Bands: class (or value), probability of it, weight of each key, effective keys, reliability and
        mismatch of each source; float32, NaN = no data. Coordinate system, transform and names are kept.
    tile : int
        Side of a window, pixels: memory grows with its square (512: about 1.3 GB).

    Returns
    -------
    path, summary : dict
        Mean of each band, share of each class, `Outlook`, shares of pixels without any data, without a
        source's data (`lacking`), and of each of `FILLS` (`filled`).
    """
    import rasterio

    if tile < LEAST_TILE:
        raise InputError(f"tile={tile}; at least {LEAST_TILE} pixels were expected", remedy="512 is usual")
    if Path(out).exists() and any(Path(out).samefile(r.path) for r in stack.rasters.values()):
        raise InputError("is a source itself", path=out, remedy="write the answer to another file")
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        return _predict(arbiter, stack, Path(out), tile)


def _predict(arbiter: SourceArbiter, stack: RasterStack, out: Path, tile: int) -> tuple[Path, dict]:
    g, margin = stack.grid, halo(arbiter.neighbourhood)
    outlook = look(arbiter, stack)
    windows = list(windows_of(g.height, g.width, tile, margin))
    total, count, names = 0.0, 0, []
    classes: dict[int, int] = {}
    lacking, fills = (dict.fromkeys(stack.rasters, 0) for _ in range(2))
    with ExitStack() as open_:
        writer = None
        for (rows, columns), read in progress(windows, "arbitrating"):
            at = within((rows, columns), read)
            sources = stack.read(*read)
            answer = arbiter.answer(Scene(sources), outlook)
            names, data = layers(answer)
            data = data[:, at[0], at[1]]
            if writer is None:
                tags = {
                    "software": "heedful raster",
                    "keys": ",".join(answer.keys),
                    "outlook": outlook.to_json(),  # what a window needs to be computed again alone
                }
                writer = open_.enter_context(RasterWriter(out, g, tuple(names), nodata=np.nan, tags=tags))
            writer.write(rows, columns, data)
            for n, x in sources.items():
                lacking[n] += int((~np.isfinite(x[:, at[0], at[1]]).all(0)).sum())
                fills[n] = fills[n] + filled(x[:, at[0], at[1]])
            seen = np.isfinite(data[0])
            if arbiter.classes_ is not None:
                found = np.unique(data[0][seen], return_counts=True)
                for code, pixels in zip(*found, strict=True):
                    classes[int(code)] = classes.get(int(code), 0) + int(pixels)
            total, count = total + data[:, seen].sum(1, dtype=np.float64), count + int(seen.sum())
    size = g.height * g.width
    return out, {
        "mean": dict(zip(names, total / max(count, 1), strict=True)),
        "classes": {c: classes[c] / count for c in sorted(classes)},
        "outlook": outlook,
        "no data": 1 - count / size,
        "lacking": {n: k / size for n, k in lacking.items()},
        "filled": {n: k / size for n, k in fills.items()},
    }


def layers(a: Arbitration) -> tuple[list[str], np.ndarray]:
    """An answer as named float32 bands (L, H, W)."""
    seen = np.logical_or.reduce(list(a.valid.values()))
    if a.classes is None:
        names, bands = ["value"], [a.labels]
    else:
        names, bands = ["class", "probability"], [a.labels.astype(float), a.proba.max(-1)]
    for i, k in enumerate(a.keys):
        names.append(f"weight {k}")
        bands.append(a.weights[..., i])
    names.append("effective keys")
    bands.append(a.effective_sources)
    for s, r in a.reliability.items():
        names.append(f"reliability {s}")
        bands.append(np.where(a.valid[s], r, 0.0))
    for s, m in a.mismatch.items():
        names.append(f"mismatch {s}")
        bands.append(m)
    data = np.stack(bands).astype(np.float32)
    return names, np.where(seen, data, np.nan)
