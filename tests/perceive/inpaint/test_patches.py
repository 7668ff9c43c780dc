"""Attention over patches: distances, kriging, provenance against plain loops; reads through Weights."""

import numpy as np
import pytest
from scipy import ndimage

from heedful.perceive.inpaint import patches, provenance
from heedful.perceive.inpaint.holes import phantom
from heedful.perceive.inpaint.tokens import Geometry, bank_of, tiles_of


@pytest.fixture(scope="module")
def scene():
    image, tissue = phantom(seed=1, size=112)
    hidden = np.zeros(image.shape[1:], bool)
    hidden[50:66, 40:53] = True
    return image[0], tissue[0], hidden


def test_distances_equal_a_loop():
    rng = np.random.default_rng(0)
    K = rng.normal(size=(9, 36)).astype(np.float32) * 50
    w = rng.random((4, 36)) * (rng.random((4, 36)) > 0.4)
    w /= w.sum(1, keepdims=True)
    q = rng.normal(size=(4, 36)) * 50
    mu = (w * q).sum(1)
    D, mean = patches._distances(K, K * K, w, q, mu)
    for t in range(4):
        for i in range(9):
            m = w[t] @ K[i]
            expected = w[t] @ ((K[i] - m) - (q[t] - mu[t])) ** 2 + 0.1 * (m - mu[t]) ** 2
            assert D[t, i] == pytest.approx(expected, rel=1e-3, abs=0.5)
            assert mean[t, i] == pytest.approx(m, abs=1e-3)


def test_tiles_cover_the_hole_outer_ones_first(scene):
    _, _, hidden = scene
    geometry = Geometry()
    tiles = tiles_of(hidden, geometry)
    covered = np.zeros_like(hidden)
    for r, c in tiles.corner:
        covered[r : r + geometry.tile, c : c + geometry.tile] = True
    assert (covered | ~hidden).all()
    asked = patches.attend_patches(image := scene[0], hidden)
    assert (asked.owner[hidden] >= 0).all()
    assert (asked.owner[~hidden] == -1).all()
    assert (asked.fill == np.where(hidden, asked.fill, image))[~hidden].all()


def test_bank_holds_only_visible_windows(scene):
    image, _, hidden = scene
    bank = bank_of(image, hidden, Geometry(), limit=300, seed=1)
    assert len(bank) == 300
    for r, c in bank.corner:
        assert not hidden[r : r + 18, c : c + 18].any()
    r, c = bank.corner[7]
    assert np.array_equal(bank.pixels[7], image[r : r + 18, c : c + 18].astype(np.float32))


def test_plain_fill_is_weights_times_values(scene):
    """method="plain": the fill is exactly ``Weights @ v`` of the sources that provenance names."""
    image, _, hidden = scene
    asked = patches.attend_patches(image, hidden, plain=True)
    sources = provenance.of_patches(asked, image, hidden)
    fill = (sources.weights(sources.row) @ sources.value[:, :, None])[:, 0, 0]
    assert np.abs(fill - asked.fill[hidden]).max() < 1e-2  # the bank is float32


def test_every_hidden_voxel_names_visible_sources(scene):
    image, _, hidden = scene
    asked = patches.attend_patches(image, hidden)
    at, weight, effective = provenance.of_patches(asked, image, hidden).read(8)
    assert at.shape == (hidden.sum(), 8, 2)
    assert not hidden[at[..., 0], at[..., 1]].any()
    assert (weight[:, 0] > 0).all()
    assert (np.diff(weight, axis=1) <= 1e-12).all()
    assert ((effective >= 1) & (effective <= 100)).all()
    p = np.exp(asked.score)
    p /= p.sum(1, keepdims=True)
    assert np.allclose(np.sort(p, 1)[:, ::-1][asked.owner[hidden], :8], weight)
    assert np.allclose(np.exp(-(p * np.log(p)).sum(1))[asked.owner[hidden]], effective)


def test_tissue_shares_sum_to_one_and_follow_a_loop(scene):
    image, tissue, hidden = scene
    asked = patches.attend_patches(image, hidden)
    sources = provenance.of_patches(asked, image, hidden)
    share, labels = sources.shares(tissue)
    assert np.allclose(share.sum(1), 1)
    p = np.exp(sources.score[sources.row[5]])
    p /= p.sum()
    for i, label in enumerate(labels):
        own = tissue[sources.at[5, :, 0], sources.at[5, :, 1]] == label
        assert share[5, i] == pytest.approx(p[own].sum())


def test_kriging_continues_a_plane_and_ignores_hidden_pixels():
    y, x = np.mgrid[:60, :60]
    image = 2.0 * x + y
    hidden = np.zeros(image.shape, bool)
    hidden[28:34, 28:34] = True
    a = patches.attend_patches(image, hidden)
    b = patches.attend_patches(np.where(hidden, -9999.0, image), hidden)
    assert np.array_equal(a.fill, b.fill)
    assert np.abs(a.base - image)[hidden].max() < 4


def test_no_visible_window_gives_none():
    hidden = np.ones((40, 40), bool)
    hidden[::5] = False
    assert patches.attend_patches(np.zeros((40, 40)), hidden) is None


def test_avoided_pixels_are_no_source(scene):
    image, _, hidden = scene
    avoid = np.zeros_like(hidden)
    avoid[:, 60:] = True
    asked = patches.attend_patches(image, hidden, avoid=avoid & ~hidden)
    at, weight, _ = provenance.of_patches(asked, image, hidden).read(8)
    assert not avoid[at[..., 0], at[..., 1]][weight > 0].any()


def test_a_hole_in_lung_asks_lung():
    """Lung is dark: left out of the candidates as air is, a hole in it would be told to look like muscle."""
    rng = np.random.default_rng(0)
    image = np.full((128, 128), -1010.0)
    image[8:120, 8:120] = 50.0
    image[20:110, 14:60] = -840.0
    image += ndimage.gaussian_filter(rng.normal(0, 60, image.shape), 1)
    hidden = np.zeros(image.shape, bool)
    hidden[60:68, 30:38] = True
    asked = patches.attend_patches(image, hidden)
    weight = np.exp(asked.score)
    middle = asked.source + asked.geometry.tile // 2
    in_lung = image[middle[..., 0], middle[..., 1]] < -500
    assert (weight * in_lung).sum() > 0.9 * weight.sum()
