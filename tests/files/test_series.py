"""Panels from files: formats, clocks, and what is refused with its row."""

import gzip

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.files.series import read_series


@pytest.fixture
def frame():
    index = pd.date_range("2001-01-01", periods=6, freq="MS", name="month")
    return pd.DataFrame({"oil": np.arange(6.0), "jobs": [1.5, np.nan, 2, 3, 4, 5]}, index=index)


@pytest.mark.parametrize("how", ["csv", "csv.gz", "tsv", "semicolon", "parquet"])
def test_formats_read_alike(tmp_path, frame, how):
    path = tmp_path / f"panel.{how if how != 'semicolon' else 'csv'}"
    if how == "csv.gz":
        path.write_bytes(gzip.compress(frame.to_csv().encode()))
    elif how == "tsv":
        frame.to_csv(path, sep="\t")
    elif how == "semicolon":
        frame.to_csv(path, sep=";", decimal=",")
    elif how == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path)
    got = read_series(path)
    pd.testing.assert_frame_equal(got, frame, check_freq=False, check_index_type=False)


def test_columns_and_a_panel_without_a_clock(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\n1,2,3\n4,5,6\n")
    got = read_series(path, columns=["c", "a"])
    assert list(got.columns) == ["c", "a"]
    assert isinstance(got.index, pd.RangeIndex)
    assert list(read_series(path, time="a").index) == [1, 4]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("date,x\n2001-01-01,1\n2001-02-01,two\n", "row 3, column 'x': 'two'"),
        ("date,x\n2001-01-01,1\n01.02.2001,2\n", "row 3, column 'date'"),
        ("date,x\n2001-01-01 00:00:00+00:00,1\n2001-02-01 00:00:00,2\n", "lacks a time zone"),
        ("date,x\n2001-01-01,1\n,2\n", "time is empty"),
        ("date,x\n", "no rows"),
        ("x,x \n1,2\n", "two columns"),
        ("", "empty"),
        ('a,b\n1,2,3,4\n1\n"', "table"),
    ],
)
def test_refused_with_the_row(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_series(path)


def test_unknown_columns_and_broken_parquet(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column 'z'"):
        read_series(path, columns=["z"])
    broken = tmp_path / "x.parquet"
    broken.write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="Parquet"):
        read_series(broken)


def test_a_column_named_twice_is_refused(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("date,a,a\n2000-01-01,1,2\n2000-02-01,3,4\n")
    with pytest.raises(InputError, match="two columns are called 'a'"):
        read_series(path)


def test_offsets_that_change_are_counted_with_the_row(tmp_path):
    (tmp_path / "s.csv").write_text(
        "date,x,y\n2021-03-27 12:00:00+01:00,1,2\n2021-03-28 12:00:00+02:00,2,1\n"
        "2021-03-29 12:00:00+02:00,3,4\n"
    )
    frame = read_series(tmp_path / "s.csv")
    assert frame.index[1] == pd.Timestamp("2021-03-28 10:00:00")
    assert "2 of 3 times" in frame.attrs["notes"][0]
    assert "row 3 has +0200" in frame.attrs["notes"][0]
