"""A scene larger than memory: read, arbitrated and written window by window; the same as the whole at
once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...files.raster import RasterStack, RasterWriter
from ...files.raster import tiles as windows_of
from ...learn import progress
from .tokens import Scene

if TYPE_CHECKING:
    from .model import Arbitration, SourceArbiter


def halo(neighbourhood: int) -> int:
    """Margin in pixels that makes a tile's answer the whole's: neighbourhood, smoothing, window of 21."""
    return neighbourhood - 1 + 10


def probes(height: int, width: int, side: int = 128) -> list[tuple[slice, slice]]:
    """Where the scene's mismatch rate is estimated: everywhere in a small scene, else 16 fixed windows.

    >>> len(probes(300, 300)), len(probes(10980, 10980))
    (1, 16)
    """
    if height * width <= 512 * 512:
        return [(slice(0, height), slice(0, width))]
    at = lambda n: [int(i * (n - min(side, n)) / 3) for i in range(4)]  # noqa: E731
    return [
        (slice(i, min(i + side, height)), slice(j, min(j + side, width)))
        for i in at(height)
        for j in at(width)
    ]


def seen_in(log_posterior: np.ndarray, every: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
    """Every second pixel of a window that has data in all sources: log posteriors (n, states)."""
    return log_posterior[window][::2, ::2][every[window][::2, ::2]]


def estimate_rates(arbiter: SourceArbiter, stack: RasterStack) -> dict[str, float]:
    """Share of the scene in each state, from the probe windows of files."""
    g, margin = stack.grid, halo(arbiter.neighbourhood)
    found = []
    for rows, columns in probes(g.height, g.width):
        read = (
            slice(max(rows.start - margin, 0), min(rows.stop + margin, g.height)),
            slice(max(columns.start - margin, 0), min(columns.stop + margin, g.width)),
        )
        states, parts = arbiter._evidence(Scene(stack.read(*read)))
        inner = (
            slice(rows.start - read[0].start, rows.stop - read[0].start),
            slice(columns.start - read[1].start, columns.stop - read[1].start),
        )
        found.append(seen_in(states, parts[0].all_valid()[0], inner))
    return arbiter._rates(found)


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
        Side of a window, pixels: memory grows with its square (512: about 1 GB).

    Returns
    -------
    path, summary : dict
        Mean weight of each key, mean reliability, share in each state, share of pixels without any data.
    """
    g, margin = stack.grid, halo(arbiter.neighbourhood)
    rate = estimate_rates(arbiter, stack)
    total, count, nothing, names = None, 0, 0, None
    writer = None
    try:
        for (rows, columns), read in progress(
            list(windows_of(g.height, g.width, tile, margin)), "arbitrating"
        ):
            answer = arbiter.arbitrate(Scene(stack.read(*read)), rate=rate)
            inner = (
                slice(rows.start - read[0].start, rows.stop - read[0].start),
                slice(columns.start - read[1].start, columns.stop - read[1].start),
            )
            names, data = layers(answer)
            data = data[:, inner[0], inner[1]]
            if writer is None:
                writer = RasterWriter(
                    out,
                    g,
                    tuple(names),
                    nodata=float("nan"),
                    tags={"software": "heedful raster", "keys": ",".join(answer.keys)},
                ).__enter__()
            writer.write(rows, columns, data)
            seen = np.isfinite(data[0])
            part = data[:, seen].astype(np.float64).sum(1)
            total = part if total is None else total + part
            count, nothing = count + int(seen.sum()), nothing + int((~seen).sum())
    except BaseException as error:
        if writer is not None:
            writer.__exit__(type(error), error, None)
        raise
    writer.__exit__(None, None, None)
    means = dict(zip(names, total / max(count, 1), strict=True))
    return Path(out), {"mean": means, "rate": rate, "no data": nothing / (count + nothing)}


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
