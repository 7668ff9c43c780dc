"""One small model, trained once for the folder."""

import pytest

from heedful.perceive.locate import PatchClassifier, make_scenes

SMALL = {"size": 32, "radius": (4.5, 6.5), "kinds": ("ring", "cross")}


@pytest.fixture(scope="session")
def test_scenes():
    return make_scenes(60, split="test", seed=1, **SMALL)


@pytest.fixture(scope="session")
def model():
    train = make_scenes(500, negatives=0.2, seed=1, **SMALL)
    return PatchClassifier(
        channels=(8, 12, 24, 24, 24), iterations=260, polish=0, taught=60, lr=5e-3, seed=0
    ).fit(train.images, train.labels)


@pytest.fixture(scope="session")
def plain():
    train = make_scenes(64, seed=2, **SMALL)
    return PatchClassifier(method="plain", iterations=2).fit(train.images, train.labels)
