"""The six fills: exact where exactness is known, the same with and without the compiled loops."""

import numpy as np
import pytest

from heedful.perceive.inpaint import cosine, fsr, mix, pde, pursuit
from heedful.perceive.inpaint.holes import phantom


@pytest.fixture(scope="module")
def scene():
    image = phantom(seed=3, size=96)[0][0]
    hidden = np.zeros(image.shape, bool)
    hidden[40:54, 36:50] = True
    hidden[0:6, 44:52] = True  # touches the border
    hidden[70:72, 20:80] = True
    return image, hidden


def test_pursuit_follows_its_definition():
    """A plain loop over the full complex spectrum gives the same waves as the half-spectrum kernels."""
    rng = np.random.default_rng(0)
    w = (rng.random((32, 32)) > 0.3) * rng.random((32, 32))
    b = rng.normal(size=(32, 32))
    R, W, C = np.fft.fft2(b * w), np.fft.fft2(w), np.zeros((32, 32), complex)
    k = np.minimum(np.arange(32), 32 - np.arange(32))
    prefer = 1 - np.sqrt(2) / 32 * np.hypot(k[:, None], k)
    for _ in range(12):
        u, v = np.unravel_index((np.abs(R) * prefer).argmax(), R.shape)
        c = 0.5 * R[u, v] / W[0, 0].real
        if (-u % 32, -v % 32) == (u, v):
            c = 0.5 * c
        R = R - c * np.roll(W, (u, v), (0, 1)) - np.conj(c) * np.roll(W, (-u, -v), (0, 1))
        C[u, v] += c
        C[-u % 32, -v % 32] += np.conj(c)
    expected = 1024 * np.fft.ifft2(C).real
    for compiled in (False, None):
        model = pursuit.pursue(
            np.fft.rfft2(b * w)[None], np.fft.rfft2(w)[None], np.array([12]), compiled=compiled
        )
        assert np.abs(1024 * np.fft.irfft2(model[0]) - expected).max() < 1e-9


def test_compiled_and_numpy_fill_alike(scene):
    image, hidden = scene
    a = fsr.frequency_selective(image, hidden, compiled=None)
    b = fsr.frequency_selective(image, hidden, compiled=False)
    assert np.abs(a - b).max() < 1e-6
    options = {"block": 16, "step": 4, "rounds": 3, "first": 100.0, "last": 20.0}
    a, b = (cosine.refine(a, hidden, compiled=compiled, **options) for compiled in (None, False))
    assert np.abs(a - b)[hidden].mean() < 0.5  # float32 against float64: few coefficients cross the threshold


def test_harmonic_is_the_mean_of_its_neighbours(scene):
    image, hidden = scene
    u = pde.harmonic(image, hidden)
    r, c = 47, 43
    assert u[r, c] == pytest.approx((u[r - 1, c] + u[r + 1, c] + u[r, c - 1] + u[r, c + 1]) / 4)
    assert u[hidden].max() <= image[~hidden].max() + 1e-9  # maximum principle


def test_biharmonic_agrees_with_scikit_image():
    restoration = pytest.importorskip("skimage.restoration")
    image = phantom(seed=4, size=64)[0][0]
    hidden = np.zeros(image.shape, bool)
    hidden[30:36, 30:35] = True
    theirs = restoration.inpaint_biharmonic(image, hidden)
    assert np.abs(pde.biharmonic(image, hidden) - theirs).max() < 0.01


def test_total_variation_lowers_its_own_energy_and_keeps_an_edge():
    image = np.where(np.arange(48) < 24, 0.0, 400.0)[None, :].repeat(48, 0)
    hidden = np.zeros(image.shape, bool)
    hidden[20:28, 18:30] = True

    def energy(u):
        gy, gx = np.diff(u, axis=0, append=u[-1:]), np.diff(u, axis=1, append=u[:, -1:])
        return np.sqrt(gy**2 + gx**2 + 64).sum()

    fills = [pde.total_variation(image, hidden, rounds=n) for n in (1, 3, 30)]
    values = [energy(u) for u in fills]
    assert values[0] > values[1] > values[2]
    assert values[1] < energy(pde.harmonic(image, hidden))
    assert np.abs(fills[2] - image)[hidden].mean() < np.abs(fills[0] - image)[hidden].mean()


def test_every_expert_keeps_visible_pixels_and_the_range(scene):
    image, hidden = scene
    for fill in (fsr.frequency_selective, pde.harmonic, pde.biharmonic, pde.tension, pde.total_variation):
        assert (fill(image, hidden) == image)[~hidden].all()
    fills, asked = mix.experts(image, hidden)
    assert fills.shape == (6, hidden.sum())
    assert np.isfinite(fills).all()
    assert fills.min() >= mix.LOW
    assert fills.max() <= mix.HIGH
    assert asked is not None


def test_hidden_values_are_never_read(scene):
    image, hidden = scene
    other = image.copy()
    other[hidden] = 1e6
    assert np.array_equal(mix.experts(image, hidden)[0], mix.experts(other, hidden)[0])


def test_order_of_blocks_takes_corners_first():
    lacking = np.zeros((5, 5), bool)
    lacking[1:4, 1:4] = True  # a square of nine blocks that wait
    waiting = np.argwhere(np.ones((3, 3), bool))
    corners = [[0, 0], [0, 2], [2, 0], [2, 2]]
    assert waiting[fsr._choose(waiting, lacking)].tolist() == corners
    rng = np.random.default_rng(0)
    if (steps := pursuit.compiled_steps()) is not None:
        assert waiting[steps[0](waiting, lacking)].tolist() == corners
        for _ in range(20):
            lacking = np.pad(rng.random((9, 12)) > 0.4, 1, constant_values=True)
            waiting = np.argwhere(lacking[1:-1, 1:-1])
            assert np.array_equal(steps[0](waiting, lacking), fsr._choose(waiting, lacking))


def test_compiled_windows_equal_numpy_s():
    if (steps := pursuit.compiled_steps()) is None:
        return
    rng = np.random.default_rng(0)
    f, known, decay = 300 * rng.normal(size=(64, 80)), rng.integers(0, 3, (64, 80)) / 2, rng.random((32, 32))
    corner = rng.integers(0, 32, (7, 2))
    known[10:50, 10:50] = 0  # one window sees next to nothing
    for ours, theirs in zip(
        steps[1](f, known, decay, corner), fsr._look(f, known, decay, corner), strict=True
    ):
        assert np.allclose(ours, theirs)
    mean = rng.normal(size=7)
    for ours, theirs in zip(
        steps[2](f, known, decay, corner, mean), fsr._take_out(f, known, decay, corner, mean), strict=True
    ):
        assert np.allclose(ours, theirs)


def test_a_crop_gives_what_the_whole_slice_gives():
    image = phantom(seed=3, size=256)[0][0]
    hidden = np.zeros(image.shape, bool)
    hidden[150:166, 131:140] = True
    fills = dict(zip(mix.EXPERTS, mix.experts(image, hidden)[0], strict=True))
    waves = fsr.frequency_selective(image, hidden)
    options = {"block": 16, "step": 5, "rounds": 6, "first": 100.0, "last": 20.0}
    assert np.abs(fills["fsr"] - waves[hidden]).max() < 1e-6
    assert np.abs(fills["refined"] - cosine.refine(waves, hidden, **options)[hidden]).max() < 1e-6
    assert np.abs(fills["plate"] - pde.tension(image, hidden)[hidden]).max() < 1e-6


def test_a_hole_wider_than_any_window_is_still_filled():
    image = phantom(seed=5, size=128)[0][0]
    hidden = np.zeros(image.shape, bool)
    hidden[20:108, 20:108] = True
    assert np.isfinite(fsr.frequency_selective(image, hidden)).all()


def test_mix_weights_and_missing_expert():
    assert mix.shipped().sum() == pytest.approx(1.0)
    fills = np.array([[1.0, 1.0], [3.0, 3.0], [np.nan, np.nan]])
    assert mix.combine(fills, np.array([0.25, 0.25, 0.5])).tolist() == [2.0, 2.0]
