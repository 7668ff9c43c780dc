"""Calibration by re-hiding: where holes may go, what weights and quantiles are."""

import numpy as np
import pytest

from heedful.perceive.inpaint import mix, rehide
from heedful.perceive.inpaint.holes import phantom


def test_holes_move_whole_and_keep_their_distance():
    image = phantom(seed=2, size=160)[0][0]
    hidden = np.zeros(image.shape, bool)
    hidden[70:82, 60:72] = True
    hidden[40:46, 90:99] = True
    again = rehide.look_alike(image, hidden, np.zeros_like(hidden), np.random.default_rng(0))
    assert again.sum() == hidden.sum()
    assert not (again & rehide.grow(hidden, rehide.GAP)).any()


def test_the_place_looks_alike():
    """A hole in a bright stripe is moved along the stripe, not off it."""
    image = np.full((120, 120), -90.0)
    image[50:74] = 60.0
    image += np.random.default_rng(0).normal(0, 5, image.shape)
    hidden = np.zeros(image.shape, bool)
    hidden[58:66, 20:28] = True
    for seed in range(4):
        again = rehide.look_alike(image, hidden, np.zeros_like(hidden), np.random.default_rng(seed))
        rows = np.nonzero(again)[0]
        assert rows.min() >= 44
        assert rows.max() < 80


def test_weights_are_the_constrained_minimum():
    rng = np.random.default_rng(1)
    A = rng.normal(size=(6, 6))
    G = A @ A.T * 100
    w = rehide.fit_weights(G)
    assert w.sum() == pytest.approx(1)
    assert (w >= 0).all()

    def loss(v):
        return v @ G @ v / (np.trace(G) / 6) + rehide.PULL * ((v - mix.shipped()) ** 2).sum()

    for v in rng.dirichlet(np.ones(6), 2000):
        assert loss(w) <= loss(v) + 1e-6


def test_quantile_is_conformal():
    assert rehide._quantile(np.arange(1.0, 100.0), 0.9) == 90.0  # ceil(100 * .9)-th smallest of 99


def test_depth_bins_pool_where_few():
    z, depth = np.arange(300.0), np.r_[np.ones(150), np.full(150, 4.0)]
    split = rehide.by_depth(z, depth, 0.9)
    assert split[0] < split[1]
    few = rehide.by_depth(z, np.r_[np.ones(290), np.full(10, 4.0)], 0.9)
    assert few[0] == few[1] == few[2]


def test_interval_covers_on_fresh_holes():
    """Trained by re-hiding, tested on the hole itself: about 90 % over twelve phantoms."""
    from heedful.perceive.inpaint.model import Inpainter

    inside = []
    for seed in range(12):
        truth = phantom(seed=seed, size=128)[0]
        hidden = np.zeros(truth.shape, bool)
        hidden[0, 54:66, 40:52] = True
        hidden[0, 30:38, 60:70] = True
        filling = Inpainter(calibrate=True, seed=seed).fit_predict(truth, hidden)
        inside.append(((truth >= filling.low) & (truth <= filling.high))[hidden].mean())
    assert 0.82 < np.mean(inside) < 0.97


def test_no_room_gives_the_shipped_calibration():
    image = phantom(seed=2, size=64)[0][0]
    hidden = np.ones(image.shape, bool)
    hidden[20:30, 20:40] = False
    cal = rehide.calibrate(image, hidden, rounds=2)
    assert cal.pixels == 0
    assert np.allclose(cal.weights, mix.shipped())


def test_nothing_is_learned_where_nothing_was_measured():
    """Places filled from other slices, or without a number, are no truth to re-hide a hole on."""
    image = phantom(seed=2, size=128)[0][0]
    hidden = np.zeros(image.shape, bool)
    hidden[60:72, 60:72] = True
    closed = np.ones(image.shape, bool)
    closed[40:100, 24:100] = False
    closed |= hidden
    wild = np.where(closed, 1400.0, image)  # were it taken for truth, the errors would be hundreds of HU
    cal = rehide.calibrate(wild, hidden, closed=closed, rounds=3)
    assert cal.pixels and np.sqrt(np.mean(cal.error**2)) < 60


def test_what_is_told_of_attention_alone_is_its_own():
    """Interval and error at re-hidden places belong to the fill that is given, not to the mix."""
    from heedful.perceive.inpaint.model import Inpainter

    truth = phantom(seed=1, size=128)[0]
    hidden = np.zeros(truth.shape, bool)
    hidden[0, 54:66, 40:52] = True
    cal = Inpainter("attention", calibrate=True).fit_predict(truth, hidden).parts[0].calibration
    # the mix holds this very fill, and its error at the same places
    assert cal.mixed == pytest.approx(cal.error[mix.EXPERTS.index("attention")], rel=0.05)
