"""The scan: planted links, its algebra against brute force, its null, bad input."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from heedful.errors import InputError
from heedful.recall.lags import LagScan, planted
from heedful.recall.lags.calibration import RATIO, calibrated, exact
from heedful.recall.lags.rows import Tokens
from heedful.recall.lags.scan import Context
from heedful.recall.lags.select import benjamini_hochberg, scan_target


@pytest.mark.parametrize("kind", ["linear", "nonlinear", "unseen", "product"])
def test_planted_links_are_found(kind):
    hits = false = missed = 0
    for seed in range(4):
        data = planted(kind, seed=100 + seed)
        truth = data.truth(5)
        graph = LagScan(5).fit(data.values).graph & ~np.eye(5, dtype=bool)[..., None]
        hits += (graph & truth).sum()
        false += (graph & ~truth).sum()
        missed += (truth & ~graph).sum()
    assert 2 * hits / (2 * hits + false + missed) > 0.85


def test_null_panels_keep_their_level():
    p = np.concatenate(
        [
            LagScan(5, variance=False)
            .fit(planted("null", seed=200 + s).values)
            .p_matrix[~np.eye(5, dtype=bool)][:, 1:]
            .ravel()
            for s in range(25)
        ]
    )
    assert abs((p < 0.05).mean() - 0.05) < 0.025
    assert (p < 0.001).mean() < 0.006


def test_block_scores_are_the_sequential_regression_sums():
    x = planted("nonlinear", seed=5).values
    tokens = Tokens(x, 4)
    rows = tokens.rows(2, frozenset())
    c = Context(rows, 2, [("x", 3, 0), ("x", 3, 1), ("own", 2)])
    c.beta = 0.0
    z, s2, df = c.blocks()
    model = np.stack([rows.column(k) for k in c.columns], 1)
    for token in (0, 6, 13):
        base, rss = model, c.ee
        for k in range(5):
            base = np.column_stack([base, tokens.phi[token, k]])
            left = c.e - base @ np.linalg.lstsq(base, c.e, rcond=None)[0]
            assert rss - left @ left == pytest.approx(z[token, k] ** 2, rel=1e-3, abs=1e-4)
            rss = left @ left
        assert s2[token] == pytest.approx(rss / df, rel=1e-4)


def test_product_scores_never_form_products_yet_equal_them():
    x = planted("product", seed=5).values
    tokens = Tokens(x, 3)
    rows = tokens.rows(1, frozenset())
    c = Context(rows, 1, [("x", 7, 0), ("product", 0, 10), ("own", 1)])
    c.beta = 0.0
    r = c.products()
    assert r[0, 10] == 0
    assert r[0, 1] == 0
    assert np.allclose(r, r.T)
    for p, q in ((0, 4), (7, 12), (3, 0)):
        d = tokens.a[:, p] * tokens.a[:, q]
        d = d - d.mean()
        d = d - c.Q @ (c.Q.T @ d)
        assert r[p, q] == pytest.approx(d @ c.e / np.sqrt((d @ d) * c.ee), abs=1e-9)


def test_the_three_ways_to_score_products_agree(monkeypatch):
    x = planted("product", seed=5).values.copy()
    x[40:44, 1] = np.nan
    tokens = Tokens(x, 3)
    columns = [("x", 7, 0), ("product", 0, 10), ("own", 1)]
    exact = Context(tokens.rows(1, frozenset({0, 7, 10})), 1, columns).products()
    c = Context(tokens.rows(1, frozenset({0, 7, 10})), 1, columns)
    np.testing.assert_allclose(c.product_rows(np.arange(15)), exact, atol=1e-10)
    monkeypatch.setattr("heedful.recall.lags.scan.EXACT", 3)
    screened = c.products()
    best = np.abs(exact).argmax(1)
    np.testing.assert_allclose(screened[np.arange(15), best], exact[np.arange(15), best], atol=1e-10)
    assert (np.abs(screened) <= np.abs(exact) + 1e-10).all()


def test_masked_rows_equal_leaving_those_rows_out_of_the_sums():
    x = planted("linear", seed=1).values.copy()
    whole = Tokens(x, 3)
    gap = x.copy()
    gap[100:110, 2] = np.nan
    tokens = Tokens(gap, 3)
    rows = tokens.rows(2, frozenset({2}))
    assert rows.n == whole.n - 11
    c = Context(rows, 2, [("x", 2, 0), ("own", 2)])
    inside = rows.keep
    assert np.all(c.e[~inside] == 0)
    assert np.all(c.Q[~inside] == 0)
    base = np.column_stack([np.ones(rows.n), tokens.phi[2, 0][inside], tokens.own[2][inside]])
    d = tokens.phi[9:10, 0, inside].T
    d = d - base @ np.linalg.lstsq(base, d, rcond=None)[0]
    c.beta = 0.0
    assert c.blocks()[0][9, 0] ** 2 == pytest.approx(
        ((d[:, 0] @ c.e[inside]) ** 2) / (d[:, 0] @ d[:, 0]), rel=1e-4
    )


def test_missing_values_keep_lags_in_time():
    data = planted("linear", seed=3, T=600)
    x = data.values.copy()
    rng = np.random.default_rng(0)
    x[rng.random(x.shape) < 0.04] = np.nan
    found = LagScan(5).fit(x)
    assert (found.graph & data.truth(5)).sum() >= 4
    assert any("missing" in note for note in found.notes)


def test_the_shipped_calibration_is_the_integral():
    rng = np.random.default_rng(0)
    for df in (15, 290):
        z, s2 = rng.chisquare(1, (200_000, 5)), rng.chisquare(df, 200_000) / df
        total = np.cumsum(z, axis=1)
        r = np.minimum.reduce([special.fdtrc(m, df, total[:, m - 1] / m / s2) for m in (1, 2, 5)])
        for level in (0.3, 0.05, 0.01):
            assert calibrated(np.array([level]), df)[0] == pytest.approx((r <= level).mean(), rel=0.08)
    assert calibrated(np.array([1e-6]), 80)[0] == pytest.approx(exact(1e-6, 80, 60), rel=1e-3)
    assert np.all(np.diff(RATIO, axis=1) < 1e-2)


def test_benjamini_hochberg_by_its_definition():
    p = np.random.default_rng(3).random(50) ** 3
    order = np.sort(p)
    k = max((i + 1 for i in range(50) if order[i] <= 0.1 * (i + 1) / 50), default=0)
    assert benjamini_hochberg(p, 0.1).sum() == k


def test_self_links_stand_apart_and_lag_0_is_not_tested():
    found = LagScan(4).fit(planted("null", seed=9).values)
    assert found.graph[range(5), range(5), 1].all()
    assert np.all(found.p_matrix[..., 0] == 1)
    assert not found.graph[..., 0].any()
    assert len(found.self_links) >= 5
    assert set(found.to_tigramite()["graph"].ravel()) <= {"", "-->"}


def test_series_order_does_not_matter():
    data = planted("nonlinear", seed=11)
    order = np.array([3, 0, 4, 1, 2])
    one, two = LagScan(5).fit(data.values), LagScan(5).fit(data.values[:, order])
    assert np.allclose(two.p_matrix, one.p_matrix[np.ix_(order, order)], rtol=1e-6, atol=1e-12)


def test_ties_and_two_valued_series_are_scanned():
    x = planted("linear", seed=2, T=400).values.copy()
    x[:, 0] = (x[:, 0] > 0).astype(float)
    x[:, 1] = np.round(x[:, 1])
    assert np.isfinite(LagScan(4).fit(x).p_matrix).all()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda x: (x, {"max_lag": 60}), "a fifth of the length"),
        (lambda x: (x, {"max_lag": 0}), "max_lag 0"),
        (lambda x: (x, {"alpha": 2.0}), "alpha"),
        (lambda x: (x, {"method": "magic"}), "method"),
        (lambda x: (np.where(np.arange(5) == 2, 7.0, x), {}), "constant"),
        (lambda x: (np.where(np.arange(5) == 2, np.nan, x), {}), "no value at all"),
        (lambda x: (np.where(np.arange(300)[:, None] == 4, np.inf, x), {}), "row 4"),
        (lambda x: (x[:, :1], {}), "at least two"),
        (lambda x: (x[:20], {"max_lag": 2}), "40 are needed"),
        (lambda x: (x[0], {}), "axes"),
        (lambda x: ([["a", "b"]] * 60, {}), "not all numbers"),
        (lambda x: (pd.DataFrame(x).assign(town="Oslo"), {}), "town"),
        (lambda x: (pd.DataFrame(x, index=[0, *range(299)]), {}), "twice"),
        (lambda x: (pd.DataFrame(x, index=[1, 0, *range(2, 300)]), {}), "fall back"),
        (lambda x: (pd.DataFrame(x, index=np.cumsum(1 + np.arange(300) % 3 / 3.3)), {}), "regular clock"),
    ],
)
def test_bad_input_is_refused_in_words(spoil, words):
    x, options = spoil(planted("linear", seed=0).values)
    with pytest.raises(InputError, match=words):
        LagScan(**{"max_lag": 5, **options}).fit(x)


def test_missing_months_are_put_back_not_closed_up():
    x = planted("linear", seed=0).values
    months = pd.date_range("1990-01-01", periods=300, freq="MS")
    frame = pd.DataFrame(x, index=months, columns=list("abcde"))
    found = LagScan(5).fit(frame.drop(index=months[100:104]))
    assert len(found.panel_.values) == 300
    assert "4 missing times" in found.notes[0]
    quarters = frame.resample("QS").mean()
    assert not any("missing" in note for note in LagScan(3).fit(quarters).notes)


def test_products_off_finds_no_product():
    data = planted("product", seed=4)
    assert scan_target(Tokens(data.values, 5), data.links[0].target, products=False).products == []


def test_a_shared_shock_is_told_and_independent_panels_are_not_accused():
    told = 0
    for seed in range(6):
        x = planted("linear", seed=seed).values.copy()
        shock = np.random.default_rng(seed).normal(size=len(x))
        x[:, 0] += 0.6 * shock
        x[:, 3] += 0.6 * shock
        pairs = LagScan(5, variance=False).fit(x).together
        told += ((pairs["one"] == "x0") & (pairs["other"] == "x3")).any()
    assert told >= 5
    assert (
        sum(
            len(LagScan(5, variance=False).fit(planted("null", seed=s).values).together) > 0
            for s in range(20)
        )
        <= 4
    )


def test_series_near_a_unit_root_are_told_and_can_be_filtered():
    p = {"keep": [], "both": []}
    for seed in range(15):
        x = planted("unit", seed=900 + seed).values
        for way, values in p.items():
            scan = LagScan(5, near_unit_root=way, variance=False).fit(x)
            values.append(scan.p_matrix[~np.eye(5, dtype=bool)][:, 1:].ravel())
            if Tokens(x, 5).near_unit_root.any():
                assert any("near a unit root" in note for note in scan.notes)
    assert (np.concatenate(p["both"]) < 0.01).mean() < 0.02
    assert (np.concatenate(p["both"]) < 0.01).mean() < (np.concatenate(p["keep"]) < 0.01).mean()
