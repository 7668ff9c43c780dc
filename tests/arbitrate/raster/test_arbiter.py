"""The arbiter: exact decomposition, no-data, removal, saving, bad input; on planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from heedful.arbitrate.raster import SourceArbiter, corrupt, landscape, weights_of
from heedful.arbitrate.raster.experts import softmax
from heedful.arbitrate.raster.plant import KINDS, plant
from heedful.arbitrate.raster.tokens import Scene, box
from heedful.errors import InputError

FAST = {"trees": 12, "rows": 4000, "gate_rows": 8000, "folds": 3, "passes": 3, "block": 32, "light": True}


@pytest.fixture(scope="module")
def arbiter():
    return SourceArbiter(sources=("optical", "sar"), date_reference="sar", **FAST).fit(landscape(128, seed=0))


@pytest.fixture(scope="module")
def clear():
    return landscape(96, seed=100)


def test_weights_sum_to_one_and_mix_exactly(arbiter, clear):
    a = arbiter.arbitrate(clear)
    np.testing.assert_allclose(a.weights.sum(-1), 1, atol=1e-9)
    by_hand = np.zeros_like(a.z)
    for e in range(len(a.keys)):
        by_hand += a.weights[..., e, None] * a.opinions[..., e, :]
    np.testing.assert_allclose(a.z, by_hand, atol=1e-9)
    np.testing.assert_allclose(a.proba, softmax(a.z), atol=1e-12)


def test_removal_is_exact(arbiter, clear):
    a = arbiter.arbitrate(clear)
    i, j = 40, 17
    for source in a.sources:
        keep = [k for k in range(len(a.keys)) if a.keys[k] not in (source, "joint", "hardened")]
        w = a.weights[i, j, keep]
        np.testing.assert_allclose(a.without(source)[i, j], (w / w.sum()) @ a.opinions[i, j, keep], atol=1e-9)


def test_the_core_gives_the_same_weights(arbiter, clear):
    bad, _ = corrupt(clear, "wrong date", 3)
    a = arbiter.arbitrate(bad, keep=True)
    at = np.argwhere(np.ones(a.weights.shape[:2]))[::97]
    got = np.asarray(weights_of(arbiter, a, at).rows(range(len(at))))
    np.testing.assert_allclose(got, a.weights[tuple(at.T)], atol=1e-9)


def test_no_data_is_never_a_value(arbiter, clear):
    x = clear.sources["optical"].copy()
    x[:, :, 10:40, 5:50] = np.nan
    a = arbiter.arbitrate(clear.with_sources(optical=x))
    hole = (slice(10, 40), slice(5, 50))
    for k in ("optical", "joint", "hardened"):
        assert (a.weights[(*hole, a.keys.index(k))] == 0).all()
    both = clear.with_sources(optical=x, sar=np.where(np.isnan(x[:, :2]), np.nan, clear.sources["sar"]))
    b = arbiter.arbitrate(both)
    assert (b.weights[(*hole, b.keys.index("null"))] == 1).all()
    assert (b.labels[hole] == -1).all()
    # what lies under the hole cannot matter: NaN replaces whatever was there
    y = clear.sources["optical"].copy()
    y[:, :, 10:40, 5:50] = 9999.0
    y[np.isnan(x)] = np.nan
    np.testing.assert_array_equal(a.z, arbiter.arbitrate(clear.with_sources(optical=y)).z)


@pytest.mark.parametrize(
    ("name", "source", "floor"),
    [
        ("cloud", "optical", 0.9),
        ("interference", "sar", 0.9),
        ("no-data as 0", "optical", 0.9),
        ("wrong date", "optical", 0.8),
    ],
)
def test_weight_leaves_planted_damage(arbiter, clear, name, source, floor):
    bad, masks = corrupt(clear, name, 0)
    a = arbiter.arbitrate(bad)
    assert roc_auc_score(masks[source].ravel(), -a.admitted(source).ravel()) > floor
    other = "sar" if source == "optical" else "optical"
    assert not masks[other].any()


def test_other_land_is_not_called_damage(arbiter, clear):
    from heedful.arbitrate.raster.outlook import BELIEVED, UNFAMILIAR

    noise = np.random.default_rng(0).normal(0, 900, clear.sources["optical"].shape).astype(np.float32)
    a = arbiter.arbitrate(clear.with_sources(optical=clear.sources["optical"] * 2.5 + noise))
    assert a.rate[UNFAMILIAR] > 0.95
    assert min(r.min() for r in a.reliability.values()) >= 1 - BELIEVED - 1e-9


def test_strange_land_is_judged_by_its_own_median(arbiter, clear):
    from heedful.arbitrate.raster.outlook import MOSTLY, Outlook

    f = arbiter.state_
    bad, masks = corrupt(clear, "cloud", 0)
    _, _, e = arbiter._evidence(bad)
    e = e.reshape(-1, e.shape[-1])
    strange = e - 1.3 * np.array([n.startswith("normal[sar]") for n in f.columns], np.float32)
    before = 1 - f.states.rates(f.states.log_posterior(strange))[0]
    outlook = Outlook.of(f.states, strange, f.columns)
    assert before > MOSTLY[1]
    assert set(outlook.level) >= {f"normal[sar]{k}" for k in (1, 5, 11, 21)}
    assert sum(outlook.rate.values()) < 0.6
    p = f.states.posterior(
        f.states.log_posterior(outlook.levelled(strange, f.columns)),
        np.r_[1 - sum(outlook.rate.values()), list(outlook.rate.values())],
    )
    damaged = f.states.damage(p, "optical")
    assert roc_auc_score(masks["optical"].ravel(), damaged) > 0.9
    assert Outlook.from_json(outlook.to_json()) == outlook
    assert Outlook.of(f.states, e, f.columns).level == {}


def test_fusion_beats_the_best_source(arbiter, clear):
    a = arbiter.arbitrate(clear)
    right = lambda z: (z.argmax(-1) == clear.labels[0]).mean()
    assert right(a.z) > max(right(a.opinions[..., 0, :]), right(a.opinions[..., 1, :])) + 0.05


def test_shares_split_the_joint_weight(arbiter, clear):
    a = arbiter.arbitrate(clear)
    np.testing.assert_allclose(
        a.share("optical") + a.share("sar") + a.weights[..., a.keys.index("null")], 1, atol=1e-6
    )


def test_saved_is_the_same(arbiter, clear, tmp_path):
    again = SourceArbiter.load(arbiter.save(tmp_path / "a.safetensors"))
    np.testing.assert_array_equal(again.arbitrate(clear).z, arbiter.arbitrate(clear).z)
    assert again.date_reference == "sar"


def test_same_seed_same_answer(clear):
    train = landscape(64, seed=1)
    one, two = (
        SourceArbiter(sources=("optical", "sar"), **FAST).fit(train).arbitrate(clear).z for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


def test_a_quantity_is_a_convex_mix():
    rng = np.random.default_rng(0)
    n = 900
    truth = rng.standard_normal(n)
    noise = np.where(rng.random((n, 2)) < 0.5, 0.2, 1.0)
    data = {
        "a": (truth[:, None] + noise[:, :1] * rng.standard_normal((n, 3))),
        "b": (truth[:, None] + noise[:, 1:] * rng.standard_normal((n, 2))),
    }
    fast = FAST | {"block": 1, "gate_rows": 4000, "rows": 800}
    m = SourceArbiter(sources=("a", "b"), **fast).fit(
        Scene({k: v[:600] for k, v in data.items()}, truth[:600]), groups=np.arange(600) // 5
    )
    a = m.arbitrate(Scene({k: v[600:] for k, v in data.items()}))
    z = a.opinions[..., 0]
    assert (a.z[..., 0] <= z.max(-1) + 1e-9).all()
    assert (a.z[..., 0] >= z.min(-1) - 1e-9).all()
    assert np.corrcoef(a.z[:, 0, 0], truth[600:])[0, 1] > 0.7


def test_box_is_a_loop():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((7, 9))
    v = rng.random((7, 9)) < 0.7
    got = box(x, 5, v)
    for i in range(7):
        for j in range(9):
            s = (slice(max(i - 2, 0), i + 3), slice(max(j - 2, 0), j + 3))
            want = x[s][v[s]].mean() if v[s].any() else 0.0
            assert got[i, j] == pytest.approx(want, abs=1e-12)


def test_planted_damage_stays_in_its_mask(clear):
    blocks = {n: np.concatenate([x[:, :, :48, :48], x[:, :, 48:, 48:]]) for n, x in clear.sources.items()}
    for kind in KINDS:
        bad, masks, _what = plant(blocks, (kind,), 0, none=0.0, both=1.0)
        for s in blocks:
            changed = np.abs(bad[s] - blocks[s]).max(1) > 0
            assert not (changed & ~masks[s]).any()
            assert masks[s].any()
    assert not plant(blocks, ("swap",), 0, fixed=("sar",), none=0.0)[1]["sar"].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sources": ("optical",)}, "one source only"),
        ({"neighbourhood": 2}, "odd number"),
        ({"date_reference": "lidar"}, "none of the sources"),
        ({"sources": ("optical", "lidar")}, "no source 'lidar'"),
        ({"kinds": ("earthquake",)}, "unknown planted kind"),
        ({"folds": 99}, "need at least as many"),
        ({"experts": "svm"}, "not known"),
    ],
)
def test_bad_settings(change, words):
    with pytest.raises(InputError, match=words):
        SourceArbiter(**({"sources": ("optical", "sar")} | FAST | change)).fit(landscape(64, seed=0))


def test_bad_scenes(arbiter, clear):
    with pytest.raises(InputError, match="different grids"):
        Scene({"optical": np.ones((4, 8, 8)), "sar": np.ones((2, 8, 9))})
    with pytest.raises(InputError, match="one class only"):
        SourceArbiter(**FAST).fit(Scene(clear.sources, np.zeros(clear.shape, int)))
    with pytest.raises(InputError, match="no-data"):
        SourceArbiter(**FAST).fit(
            Scene({"optical": clear.sources["optical"] * np.nan, "sar": clear.sources["sar"]}, clear.labels)
        )
    with pytest.raises(InputError, match="decibels"):
        arbiter.arbitrate(clear.with_sources(sar=10 ** (clear.sources["sar"] / 10)))
    with pytest.raises(InputError, match="one scale"):
        arbiter.arbitrate(clear.with_sources(optical=clear.sources["optical"] / 10000))
    with pytest.raises(InputError, match="band"):
        arbiter.arbitrate(clear.with_sources(optical=clear.sources["optical"][:, :3]))
    with pytest.raises(InputError, match="not fitted"):
        SourceArbiter().arbitrate(clear)
    with pytest.raises(InputError, match="no labels"):
        SourceArbiter(**FAST).fit(Scene(clear.sources))


def test_plain_breaks_where_it_is_said_to():
    from heedful.arbitrate.raster import failures

    found = failures(landscape(128, seed=0), landscape(96, seed=100))
    assert found["spread of the weights, one radar key"] == 0
    assert found["AUROC of the radar's weight: cloud (trained)"] > 0.7
    assert found["AUROC of the radar's weight: no-data as 0 (never seen)"] < 0.3


def test_an_offset_is_no_wrong_date(arbiter):
    """What one offset mends is not taken for another date of the optical image."""
    scene = landscape(128, seed=104)
    at_e = {n: i for i, n in enumerate(arbiter.state_.columns)}
    mended, steady, elsewhere = {}, {}, {}
    for what in ("offset (radar)", "wrong date"):
        bad, masks = corrupt(scene, what, 5)
        at = np.logical_or.reduce(list(masks.values()))
        e = arbiter._evidence(bad)[2].reshape(*scene.shape, -1)
        mended[what] = e[..., at_e["mended[optical,sar]21"]][at].mean()
        gain = e[..., at_e["steady[sar]21"]]
        assert gain.max() <= 1e-6
        steady[what] = gain[at].mean() - gain[~at].mean()
        elsewhere[what] = arbiter.arbitrate(bad).mismatch["optical"][at].mean()
    assert mended["offset (radar)"] > mended["wrong date"] + 0.5
    assert steady["offset (radar)"] < -0.5
    assert elsewhere["wrong date"] > elsewhere["offset (radar)"] + 0.3
