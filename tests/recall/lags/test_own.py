"""What a series does by itself: margins, drifts, memory, seasons; and that no link comes of it."""

import numpy as np
import pytest
from scipy import signal

from heedful.errors import InputError
from heedful.recall.lags import LagScan, planted
from heedful.recall.lags.own import columns, drifting, habits, lopsided, normal_scores
from heedful.recall.lags.reading import lag_weights
from heedful.recall.lags.rows import Tokens

ALL = np.ones((300, 5), dtype=bool)


def filtered(rng, ar, shape=(300, 5)):
    return signal.lfilter([1.0], ar, rng.normal(size=(shape[0] + 400, shape[1])), axis=0)[400:]


def seasonal(rng):
    return filtered(rng, np.convolve([1, -0.5], np.r_[1, np.zeros(11), -0.7]))


def fixed_season(rng):
    phase = rng.uniform(0, 2 * np.pi, 5)
    return np.sin(2 * np.pi * np.arange(300)[:, None] / 12 + phase) + filtered(rng, [1, -0.5])


def trending(rng):
    return filtered(rng, [1, -0.5]) + 0.02 * np.arange(300)[:, None] * rng.choice([-1, 1], 5)


def breaking(rng):
    x = filtered(rng, [1, -0.5])
    for i in range(5):
        x[rng.integers(75, 225) :, i] += 2.5
    return x


def log_normal(rng):
    return np.exp(filtered(rng, [1, -0.9]) / 1.9)


def mostly_zero(rng):
    return np.where(rng.random((300, 5)) < 0.7, 0.0, rng.exponential(size=(300, 5)))


@pytest.mark.parametrize("make", [seasonal, fixed_season, trending, breaking, log_normal, mostly_zero])
def test_no_link_comes_of_what_series_do_by_themselves(make):
    # before, .95, .98, 1.0, .98, .68 and .30 of such panels held a false link; .08 is the floor
    off = ~np.eye(5, dtype=bool)
    false = sum(
        LagScan(5, variance=False).fit(make(np.random.default_rng([s, 3]))).graph[off].any()
        for s in range(10)
    )
    assert false <= 3


def test_links_are_found_under_a_season_and_through_a_lopsided_margin():
    for change in (
        lambda x: x + 1.2 * x.std(0) * np.sin(2 * np.pi * np.arange(300)[:, None] / 12 + np.arange(5)),
        lambda x: np.exp(1.2 * x / x.std(0)),
    ):
        found = there = 0
        for seed in range(3):
            data = planted("linear", seed=400 + seed)
            truth = data.truth(5)
            found += (LagScan(5, variance=False).fit(change(data.values)).graph & truth).sum()
            there += truth.sum()
        assert found >= 0.85 * there


def test_habits_tell_memory_from_season():
    rng = np.random.default_rng(1)
    seen = np.ones(400, dtype=bool)
    lags, periods = habits(filtered(rng, np.r_[1, np.zeros(11), -0.7], (400, 1))[:, 0], seen, 3)
    assert (12 in lags, periods) == (True, [])
    cycle = filtered(rng, [1, -2 * 0.95 * np.cos(2 * np.pi / 10), 0.95**2], (400, 1))[:, 0]
    lags, periods = habits(cycle, seen, 3)
    assert (2 in lags, periods) == (True, [])
    line = np.cos(2 * np.pi * np.arange(400) / 24.5) + filtered(rng, [1, -0.5], (400, 1))[:, 0]
    line[50:60], seen[50:60] = 0.0, False
    lags, periods = habits(line, seen, 3)
    assert len(periods) == 1
    assert periods[0] == pytest.approx(24.5, rel=0.03)
    # swings of variance are no memory
    wild = np.exp(filtered(rng, [1, -0.95], (400, 20)) / 3) * rng.normal(size=(400, 20))
    assert sum(bool(habits(v, np.ones(400, bool), 3)[0]) for v in wild.T) <= 4


def test_columns_by_hand():
    v = np.arange(1.0, 7.0)
    one, cosine, sine = columns(v, [2], [4.0])
    np.testing.assert_array_equal(one, [0, 0, 1, 2, 3, 4])
    np.testing.assert_allclose(cosine**2 + sine**2, 1)
    np.testing.assert_allclose(sine[:3], [0, 1, 0], atol=1e-12)
    assert columns(v, [], []).shape == (0, 6)


def test_drifts_are_told_from_slow_paths():
    rng = np.random.default_rng(2)
    slow = filtered(rng, [1, -0.9], (300, 40))
    assert drifting((slow - slow.mean(0)) / slow.std(0), np.ones((300, 40), bool)).mean() < 0.15
    for make in (trending, breaking):
        x = make(rng)
        assert drifting((x - x.mean(0)) / x.std(0), ALL).sum() >= 4


def test_margins():
    rng = np.random.default_rng(3)
    for make, leans in ((log_normal, True), (mostly_zero, True), (seasonal, False)):
        x = make(rng)
        assert (lopsided((x - x.mean(0)) / x.std(0), ALL) == leans).sum() >= 4
        assert (lopsided(-(x - x.mean(0)) / x.std(0), ALL) == leans).sum() >= 4
    seen = np.r_[np.ones(9, bool), False]
    v = normal_scores(np.r_[np.zeros(5), 1, 2, 3, 4, 99.0], seen)
    assert v[9] == 0
    assert (np.diff(v[5:9]) > 0).all()
    assert v[:5].max() < v[5]
    np.testing.assert_array_equal(v, normal_scores(np.r_[np.zeros(5), 1, 2, 3, 4, 99.0], seen))
    assert not np.array_equal(v, normal_scores(np.r_[np.zeros(5), 1, 2, 3, 4, 99.0], seen, seed=1))


def test_what_was_done_is_counted_in_the_notes():
    rng = np.random.default_rng(4)
    x = np.column_stack([make(rng)[:, 0] for make in (seasonal, fixed_season, trending, log_normal)])
    notes = " ".join(LagScan(5, variance=False).fit(x).notes)
    for words in (
        "2 series with a memory beyond max_lag (x0, x2): their own lags 8, 12, 13",
        "1 series with a fixed season (x1): cosine and sine of period 12 steps",
        "with a trend or shifts of level (x2)",
        "1 series with a lopsided margin",
    ):
        assert words in notes


def test_own_lags_in_the_model_do_not_hide_the_self_link():
    rng = np.random.default_rng(5)
    x = filtered(rng, [1, -0.3, 0, 0, -0.5])
    scan = LagScan(5, variance=False).fit(x)
    assert all(4 in scan.tokens_.habits[j][0] for j in range(5))
    assert scan.graph[np.arange(5), np.arange(5), 4].all()
    if len(scan.links):
        assert np.isfinite(np.asarray(lag_weights(scan).entropy())).all()


def test_own_lags_that_the_driver_explains_leave_the_model():
    dropped = 0
    for seed in range(6):
        data = planted("auto", seed=500 + seed)
        scan = LagScan(5, variance=False).fit(data.values)
        dropped += sum(
            len(scan.tokens_.habits[j][0]) - sum(k < len(scan.tokens_.habits[j][0]) for k in s.past)
            for j, s in enumerate(scan.scans_)
        )
    assert dropped > 0


def test_the_reader_s_notes_reach_the_scan():
    import pandas as pd

    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(80, 2)), columns=["a", "b"])
    frame.attrs["notes"] = ["2 of 80 times have another offset"]
    assert "another offset" in LagScan(2, variance=False).fit(frame).notes[0]


def test_series_of_single_steps_and_of_endless_scale_are_refused():
    x = np.random.default_rng(0).normal(size=(300, 3))
    with pytest.raises(InputError, match=r"beyond 1e150"):
        LagScan(5).fit(x * 1e200)
    x[1::2, 0] = np.nan
    with pytest.raises(InputError, match="series 'x0' has 0 rows where it and its value one step before"):
        LagScan(5).fit(x)


def test_tokens_without_habits_are_as_before():
    t = Tokens(np.random.default_rng(0).normal(size=(120, 3)), 3)
    assert (t.past, t.lopsided.any(), t.wanders.any()) == ({}, False, False)
