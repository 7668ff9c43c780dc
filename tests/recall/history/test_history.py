"""Histories: nothing later enters, heads equal the core's attention, planted half-lives are found again."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.recall.history import History, generated, histories
from heedful.recall.history.design import Design, learn_scaling, rescaled
from heedful.recall.history.heads import Pairs
from heedful.recall.history.model import group_folds
from heedful.recall.history.reading import head_weights, timeline
from heedful.recall.history.survival import CoxLoss, auroc, ipcw, kaplan_meier


@pytest.fixture(scope="module")
def cohort():
    """Small, with numbers, bare codes and durations."""
    rng = np.random.default_rng(0)
    rows, labels = [], []
    for s in range(150):
        level = rng.normal()
        for t in np.sort(rng.uniform(0, 900, 8)):
            rows.append((s, t, "bili", np.exp(level + 0.3 * rng.normal())))
        for t in rng.uniform(0, 900, rng.poisson(3)):
            rows.append((s, t, "admission", np.nan))
        duration = rng.exponential(600 * np.exp(-0.8 * level))
        labels.append((s, 900.0, min(duration, 1000.0), float(duration < 1000), rng.normal()))
    events = pd.DataFrame(rows, columns=["subject_id", "time", "code", "numeric_value"])
    return events, pd.DataFrame(labels, columns=["subject_id", "prediction_time", "duration", "event", "age"])


def test_an_event_after_the_prediction_time_never_enters(cohort):
    events, labels = cohort
    model = History(365.0).fit(events, labels)
    planted = pd.DataFrame({"subject_id": range(150), "time": 900.001, "code": "bili", "numeric_value": 1e6})
    more = pd.concat(
        [events, planted, planted.assign(code="admission", numeric_value=np.nan)], ignore_index=True
    )
    np.testing.assert_array_equal(model.predict(more, labels), model.predict(events, labels))
    H = histories(more, labels)
    assert (H.dt >= 0).all()
    assert any("300 (prediction, event) pairs lie after" in note for note in H.notes)
    again = History(365.0).fit(more, labels)
    np.testing.assert_allclose(again.theta_, model.theta_, atol=1e-6)


def test_heads_are_the_cores_attention(cohort):
    events, labels = cohort
    model = History(365.0, counts=True).fit(events, labels)
    H = histories(events, labels)
    design = Design(H, model.scaling_)
    _, _, _, _, log_m, log_s = design.split(model.theta_)
    S, M = design.sums.sums(log_s)[0], design.values.means(log_m)[0]
    for row in (0, 7, 60):
        W, pairs, names = head_weights(model, H, row)
        lse = np.asarray(W.lse())
        v = np.zeros(len(pairs))
        v[np.isin(pairs, design.value_pairs)] = design.values.value[np.isin(design.value_pairs, pairs)]
        out = np.asarray(W @ v[:, None])[:, 0]
        k = len(model.scaling_.valued)
        np.testing.assert_allclose(np.exp(lse[k:]), S[row], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(out[:k], M[row], rtol=1e-9)
        assert names[0] == "bili, mean"


def test_contributions_add_up(cohort):
    events, labels = cohort
    model = History(365.0, counts=True).fit(events, labels)
    H = histories(events, labels)
    for row in range(5):
        table = timeline(model, H, row=row)
        zero = (
            model.theta_[0]
            + (H.static[row] - model.scaling_.static_centre)
            / model.scaling_.static_spread
            @ (model.coefficients_["value"].to_numpy()[: len(H.static_names)])
        )
        flags = Design(H, model.scaling_).fixed[row, len(H.static_names) + len(model.scaling_.valued) :]
        zero += (
            flags
            @ model.coefficients_["value"].to_numpy()[len(H.static_names) + len(model.scaling_.valued) :]
        )
        assert table.attrs["rest"] == pytest.approx(zero, abs=1e-9)
        assert len(table) == (H.row == row).sum()


def test_the_gradient_is_exact(cohort):
    H = histories(*cohort)
    for method in ("heads", "plain"):
        model = History(365.0, counts=True, method=method)
        loss = model._loss(H)
        rng = np.random.default_rng(1)
        if method == "heads":
            design = Design(H, learn_scaling(H, counts=True))
            F, V, S = design.sizes()
            theta = rng.normal(size=1 + F + 2 * (V + S)) * 0.3
            theta[1 + F + V + S :] += 4
            design, theta = rescaled(design, theta)
            call = design.eta
        else:
            from heedful.recall.history.plain import PlainHead

            head = PlainHead(H)
            theta = rng.normal(size=2 + 3 * head.C) * 0.3
            theta[1] = 4.0
            call = partial(head.eta, H)
        eta, pull = call(theta)
        exact = pull(loss(eta)[1])
        for k in range(len(theta)):
            step = np.zeros(len(theta))
            step[k] = 1e-5
            rough = (loss(call(theta + step)[0])[0] - loss(call(theta - step)[0])[0]) / 2e-5
            assert rough == pytest.approx(exact[k], rel=1e-4, abs=1e-4)


def test_heads_by_a_loop_and_far_ages_do_not_underflow():
    rng = np.random.default_rng(2)
    row, code = rng.integers(0, 4, 40), rng.integers(0, 3, 40)
    dt, value = rng.uniform(1, 900, 40), rng.normal(size=40)
    log_h = np.log([5.0, 60.0, 400.0])
    pairs = Pairs(row, code, dt, value, 4, 3)
    S, M = pairs.sums(log_h)[0], pairs.means(log_h)[0]
    for r in range(4):
        for c in range(3):
            pick = (row == r) & (code == c)
            w = 2.0 ** (-dt[pick] / np.exp(log_h[c]))
            assert S[r, c] == pytest.approx(w.sum(), rel=1e-10)
            if pick.any():
                assert M[r, c] == pytest.approx((w * value[pick]).sum() / w.sum(), rel=1e-8)
    far = Pairs(np.zeros(2, int), np.zeros(2, int), np.array([1e5, 2e5]), np.array([3.0, 5.0]), 1, 1)
    assert far.means(np.log([1.0]))[0][0, 0] == pytest.approx(3.0)


def test_cox_loss_by_its_definition():
    rng = np.random.default_rng(0)
    time, died, eta = (
        rng.integers(1, 12, 30).astype(float),
        rng.integers(0, 2, 30).astype(float),
        rng.normal(size=30),
    )
    cost, gradient = CoxLoss(time, died)(eta)
    by_hand = sum(np.log(np.exp(eta[time >= time[i]]).sum()) - eta[i] for i in range(30) if died[i])
    assert cost == pytest.approx(by_hand)
    step = np.eye(30)[3] * 1e-5
    rough = (CoxLoss(time, died)(eta + step)[0] - CoxLoss(time, died)(eta - step)[0]) / 2e-5
    assert gradient[3] == pytest.approx(rough, abs=1e-6)


def test_ipcw_is_unbiased_where_dropping_the_censored_is_not():
    rng = np.random.default_rng(5)
    x = rng.normal(size=20_000)
    t = rng.exponential(np.exp(-x))
    c = rng.exponential(1.5, 20_000)
    y, w = ipcw(np.minimum(t, c), (t <= c).astype(float), 1.0)
    assert (w * y).mean() == pytest.approx((t <= 1).mean(), abs=0.02)
    kept = w > 0
    assert abs(y[kept].mean() - (t <= 1).mean()) > 0.05
    assert auroc(x, y, w) == pytest.approx(auroc(x, (t <= 1).astype(float)), abs=0.01)
    assert kaplan_meier(np.array([2.0, 2.0, 5.0]), np.array([1, 0, 1]))[1][0] == pytest.approx(2 / 3)


def test_known_half_lives_come_back():
    data = generated("sum", n=2000, seed=11)
    model = History().fit(data.events, data.labels)
    truth = model.half_lives_["code"].map(data.half_lives)
    assert np.median(np.abs(np.log2(model.half_lives_["half_life"] / truth))) < 0.5
    assert ((model.half_lives_["low"] < truth) & (truth < model.half_lives_["high"])).sum() >= 4


def test_a_sum_counts_and_one_softmax_cannot():
    data, fresh = generated("sum", n=1000, seed=12), generated("sum", n=1000, seed=13)
    y = fresh.labels["boolean_value"].to_numpy(float)
    ours = auroc(History().fit(data.events, data.labels).predict(fresh.events, fresh.labels), y)
    plain = auroc(
        History(method="plain").fit(data.events, data.labels).predict(fresh.events, fresh.labels), y
    )
    assert ours > plain


def test_groups_stay_together():
    groups = np.random.default_rng(0).integers(0, 30, 200)
    fold = group_folds(groups, 5, 1)
    assert all(len(set(fold[groups == g])) == 1 for g in range(30))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e, l: (e, l.drop(columns=["duration", "event"])), "no outcome"),
        (lambda e, l: (e, l.assign(event=0.0)), "one class only"),
        (lambda e, l: (e, l.assign(subject_id=l["subject_id"] + 9000)), "same identifiers"),
        (lambda e, l: (e, l.assign(prediction_time=pd.Timestamp("2020-01-01"))), "dates"),
        (lambda e, l: (e, l.assign(duration=-1.0)), "row 2"),
        (lambda e, l: (e, l.drop(columns=["event"])), "only one is given"),
    ],
)
def test_bad_labels_are_refused_in_words(cohort, change, words):
    with pytest.raises(InputError, match=words):
        History(365.0).fit(*change(*cohort))


def test_a_horizon_is_needed_and_other_codes_are_counted(cohort):
    events, labels = cohort
    with pytest.raises(InputError, match="horizon"):
        History().fit(events, labels)
    model = History(365.0).fit(events, labels)
    strange = pd.concat([events, pd.DataFrame({"subject_id": [0], "time": [1.0], "code": ["new"]})])
    np.testing.assert_allclose(model.predict(strange, labels), model.predict(events, labels))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e, x: (e.assign(time=e["time"] + 1e5), x), "no event lies at or before any of the"),
        (lambda e, x: (e, x.assign(duration=x["duration"].clip(upper=300))), "longer than the horizon"),
        (lambda e, x: (e, x.assign(dead=x["event"])), "'dead' is the outcome itself"),
        (lambda e, x: (e, x.assign(until=x["duration"])), "'until' is the duration itself"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(cohort, change, words):
    with pytest.raises(InputError, match=words):
        History(365.0).fit(*change(*cohort))


def test_empty_covariates_are_counted(cohort):
    events, labels = cohort
    bmi = np.where(np.arange(len(labels)) < 7, np.nan, 25.0)
    assert histories(events, labels.assign(bmi=bmi)).notes[-1].startswith("7 of ")


def test_predictions_made_twice_are_told_and_two_outcomes_refused():
    data = generated("sum", n=60, seed=2)
    twice = pd.concat([data.labels, data.labels.iloc[:3]], ignore_index=True)
    assert any("3 predictions repeat" in note for note in histories(data.events, twice).notes)
    twice.loc[61, "boolean_value"] = not twice.loc[61, "boolean_value"]
    with pytest.raises(InputError, match=r"row 62 of the labels"):
        histories(data.events, twice)


def test_dated_histories_speak_in_dates():
    events = pd.DataFrame({"subject_id": [1, 1], "time": ["2015-01-01", "2015-03-01"], "code": ["a", "b"]})
    labels = pd.DataFrame({"subject_id": [1], "prediction_time": ["2016-02-03"]})
    assert histories(events, labels).when(0) == "2016-02-03"
    days = histories(events.assign(time=[0.0, 9.0]), labels.assign(prediction_time=[30.0]))
    assert days.when(0) == "day 30"
