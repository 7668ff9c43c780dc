"""The generator plants what it says, where it says."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.perceive.locate.scenes import LANDMARKS, make_scenes


def test_the_seed_alone_decides():
    before = np.random.get_state()[1].copy()
    a, b, c = (make_scenes(6, seed=s, negatives=0.3) for s in (4, 4, 5))
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.landmark, b.landmark)
    assert (a.images != c.images).any()
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_truth_is_where_the_image_was_changed_by_the_landmark():
    scenes = make_scenes(120, negatives=0.25, seed=0)
    none = scenes.labels == "none"
    assert 15 < none.sum() < 45
    assert not scenes.landmark[none].any()
    assert scenes.landmark[~none].any((1, 2)).all()
    assert not (scenes.landmark & scenes.distractors).any()
    assert set(scenes.labels[~none]) == set(LANDMARKS)


def test_landmarks_have_no_favourite_place():
    scenes = make_scenes(400, seed=3)
    place = np.array([np.argwhere(m).mean(0) for m in scenes.landmark])
    assert np.abs(place.mean(0) - 23.5).max() < 1.5  # standard error .45 px
    assert (place.std(0) > 7).all()


def test_colours_do_not_tell_landmark_from_distractor():
    scenes = make_scenes(300, seed=9)
    light = scenes.images.mean(3)
    inside = [light[i][scenes.landmark[i]].mean() for i in range(300)]
    beside = [light[i][scenes.distractors[i]].mean() for i in range(300) if scenes.distractors[i].any()]
    assert abs(np.mean(inside) - np.mean(beside)) < 0.35 * np.std(inside)


def test_train_and_test_grounds_come_from_different_sides():
    photo = np.zeros((100, 200, 3), np.uint8)
    photo[:, 115:] = 255  # right of the train side's edge at 55 %
    options = {"photos": [photo], "distractors": (0, 0), "negatives": 1.0, "seed": 0}
    train = make_scenes(40, split="train", **options)
    test = make_scenes(40, split="test", **options)
    black = (train.images.max((1, 2, 3)) < 40).sum()
    assert black > 8
    assert (test.images.max((1, 2, 3)) < 40).sum() == 0


@pytest.mark.parametrize("bad", [{"kinds": ("castle",)}, {"split": "validation"}, {"size": 24}])
def test_bad_requests(bad):
    with pytest.raises(InputError):
        make_scenes(1, **bad)
