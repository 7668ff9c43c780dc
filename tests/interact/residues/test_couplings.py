"""The closed form against loops over every letter."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.interact.residues import couplings as cp


@pytest.fixture
def codes():
    return np.random.default_rng(0).integers(0, 21, (60, 7)).astype(np.uint8)


def test_weights_against_a_loop(codes):
    codes[:20] = codes[0]
    codes[5, 0] = (codes[5, 0] + 1) % 21
    near = [[np.mean(a == b) >= 0.8 for b in codes] for a in codes]
    np.testing.assert_allclose(cp.sequence_weights(codes, block=13), 1 / np.sum(near, 1))


def test_frequencies_against_a_loop(codes):
    w = np.linspace(1, 2, len(codes))
    f = cp.frequencies(codes, w)
    pair = np.zeros((7, 21, 7, 21))
    for row, weight in zip(codes, w / w.sum(), strict=True):
        for i in range(7):
            for j in range(7):
                pair[i, row[i], j, row[j]] += weight
    np.testing.assert_allclose(f.pair, pair, atol=1e-7)
    np.testing.assert_allclose(f.single.sum(1), 1)


def test_smoothing_keeps_marginals(codes):
    f = cp.frequencies(codes, np.ones(60)).smoothed(0.7)
    np.testing.assert_allclose(f.pair[0, :, 3, :].sum(1), f.single[0], atol=1e-6)
    np.testing.assert_allclose(f.pair[2, :, 2, :], np.diag(f.single[2]))


def test_mutual_information_of_independent_and_equal_columns():
    rng = np.random.default_rng(1)
    a = rng.integers(0, 20, 4000)
    codes = np.stack([a, a, rng.integers(0, 20, 4000)], 1).astype(np.uint8)
    mi = cp.mutual_information(cp.frequencies(codes, np.ones(4000)))
    assert mi[0, 1] == pytest.approx(np.log(20), abs=0.02)
    assert mi[0, 2] < 0.08


def test_twenty_letters_are_the_whole_mean_field(codes):
    # with all 20 directions nothing is projected away, so the site alphabets are mean-field DCA itself
    f = cp.frequencies(codes, np.ones(60))
    norms, _, _ = cp.site_alphabet(f, 20, 0.5)
    np.testing.assert_allclose(norms, cp.mean_field(f, 0.5), rtol=1e-6)


def test_block_norms_against_the_blocks(codes):
    f = cp.frequencies(codes, np.ones(60))
    norms, blocks, bases = cp.site_alphabet(f, 4, 0.6)
    for i, j in [(0, 3), (5, 2)]:
        full = bases[i] @ blocks[i, :, j] @ bases[j].T
        full = full - full.mean(0) - full.mean(1, keepdims=True) + full.mean()
        assert norms[i, j] == pytest.approx(np.linalg.norm(full[:20, :20]), rel=1e-9)


def test_projections_are_white(codes):
    f = cp.frequencies(codes, np.ones(60)).smoothed(0.5)
    bases = cp.site_bases(f, 5)
    covariance = f.covariance()
    np.testing.assert_allclose(bases[3].T @ covariance[3, :, 3] @ bases[3], np.eye(5), atol=1e-8)


def test_correction_removes_a_product():
    a = np.linspace(1, 2, 12)
    scores = np.outer(a, a)
    np.fill_diagonal(scores, 0)
    assert np.abs(cp.corrected(scores)).max() < 0.15 * scores.max()


def test_parameters_below_seventeen_percent():
    for columns in (53, 64, 159, 223, 1000):
        ours, potts = cp.parameter_count(columns, 8)
        assert ours / potts < 0.17


def test_too_little(codes):
    with pytest.raises(InputError, match="says nothing about pairs"):
        cp.frequencies(codes[:1], np.ones(1))
    f = cp.frequencies(np.zeros((30, 4), np.uint8), np.ones(30))
    with pytest.raises(InputError, match="1 independent letters, 4 were"):
        cp.site_bases(f, 4)
