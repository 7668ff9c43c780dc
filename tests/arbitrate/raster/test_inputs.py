"""What users bring: xarray objects in any order, points for images, other units, undeclared no-data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from heedful.arbitrate.raster import SourceArbiter, corrupt, landscape, store
from heedful.arbitrate.raster.claims import claims
from heedful.arbitrate.raster.command import _holes, _stress_story, _writable
from heedful.arbitrate.raster.experts import make_expert
from heedful.arbitrate.raster.pictures import why
from heedful.arbitrate.raster.stressing import over_kinds, stress
from heedful.arbitrate.raster.tokens import Scaler, Scene
from heedful.errors import InputError

FAST = {"trees": 5, "rows": 1500, "gate_rows": 2000, "folds": 2, "passes": 1, "block": 32, "light": True}


@pytest.fixture(scope="module")
def scene():
    return landscape(64, seed=0)


@pytest.fixture(scope="module")
def arbiter(scene):
    return SourceArbiter(**FAST).fit(scene)


def points(scene):
    return {k: x[0].reshape(x.shape[1], -1).T for k, x in scene.sources.items()}


def test_xarray_tells_its_axes_itself(scene):
    optical, sar = (scene.sources[s][0] for s in ("optical", "sar"))
    at = {"y": 1000.0 - 10 * np.arange(64), "x": 500.0 + 10 * np.arange(64)}
    last = xr.DataArray(np.moveaxis(optical, 0, -1), dims=("y", "x", "band"), coords=at)
    several = xr.Dataset({b: (("y", "x"), sar[i]) for i, b in enumerate(("VV", "VH"))}, coords=at)
    made = Scene({"optical": last, "sar": several}, scene.labels)
    for name in ("optical", "sar"):
        np.testing.assert_array_equal(made.sources[name], scene.sources[name])
    assert made.bands["sar"] == ("VV", "VH")
    assert tuple(made.transform) == (10.0, 0.0, 495.0, 0.0, -10.0, 1005.0)
    with pytest.raises(InputError, match=r"different grids .*1\.00 pixels apart"):
        Scene({"optical": last, "sar": several.assign_coords(x=at["x"] + 10)})


def test_labels_are_numbers(scene):
    with pytest.raises(InputError, match="number the classes"):
        Scene(scene.sources, np.array(list("abcde"))[scene.labels[0]])


def test_points_and_images_are_told_apart(arbiter, scene):
    with pytest.raises(InputError, match="single points"):
        arbiter.arbitrate(Scene(points(scene)))
    with pytest.raises(InputError, match="single points"):
        arbiter.arbitrate(scene.window(slice(3, 4), slice(5, 6)))
    of_points = SourceArbiter(**FAST).fit(Scene(points(scene), scene.labels.ravel()))
    with pytest.raises(InputError, match="holds images"):
        of_points.arbitrate(scene)


def test_one_column_cannot_be_trained_on_and_scenes_may_differ_in_size(scene):
    thin = Scene({k: x[0].reshape(x.shape[1], -1, 1) for k, x in scene.sources.items()}, scene.labels.ravel())
    with pytest.raises(InputError, match="blocks of one pixel"):
        SourceArbiter(**FAST).fit(thin)
    low = scene.window(slice(0, 20), slice(0, 64))  # blocks of 20 x 20 in both
    made = SourceArbiter(**FAST).fit([scene, low])
    assert made.predict(scene).shape == (64, 64)


def test_radar_with_bright_cities_is_still_decibels():
    rng = np.random.default_rng(0)
    db = rng.normal(-12, 4, (5000, 2))
    db[:50] += 30  # the 99.9 % quantile lies above 6 dB
    scaler = Scaler.fit(db)
    with pytest.raises(InputError, match="never negative"):
        scaler.check_units("sar", 10 ** (db / 10))
    with pytest.raises(InputError, match="looks like decibels"):
        Scaler.fit(10 ** (db / 10)).check_units("S1_VV", db)
    scaler.check_units("temperature", np.abs(db))  # degrees: a warm day is no other unit


def test_a_torch_expert_learns_a_quantity_in_its_own_units():
    import torch

    rng = np.random.default_rng(0)
    x = rng.standard_normal((1500, 3)).astype(np.float32)
    y = 7000 + 900 * x[:, 0] + 50 * rng.standard_normal(1500)
    expert = make_expert(torch.nn.Linear, 0).fit(x, y)
    assert 1 - ((expert.predict(x)[:, 0] - y) ** 2).mean() / y.var() > 0.9


def test_a_classifier_is_no_expert_on_a_quantity():
    from sklearn.ensemble import RandomForestClassifier

    with pytest.raises(InputError, match="tells classes apart"):
        make_expert(RandomForestClassifier(), 0)


def test_stress_has_intervals_and_refuses_labels_of_another_sort(arbiter, scene):
    frame = stress(arbiter, scene, corruptions=("cloud",))
    y = scene.labels[0]
    a = arbiter.arbitrate(scene)
    stack = a.opinions[..., a.keys.index("joint"), :]
    difference = (a.labels == y).mean() - (arbiter.classes_[stack.argmax(-1)] == y).mean()
    low, high = frame.attrs["undamaged"]["stack"]
    assert low <= difference <= high and low < high
    assert frame.attrs["measure"] == "accuracy"
    assert over_kinds(np.array([0.1, np.nan, 0.1])) == pytest.approx((0.1, 0.1))
    with pytest.raises(InputError, match="quantity"):
        stress(arbiter, Scene(scene.sources, y + 0.5))


def test_a_window_lies_where_it_lies(scene):
    from affine import Affine

    part = slice(3, 20), slice(5, 30)
    for made in (Affine(10, 0, 500, 0, -10, 900), (10, 0, 500, 0, -10, 900)):
        placed = Scene(scene.sources, scene.labels, transform=made).window(*part)
        assert tuple(placed.transform)[:6] == (10, 0, 550, 0, -10, 870)
        assert type(placed.transform) is type(made)


def test_what_lies_in_a_file_is_said(tmp_path, scene):
    x = {k: v[0].copy() for k, v in scene.sources.items()}
    x["sar"][:, :8] = -9999.0
    x["optical"][:] = np.nan
    said = _holes(Scene(x))
    assert any("sar: 12.5% of pixels are exactly -9999" in s for s in said)
    assert any("optical: no pixel has data" in s for s in said)
    with pytest.raises(InputError, match="is a folder"):
        _writable(tmp_path, [])


def test_no_cloud_is_planted_on_terrain(scene):
    named = Scene({"dem": scene.sources["sar"][0], "optical": scene.sources["optical"][0]})
    _, masks = corrupt(named, "cloud", 0)
    assert masks["optical"].any() and not masks["dem"].any()


def test_a_model_of_another_version_is_refused(arbiter, tmp_path):
    kept = store.pack(arbiter.state_, len(arbiter.classes_))
    with pytest.raises(InputError, match="another version"):
        store.unpack(kept | {"format": 1}, 1)
    assert SourceArbiter.load(arbiter.save(tmp_path / "m.safetensors")).classes_.tolist() == [0, 1, 2, 3, 4]


def test_a_pixel_is_named_by_its_place_in_the_whole_scene(arbiter, scene):
    drawn = why(arbiter.arbitrate(scene), 3, 4, origin=(100, 200))
    assert "row 103, column 204" in drawn.title and "class" in drawn.title


def test_scores_of_a_fit_are_told_of_the_held_out_rows_and_without_a_reference_it_is_said(arbiter, scene):
    frame = stress(arbiter, scene, corruptions=("wrong date",))
    story = _stress_story(frame, scene.window(slice(0, 16), slice(0, 64)), [], "Stress")
    assert "16 x 64 pixels" in story.title
    assert any("no reference was declared" in n for n in story.notes)
    assert [s.baseline_name for s in story.scores[:2]] == ["stack", "hardened stack"]
    assert all(s.interval is not None for s in story.scores)


def test_a_quantity_in_other_units_is_refused(scene):
    y = 100 + 20.0 * scene.labels[0]
    made = SourceArbiter(**FAST).fit(Scene(scene.sources, y))
    with pytest.raises(InputError, match="same units"):
        stress(made, Scene(scene.sources, y * 100), corruptions=("cloud",))


def test_a_source_without_data_cannot_be_tested(arbiter, scene):
    made = claims(arbiter, scene.with_sources(sar=scene.sources["sar"] * np.nan))
    assert [v.status for v in made] == ["not testable"]
    assert "sar has no data" in made[0].sentence()
