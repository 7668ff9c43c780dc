"""The narrative adds up, and names a spike a spike and a decline a decline."""

import re
from dataclasses import replace

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.reading import pictures as pic
from heedful.recall.nowcast.backtesting import backtest
from heedful.recall.nowcast.claims import claim
from heedful.recall.nowcast.model import Nowcast
from heedful.recall.nowcast.pictures import bars, lags, poster, timeline, waterfall
from heedful.recall.nowcast.reading import _parted, best_run, explain
from heedful.trust import Verdict


@pytest.fixture(scope="module")
def model(panel):
    return Nowcast().fit(panel)


@pytest.mark.parametrize("period", ["1959-02", "1974-06", "1985-05", "2008-12"])
def test_everything_adds_up(panel, model, period):
    story = explain(model, panel, period)
    gap = story.probability - story.base
    assert story.tokens["points"].sum() == pytest.approx(gap, abs=1e-12)
    assert story.groups["points"].sum() == pytest.approx(gap, abs=1e-12)
    logit = np.log(story.probability / (1 - story.probability))
    assert model.intercept_ + story.tokens["log_odds"].sum() == pytest.approx(logit, abs=1e-8)
    assert story.groups["log_odds"].sum() == pytest.approx(story.tokens["log_odds"].sum(), abs=1e-9)
    assert story.tokens["weight"].sum() == pytest.approx(1, abs=1e-12)
    picture = waterfall(story)
    assert picture.end == pytest.approx(story.probability, abs=1e-9)
    assert sum(story.weights.rows([0])[0]) == pytest.approx(1)


def test_the_sentence_is_an_economist_s_note(panel, model):
    story = explain(model, panel, "2008-12")
    text = story.sentence()
    assert re.match(r"December 2008: [01]\.\d\d\. [A-Z][^.]*\((past \d+ months|-\d+ months?|this month|"
                    r"-\d+ to -\d+ months)\) [+\N{MINUS SIGN}]0\.\d\d", text), text
    still = replace(story, groups=story.groups.assign(points=story.groups["points"] * 1e-3))
    assert "No observation moved it" in still.sentence()
    assert story.sentence(1).count("(") == 1 + text.split("; against it")[-1].count("(") * ("against" in text)


def test_spike_and_slow_decline_are_named_as_what_they_are(panel, model):
    at = panel.values.index.get_loc("1996-06")
    spiked, slow = panel.values.copy(), panel.values.copy()
    spiked.iloc[at - 3 :, 0] *= np.exp(8 * 0.02)
    first = explain(model, replace(panel, values=spiked), "1996-06").groups.iloc[0]
    assert (first["indicator"], first["kind"], first["when"]) == ("CLAIMSx", "spike", "-3 months")
    assert first["words"] == "jump in initial jobless claims"
    slow.iloc[at - 11 :, 3] -= 1.5 * np.minimum(np.arange(1, len(slow) - at + 12), 12)
    first = explain(model, replace(panel, values=slow), "1996-06").groups.iloc[0]
    assert (first["indicator"], first["kind"]) == ("UMCSENTx", "slow")
    assert first["words"] == "slow decline in consumer sentiment"
    assert first["to_lag"] >= 8


def test_best_run_by_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = rng.normal(size=9)
        scores = {(a, b): x[a:b].sum() / np.sqrt(b - a) - np.sqrt(2 * np.log(np.e * 9 / (b - a)))
                  for a in range(9) for b in range(a + 1, 10)}
        assert best_run(x) == max(scores, key=scores.get)


def test_the_ten_named_observations_matter(panel, model):
    p = model.nowcast(panel).to_numpy()
    rows = np.flatnonzero(p > 0.5)
    tokens = model.tokens(panel).at(rows)
    parts = model.parts(tokens)
    terms = parts.terms.reshape(len(rows), -1)
    rng = np.random.default_rng(0)
    fall, chance = [], []
    for i in range(len(rows)):
        logit = parts.logit[i]
        top = np.sort(terms[i])[::-1][:10].sum()
        there = np.flatnonzero(parts.weight[i].ravel() > 0)
        fall.append(p[rows[i]] - 1 / (1 + np.exp(top - logit)))
        chance.append(p[rows[i]] - 1 / (1 + np.exp(rng.choice(terms[i, there], 10).sum() - logit)))
    assert np.mean(fall) > 2 * np.mean(chance)


def test_reading_pictures_and_claim(panel, model):
    test = backtest(panel, start="1999-01")
    story = explain(model, panel, "2008-12")
    reading = story.reading()
    assert reading.certificate.startswith("checked: ")
    assert "CLAIMSx 2008-12" in set(reading.to_pandas()["key"])
    for picture, kind in [(waterfall(story), pic.Waterfall), (bars(story), pic.Bars),
                          (lags(story), pic.Matrix), (timeline(test, story), pic.Timeline)]:
        assert isinstance(picture, kind)
        assert picture.to_dict()["title"]
    rows = np.flatnonzero(model.nowcast(panel).to_numpy() > 0.5)
    made = claim(model, panel, rows)
    weight = model.parts(model.tokens(panel).at(rows)).weight
    np.testing.assert_allclose(made.weights.rows([2])[0], weight[2].ravel(), atol=1e-9)
    assert claim(model, panel, rows[:0]) is None


def test_periods_that_are_none(panel, model):
    with pytest.raises(InputError, match="'soon' is no period"):
        explain(model, panel, "soon")
    with pytest.raises(InputError, match="1900-01 is not in the panel"):
        explain(model, panel, "1900-01")


def test_a_spike_that_did_more_than_the_rest_of_its_run_is_told_apart():
    z = np.array([0.2, 0.6, 0.5, 4.6, 0.9, 0.7, 0.1])
    points = np.array([0.0, 0.02, 0.02, 0.30, 0.05, 0.03, 0.0])
    parts = _parted(np.arange(1, 6), z, points)
    assert [p.tolist() for p in parts] == [[3], [1, 2, 4, 5]]
    assert [p.tolist() for p in _parted(np.arange(1, 6), z, np.full(7, 0.05))] == [[1, 2, 3, 4, 5]]
    steady = np.array([0.2, 1.6, 1.5, 2.6, 1.9, 1.7, 0.1])
    assert [p.tolist() for p in _parted(np.arange(1, 6), steady, points)] == [[1, 2, 3, 4, 5]]


def test_the_waterfall_draws_the_largest_and_the_poster_tells_names_and_verdict(panel, model, tmp_path):
    story = explain(model, panel, "2008-12")
    few = waterfall(story, most=3)
    named = story.groups[story.groups["kind"] != "rest"]["points"]
    assert sorted(np.abs(few.values[:-1])) == pytest.approx(sorted(named.abs().nlargest(3)))
    assert few.end == pytest.approx(story.probability, abs=1e-9)
    long = replace(few, labels=["a name that is longer than a printed picture holds", *few.labels[1:]])
    verdict = Verdict("it carried", "not supported", 0.171, (-0.028, 0.374), 0.113, 25, "an exchange")
    svg = poster(long, tmp_path / "p.svg", verdict).read_text()
    assert long.labels[0] in svg  # matplotlib writes each text beside its outlines
    assert "…" not in svg and "prefers-color-scheme: dark" in svg
    assert svg.lower().count("not supported") == 1
    assert "Mass +0.171 [-0.028, +0.374] against an exchange, p = 0.113, n = 25." in " ".join(
        re.findall(r"<!-- (.*?) -->", svg))
    silent = Verdict("it carried", "not testable", 0.0, None, None, 2, "", reason="2 rows")
    assert "it carried\"; 2 rows." in poster(few, tmp_path / "q.svg", silent).read_text()
