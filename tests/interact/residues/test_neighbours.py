"""What a pair borrows from the pairs around it: learned without contacts, nothing where there is nothing."""

import numpy as np
import pytest

from heedful.interact.residues import SiteContacts, planted_family, precisions
from heedful.interact.residues.neighbours import borrowed, learn_neighbours, offset_classes, patches
from heedful.interact.residues.precision import precision_draws, precision_interval


def ladders(seed: int, length: int = 60) -> np.ndarray:
    """A map of rungs (i + t, j - t), as between antiparallel strands."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((length, length))
    for _ in range(8):
        i, j = rng.integers(4, 20), rng.integers(36, length - 4)
        for t in range(-3, 4):
            truth[i + t, j - t] = truth[j - t, i + t] = 1.0
    return truth


def noisy(truth: np.ndarray, size: float, rng) -> np.ndarray:
    noise = rng.normal(0, size, truth.shape)
    return truth + (noise + noise.T) / np.sqrt(2)


def test_classes_cover_every_offset_once():
    for reach in (0, 1, 3):
        every = [o for c in offset_classes(reach) for o in c]
        assert len(every) == len(set(every)) == (2 * reach + 1) ** 2


def test_patches_are_shifted_copies():
    scores = noisy(np.zeros((12, 12)), 1.0, np.random.default_rng(0))
    got = patches(scores, 2)
    place = offset_classes(2).index([(-2, 1), (-1, 2), (1, -2), (2, -1)])
    i, j = 2, 8
    expect = np.mean([scores[i + a, j + b] for a, b in offset_classes(2)[place]])
    assert got[i, j, place] == pytest.approx(expect)
    assert got[i, j, offset_classes(2).index([(0, 0)])] == scores[i, j]


def test_rungs_are_learned_from_halves_and_help():
    truth, rng = ladders(0), np.random.default_rng(1)
    codes = np.arange(400)[:, None].repeat(60, 1)  # the maps below do not look at letters

    def make_map(rows):
        return noisy(truth, 0.6, rng)

    weights = learn_neighbours(codes, make_map, reach=2, splits=4)
    kind = dict(zip(map(tuple, offset_classes(2)), weights, strict=True))
    rung, other = kind[((-1, 1), (1, -1))], kind[((-1, -1), (1, 1))]
    assert rung > 0.4 > 0.1 > other  # off the ladder a neighbour speaks against
    seen = noisy(truth, 0.6, np.random.default_rng(2))
    before = precisions(seen, truth > 0)["AP"]
    assert precisions(borrowed(seen, weights, 2), truth > 0)["AP"] > before + 0.1


def test_pure_noise_teaches_next_to_nothing():
    rng = np.random.default_rng(0)
    weights = learn_neighbours(
        np.zeros((40, 50), int), lambda rows: noisy(np.zeros((50, 50)), 1.0, rng), reach=2
    )
    assert np.isfinite(weights).all()
    assert weights[offset_classes(2).index([(0, 0)])] == 1.0


def test_neighbours_zero_is_the_mixture_itself():
    family = planted_family(seed=3, length=40, sequences=400)
    bare, full = SiteContacts(neighbours=0).fit(family.codes), SiteContacts().fit(family.codes)
    np.testing.assert_allclose(bare.scores_, bare._mixed(bare.coupling_, bare.mutual_))
    np.testing.assert_allclose(
        full.scores_, borrowed(bare.scores_, full.borrowing_, 4), atol=1e-12, rtol=1e-12
    )
    assert full.parameters_ == bare.parameters_ + len(full.borrowing_)
    # planted contacts are scattered: nothing is to be borrowed, and little is
    assert (
        precisions(full.scores_, family.contacts)["AP"]
        > precisions(bare.scores_, family.contacts)["AP"] - 0.05
    )


def test_intervals_of_average_precision():
    truth = ladders(1) > 0
    rng = np.random.default_rng(0)
    good, poor = noisy(truth * 1.0, 0.3, rng), noisy(truth * 1.0, 1.0, rng)
    low, high = precision_interval(good, poor, truth, part=None, draws=200)
    gap = precisions(good, truth)["AP"] - precisions(poor, truth)["AP"]
    assert 0 < low < gap < high
    once = precision_draws(good, poor, truth, part=None, draws=5, seed=0)
    np.testing.assert_array_equal(once, precision_draws(good, poor, truth, part=None, draws=5, seed=0))
    assert precision_interval(good, good, truth, part=None, draws=20) == (0.0, 0.0)
