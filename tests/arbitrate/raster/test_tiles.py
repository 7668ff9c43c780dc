"""Tiled equals whole at odd tile sizes; what is written keeps its place; the CLI's verbs run on files."""

from __future__ import annotations

import numpy as np
import pytest

rasterio = pytest.importorskip("rasterio")

from heedful.arbitrate.raster import SourceArbiter, corrupt, landscape, predict_files  # noqa: E402
from heedful.arbitrate.raster.outlook import probes  # noqa: E402
from heedful.arbitrate.raster.tiles import layers  # noqa: E402
from heedful.files.raster import Raster, RasterStack  # noqa: E402

FAST = {"trees": 12, "rows": 2500, "gate_rows": 5000, "folds": 2, "passes": 2, "block": 32, "light": True}


@pytest.fixture(scope="module")
def arbiter():
    return SourceArbiter(date_reference="sar", **FAST).fit(landscape(96, seed=0))


def write(folder, scene):
    paths = {}
    for name, x in scene.sources.items():
        paths[name] = folder / f"{name}.tif"
        with rasterio.open(
            paths[name],
            "w",
            driver="GTiff",
            height=x.shape[2],
            width=x.shape[3],
            count=x.shape[1],
            dtype="float32",
            crs="EPSG:32633",
            nodata=-9999,
            transform=rasterio.transform.from_origin(3e5, 5e6, 10, 10),
        ) as f:
            f.write(np.where(np.isfinite(x[0]), x[0], -9999))
    return paths


def write_one(path, x):
    with rasterio.open(
        path, "w", driver="GTiff", height=x.shape[1], width=x.shape[2], count=len(x), dtype="float32",
        crs="EPSG:32633", transform=rasterio.transform.from_origin(3e5, 5e6, 10, 10),
    ) as f:  # fmt: skip
        f.write(x)
    return path


@pytest.mark.parametrize("tile", [37, 53])
def test_tiled_is_whole(arbiter, tmp_path, tile):
    scene, _ = corrupt(landscape(110, seed=5), "wrong date", 1)
    x = scene.sources["optical"].copy()
    x[:, :, 30:60, 70:90] = np.nan
    scene = scene.with_sources(optical=x)
    names, whole = layers(arbiter.arbitrate(scene))
    with RasterStack(write(tmp_path, scene)) as stack:
        path, summary = predict_files(arbiter, stack, tmp_path / "out.tif", tile=tile)
        with Raster(path) as r:
            assert stack.grid.differs(r.grid) is None
            assert list(r.names) == names
            np.testing.assert_allclose(r.read(), whole, atol=2e-4)
    assert summary["mean"]["weight null"] >= 0


def test_probes_do_not_depend_on_tiles():
    assert probes(100, 200) == [(slice(0, 100), slice(0, 200))]
    for rows, columns in probes(10980, 700):
        assert 0 <= rows.start < rows.stop <= 10980
        assert 0 <= columns.start < columns.stop <= 700


def test_verbs(arbiter, tmp_path):
    from heedful.arbitrate.raster.command import predict

    paths = write(tmp_path, landscape(96, seed=7))
    model = arbiter.save(tmp_path / "m.safetensors")
    named = [f"{k}={v}" for k, v in paths.items()]
    story = predict(model, named, tmp_path / "o.tif", trust="quick")
    assert story.outputs[0].exists()
    assert "class" not in set(story.tables["means"]["layer"])  # codes have no mean
    assert abs(story.tables["classes"]["share"].sum() - 1) < 1e-9
    assert "Mean weights" in story.headline
    assert [v.status in ("supported", "not supported") for v in story.verdicts] == [True] * 3
    assert "interference" in story.verdicts[-1].sentence()


def test_slips_are_told_before_the_work(arbiter, tmp_path):
    from heedful.arbitrate.raster.command import fit, predict
    from heedful.errors import InputError

    scene = landscape(96, seed=7)
    paths = write(tmp_path, scene)
    named = [f"{k}={v}" for k, v in paths.items()]
    model = arbiter.save(tmp_path / "m.safetensors")
    before = paths["optical"].read_bytes()
    for out in (*paths.values(), model):  # no input is ever written over
        with pytest.raises(InputError, match="one of the inputs"):
            predict(model, named, out, trust="none")
    with pytest.raises(InputError, match="one of the inputs"):
        fit(named, paths["sar"], paths["sar"])
    assert paths["optical"].read_bytes() == before
    with pytest.raises(InputError, match="does not exist"):
        fit(named, paths["sar"], tmp_path / "no" / "m.safetensors")
    with pytest.raises(InputError, match="no source 'sar'"):
        predict(model, named[:1], tmp_path / "o.tif", trust="none")
    with pytest.raises(InputError, match="tile=0"):
        predict(model, named, tmp_path / "o.tif", tile=0, trust="none")
    (folder := tmp_path / "one").mkdir()
    one = write(folder, scene.with_sources(sar=scene.sources["sar"][0, :1]))
    with pytest.raises(InputError, match=r"1 band\(s\), 2 were trained on"):
        predict(model, [named[0], f"sar={one['sar']}"], tmp_path / "o.tif", trust="none")
    with RasterStack(paths) as stack, pytest.raises(InputError, match="source itself"):
        predict_files(arbiter, stack, paths["sar"])
    assert not (tmp_path / "o.tif").exists()


def test_holes_are_counted_over_the_whole_scene(arbiter, tmp_path):
    from heedful.arbitrate.raster.command import predict

    scene = landscape(96, seed=7)
    x = scene.sources["optical"][0].copy()
    x[:, :24] = np.nan
    x[:, 24:48] = 0
    paths = write(tmp_path, scene.with_sources(optical=x))
    extra = write_one(tmp_path / "dem.tif", scene.sources["sar"][0, :1])
    model = arbiter.save(tmp_path / "m.safetensors")
    named = [*(f"{k}={v}" for k, v in paths.items()), f"dem={extra}"]
    notes = predict(model, named, tmp_path / "o.tif", tile=40, trust="none").notes
    assert any("optical: 25.0% of pixels have no data" in n for n in notes)
    assert any("optical: 25.0% of pixels are exactly 0" in n for n in notes)
    assert any("dem was not trained on" in n for n in notes)


def test_units_are_those_of_the_whole_scene(arbiter, tmp_path):
    x = {n: np.tile(v[0], (1, 1, 27)) for n, v in landscape(100, seed=8).sources.items()}
    x["optical"][:, :, 570:930] = 1.0  # a window without light is no matter of units
    from heedful.arbitrate.raster import Scene

    with RasterStack(write(tmp_path, Scene(x))) as stack:
        path, _ = predict_files(arbiter, stack, tmp_path / "o.tif", tile=300)
    assert path.exists()


def test_bad_source_text():
    from heedful.arbitrate.raster.command import _named
    from heedful.errors import InputError

    for text in (["optical"], ["=a.tif"], ["a=1.tif", "a=2.tif"]):
        with pytest.raises(InputError):
            _named(text)


@pytest.mark.slow
def test_fit_predict_stress_on_files(tmp_path):
    from heedful.arbitrate.raster.command import fit, predict, stress
    from heedful.errors import InputError

    scene = landscape(128, seed=3)
    paths = write(tmp_path, scene)
    labels = tmp_path / "labels.tif"
    with rasterio.open(
        labels,
        "w",
        driver="GTiff",
        height=128,
        width=128,
        count=1,
        dtype="int16",
        crs="EPSG:32633",
        transform=rasterio.transform.from_origin(3e5, 5e6, 10, 10),
    ) as f:
        f.write(scene.labels)
    named = [f"{k}={v}" for k, v in paths.items()]
    model = tmp_path / "m.safetensors"
    story = fit(named, labels, model, reference="sar", block=32, trees=8)
    assert model.exists()
    assert story.scores[0].ours > 0.6
    assert predict(model, named, tmp_path / "o.tif", trust="none").outputs[0].exists()
    table = stress(model, named, labels, draws=1).tables["stress"]
    assert len(table) == 14
    (other := tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="not on the grid"):
        fit(named, write(other, landscape(64, seed=1))["sar"], model)
