"""Trees read by leaf masks give LightGBM's own sums, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

lgb = pytest.importorskip("lightgbm")

from heedful.arbitrate.raster import experts  # noqa: E402
from heedful.arbitrate.raster.experts import Boosted  # noqa: E402
from heedful.arbitrate.raster.leaves import Leaves  # noqa: E402


def data(n: int, outputs: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 5)).astype(np.float32)
    x[:, 4] = np.round(x[:, 4])  # ties with thresholds
    y = x[:, 0] * x[:, 1] + np.abs(x[:, 2]) + 0.3 * x[:, 4]
    return x, y if outputs == 0 else np.digitize(y, np.quantile(y, np.linspace(0, 1, outputs + 1)[1:-1]))


@pytest.mark.parametrize("outputs", [0, 2, 4])
@pytest.mark.parametrize("leaves", [2, 7, 32])
def test_sums_are_lightgbms(outputs, leaves):
    pytest.importorskip("numba")
    x, y = data(3000, outputs)
    expert = Boosted(outputs, trees=8, leaves=leaves).fit(x, y)
    for rows in (x, x[:1], x[:513], 50 * x):
        ours = Leaves.of(expert.booster)(rows)
        theirs = expert.booster.predict(rows, raw_score=True, num_threads=1).reshape(len(rows), -1)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("outputs", [0, 2, 4])
def test_both_ways_and_lightgbms_probabilities(outputs, monkeypatch):
    x, y = data(2000, outputs)
    expert = Boosted(outputs, trees=8).fit(x, y)
    slow = expert.predict(x)
    monkeypatch.setattr(experts, "WORTH", 1)
    np.testing.assert_array_equal(expert.predict(x), slow)
    own = expert.booster.predict(x, num_threads=1)
    own = own[:, None] if outputs == 0 else np.stack([1 - own, own], 1) if outputs == 2 else own
    np.testing.assert_allclose(slow, own, atol=1e-12)


def test_other_trees_are_left_to_lightgbm():
    x, y = data(3000, 2)
    plain = {"verbosity": -1, "num_threads": 1}
    wide = lgb.train(plain | {"num_leaves": 64, "min_data_in_leaf": 5}, lgb.Dataset(x, y), 3)
    x[::7, 0] = np.nan
    holes = lgb.train(plain, lgb.Dataset(x, y), 3)
    assert Leaves.of(wide) is None
    assert Leaves.of(holes) is None
