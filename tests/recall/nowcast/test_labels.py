"""What was known when: never wrong, never early."""

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.files.panel import Panel
from heedful.recall.nowcast.labels import NBER, Chronology

INDEX = pd.period_range("1959-01", "2023-12", freq="M")
C = Chronology.nber()


def at(y, month):
    return y[INDEX.get_loc(pd.Period(month, "M"))]


def test_truth_runs_from_the_month_after_the_peak_through_the_trough():
    y = C.truth(INDEX)
    for peak, trough, *_ in NBER[1:]:
        assert (at(y, peak), at(y, trough)) == (0, 1)
        assert at(y, str(pd.Period(peak, "M") + 1)) == 1
        assert at(y, str(pd.Period(trough, "M") + 1)) == 0
    assert y.sum() == sum(pd.Period(t, "M").ordinal - pd.Period(p, "M").ordinal for p, t, *_ in NBER[1:])


@pytest.mark.parametrize("origin", [str(p) for p in INDEX[60::7]])
def test_what_is_known_is_true_and_past(origin):
    y = C.known(INDEX, pd.Period(origin, "M"))
    seen = ~np.isnan(y)
    assert (y[seen] == C.truth(INDEX)[seen]).all()
    assert not seen[INDEX.astype("int64") > pd.Period(origin, "M").ordinal].any()


def test_the_recession_of_2008_became_known_as_it_was_announced():
    before = C.known(INDEX, pd.Period("2008-11", "M"))
    assert np.isnan(at(before, "2008-01"))
    assert at(before, "2007-11") == 0
    after = C.known(INDEX, pd.Period("2008-12", "M"))
    assert (at(after, "2007-12"), at(after, "2008-01")) == (0, 1)
    assert np.isnan(at(after, "2008-02"))
    late = C.known(INDEX, pd.Period("2010-08", "M"))
    assert np.isnan(at(late, "2008-10"))
    end = C.known(INDEX, pd.Period("2010-09", "M"))
    assert (at(end, "2008-10"), at(end, "2009-06"), at(end, "2009-07")) == (1, 1, 0)
    assert np.isnan(at(end, "2010-08"))


def test_before_1980_a_stated_lag():
    assert np.isnan(at(C.known(INDEX, pd.Period("1974-10", "M")), "1973-12"))
    assert at(C.known(INDEX, pd.Period("1974-11", "M")), "1973-12") == 1


def test_quarters_need_two_months():
    quarters = pd.period_range("1959Q1", "2009Q4", freq="Q")
    y = dict(zip(quarters.astype(str), C.truth(quarters), strict=True))
    assert (y["2008Q1"], y["2009Q2"], y["2001Q2"], y["2001Q4"], y["1980Q3"]) == (1, 1, 1, 1, 0)
    known = C.known(quarters, pd.Period("2008Q4", "Q"))
    assert np.isnan(known[quarters.get_loc("2008Q1")])


def test_fewer_than_three_recessions_is_said():
    index = pd.period_range("1995-01", "2019-12", freq="M")
    panel = Panel(pd.DataFrame({"a": np.arange(len(index), dtype=float)}, index), source="short.csv")
    words = r"runs 1995-01 to 2019-12 and holds the start of 2 recessions \(NBER\); at least 3 are needed"
    with pytest.raises(InputError, match=words):
        C.check(panel)


def test_own_dates_are_read_and_checked(tmp_path):
    path = tmp_path / "dates.csv"
    path.write_text("peak,trough,peak_announced,trough_announced\n1960-04,1961-02\n1980-01,1980-07,1980-06-03,\n")
    own = Chronology.read(path)
    assert own.peak_known[1] == pd.Period("1980-06", "M").ordinal
    assert own.trough_known[1] == pd.Period("1981-07", "M").ordinal
    for text, words in [("from,to\n1,2\n", "peak, trough"),
                        ("peak,trough\n1961-02,1960-04\n", "row 2: peak and"),
                        ("peak,trough\n1960-04,soon\n", "row 2.*no dates")]:
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            Chronology.read(path)
