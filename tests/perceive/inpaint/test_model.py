"""The Inpainter: bit-identity, number types, NaN, borders, volumes, refusals."""

import numpy as np
import pytest
from sklearn.base import clone

from heedful.errors import InputError
from heedful.perceive.inpaint.holes import phantom
from heedful.perceive.inpaint.model import Inpainter
from heedful.perceive.inpaint.volume import fill_region, interpolation, taps


@pytest.fixture(scope="module")
def stack():
    truth = phantom(seed=7, size=112, slices=7)[0]
    hidden = np.zeros(truth.shape, bool)
    hidden[3, 50:64, 40:56] = True
    return truth, hidden


def test_number_types_give_the_same_answer(stack):
    truth, hidden = stack
    one, mask = truth[:1], np.roll(hidden, -3, 0)[:1]
    fills = [
        Inpainter().predict(one.astype(t), mask).hu[mask]
        for t in (np.int16, np.int32, np.float32, np.float64)
    ]
    fills.append(Inpainter().predict((one + 1024).astype(np.uint16) - 1024.0, mask).hu[mask])
    for fill in fills[1:]:
        assert np.array_equal(fill, fills[0])


@pytest.mark.parametrize("method", ["mix", "attention", "plain"])
def test_visible_voxels_are_untouched_and_hidden_ones_unread(stack, method):
    truth, hidden = stack
    damaged = np.where(hidden, 3000.0, truth)
    a, b = (Inpainter(method=method).predict(v, hidden) for v in (truth, damaged))
    assert (a.hu == truth)[~hidden].all()
    assert np.array_equal(a.hu[hidden], b.hu[hidden])
    assert np.isnan(a.low[~hidden]).all()
    assert (a.low <= a.hu)[hidden].all()
    assert (a.hu <= a.high)[hidden].all()


def test_a_far_nan_changes_nothing_and_stays(stack):
    truth, hidden = stack
    broken = truth.copy()
    broken[3, 2, 2] = np.nan
    a, b = Inpainter().predict(truth, hidden), Inpainter().predict(broken, hidden)
    assert np.array_equal(a.hu[hidden], b.hu[hidden])
    assert np.isnan(b.hu[3, 2, 2])
    assert "1 visible voxels are not finite" in b.notes[0]


def test_a_near_nan_is_no_source(stack):
    truth, hidden = stack
    broken = truth[3:4].copy()
    broken[0, 50:64, 60] = np.nan
    part = Inpainter().predict(broken, hidden[3:4]).parts[0]
    at, weight, _ = part.sources.read(8)
    assert np.isfinite(broken[0][at[..., 0], at[..., 1]])[weight > 0].all()


def test_neighbours_beat_the_plane(stack):
    truth, hidden = stack
    ours = Inpainter().predict(truth, hidden)
    plane = Inpainter(in_plane=True).predict(truth, hidden)
    assert ours.parts[0].route == "volume"
    assert plane.parts[0].route == "slice"
    error = [np.sqrt(np.mean((f.hu - truth)[hidden] ** 2)) for f in (ours, plane)]
    assert error[0] < error[1]
    table = ours.table(4)
    assert len(table) == hidden.sum()
    assert (table["effective sources"] >= 1).all()
    assert not hidden[3][table["source 1 y"], table["source 1 x"]].any()


def test_same_seed_same_bytes(stack):
    truth, hidden = stack
    a, b = (
        Inpainter(calibrate=True, rehidings=2, seed=4).fit_predict(truth[:1], np.roll(hidden, -3, 0)[:1])
        for _ in "ab"
    )
    assert np.array_equal(a.hu, b.hu)
    assert np.array_equal(a.low, b.low, equal_nan=True)


def test_global_random_state_is_left_alone(stack):
    truth, hidden = stack
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    Inpainter(calibrate=True, rehidings=1).fit_predict(truth[3:4], hidden[3:4])
    assert np.array_equal(before, np.random.get_state()[1])


def test_gaps_and_ends_of_the_volume(stack):
    truth, _ = stack
    hidden = np.zeros(truth.shape, bool)
    hidden[2:5, 50:60, 40:50] = True
    hidden[0, 30:36, 60:66] = True
    filling = Inpainter().predict(truth, hidden)
    assert {p.route for p in filling.parts} == {"volume"}
    assert np.sqrt(np.mean((filling.hu - truth)[hidden] ** 2)) < 40
    assert taps(hidden, 3, hidden[3]) == [-3, -2, 2, 3]
    assert taps(hidden, 0, hidden[0]) == [1, 2]


def test_interpolation_is_exact_for_cubics():
    offsets = [-3, -1, 2, 5]
    weights = interpolation(offsets)
    for power in range(4):
        assert weights @ np.array(offsets, float) ** power == pytest.approx(float(power == 0), abs=1e-9)


def test_volume_route_recovers_a_linear_law():
    """Where the slice is a fixed mixture of its neighbours, the ridge finds the mixture."""
    rng = np.random.default_rng(0)
    from scipy import ndimage

    v = ndimage.gaussian_filter(rng.normal(size=(5, 80, 80)), (0, 2, 2)) * 500
    v[2] = 0.2 * v[1] + 0.7 * v[3] + 25
    hidden = np.zeros(v.shape, bool)
    hidden[2, 30:44, 30:44] = True
    done = fill_region(v, hidden, 2, hidden[2], [-2, -1, 1, 2])
    assert np.abs(done.ridge - v[2][hidden[2]]).max() < 5
    assert np.abs(done.tap - v[2][hidden[2]]).max() > 20


def test_hole_that_touches_the_border_or_hides_a_tissue(stack):
    truth, _ = stack
    image = truth[0]
    hidden = np.zeros(image.shape, bool)
    hidden[:8, :20] = True
    hidden |= image > 250  # all bone
    filling = Inpainter().predict(image, hidden)
    assert np.isfinite(filling.hu).all()
    assert filling.hu.shape == (1, *image.shape)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v, h: (v, np.zeros_like(h)), "hides nothing"),
        (lambda v, h: (v, np.ones_like(h)), "everything is masked"),
        (lambda v, h: (v, h | (np.arange(len(v)) == 2)[:, None, None]), "slice 2 is wholly masked"),
        (lambda v, h: (v, h[:, :50]), "the mask is"),
        (lambda v, h: (v.astype(complex), h), "HU"),
    ],
)
def test_refusals(stack, change, says):
    with pytest.raises(InputError, match=says):
        Inpainter().predict(*change(*stack))


def test_parameters():
    assert clone(Inpainter(level=0.8, calibrate=True)).level == 0.8
    truth, hidden = np.zeros((40, 40)), np.eye(40) > 0
    for bad, says in (
        ({"method": "best"}, "method is 'best'"),
        ({"level": 0.8}, "no 80% interval is shipped"),
        ({"level": 1.5}, "level is 1.5"),
        ({"rehidings": 0}, "rehidings is 0"),
    ):
        with pytest.raises(InputError, match=says):
            Inpainter(**bad).predict(truth, hidden)


def test_a_slice_with_nothing_near_by_to_judge_by_gets_a_wide_interval():
    rng = np.random.default_rng(0)
    stack = np.cumsum(40 * rng.normal(size=(5, 64, 64)), 0)  # neighbouring slices differ by 40 HU
    hidden = np.zeros(stack.shape, bool)
    hidden[2] = True
    hidden[2, 3, 3] = False  # one visible voxel tells nothing about the error
    filling = Inpainter().predict(stack, hidden)
    inside = (stack >= filling.low) & (stack <= filling.high)
    assert inside[hidden].mean() > 0.8
    # in the middle of a wide hole no residual is near; the width does not fall there
    hidden = np.zeros((5, 160, 160), bool)
    hidden[2, 30:130, 30:130] = True
    wide = np.cumsum(40 * rng.normal(size=hidden.shape), 0)
    filling = Inpainter().predict(wide, hidden)
    width = (filling.high - filling.low)[2]
    assert width[70:90, 70:90].mean() > 0.7 * width[31:36, 31:129].mean()
