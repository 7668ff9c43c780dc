"""The trained correction: what it reads, what it learns from, that it is kept and read back."""

import numpy as np
import pytest
import torch

from heedful.errors import InputError
from heedful.perceive.inpaint import mix, trained
from heedful.perceive.inpaint.holes import DAMAGE, damage, phantom
from heedful.perceive.inpaint.model import Inpainter


@pytest.fixture(scope="module")
def whole():
    return [phantom(seed=s, size=96, slices=2)[0] for s in (11, 12)]


@pytest.fixture(scope="module")
def scene():
    image = phantom(seed=3, size=96)[0][0]
    hidden = np.zeros(image.shape, bool)
    hidden[30:44, 36:66] = True
    hidden[92:96, 90:96] = True  # in the corner
    return image, hidden, mix.experts(image, hidden)[0]


@pytest.fixture(scope="module")
def corrector(whole):
    return trained.Corrector(slices=2, epochs=2, seed=1).fit(whole, spacing=0.8)


def test_every_kind_of_damage_lies_in_the_body():
    image = phantom(seed=0, size=192)[0][0]
    for kind in DAMAGE:
        hole = damage(kind, image, np.random.default_rng(0), 0.5)
        assert hole.any() and (image[hole] > -600).mean() > 0.99, kind


def test_cores_cover_a_hole_and_each_pixel_counts_once(scene):
    image, hidden, fills = scene
    at = trained.corners(hidden)
    covered = np.zeros(hidden.shape, int)
    for y, x in at:
        covered[y : y + trained.CORE, x : x + trained.CORE] += 1
    assert (covered[hidden] >= 1).all()
    learned = trained.lesson(image, hidden, fills)
    assert (learned.weight > 0).sum() == hidden.sum()
    # what is to be learned, in its unit, is what the mix misses
    _, unit, mixed = trained.channels(image, hidden, fills)
    y, x = at[0]
    spot = (slice(y, y + trained.CORE), slice(x, x + trained.CORE))
    error = np.zeros(hidden.shape)
    error[hidden] = np.clip(image[hidden], -1000, 1000) - mixed
    assert np.allclose(learned.missing[0], np.clip((error / unit)[spot], -4, 4), atol=1e-5)


def test_hidden_values_are_never_read(scene, corrector):
    image, hidden, fills = scene
    other = image.copy()
    other[hidden] = 1e6
    a, b = (trained.channels(i, hidden, fills)[0] for i in (image, other))
    assert np.array_equal(a, b)
    assert np.array_equal(corrector.correct(image, hidden, fills), corrector.correct(other, hidden, fills))


def test_it_learns_a_planted_bias(scene):
    # fills that all miss the same share of their disagreement: the correction must find it
    image, hidden, _ = scene
    rng = np.random.default_rng(0)
    net = trained.Corrector(slices=1, epochs=10, share=1.0)
    pieces = []
    for _ in range(20):
        fills = image[hidden] + 40 * rng.normal(size=(6, 1)) + 5 * rng.normal(size=(6, hidden.sum()))
        fills -= mix.shipped() @ fills - image[hidden]  # the mix is right ...
        unit = np.sqrt((fills - image[hidden]).__pow__(2).mean(0) + 25)
        fills -= 0.8 * unit  # ... and then not
        pieces.append((image, hidden, fills))
    lessons = [trained.lesson(*piece) for piece in pieces[:-1]]
    net._drawn = lambda volumes, progress: [(None, None)]
    net._lessons = lambda image, scale: lessons
    net.slices_ = 1
    net.fit([image[None]])
    before = image[hidden] - mix.shipped() @ pieces[-1][2]
    after = before - net.correct(*pieces[-1])
    assert np.mean(after**2) < 0.2 * np.mean(before**2)


def test_saved_and_read_back_it_says_the_same(scene, corrector, tmp_path):
    told = corrector.correct(*scene)
    assert told.any() and np.isfinite(told).all()
    path = corrector.save(tmp_path / "c.safetensors")
    again = trained.Corrector.load(path)
    assert np.array_equal(again.correct(*scene), told)
    assert again.spacing_ == 0.8 and again.slices_ == 2
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError):
        trained.Corrector.load(path)


def test_same_seed_same_weights_and_global_state_alone(whole, corrector):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again = trained.Corrector(slices=2, epochs=2, seed=1).fit(whole)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(again.weights_[n], t) for n, t in corrector.weights_.items())


def test_its_attention_can_be_read(scene, corrector):
    image, hidden, fills = scene
    weights, query_at, key_at = corrector.read(image, hidden, fills)
    n = len(trained.corners(hidden))
    assert weights.shape == (n, 4, 36, 100) and query_at.shape == (n, 36, 2) and key_at.shape == (n, 100, 2)
    assert np.allclose(weights.mass(np.zeros(100, int))[..., 0], 1, atol=1e-5)
    assert (key_at.min(1) == query_at.min(1) - trained.RIM).all()


def test_the_inpainter_adds_it_within_slices(scene, corrector):
    image, hidden, fills = scene
    plain = Inpainter().predict(image, hidden)
    better = Inpainter(method="trained", weights=corrector).predict(image, hidden)
    added = corrector.correct(image, hidden, fills)
    assert np.allclose((better.hu - plain.hu)[0][hidden], added, atol=1e-6)
    assert np.array_equal(better.hu[0][~hidden], image[~hidden])
    tuned = Inpainter(method="trained", weights=corrector, calibrate=True, rehidings=2)
    filling = tuned.fit_predict(image, hidden)
    assert (filling.high >= filling.hu)[0][hidden].all() and filling.parts[0].calibration.pixels > 0


def test_refusals(corrector):
    hu, hidden = np.zeros((1, 64, 64)), np.zeros((1, 64, 64), bool)
    hidden[0, 3:9, 3:9] = True
    with pytest.raises(InputError, match="go together"):
        Inpainter(method="trained").predict(hu, hidden)
    with pytest.raises(InputError, match="go together"):
        Inpainter(weights=corrector).predict(hu, hidden)
    with pytest.raises(InputError, match="no hole could be hidden"):
        trained.Corrector().fit([np.full((2, 20, 20), -1000.0)])
    with pytest.raises(InputError, match="share=2"):
        trained.Corrector(share=2).fit([hu])
