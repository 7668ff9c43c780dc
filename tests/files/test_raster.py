"""Rasters: grids that differ are said to, no-data is NaN, tiles are the whole, nothing half is left."""

from __future__ import annotations

import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio")
xr = pytest.importorskip("xarray")

from heedful.errors import InputError  # noqa: E402
from heedful.files.raster import Grid, Raster, RasterStack, RasterWriter, from_xarray, tiles  # noqa: E402


def save(path, data, *, origin=(500000, 4000000), pixel=10, crs="EPSG:32633", nodata=None):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=data.shape[1],
        width=data.shape[2],
        count=data.shape[0],
        dtype=data.dtype,
        crs=crs,
        nodata=nodata,
        transform=rasterio.transform.from_origin(*origin, pixel, pixel),
    ) as f:
        f.write(data)
    return path


@pytest.fixture
def data():
    return np.random.default_rng(0).uniform(1, 9, (2, 33, 47)).astype("float32")


def test_windows_and_no_data(tmp_path, data):
    data[0, 3, 4] = -999
    with Raster(save(tmp_path / "a.tif", data, nodata=-999)) as r:
        whole = r.read()
        assert np.isnan(whole[0, 3, 4])
        assert np.isnan(whole).sum() == 1
        np.testing.assert_array_equal(r.read(slice(2, 9), slice(40, 47)), whole[:, 2:9, 40:47])
    with Raster(save(tmp_path / "b.tif", data), nodata=-999) as r:
        assert np.isnan(r.read()[0, 3, 4])


def test_grid_mismatch_offers_the_reprojection(tmp_path, data):
    a = save(tmp_path / "a.tif", data)
    for other, words in (
        (save(tmp_path / "b.tif", data, origin=(500005, 4000000)), "0.50 pixels apart"),
        (save(tmp_path / "c.tif", data, crs="EPSG:32634"), "coordinate reference systems"),
        (save(tmp_path / "d.tif", data[:, :20]), "33 x 47 and 20 x 47"),
        (save(tmp_path / "e.tif", data, pixel=20), "pixels of 10 and 20"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            RasterStack({"optical": a, "sar": other})
        assert "reproject" in str(caught.value)


def test_reprojection_brings_it_onto_the_grid(tmp_path):
    y, x = np.mgrid[:60, :60].astype("float32")
    plane = (2 * x + 3 * y)[None]
    a = save(tmp_path / "a.tif", plane)
    b = save(
        tmp_path / "b.tif", plane, origin=(500000 - 100, 4000000 + 100)
    )  # the same plane, 10 pixels further
    with RasterStack({"a": a, "b": b}, reproject=True) as stack:
        assert stack.reprojected == ("b",)
        got = stack.read()["b"][0]
    want = plane[0] + 10 * 5
    np.testing.assert_allclose(got[5:45, 5:45], want[5:45, 5:45], atol=1e-3)
    assert np.isnan(got[-1, -1])  # beyond its edge there is no data, not a zero


def test_writing_keeps_the_grid_and_is_atomic(tmp_path, data):
    grid = Grid(33, 47, rasterio.transform.from_origin(1, 2, 10, 10), "EPSG:32633")
    with RasterWriter(tmp_path / "o.tif", grid, ("one", "two"), nodata=float("nan")) as w:
        for (rows, columns), _ in tiles(33, 47, 13, 5):
            w.write(rows, columns, data[:, rows, columns])
    with Raster(tmp_path / "o.tif") as r:
        assert r.names == ("one", "two")
        assert grid.differs(r.grid) is None
        np.testing.assert_array_equal(r.read(), data)
    before = (tmp_path / "o.tif").read_bytes()
    with pytest.raises(RuntimeError), RasterWriter(tmp_path / "o.tif", grid, ("one",)) as w:
        raise RuntimeError
    assert (tmp_path / "o.tif").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["o.tif"]


@pytest.mark.parametrize("size", [7, 13, 50])
def test_tiles_cover_once(size):
    seen = np.zeros((33, 47), int)
    for (rows, columns), (r, c) in tiles(33, 47, size, 4):
        seen[rows, columns] += 1
        assert r.start <= rows.start
        assert c.stop >= columns.stop
    assert (seen == 1).all()


def test_bad_files(tmp_path, data):
    with pytest.raises(InputError, match="no such file"):
        Raster(tmp_path / "none.tif")
    (tmp_path / "t.tif").write_bytes(b"not a raster at all")
    with pytest.raises(InputError, match="cannot be read as a raster"):
        Raster(tmp_path / "t.tif")
    path = save(tmp_path / "cut.tif", data)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(InputError), Raster(path) as r:
        r.read()
    with pytest.raises(InputError, match="complex"):
        Raster(save(tmp_path / "slc.tif", data.astype("complex64")))
    with pytest.raises(InputError, match="asked for"):
        Raster(save(tmp_path / "ok.tif", data), bands=(5,))


def test_xarray():
    y, x = np.arange(4)[::-1] * 10.0 + 5, np.arange(5) * 10.0 + 5
    a = xr.DataArray(
        np.arange(40.0).reshape(2, 4, 5),
        dims=("band", "y", "x"),
        coords={"y": y, "x": x, "band": ["VV", "VH"]},
        attrs={"_FillValue": 7.0, "crs": "EPSG:32633"},
    )
    values, names, grid = from_xarray(a)
    assert names == ("VV", "VH")
    assert np.isnan(values[0, 1, 2])
    assert grid.transform == (10.0, 0.0, 0.0, 0.0, -10.0, 40.0)
    again, _, _ = from_xarray(a.transpose("x", "band", "y"))
    np.testing.assert_array_equal(again, values)
    with pytest.raises(InputError, match="band, y, x"):
        from_xarray(a.rename(y="time"))
    with pytest.raises(InputError, match="evenly spaced"):
        from_xarray(a.assign_coords(x=[0.0, 1, 2, 3, 10]))


def test_how_grids_of_equal_pixels_differ_and_no_data_of_each_variable():
    north, south = Grid(5, 5, (10, 0, 0, 0, -10, 50), None), Grid(5, 5, (10, 0, 0, 0, 10, 0), None)
    assert "south" in north.differs(south)
    turned = Grid(5, 5, (8, 6, 0, 6, -8, 50), None)
    assert "turned by 0 and 36.9 degrees" in north.differs(turned)
    assert "pixels of 10 and 20" in north.differs(Grid(5, 5, (20, 0, 0, 0, -20, 50), None))
    a = xr.DataArray(np.array([[1.0, -9999.0]]), dims=("y", "x"), attrs={"_FillValue": -9999.0})
    b = xr.DataArray(np.array([[0.0, 2.0]]), dims=("y", "x"), attrs={"nodata": 0})
    values = from_xarray(xr.Dataset({"a": a, "b": b}))[0]
    np.testing.assert_array_equal(values, [[[1, np.nan]], [[np.nan, 2]]])
