"""The measures against loops and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from heedful.errors import InputError
from heedful.perceive.locate import measures
from heedful.perceive.locate.tokens import truth_patches


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    maps, truth = rng.normal(size=(50, 36)), rng.random((50, 36)) < 0.13
    truth[:, 0] |= ~truth.any(1)
    return maps, truth


def test_precision_overlap_and_pointing_against_loops(case):
    maps, truth = case
    for i in range(50):
        k = truth[i].sum()
        top = set(np.argsort(-maps[i])[:k].tolist())
        marked = set(np.flatnonzero(truth[i]).tolist())
        assert measures.precision_at_k(maps, truth)[i] == pytest.approx(len(top & marked) / k)
        assert measures.overlap(maps, truth)[i] == pytest.approx(len(top & marked) / len(top | marked))
        assert measures.pointing(maps, truth)[i] == truth[i, maps[i].argmax()]
        five = np.argsort(-maps[i])[:5]
        assert measures.precision_at_k(maps, truth, 5)[i] == pytest.approx(truth[i][five].mean())


def test_noise_scores_chance_and_truth_scores_one(case):
    _, truth = case
    rng = np.random.default_rng(1)
    big = rng.random((4000, 36))
    marks = np.tile(truth, (80, 1))
    assert measures.precision_at_k(big, marks).mean() == pytest.approx(measures.chance(truth), abs=0.01)
    for measure in (measures.precision_at_k, measures.pointing, measures.mass_on, measures.overlap):
        assert measure(truth.astype(float), truth).mean() == 1


def test_permutation_p_is_calibrated_and_a_shared_habit_earns_nothing(case):
    _, truth = case
    rng = np.random.default_rng(2)
    ps = [measures.permutation_p(rng.random(truth.shape), truth, rounds=99, seed=s) for s in range(40)]
    assert 0.3 < np.mean(ps) < 0.7
    assert measures.permutation_p(truth * 1.0, truth, rounds=99) == 0.01
    middle = np.exp(-0.5 * (np.arange(36) - 18.0) ** 2 / 9)
    centred = rng.random(truth.shape) < middle
    centred[:, 18] |= ~centred.any(1)
    assert measures.mass_on(np.tile(middle, (50, 1)), centred).mean() > 2 * measures.chance(centred)
    assert measures.permutation_p(np.tile(middle, (50, 1)), centred, rounds=99) > 0.05


def test_average_precision_against_scikit_learn():
    rng = np.random.default_rng(3)
    scores, relevant = rng.random(40), rng.random(40) < 0.3
    assert measures.average_precision(scores, relevant) == pytest.approx(
        average_precision_score(relevant, scores)
    )
    assert np.isnan(measures.average_precision(scores, np.zeros(40, bool)))


def test_truth_patches_against_a_loop():
    mask = np.random.default_rng(4).random((3, 16, 24)) < 0.12
    found = truth_patches(mask, 8)
    for i in range(3):
        for r in range(2):
            for c in range(3):
                block = mask[i, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
                assert found[i, 3 * r + c] == (block.mean() > 0.1)


def test_bad_shapes_and_images_without_landmark(case):
    maps, truth = case
    with pytest.raises(InputError, match="both"):
        measures.precision_at_k(maps[:, :5], truth)
    truth = truth.copy()
    truth[7] = False
    with pytest.raises(InputError, match="image 7"):
        measures.pointing(maps, truth)
