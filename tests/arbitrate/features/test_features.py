"""The feature arbiter: exact mix, planted source, planted context, no signal no story, bad tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from heedful.arbitrate.features import FeatureArbiter, permutation_test, sources_of, weights_of
from heedful.arbitrate.features.claims import sentence
from heedful.arbitrate.features.gate import context_test, fit_gate
from heedful.arbitrate.features.ridge import fit_ridge, smoothers
from heedful.arbitrate.features.tokens import RankGauss
from heedful.errors import InputError


def table(n=120, seed=0, strength=0.8):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    parts = {f"original_glcm_F{i}": strength * y + rng.standard_normal(n) for i in range(6)}
    parts |= {f"original_shape_F{i}": rng.standard_normal(n) for i in range(6)}
    parts |= {f"wavelet-HLL_firstorder_F{i}": rng.standard_normal(n) for i in range(40)}
    return pd.DataFrame(parts), y


@pytest.fixture(scope="module")
def fitted():
    X, y = table()
    return FeatureArbiter(trees=40, permutations=199).fit(X, y), X, y


def test_the_answer_is_the_weighted_sum(fitted):
    a, X, _ = fitted
    o = a.arbitrate(X)
    np.testing.assert_allclose(o.weights.sum(1), 1)
    np.testing.assert_allclose(o.contributions().sum(1), o.z, atol=1e-12)
    i, keep = 3, [k for k in range(len(o.keys)) if o.keys[k] != "joint"]
    w = o.weights[i, keep]
    assert o.without("joint")[i] == pytest.approx((w / w.sum()) @ o.opinions[i, keep])


def test_the_core_gives_the_same_weights(fitted):
    a, X, _ = fitted
    o = a.arbitrate(X)
    np.testing.assert_allclose(np.asarray(weights_of(a, o).rows(range(len(X)))), o.weights, atol=1e-12)


def test_planted_source_is_found_and_others_are_not(fitted):
    a, _, _ = fitted
    assert a.signal_.any
    assert [s for s in a.sources_ if a.signal_.matters(s)] == ["glcm"]
    assert "glcm" in sentence(a)


def test_shuffled_labels_tell_no_story():
    false, tables = 0, 20
    for seed in range(tables):
        X, y = table(60, seed, strength=0.0)
        x = {s: RankGauss().fit(X[c].to_numpy())(X[c].to_numpy()) for s, c in sources_of(X.columns).items()}
        false += permutation_test(x, y, np.arange(60) % 5, permutations=99, seed=seed).p_table <= 0.05
    assert false <= 4  # 20 x .05 = 1 expected; 5 or more happens once in 400


def test_the_null_is_calibrated_under_ties_and_groups():
    rng = np.random.default_rng(0)
    unit = np.repeat(np.arange(30), 3)
    found = 0
    for seed in range(20):
        y = rng.permutation(np.arange(30) % 2)[unit]
        x = rng.standard_normal((30, 12))[unit] + 0.1 * rng.standard_normal(
            (90, 12)
        )  # a patient's rows are alike
        found += (
            permutation_test({"a": x}, y, unit % 5, permutations=99, seed=seed, groups=unit).p_table <= 0.05
        )
    assert found <= 4


def test_context_turns_the_weights():
    rng = np.random.default_rng(1)
    n = 360
    c, y = rng.uniform(0, 1, n), np.arange(n) % 2
    a = np.where(c[:, None] < 0.5, 1.2 * y[:, None], 0) + rng.standard_normal((n, 5))
    b = np.where(c[:, None] >= 0.5, 1.2 * y[:, None], 0) + rng.standard_normal((n, 5))
    X = pd.DataFrame(
        np.c_[a, b, c], columns=[*(f"hand{i}" for i in range(5)), *(f"deep{i}" for i in range(5)), "age"]
    )
    train = np.arange(n) < 240
    m = FeatureArbiter(context=("age",), trees=40, permutations=99).fit(X[train], y[train])
    o = m.arbitrate(X[~train])
    assert m.context_p_ <= 0.05
    balance = o.weights[:, o.keys.index("hand")] - o.weights[:, o.keys.index("deep")]
    assert roc_auc_score(c[~train] < 0.5, balance) > 0.9


def test_a_context_that_says_nothing_is_mostly_told_so():
    rng, p, share = np.random.default_rng(7), [], []
    for seed in range(100):
        y = np.arange(90) % 2
        z = 0.8 * (2 * y[:, None] - 1) + rng.standard_normal((90, 2))
        c = rng.standard_normal(90) + 1.5 * y  # it foretells the outcome, and that is no reason to trust
        p, share = [
            [*kept, new]
            for kept, new in zip(
                (p, share),
                context_test(np.c_[np.ones(90), c], z, y, np.zeros(2), permutations=99, seed=seed),
                strict=True,
            )
        ]
    assert np.mean(np.array(p) <= 0.05) <= 0.12  # .05 expected; 13 of 100 or more once in 1000
    assert np.median(share) < 0.25


def test_a_rare_outcome_known_from_the_context_is_no_reason_to_trust_a_source():
    rng, found = np.random.default_rng(8), 0
    for seed in range(60):
        y = (np.arange(150) % 6 == 0).astype(int)
        z = np.array([1.5, 0.2]) * (2 * y[:, None] - 1) + rng.standard_normal((150, 2)) - 1
        phi = np.c_[np.ones(150), rng.standard_normal(150) + 2 * y]
        found += context_test(phi, z, y, np.zeros(2), permutations=99, seed=seed)[0] <= 0.05
    assert found <= 9  # 3 expected; 10 or more once in 1000


def test_rows_of_one_patient_are_exchanged_as_one():
    rng, found = np.random.default_rng(9), 0
    unit = np.repeat(np.arange(40), 4)
    for seed in range(60):
        y = (np.arange(40) % 2)[unit]
        z = 0.8 * (2 * y[:, None] - 1) + rng.standard_normal((40, 2))[unit]
        phi = np.c_[np.ones(160), rng.standard_normal(40)[unit]]
        p, _ = context_test(phi, z, y, np.zeros(2), groups=unit, permutations=99, seed=seed)
        found += p <= 0.05
    assert found <= 9


def test_a_planted_context_is_seen_in_sixty_patients_and_a_shrunk_gate_keeps_its_constant_part():
    rng = np.random.default_rng(10)
    y, c = np.arange(60) % 2, np.arange(60) // 2 % 2
    z = 2.0 * (2 * y[:, None] - 1) * np.stack([c, 1 - c], 1) + rng.standard_normal((60, 2))
    phi = np.c_[np.ones(60), c]
    p, share = context_test(phi, z, y, np.zeros(2))
    assert p <= 0.01
    assert 0.7 < share < 1
    gate = fit_gate(phi, z, y, np.zeros(2))
    np.testing.assert_allclose(gate.shrunk(0.0).weights(phi)[0], gate.shrunk(0.0).weights(phi)[1])
    np.testing.assert_allclose(gate.shrunk(1.0).weights(phi), gate.weights(phi))


def test_the_gate_raises_and_shuts():
    X, y = table(80)
    w = {
        g: FeatureArbiter(nonlinear=False, permutations=0, gate=g and {"glcm": g}).fit(X, y).arbitrate(X)
        for g in (None, 3.0, -np.inf)
    }
    at = w[None].keys.index("glcm")
    assert w[3.0].weights[0, at] > w[None].weights[0, at]
    assert w[-np.inf].weights[0, at] < 1e-20


def test_held_out_smoother_is_refitting():
    rng = np.random.default_rng(2)
    x, folds = rng.standard_normal((40, 60)), np.arange(40) % 5
    y = (rng.random(40) < 0.5).astype(float)
    weight = rng.uniform(0.2, 2, 40)
    e, z = fit_ridge(x, y, folds, weight)
    assert z.shape == (40,)
    m = smoothers(x, folds, weight)
    for f in (0, 3):
        t = folds != f
        w = weight[t] / weight.mean()
        mean, centre = (w[:, None] * x[t]).sum(0) / w.sum(), (w * y[t]).sum() / w.sum()
        from heedful.arbitrate.features.ridge import PENALTIES, _scale

        for i, lam in enumerate(PENALTIES * _scale(x)):
            xc = x[t] - mean
            b = np.linalg.solve(xc.T @ (w[:, None] * xc) + lam * np.eye(60), xc.T @ (w * (y[t] - centre)))
            np.testing.assert_allclose((m[i] @ y)[~t], (x[~t] - mean) @ b + centre, atol=1e-8)
    assert np.isfinite(e.coef).all()


def test_gate_gradient_and_prior():
    rng = np.random.default_rng(3)
    phi, z, y = (
        np.c_[np.ones(50), rng.standard_normal(50)],
        rng.standard_normal((50, 3)),
        rng.integers(0, 2, 50),
    )
    flat = fit_gate(phi, z, y, np.zeros(3), ridge=1e9, context_ridge=1e9)
    np.testing.assert_allclose(flat.weights(phi), 1 / 3, atol=1e-6)


def test_saved_is_the_same(fitted, tmp_path):
    a, X, _ = fitted
    again = FeatureArbiter.load(a.save(tmp_path / "f.safetensors"))
    np.testing.assert_allclose(again.arbitrate(X).z, a.arbitrate(X).z, atol=1e-12)
    assert again.signal_.p == a.signal_.p


def test_plain_cannot_follow_a_context():
    rng = np.random.default_rng(4)
    n = 200
    c, y = np.arange(n) // 2 % 2, np.arange(n) % 2
    a = np.where(c[:, None] == 0, 1.5 * y[:, None], 0) + rng.standard_normal((n, 4))
    b = np.where(c[:, None] == 1, 1.5 * y[:, None], 0) + rng.standard_normal((n, 4))
    X = pd.DataFrame(
        np.c_[a, b, c], columns=[*(f"hand{i}" for i in range(4)), *(f"deep{i}" for i in range(4)), "kind"]
    )
    m = FeatureArbiter(method="plain", context=("kind",)).fit(X[:120], y[:120])
    p, w = m.plain_.predict({s: X.loc[120:, k].to_numpy() for s, k in m.sources_.items()})
    assert p.shape == (80,)
    assert abs(roc_auc_score(c[120:] == 0, w[:, 0]) - 0.5) < 0.3


def test_missing_cells_and_constant_columns():
    X, y = table(80)
    X.iloc[::7, 0] = np.nan
    X["original_shape_F0"] = 3.0
    o = FeatureArbiter(permutations=0, nonlinear=False).fit(X, y).arbitrate(X)
    assert np.isfinite(o.z).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X, y: (X[[c for c in X if "glcm" in c]], y), "one source only"),
        (lambda X, y: (X, np.zeros(len(y))), "1 classes"),
        (lambda X, y: (X, np.arange(len(y)) % 3), "3 classes"),
        (lambda X, y: (X.iloc[:20], y[:20]), "any pattern"),
        (lambda X, y: (X.assign(leak=3.0 - y), y), "outcome itself"),
        (lambda X, y: (X.assign(patient=np.arange(len(y)) + 100), y), "identifier"),
        (lambda X, y: (X, y[:-1]), "outcomes"),
        (lambda X, y: (X, np.r_[np.ones(3), np.zeros(len(y) - 3)]), "smaller class"),
        (lambda X, y: (X.assign(note="a"), y), "text"),
    ],
)
def test_bad_tables(change, words):
    X, y = change(*table(60))
    with pytest.raises(InputError, match=words):
        FeatureArbiter(permutations=0, nonlinear=False).fit(X, y)


def test_bad_settings():
    X, y = table(60)
    with pytest.raises(InputError, match="in two folds"):
        FeatureArbiter(permutations=0).fit(X, y, groups=np.arange(60) // 2, folds=np.arange(60) % 5)
    with pytest.raises(InputError, match="no source"):
        FeatureArbiter(permutations=0, nonlinear=False, gate={"PET": 1.0}).fit(X, y)
    with pytest.raises(InputError, match="in two sources"):
        FeatureArbiter(sources={"a": list(X)[:4], "b": list(X)[3:]}).fit(X, y)
    with pytest.raises(InputError, match="context column"):
        FeatureArbiter(context=("age",)).fit(X, y)
    with pytest.raises(InputError, match="not fitted"):
        FeatureArbiter().arbitrate(X)


def test_command_on_a_file(tmp_path):
    from heedful.arbitrate.features.command import run

    X, y = table(70)
    X.assign(ID=[f"p{i}" for i in range(70)], Target=y == 1).to_csv(tmp_path / "t.csv", index=False)
    story = run(tmp_path / "t.csv", permutations=99, trust="none", out=tmp_path / "o.csv")
    assert "glcm" in story.headline
    assert len(pd.read_csv(tmp_path / "o.csv")) == 70
    assert story.scores[0].interval is not None
    for p in story.pictures:
        p.to_dict()
