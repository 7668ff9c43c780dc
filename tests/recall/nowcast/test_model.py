"""The sum is exact, the weights are the core's, and nothing looks ahead."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from heedful.errors import InputError
from heedful.learn import lbfgs
from heedful.recall.nowcast.labels import Chronology
from heedful.recall.nowcast.logit import ridge_logit
from heedful.recall.nowcast.model import Nowcast
from heedful.recall.nowcast.tokens import scale_of, tokenise, with_events

NBER = Chronology.nber()


@pytest.fixture(scope="module", params=["heads", "plain"])
def fitted(panel, request):
    return Nowcast(method=request.param).fit(panel)


def test_logit_meets_the_bounded_solver_and_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    y = (x[:, 0] - x[:, 1] + rng.normal(size=300) > 0).astype(float)
    c, b = ridge_logit(x, y, 3.0)
    X, Y = torch.from_numpy(x), torch.from_numpy(y)

    def loss(p):
        z = X @ p["c"] + p["b"]
        return torch.nn.functional.softplus(z).sum() - Y @ z + 1.5 * (p["c"] ** 2).sum()

    other = lbfgs(loss, {"c": np.zeros(6), "b": 0.0}, bounds={"c": (0, None)})
    np.testing.assert_allclose(c, other.params["c"], atol=1e-5)
    assert c[1] == 0
    assert b == pytest.approx(float(other.params["b"]), abs=1e-5)
    from sklearn.linear_model import LogisticRegression
    free = ridge_logit(x, y, 3.0, nonnegative=False)
    peer = LogisticRegression(C=1 / 3, tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(free[0], peer.coef_[0], atol=1e-5)
    with pytest.raises(InputError, match="one class"):
        ridge_logit(x, np.zeros(300), 1.0)


def test_terms_add_up_exactly_and_weights_are_one_row(panel, fitted):
    tokens = fitted.tokens(panel)
    parts = fitted.parts(tokens)
    p = fitted.nowcast(panel).to_numpy()
    logit = np.log(p) - np.log1p(-p)
    np.testing.assert_allclose(parts.intercept + parts.terms.sum((1, 2)), logit, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(parts.weight.sum((1, 2))[20:], 1.0, atol=1e-12)
    assert (parts.weight >= 0).all()
    assert (parts.weight[np.isnan(tokens.surprise)] == 0).all()


def test_heads_are_the_core_s_weights(panel, fitted):
    rows = [3, 200, 590]
    tokens = fitted.tokens(panel).at(rows)
    W, parts = fitted.heads(tokens), fitted.parts(tokens)
    if fitted.method == "plain":
        np.testing.assert_allclose(W.rows([0])[:, 0], parts.weight.reshape(3, -1), atol=1e-12)
    else:
        pooled, weight = fitted._pool(tokens)
        np.testing.assert_allclose(W.rows([0])[..., 0, :], weight, atol=1e-12)
        value = fitted._values(tokens.surprise)[:, :, None, :, None]
        np.testing.assert_allclose((W @ value)[..., 0, 0], pooled, atol=1e-12)
    np.testing.assert_allclose(parts.row(2).rows([0])[0], parts.weight[2].ravel(), atol=1e-12)


def test_brute_force_of_one_probability(panel):
    model = Nowcast(half_lives=(2.0,), salience=0.7).fit(panel)
    tokens = model.tokens(panel)
    t, logit = 400, model.intercept_
    for n, indicator in enumerate(tokens.indicators):
        x = model.sign_[n] * (tokens.raw[:, n] - model.centre_[n]) / model.spread_[n]
        for h, (life, beta) in enumerate([(2.0, 0.0), (2.0, 0.7)]):
            lags = np.arange(indicator.delay, 13)
            z = x[t - lags]
            weight = 0.5 ** (lags / life) * np.exp(beta * np.arcsinh(z))
            logit += model.coef_[n, h] * (weight / weight.sum()) @ (3 * np.arcsinh(z / 3))
    assert model.parts(tokens.at(t)).logit[0] == pytest.approx(logit, rel=1e-12)


def test_nothing_looks_ahead(panel, fitted):
    at = 450
    p = fitted.nowcast(panel)
    changed = panel.values.copy()
    changed.iloc[at + 1 :] = np.linspace(1, 1e5, changed.iloc[at + 1 :].size).reshape(-1, 4)
    # payrolls of a month are published in the next one: the value of the month itself must not count
    changed.iloc[at, changed.columns.get_loc("PAYEMS")] = 1.0
    q = fitted.nowcast(replace(panel, values=changed))
    np.testing.assert_array_equal(p[: at + 1], q[: at + 1])


def test_coefficients_are_not_negative_and_a_useless_series_gets_little(panel):
    rng = np.random.default_rng(1)
    noisy = replace(panel, values=panel.values.assign(noise=rng.normal(size=len(panel.values))))
    model = Nowcast(indicators=[*panel.values.columns, "noise"]).fit(noisy)
    assert (model.coef_ >= 0).all()
    parts = model.parts(model.tokens(noisy))
    share = np.abs(parts.terms).sum((0, 2))
    assert share[-1] < 0.5 * share[0]


def test_saved_cloned_and_loaded(panel, fitted, tmp_path):
    again = Nowcast.load(fitted.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(again.nowcast(panel), fitted.nowcast(panel))
    assert clone(fitted).get_params() == fitted.get_params()
    np.testing.assert_allclose(fitted.predict_proba(panel).sum(1), 1)
    assert set(fitted.predict(panel)) == {0, 1}


def test_missing_cells_are_absent_tokens(panel):
    values = panel.values.copy()
    values.loc["1990-01":"1990-06", "CLAIMSx"] = np.nan
    model = Nowcast().fit(replace(panel, values=values))
    tokens = model.tokens(replace(panel, values=values)).at(panel.values.index.get_loc("1990-03"))
    weight = model.parts(tokens).weight[0, list(values).index("CLAIMSx")]
    assert (weight[:3] == 0).all()
    assert weight[3:].sum() > 0
    assert np.isfinite(model.nowcast(replace(panel, values=values))).all()


def test_series_that_begin_late_wait(panel):
    values = panel.values.copy()
    values.loc[:"1985-12", "UMCSENTx"] = np.nan
    early = replace(panel, values=values.loc[:"1986-06"])
    model = Nowcast().fit(early, NBER.known(early.values.index, early.values.index[-1]))
    assert any("too short so far to take part: UMCSENTx" in note for note in model.notes_)
    assert (model.coef_[3] == 0).all()


def test_series_that_ended_are_told_and_no_lag_of_years_is_believed(panel):
    values = panel.values.copy()
    values.loc[values.index[-40:], "UMCSENTx"] = np.nan
    old = replace(panel, values=values)
    notes = Nowcast().fit(old, NBER.known(values.index, values.index[-1])).notes_
    assert any(n.startswith("not observed lately: UMCSENTx ends in") and "40 rows" in n for n in notes)
    with pytest.raises(InputError, match="publication lag of 400 rows for UMCSENTx"):
        Nowcast(delays={"UMCSENTx": 400}).fit(panel, NBER.known(values.index, values.index[-1]))


def test_events_are_tokens(panel):
    index = panel.values.index
    y = NBER.truth(index)
    onset = np.flatnonzero((y[1:] == 1) & (y[:-1] == 0)) + 1
    events = pd.DataFrame({"period": index[onset - 2], "event": "embargo", "size": 3.0})
    wide, kinds = with_events(panel, events)
    model = Nowcast(indicators=[*panel.values.columns, "embargo"], delays={"embargo": 0}).fit(wide)
    assert model.sign_[-1] == 1
    parts = model.parts(model.tokens(wide).at(onset[3]))
    assert parts.terms[0, -1].argmax() == 2
    assert kinds[0].name == "embargo"
    with pytest.raises(InputError, match="outside the panel"):
        with_events(panel, events.assign(period=pd.PeriodIndex(["1930-01"] * len(events), freq="M")))
    with pytest.raises(InputError, match="happens 2 times"):
        with_events(panel, events.head(2))


def test_resting_series_are_scaled_by_their_movements():
    x = np.zeros((100, 1))
    x[::10] = 4.0
    centre, spread, begun = scale_of(x)
    assert (centre[0], spread[0], begun[0]) == (0, 4, True)


def test_what_is_wrong_is_said(panel):
    with pytest.raises(InputError, match="'inflation' is no column"):
        Nowcast(indicators=["inflation"]).fit(panel)
    bad = panel.values.copy()
    bad.loc["1990-01", "PAYEMS"] = -5
    with pytest.raises(InputError, match="-5 in 1990-01, whose logarithm"):
        Nowcast().fit(replace(panel, values=bad))
    with pytest.raises(InputError, match="'CLAIMSx' never changes"):
        Nowcast().fit(replace(panel, values=panel.values.assign(CLAIMSx=2.0)))
    known = NBER.truth(panel.values.index)
    with pytest.raises(InputError, match="'USREC' is the recession indicator itself"):
        Nowcast(indicators=["USREC"]).fit(replace(panel, values=panel.values.assign(USREC=known)))
    with pytest.raises(InputError, match="method 'magic'"):
        Nowcast(method="magic").fit(panel)
    with pytest.raises(InputError, match="y has shape"):
        Nowcast().fit(panel, np.zeros(3))
    model = Nowcast().fit(panel)
    with pytest.raises(InputError, match="no column"):
        model.nowcast(replace(panel, values=panel.values[["PAYEMS", "T10YFFM", "UMCSENTx"]]))


def test_tokens_hold_what_was_published():
    index = pd.period_range("2000-01", periods=30, freq="M")
    from heedful.recall.nowcast.indicators import Indicator
    raw = np.arange(30.0)[:, None]
    tokens = tokenise(raw, index, [Indicator("a", "a", delay=2)], 5, np.zeros(1), np.ones(1), -np.ones(1))
    assert np.isnan(tokens.surprise[10, 0, :2]).all()
    assert tokens.surprise[10, 0, 2:].tolist() == [-8, -7, -6, -5]
    assert tokens.names()[:3] == ["a t", "a t-1", "a t-2"]
