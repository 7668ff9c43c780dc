"""The laws of the best of many scores against simulation, and the channels beside the mean."""

import numpy as np
import pytest
from scipy import stats

from heedful.recall.lags import LagScan, planted
from heedful.recall.lags.rows import Tokens
from heedful.recall.lags.scan import Context
from heedful.recall.lags.union import both_exceed, either, hunter

OFF = ~np.eye(5, dtype=bool)


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.9])
def test_two_scores_exceed_together_as_often_as_the_bivariate_normal_says(rho):
    law = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    c = stats.norm.isf(0.025)
    inside = law.cdf([c, c]) - law.cdf([-c, c]) - law.cdf([c, -c]) + law.cdf([-c, -c])
    assert both_exceed(np.array(0.05), np.array(rho)) == pytest.approx(2 * 0.05 - (1 - inside), abs=1e-5)


def test_hunters_bound_holds_and_is_near_for_slow_chains():
    rng = np.random.default_rng(0)
    z = np.empty((100_000, 4, 5))
    z[..., 0] = rng.normal(size=(100_000, 4))
    for k in range(1, 5):
        z[..., k] = 0.9 * z[..., k - 1] + np.sqrt(1 - 0.81) * rng.normal(size=(100_000, 4))
    p = 2 * stats.norm.sf(np.abs(z).reshape(len(z), -1).max(1))
    bound = hunter(p, 20, np.full((1, 16), 0.9))
    for level in (0.05, 0.01):
        assert 0.85 * level < (bound < level).mean() <= 1.03 * level
        assert (20 * p < level).mean() < 0.7 * level  # what Bonferroni would leave of it


def test_the_better_of_two_is_uniform():
    u = np.random.default_rng(1).random((2, 200_000))
    p = either(u[0], u[1], 0.8)
    assert stats.kstest(p, "uniform").statistic < 0.004


def test_correlations_of_neighbouring_products_are_those_of_the_series_formed():
    x = planted("auto", seed=3).values.copy()
    x[50:53, 1] = np.nan
    tokens = Tokens(x, 4)
    for rows in (tokens.rows(2, frozenset()), Tokens(x[60:], 4).rows(2, frozenset())):
        a = rows.t.a if rows.keep is None else rows.t.a[rows.keep]
        early = [p for p in range(20) if p % 4 < 3]
        for p, e in ((0, 7), (13, 2), (19, 14)):
            d = a[:, p] * a[:, early[e]], a[:, p] * a[:, early[e] + 1]
            assert rows.neighbours[p, e] == pytest.approx(np.corrcoef(*d)[0, 1], abs=1e-6)


def test_near_a_unit_root_news_are_scored_and_levels_explain():
    x = planted("unit", seed=901).values
    raw, news = Tokens(x, 5), Tokens(x, 5, filter_roots=True)
    flagged = np.flatnonzero(news.near_unit_root)
    assert flagged.size
    token = flagged[0] * 5 + 2
    assert not np.allclose(news.phi[token], raw.phi[token])
    np.testing.assert_array_equal(news.column(token, 1), raw.phi[token, 1])
    other = (flagged[0] + 1) % 5
    c = Context(news.rows(other, frozenset()), other, [("x", token, 0), ("own", other)])
    assert abs(c.e @ raw.phi[token, 0]) < 1e-6


def test_links_to_a_variance_are_found_and_their_null_holds():
    hits = false = missed = 0
    for seed in range(5):
        data = planted("variance", seed=300 + seed)
        scan = LagScan(5).fit(data.values)
        found = {(int(r.source[1:]), int(r.target[1:]), r.lag) for r in scan.variance_links.itertuples()}
        truth = {(k.source, k.target, k.lag) for k in data.links}
        hits, false, missed = (
            hits + len(found & truth),
            false + len(found - truth),
            missed + len(truth - found),
        )
    assert 2 * hits / (2 * hits + false + missed) > 0.85
    p = np.concatenate(
        [
            LagScan(5).fit(planted("null", seed=200 + s).values).variance_p_matrix[OFF][:, 1:]
            for s in range(20)
        ]
    )
    assert abs((p < 0.05).mean() - 0.05) < 0.025
    assert len(LagScan(5, variance=False).fit(data.values).variance_links) == 0


def test_links_to_a_variance_with_missing_values():
    data = planted("variance", seed=303, T=500)
    x = data.values.copy()
    x[np.random.default_rng(0).random(x.shape) < 0.03] = np.nan
    scan = LagScan(5).fit(x)
    found = {(int(r.source[1:]), int(r.target[1:]), r.lag) for r in scan.variance_links.itertuples()}
    assert len(found & {(k.source, k.target, k.lag) for k in data.links}) >= 3
