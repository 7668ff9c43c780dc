"""Georeferenced rasters: GeoTIFF and whatever else rasterio opens, xarray objects, read by windows.

A raster keeps its coordinate reference system, transform, no-data value and band names; no-data becomes NaN.
Several rasters are one stack only on one grid: otherwise the error says how they differ and offers the
reprojection, which `aligned` then does explicitly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingExtra
from .limits import check_array, check_readable


def _rasterio():
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtra("rasterio", "files") from error
    return rasterio


@dataclass(frozen=True)
class Grid:
    """Where a raster lies.

    Parameters
    ----------
    height, width : int
    transform : affine.Affine or tuple of 6 floats
    crs : str or None
        As WKT or an authority code.
    """

    height: int
    width: int
    transform: Any
    crs: str | None

    def differs(self, other: Grid) -> str | None:
        """How another grid is not this one, in words; None where they are one."""
        if (self.crs or None) != (other.crs or None) and not _same_crs(self.crs, other.crs):
            return f"coordinate reference systems {_short(self.crs)} and {_short(other.crs)}"
        if (self.height, self.width) != (other.height, other.width):
            return f"{self.height} x {self.width} and {other.height} x {other.width} pixels"
        a, b = np.array(tuple(self.transform)[:6], float), np.array(tuple(other.transform)[:6], float)
        pixel = max(abs(a[0]), abs(a[4]), 1e-30)
        if np.abs(a - b).max() > 1e-3 * pixel:
            moved = np.hypot(a[2] - b[2], a[5] - b[5]) / pixel
            if np.allclose(a[[0, 1, 3, 4]], b[[0, 1, 3, 4]]):
                return f"origins {moved:.2f} pixels apart"
            size = [(np.hypot(x[0], x[3]), np.hypot(x[1], x[4])) for x in (a, b)]
            if np.allclose(*size):  # as large, but turned
                turned = [np.degrees(np.arctan2(x[3], x[0])) for x in (a, b)]
                if not np.isclose(*turned):
                    return f"rows turned by {turned[0]:.3g} and {turned[1]:.3g} degrees"
                return "one has its first row in the north, the other in the south"
            return f"pixels of {size[0][0]:g} and {size[1][0]:g} (units of the projection)"
        return None


def _same_crs(a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return False
    from rasterio.crs import CRS

    return CRS.from_user_input(a) == CRS.from_user_input(b)


def _short(crs: str | None) -> str:
    return "none" if crs is None else crs if len(crs) < 24 else crs[:20] + "..."


class Raster:
    """One open raster: bands, grid, no-data; pixels are read window by window.

    Parameters
    ----------
    path : str or Path
    bands : sequence of int, optional
        One-based band numbers; all by default.
    nodata : float, optional
        Where the file declares none.

    Raises
    ------
    InputError
        If it is missing, damaged or complex-valued.
    """

    def __init__(
        self,
        path: str | Path,
        bands: tuple[int, ...] | None = None,
        nodata: float | None = None,
        onto: Grid | None = None,
    ):
        rasterio = _rasterio()
        self.path = check_readable(path)
        try:
            self._file = rasterio.open(self.path)
        except rasterio.errors.RasterioError as error:
            raise InputError(
                f"cannot be read as a raster ({error})",
                path=path,
                remedy="give a GeoTIFF or another format that GDAL reads",
            ) from error
        f = self._file
        if any(d.startswith("complex") for d in f.dtypes):
            raise InputError(
                "holds complex values (single look complex)",
                path=path,
                remedy="detect it first: 10*log10(|z|^2)",
            )
        self.bands = tuple(bands or range(1, f.count + 1))
        if any(not 1 <= b <= f.count for b in self.bands):
            raise InputError(f"has {f.count} bands, {list(self.bands)} were asked for", path=path)
        self.names = tuple(f.descriptions[b - 1] or f"band {b}" for b in self.bands)
        self.nodata = f.nodata if nodata is None else nodata
        self.native = Grid(f.height, f.width, f.transform, f.crs.to_string() if f.crs else None)
        self.grid = self.native
        self._view = None
        if onto is not None and self.native.differs(onto):
            self._view = self._warp(onto)
            self.grid = onto

    def _warp(self, onto: Grid):
        rasterio = _rasterio()
        if self.native.crs is None or onto.crs is None:
            raise InputError(
                "has no coordinate reference system: it cannot be reprojected",
                path=self.path,
                remedy="write one into the file (gdal_edit.py -a_srs)",
            )
        return rasterio.vrt.WarpedVRT(
            self._file,
            crs=onto.crs,
            transform=onto.transform,
            height=onto.height,
            width=onto.width,
            resampling=rasterio.enums.Resampling.bilinear,
            nodata=np.nan if self.nodata is None else self.nodata,
            src_nodata=self.nodata,
            dtype="float32" if self.nodata is None else None,
        )

    def read(self, rows: slice | None = None, columns: slice | None = None) -> np.ndarray:
        """Bands (B, h, w) float32 of a window; no-data is NaN."""
        rasterio = _rasterio()
        rows = rows or slice(0, self.grid.height)
        columns = columns or slice(0, self.grid.width)
        h, w = rows.stop - rows.start, columns.stop - columns.start
        check_array((len(self.bands), h, w), 4, path=self.path, what="window")
        window = rasterio.windows.Window(columns.start, rows.start, w, h)
        source = self._view if self._view is not None else self._file
        try:
            data = source.read(list(self.bands), window=window).astype(np.float32)
            gone = self.nodata is not None and not np.isnan(self.nodata)
            missing = data == np.float32(self.nodata) if gone else np.zeros(data.shape, bool)
            if self._file.mask_flag_enums[0] and any(
                m.name == "per_dataset" for m in self._file.mask_flag_enums[0]
            ):
                missing |= source.read_masks(list(self.bands), window=window) == 0
        except rasterio.errors.RasterioError as error:
            raise InputError(
                f"is damaged: rows {rows.start}-{rows.stop} cannot be read ({error})",
                path=self.path,
                remedy="get the file again",
            ) from error
        data[missing] = np.nan
        return data

    def close(self) -> None:
        if self._view is not None:
            self._view.close()
        self._file.close()

    def __enter__(self) -> Raster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RasterStack:
    """Named rasters on one grid.

    Parameters
    ----------
    paths : mapping of str to path
        ``{"optical": "s2.tif", "sar": "s1.tif"}``; the first gives the grid.
    reproject : bool
        Bring the others onto the first one's grid (bilinear); else a mismatch is an error that offers this.
    nodata : mapping of str to float, optional
    """

    def __init__(
        self,
        paths: Mapping[str, str | Path],
        *,
        reproject: bool = False,
        nodata: Mapping[str, float] | None = None,
    ):
        if not paths:
            raise InputError("no raster was named", remedy="--source optical=s2.tif --source sar=s1.tif")
        self._open = ExitStack()
        self.rasters: dict[str, Raster] = {}
        grid = None
        try:
            for name, path in paths.items():
                r = Raster(path, nodata=(nodata or {}).get(name), onto=grid if reproject else None)
                self._open.callback(r.close)
                if grid is None:
                    grid = r.grid
                elif (how := grid.differs(r.grid)) is not None:
                    raise InputError(
                        f"is not on the grid of {next(iter(paths.values()))}: {how}",
                        path=path,
                        remedy="reproject=True (--reproject) resamples it there, bilinear",
                    )
                self.rasters[name] = r
        except BaseException:
            self._open.close()
            raise
        self.grid = grid
        self.reprojected = tuple(n for n, r in self.rasters.items() if r.grid is not r.native)

    def read(self, rows: slice | None = None, columns: slice | None = None) -> dict[str, np.ndarray]:
        """Each source's bands of a window."""
        return {name: r.read(rows, columns) for name, r in self.rasters.items()}

    def bands(self) -> dict[str, tuple[str, ...]]:
        return {name: r.names for name, r in self.rasters.items()}

    def __enter__(self) -> RasterStack:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def tiles(
    height: int, width: int, size: int, halo: int
) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Windows that cover an image once: the part to write, and the part to read for it (with a margin).

    >>> [(w[0].start, w[0].stop, r[0].start, r[0].stop) for w, r in tiles(10, 4, 6, 2)]
    [(0, 6, 0, 8), (6, 10, 4, 10)]
    """
    for top in range(0, height, size):
        for left in range(0, width, size):
            bottom, right = min(top + size, height), min(left + size, width)
            yield (
                (slice(top, bottom), slice(left, right)),
                (
                    slice(max(top - halo, 0), min(bottom + halo, height)),
                    slice(max(left - halo, 0), min(right + halo, width)),
                ),
            )


class RasterWriter:
    """A tiled, compressed GeoTIFF written window by window, which appears whole at the end or not at all."""

    def __init__(
        self,
        path: str | Path,
        grid: Grid,
        bands: tuple[str, ...],
        dtype: str = "float32",
        nodata: float | None = None,
        tags: Mapping[str, str] | None = None,
    ):
        rasterio = _rasterio()
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise InputError(
                f"the folder {self.path.parent} does not exist", path=path, remedy="create it first"
            )
        self._partial = self.path.with_name(f".{self.path.stem}.partial{self.path.suffix or '.tif'}")
        block = (
            {"tiled": True, "blockxsize": 256, "blockysize": 256}
            if min(grid.height, grid.width) >= 256
            else {}
        )
        try:
            self._file = rasterio.open(
                self._partial,
                "w",
                driver="GTiff",
                height=grid.height,
                width=grid.width,
                count=len(bands),
                dtype=dtype,
                crs=grid.crs,
                transform=rasterio.Affine(*tuple(grid.transform)[:6]),
                nodata=nodata,
                compress="deflate",
                BIGTIFF="IF_SAFER",
                **block,
            )
        except (rasterio.errors.RasterioError, OSError) as error:
            raise InputError(f"could not be written ({error})", path=path) from error
        for i, name in enumerate(bands, 1):
            self._file.set_band_description(i, name)
        if tags:
            self._file.update_tags(**tags)

    def write(self, rows: slice, columns: slice, data: np.ndarray) -> None:
        """Bands (B, h, w) of one window."""
        rasterio = _rasterio()
        window = rasterio.windows.Window(
            columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
        )
        self._file.write(data.astype(self._file.dtypes[0]), window=window)

    def __enter__(self) -> RasterWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)


def from_xarray(data: Any) -> tuple[np.ndarray, tuple[str, ...], Grid | None]:
    """An xarray DataArray (band, y, x), or a Dataset of (y, x) variables: bands, names, grid.

    The grid comes from `x` and `y` coordinates (pixel centres) and a `crs` attribute or `spatial_ref`
    coordinate; a `_FillValue` or `nodata` attribute becomes NaN.
    """
    import xarray as xr

    if isinstance(data, xr.Dataset):  # each variable's own no-data would be lost with its attributes
        clear = lambda v: v if (gone := _gone(v)) is None else v.where(v != gone)  # noqa: E731
        data = data.map(clear, keep_attrs=True)
        data = data.to_dataarray("band")
    if data.ndim == 2:
        data = data.expand_dims("band")
    spatial = [d for d in data.dims if str(d).lower() in ("y", "x", "lat", "lon", "latitude", "longitude")]
    if len(spatial) != 2 or data.ndim != 3:
        raise InputError(f"the array has dimensions {tuple(data.dims)}; (band, y, x) was expected")
    rest = next(d for d in data.dims if d not in spatial)
    y, x = sorted(spatial, key=lambda d: str(d).lower() in ("x", "lon", "longitude"))
    data = data.transpose(rest, y, x)
    values = data.to_numpy().astype(np.float32)
    if (gone := _gone(data)) is not None:
        values[values == np.float32(gone)] = np.nan
    names = (
        tuple(str(b) for b in data[rest].to_numpy())
        if rest in data.coords
        else tuple(f"band {i + 1}" for i in range(values.shape[0]))
    )
    grid = None
    if x in data.coords and y in data.coords and min(data.sizes[x], data.sizes[y]) > 1:
        xs, ys = data[x].to_numpy().astype(float), data[y].to_numpy().astype(float)
        for axis, v in ((x, xs), (y, ys)):
            if not np.allclose(np.diff(v), v[1] - v[0], rtol=1e-3):
                raise InputError(
                    f"the coordinate {axis!r} is not evenly spaced", remedy="reproject to a regular grid"
                )
        dx, dy = xs[1] - xs[0], ys[1] - ys[0]
        crs = data.attrs.get("crs")
        if "spatial_ref" in data.coords:
            crs = data["spatial_ref"].attrs.get("crs_wkt", data["spatial_ref"].attrs.get("spatial_ref", crs))
        grid = Grid(
            len(ys),
            len(xs),
            (dx, 0.0, xs[0] - dx / 2, 0.0, dy, ys[0] - dy / 2),
            None if crs is None else str(crs),
        )
    return values, names, grid


def _gone(data: Any) -> float | None:
    """The finite value that an xarray object declares for no data."""
    value = data.attrs.get("_FillValue", data.attrs.get("nodata", data.encoding.get("_FillValue")))
    return None if value is None or not np.isfinite(value) else value
