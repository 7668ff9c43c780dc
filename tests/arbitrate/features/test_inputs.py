"""What users bring: learned features in another order, contexts in words, shut sources, few patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from heedful.arbitrate.features import FeatureArbiter, permutation_test
from heedful.arbitrate.features.claims import claims
from heedful.arbitrate.features.command import run
from heedful.arbitrate.features.demo import auroc_interval
from heedful.arbitrate.features.encoder import Encoder
from heedful.arbitrate.features.pictures import along_context
from heedful.arbitrate.features.tokens import Coding, check_table, matching
from heedful.errors import InputError


def table(n=80, seed=0, strength=0.9):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    parts = {f"original_glcm_F{i}": strength * y + rng.standard_normal(n) for i in range(4)}
    parts |= {f"original_shape_F{i}": rng.standard_normal(n) for i in range(4)}
    return pd.DataFrame(parts), y


def learned(y, seed=1):
    return np.random.default_rng(seed).standard_normal((len(y), 4)) + 2.0 * y[:, None]


def test_learned_features_are_matched_by_patient_and_what_gives_the_outcome_away_is_said(tmp_path):
    X, y = table()
    names, rng = np.arange(80) + 5, np.random.default_rng(0)
    deep = pd.DataFrame(learned(y), columns=list("abcd")).assign(PatientID=names.astype(float))  # 7.0 for 7
    deep = pd.concat([deep, deep.iloc[:3].assign(PatientID=[901.0, 902.0, 903.0])])
    deep.sample(frac=1, random_state=3).to_csv(tmp_path / "deep.csv", index=False)
    late = np.where(y == 1, 1.0, 30.0) + rng.uniform(0, 9, 80)
    X.assign(PatientID=names, months=late, outcome=y).to_csv(tmp_path / "t.csv", index=False)
    story = run(tmp_path / "t.csv", learned=tmp_path / "deep.csv", permutations=49, trust="none")
    found = story.tables["sources"].set_index("source")["held-out AUROC"]
    assert found["learned"] > 0.95
    said = " ".join(story.notes)
    assert "matched by patient; 3 rows were of others" in said
    assert "months alone separates the outcomes" in said
    assert "without pyradiomics names that were taken as features (1): months" in said


@pytest.mark.parametrize(
    ("mine", "theirs", "named", "words"),
    [
        (["P1", "P2", "P3"], ["P3", "P1"], False, "1 of 3 patients, such as 'P2'"),
        (["P1", "P2"], ["0", "1", "2"], False, "3 rows, the table has 2"),
        (["2", "0", "1"], ["0", "1", "2"], False, "in the table's order?"),
        (["a", "b"], ["b", "a", "a"], False, "several rows"),
    ],
)
def test_rows_that_cannot_be_matched(mine, theirs, named, words):
    with pytest.raises(InputError) as error:
        matching(mine, theirs, named=named)
    assert words in str(error.value)


def test_rows_without_names_are_in_order_and_named_numbers_are_names():
    assert matching(["P1", "P2"], ["0", "1"], named=False)[0].tolist() == [0, 1]
    assert matching(["2", "0", "1"], ["0", "1", "2"], named=True)[0].tolist() == [2, 0, 1]
    assert matching(["a", "a", "b"], ["b", "a"], named=False)[0].tolist() == [1, 1, 0]


def test_a_context_in_words_turns_the_weights(tmp_path):
    rng = np.random.default_rng(1)
    n = 360
    kind, y = rng.choice(["adeno", "squamous", "small cell"], n), np.arange(n) % 2
    a = np.where((kind == "adeno")[:, None], 1.5 * y[:, None], 0) + rng.standard_normal((n, 4))
    b = np.where((kind != "adeno")[:, None], 1.5 * y[:, None], 0) + rng.standard_normal((n, 4))
    X = pd.DataFrame(np.c_[a, b], columns=[*(f"hand{i}" for i in range(4)), *(f"deep{i}" for i in range(4))])
    X = X.assign(kind=kind)
    train = np.arange(n) < 240
    m = FeatureArbiter(context=("kind",), nonlinear=False, permutations=49).fit(X[train], y[train])
    o = m.arbitrate(X[~train])
    assert m.context_p_ <= 0.05
    balance = o.weights[:, o.keys.index("hand")] - o.weights[:, o.keys.index("deep")]
    assert roc_auc_score(kind[~train] == "adeno", balance) > 0.95
    drawn = along_context(m, o, X.loc[~train, "kind"].to_numpy(), "kind")
    assert list(drawn.rows) == m.coding_.values["kind"]
    np.testing.assert_allclose(drawn.values.sum(1), 1, atol=0.2)  # keys of little weight are not drawn
    same = FeatureArbiter.load(m.save(tmp_path / "m.safetensors"))
    np.testing.assert_allclose(same.arbitrate(X[~train]).z, o.z, atol=1e-9)
    unknown = m.arbitrate(X[~train].assign(kind="never seen"))
    usual = m.arbitrate(X[~train].assign(kind=m.coding_.values["kind"][0]))
    np.testing.assert_allclose(unknown.weights, usual.weights)


def test_many_words_are_no_context():
    with pytest.raises(InputError, match="20 different words"):
        Coding.fit(pd.DataFrame({"name": [f"n{i}" for i in range(20)]}), ["name"])


def test_a_shut_source_is_out_of_every_expert(tmp_path):
    X, y = table()
    m = FeatureArbiter(gate={"glcm": -np.inf}, trees=20, permutations=49).fit(X, y)
    other = X.assign(**{c: 0.0 for c in X if "glcm" in c})
    np.testing.assert_allclose(m.arbitrate(other).z, m.arbitrate(X).z, atol=1e-12)
    same = FeatureArbiter.load(m.save(tmp_path / "m.safetensors"))
    np.testing.assert_allclose(same.arbitrate(X).z, m.arbitrate(X).z, atol=1e-9)
    with pytest.raises(InputError, match="every source"):
        FeatureArbiter(gate={"glcm": -np.inf, "shape": -np.inf}).fit(X, y)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gate_is_a_number(value):
    X, y = table()
    with pytest.raises(InputError, match="-inf"):
        FeatureArbiter(gate={"glcm": value}).fit(X, y)


def test_columns_called_learned_are_not_overwritten():
    X, y = table()
    with pytest.raises(InputError, match="learned0"):
        FeatureArbiter().fit(X.assign(learned0=0.0), y, learned=pd.DataFrame(learned(y)))


def test_patients_are_counted_not_rows():
    X, _ = table(100, strength=0.0)
    with pytest.raises(InputError, match="4 patients in the smaller class"):
        check_table(X, (np.arange(100) < 20).astype(float), np.arange(100) // 5)


@pytest.mark.slow
def test_small_tables_are_scored_by_cross_validation_too(tmp_path):
    X, _ = table(34, strength=0.0)
    y = (np.arange(34) % 6 == 0).astype(int)  # 6 in the smaller class: 4 or 5 in a fold of four fifths
    X = X.assign(**{f"original_glszm_F{i}": np.random.default_rng(i).standard_normal(34) for i in range(30)})
    X.assign(outcome=y).to_csv(tmp_path / "t.csv", index=False)
    story = run(tmp_path / "t.csv", permutations=19, trust="none")
    assert np.isfinite(story.scores[0].ours)


def test_intervals_resample_patients_with_all_their_rows():
    rng = np.random.default_rng(0)
    y, x = np.arange(40) % 2, rng.standard_normal(40)
    a, b = x + 0.8 * y, rng.standard_normal(40)
    width = np.ptp(auroc_interval(y, a, b, draws=150))
    five = [np.repeat(v, 5) for v in (y, a, b)]
    told = np.ptp(auroc_interval(*five, draws=150, groups=np.repeat(np.arange(40), 5)))
    assert told == pytest.approx(width, rel=0.3)  # copies of a row are no further patients
    assert np.ptp(auroc_interval(*five, draws=150)) < 0.7 * width


def test_every_verdict_on_a_source_has_an_interval():
    X, y = table()
    m = FeatureArbiter(nonlinear=False, permutations=49).fit(X, y)
    made = claims(m, 80)
    assert all(v.interval is not None and v.interval[0] < v.effect < v.interval[1] for v in made)
    found = permutation_test({"glcm": X.to_numpy()}, y, np.arange(80) % 5, permutations=9)
    low, high = found.interval["glcm"]
    assert low < found.auroc["glcm"] < high


@pytest.mark.parametrize("design", ["pairs", "free"])
def test_patients_with_both_outcomes_tell_no_story_where_there_is_none(design):
    unit, found = np.repeat(np.arange(24), 2), 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = np.tile([0, 1], 24) if design == "pairs" else rng.integers(0, 2, 48)
        x = rng.standard_normal((24, 4))[unit] + 0.5 * rng.standard_normal((48, 4))
        s = permutation_test({"a": x}, y, unit % 5, permutations=39, seed=seed, groups=unit)
        found += s.p_table <= 0.05
        x = x + 1.5 * y[:, None]
        assert permutation_test({"a": x}, y, unit % 5, permutations=39, seed=seed, groups=unit).any
    assert found <= 4  # 20 x .05 = 1 expected; 5 or more happens once in 400


def test_a_patient_under_two_names_is_said(tmp_path):
    from heedful.arbitrate.features.command import _suspect
    from heedful.files.radiomics import split_table

    X, y = table()
    twice = pd.concat([X, X.iloc[:2]]).assign(id=np.arange(82), outcome=np.r_[y, y[:2]])
    assert any("4 rows are equal" in n for n in _suspect(split_table(twice), []))
    again = twice.assign(id=np.r_[np.arange(80), 0, 1])
    assert not any("equal" in n for n in _suspect(split_table(again), []))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y, m: ([x[0], x[1][:9]], y[:2], None), "several sizes"),
        (lambda x, y, m: (x, y, m[:, :5]), "masks have shape"),
        (lambda x, y, m: (np.where(x > 2, np.nan, x), y, None), "NaN"),
        (lambda x, y, m: (x, y[:5], None), "5 outcomes"),
        (lambda x, y, m: (x, y + np.arange(12), None), "of two for each"),
        (lambda x, y, m: (x[:, :2], y, None), "fewer than shrink"),
    ],
)
def test_images_that_cannot_be_learned_from(change, words):
    x = np.random.default_rng(0).standard_normal((12, 16, 16))
    images, y, masks = change(x, np.arange(12) % 2, np.ones(x.shape, bool))
    with pytest.raises(InputError, match=words):
        Encoder(epochs=1).fit(images, y, masks)


def test_an_encoder_takes_classes_by_any_name():
    x, y = np.random.default_rng(0).standard_normal((12, 16, 16)), np.arange(12) % 2
    a, b = (Encoder(epochs=1).fit(x, k).transform(x) for k in (y, np.array(["benign", "malignant"])[y]))
    np.testing.assert_array_equal(a, b)
    with pytest.raises(InputError, match="not fitted"):
        Encoder().transform(x)
