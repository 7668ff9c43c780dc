"""The test period is untouched by what came later; scores are what they say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.recall.nowcast.backtesting import Backtest, auroc, backtest, default_start
from heedful.recall.nowcast.baselines import probit
from heedful.recall.nowcast.labels import Chronology
from heedful.recall.nowcast.model import Nowcast

NBER = Chronology.nber()


@pytest.fixture(scope="module")
def test_of(panel):
    return backtest(panel, start="1985-01")


def test_later_figures_and_later_announcements_change_nothing(panel, test_of):
    cut = pd.Period("1999-12", "M")
    changed = panel.values.copy()
    changed.loc[cut + 1 :] = changed.loc[cut + 1 :].to_numpy()[::-1]
    late = [(p, t, a, b) for p, t, a, b in zip(NBER.peak, NBER.trough, NBER.peak_known, NBER.trough_known,
                                               strict=True) if a <= cut.ordinal]
    other = Chronology(*map(tuple, zip(*late, strict=True)))
    again = backtest(replace(panel, values=changed), other, start="1985-01")
    for name in test_of.probability:
        np.testing.assert_array_equal(test_of.probability.loc[:cut, name], again.probability.loc[:cut, name])


def test_vintages_are_used_from_their_date_on(panel, test_of):
    revised = panel.values.copy()
    revised["PAYEMS"] *= 1 + 0.002 * np.random.default_rng(0).normal(size=len(revised))
    older = replace(panel, values=revised.loc[:"1995-05"])
    other = backtest(panel, start="1985-01", end="1997-12", vintages={"1995-06": older, "1996-12": panel})
    mine, theirs = other.probability["heedful"], test_of.probability["heedful"]
    np.testing.assert_array_equal(mine[:"1995-05"], theirs[:"1995-05"])
    np.testing.assert_allclose(mine["1997-01":], theirs["1997-01":"1997-12"], atol=1e-12)
    assert (mine["1995-06":"1996-11"] != theirs["1995-06":"1996-11"]).all()
    same = backtest(panel, start="1985-01", end="1990-12", vintages={"1960-01": panel})
    np.testing.assert_allclose(same.probability, test_of.probability.loc[:"1990-12"], atol=1e-12)


def test_it_finds_the_planted_recessions(test_of):
    assert test_of.auroc() > 0.95
    assert test_of.qps() < test_of.qps("probit")
    assert list(test_of.probability) == ["heedful", "logit", "probit"]
    assert test_of.probability.notna().all().all()


def test_scores_by_hand():
    index = pd.period_range("2000-01", periods=8, freq="M")
    p = pd.DataFrame({"heedful": [0, .6, .2, .4, .9, .8, .1, 0], "logit": [0, 0, 0, .9, 0, 0, 0, .0]}, index)
    b = Backtest(p, np.array([0, 0, 0, 1, 1, 1, 0, 1.0]), Nowcast(), NBER, 1)
    y = b.truth
    assert b.qps() == pytest.approx(sum(2 * (a - c) ** 2 for a, c in zip(p["heedful"], y, strict=True)) / 8)
    assert b.delays() == [1, None]
    assert b.delays("logit") == [0, None]
    assert b.false_alarms() == 1
    assert b.table()["delay (months)"].tolist() == ["1, -", "0, -"]


def test_interval_is_seeded_and_holds_the_difference(test_of):
    low, high = test_of.interval("qps", seed=3, draws=300)
    assert (low, high) == test_of.interval("qps", seed=3, draws=300)
    assert low < test_of.qps() - test_of.qps("logit") < high


def test_probit_meets_statsmodels(panel):
    import statsmodels.api as sm

    spread, y = panel.values["T10YFFM"].to_numpy(), NBER.truth(panel.values.index)
    ours = probit(spread, y)
    x = sm.add_constant(spread[:-12])
    peer = sm.Probit(y[12:], x).fit(disp=0).predict(x)
    np.testing.assert_allclose(ours[12:], peer, atol=1e-5)


def test_auroc_is_scikit_learn_s():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 200), rng.integers(0, 20, 200) / 20
    assert auroc(y, p) == pytest.approx(roc_auc_score(y, p), abs=1e-12)


def test_start(panel):
    start = default_start(panel, NBER)
    assert start.month == 1
    with pytest.raises(InputError, match="the test would run 1950-01"):
        backtest(panel, start="1950-01")
    with pytest.raises(InputError, match="at least 3 are needed"):
        backtest(replace(panel, values=panel.values.loc["1992-01":]))
