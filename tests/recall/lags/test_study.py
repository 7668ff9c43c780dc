"""The study's rooms: literal attention, reading, pictures, claims, command, demo."""

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.recall.lags import LagScan, PlainAttention, planted
from heedful.recall.lags.claims import verdicts
from heedful.recall.lags.command import lags
from heedful.recall.lags.peers import granger_f
from heedful.recall.lags.pictures import all_pictures
from heedful.recall.lags.plain import exact_share
from heedful.recall.lags.reading import lag_weights, read
from heedful.recall.lags.tables import lag_interval


@pytest.fixture(scope="module")
def scan():
    return LagScan(5).fit(planted("auto", seed=21, T=400).values)


def test_the_reading_is_the_posterior_of_the_lag(scan):
    W = lag_weights(scan)
    rows = np.asarray(W.rows(list(range(len(scan.links)))))
    index = {name: k for k, name in enumerate(scan.names)}
    for row, link in zip(rows, scan.links.itertuples(), strict=True):
        np.testing.assert_allclose(
            row, scan.lag_attention(index[link.source], index[link.target], link.lag), atol=1e-12
        )
        assert link.low <= link.lag <= link.high
        assert lag_interval(row, link.lag) == (link.low, link.high)
    assert "checked" in read(scan).certificate


def test_lag_intervals_hold_the_planted_lag():
    held = n = 0
    for seed in range(8):
        data = planted("auto", seed=600 + seed)
        lag = {(k.source, k.target): k.lag for k in data.links}
        for link in LagScan(5, variance=False).fit(data.values).links.itertuples():
            key = int(link.source[1:]), int(link.target[1:])
            if key in lag:
                n += 1
                held += link.low <= lag[key] <= link.high
    assert n > 25
    assert held / n > 0.88


def test_pictures_are_data(scan):
    for picture in all_pictures(scan):
        assert picture.to_dict()["title"]
    assert len(all_pictures(LagScan(4).fit(planted("null", seed=3).values))) >= 1


def test_a_true_graph_is_supported_and_noise_is_not():
    yes = verdicts(LagScan(5).fit(planted("linear", seed=5, T=600).values))
    assert yes[0].status == "supported"
    made = [
        verdicts(LagScan(5, variance=False).fit(planted("null", seed=seed, T=600).values))
        for seed in range(8)
    ]
    assert sum(bool(v) and v[0].status == "supported" for v in made) <= 1


def test_the_literal_attention_ranks_and_tests_nothing():
    data = planted("nonlinear", seed=2)
    plain = PlainAttention(5, steps=120).fit(data.values)
    assert exact_share(plain.contribution, data.links) >= 0.6
    assert exact_share(PlainAttention(5, position=False, steps=30).fit(data.values).weight, data.links) <= 0.6
    np.testing.assert_allclose(plain.weight.sum(axis=(0, 2)), 1.0, atol=1e-5)
    fitted = LagScan(3, method="plain").fit(data.values[:120, :3])
    assert np.isnan(fitted.p_matrix).all()
    assert not fitted.graph.any()
    with pytest.raises(InputError, match="plain"):
        lag_weights(fitted)


def test_granger_is_ordinary_least_squares():
    x = planted("linear", seed=1, T=200).values
    p = granger_f(x, 2)
    X = np.column_stack([np.ones(198), x[1:-1], x[:-2]])
    beta, rss = np.linalg.lstsq(X, x[2:, 3], rcond=None)[:2]
    se = np.sqrt(rss[0] / (198 - 11) * np.diag(np.linalg.inv(X.T @ X)))
    from scipy import stats

    assert p[2, 3, 1] == pytest.approx(2 * stats.t.sf(abs(beta[3] / se[3]), 187))
    assert p[2, 3, 2] == pytest.approx(2 * stats.t.sf(abs(beta[8] / se[8]), 187))


def test_the_command_tells_a_story(tmp_path):
    data = planted("unseen", seed=4)
    months = pd.date_range("1990-01-01", periods=300, freq="MS", name="month")
    pd.DataFrame(data.values, index=months, columns=list("abcde")).drop(index=months[50]).to_csv(
        tmp_path / "p.csv"
    )
    story = lags(tmp_path / "p.csv", max_lag=5, out=tmp_path / "links.csv")
    assert len(pd.read_csv(tmp_path / "links.csv")) == len(story.tables["links"]) >= 4
    assert any("1 missing times" in note for note in story.notes)
    with pytest.raises(InputError, match=r"p\.csv.*fifth"):
        lags(tmp_path / "p.csv", max_lag=100)


def test_the_demo_runs():
    from heedful.recall.lags.demo import demo

    story = demo(seed=1)
    assert story.scores[0].ours > story.scores[0].baseline
    assert story.tables["the literal attention, read directly"].shape == (3, 4)
