"""Panels: what is right is read exactly; every damage is one sentence with its rows."""

import gzip

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.files.panel import read_events, read_panel

MONTHS = [f"{y}-{m:02d}" for y in (1990, 1991) for m in range(1, 13)]


def table(dates=MONTHS, columns=None):
    rng = np.random.default_rng(0)
    columns = columns or {"permits": rng.normal(size=len(dates)), "claims": rng.normal(size=len(dates))}
    lines = ["date," + ",".join(columns)]
    for i, date in enumerate(dates):
        lines.append(date + "," + ",".join(str(column[i]) for column in columns.values()))
    return lines


def write(tmp_path, lines, name="panel.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["%Y-%m-01", "%Y-%m", "m/1/Y", "%YM%m"])
def test_months_in_each_format(tmp_path, form):
    stamps = pd.to_datetime(MONTHS)
    dates = [f"{d.month}/1/{d.year}" if form == "m/1/Y" else d.strftime(form) for d in stamps]
    panel = read_panel(write(tmp_path, table(dates)))
    assert panel.span == "1990-01 to 1991-12"
    assert panel.months == 1
    assert panel.values.shape == (24, 2)
    assert panel.values.loc["1990-03", "permits"] == np.random.default_rng(0).normal(size=24)[2]


@pytest.mark.parametrize("dates", [[f"{y}Q{q}" for y in (1990, 1991) for q in range(1, 5)],
                                   [f"{y}-{m:02d}-01" for y in (1990, 1991) for m in (1, 4, 7, 10)]])
def test_quarters(tmp_path, dates):
    panel = read_panel(write(tmp_path, table(dates)))
    assert panel.months == 3
    assert panel.span == "1990Q1 to 1991Q4"


def test_year_and_quarter_columns(tmp_path):
    lines = ["year,quarter,gdp", *(f"{y}.0,{q}.0,{y + q}" for y in (1959, 1960) for q in (1, 2, 3, 4))]
    panel = read_panel(write(tmp_path, lines))
    assert panel.span == "1959Q1 to 1960Q4"
    assert list(panel.values) == ["gdp"]


def test_fred_md_missing_cells_semicolons_gzip_and_empty_tail(tmp_path):
    lines = ["sasdate;RPI;S&P 500", "Transform:;5;1", "1/1/1959;1;.", "2/1/1959;;2", "3/1/1959;3;NA",
             "4/1/1959;4;5", ";;", ""]
    path = tmp_path / "md.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    panel = read_panel(path)
    assert panel.transforms == {"RPI": 5, "S&P 500": 1}
    assert panel.values.isna().sum().tolist() == [1, 2]
    assert panel.notes == ("3 of 8 cells are empty and take no part",)


@pytest.mark.parametrize("above", [["factors,0,1", "transform,5,2"], ["transform,5,2", "factors,0,1"],
                                   ["Factors:,,", "Transform:,5,2"]])
def test_fred_qd_has_a_row_of_factors_above_its_codes(tmp_path, above):
    lines = ["sasdate,GDPC1,UNRATE", *above]
    lines += [f"{m}/1/{y},{y + m / 12},{m}" for y in (1959, 1960) for m in (3, 6, 9, 12)]
    panel = read_panel(write(tmp_path, [*lines, ",,", ""]))
    assert panel.transforms == {"GDPC1": 5, "UNRATE": 2}
    assert panel.months == 3 and panel.span == "1959Q1 to 1960Q4"
    assert panel.values["GDPC1"].iloc[0] == 1959.25
    where = above.index(next(a for a in above if a.lower().startswith("t"))) + 2
    lines = [line.replace(",5,", ",9,") for line in lines]
    with pytest.raises(InputError, match=f"row {where}, column 'GDPC1': transformation code '9'"):
        read_panel(write(tmp_path, lines))


def test_parquet_as_csv(tmp_path):
    frame = pd.DataFrame({"a": np.arange(24.), "b": np.arange(24.) ** 2}, index=pd.to_datetime(MONTHS))
    frame.index.name = "date"
    frame.to_parquet(tmp_path / "index.parquet")
    frame.reset_index().to_parquet(tmp_path / "column.parquet")
    for name in ("index", "column"):
        panel = read_panel(tmp_path / f"{name}.parquet")
        np.testing.assert_array_equal(panel.values["b"], frame["b"])
        assert panel.span == "1990-01 to 1991-12"
    frame.tz_localize("UTC").to_parquet(tmp_path / "zone.parquet")
    with pytest.raises(InputError, match="time zone"):
        read_panel(tmp_path / "zone.parquet")
    data = (tmp_path / "column.parquet").read_bytes()
    for cut in range(1, len(data), len(data) // 20):
        (tmp_path / "cut.parquet").write_bytes(data[:cut])
        with pytest.raises(InputError, match=r"cut\.parquet"):
            read_panel(tmp_path / "cut.parquet")


def damaged(change):
    lines = table()
    change(lines)
    return lines


def replace(row, old, new):
    def change(lines):
        assert old in lines[row - 1]
        lines[row - 1] = lines[row - 1].replace(old, new, 1)
    return change


def swap(lines):
    lines[4], lines[5] = lines[5], lines[4]


def constant(lines):
    lines[1:] = [line.rsplit(",", 1)[0] + ",3.5" for line in lines[1:]]


def empty(lines):
    lines[1:] = [line.rsplit(",", 1)[0] + "," for line in lines[1:]]


@pytest.mark.parametrize(("change", "words"), [
    (replace(7, "1990-06", ""), r"row 7: the date is missing"),
    (replace(7, "1990-06", "1990-05"), r"row 7: 1990-05 appears twice \(first in row 6\); keep one"),
    (lambda lines: lines.pop(6), r"row 7: 1990-07 comes after 1990-05: the 1 between are absent"),
    (swap, r"row 6: 1990-04 comes after 1990-05: the rows are not in order of time; sort them"),
    (replace(9, "1990-08", "8/1/1990"), r"row 9: two date formats: '8/1/1990' is M/D/YYYY, row 2 is YYYY-MM"),
    (replace(9, "1990-08", "1990-13"), r"row 9: '1990-13' is no day of the calendar"),
    (replace(9, "1990-08", "summer"), r"row 9: 'summer' is no date that is understood"),
    (replace(4, ",", ",about ten "), r"row 4, column 'permits': 'about ten .*' in a number column; remove"),
    (replace(4, ",", ",1e999,"), r"row 4: 4 cells, the header has 3"),
    (constant, r"'claims' never changes \(always 3.5\)"),
    (empty, r"no number in 'claims'"),
    (lambda lines: lines.__setitem__(0, "date,claims,claims"),
     r"two columns are named 'claims' \(columns 2 and 3\)"),
    (lambda lines: lines.__setitem__(0, "date,,claims"), r"row 1: column 2 has no name"),
    (lambda lines: lines.__delitem__(slice(1, None)), r"a header and no rows"),
    (lambda lines: lines.__setitem__(slice(None), ["only"]), r"fewer than two columns"),
])
def test_damage_is_one_sentence_with_its_rows(tmp_path, change, words):
    with pytest.raises(InputError, match=words) as caught:
        read_panel(write(tmp_path, damaged(change)))
    assert "panel.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_infinite_numbers_and_many_rows_are_named(tmp_path):
    lines = table(columns={"a": ["x" if i % 3 == 0 else str(i) for i in range(24)], "b": range(24)})
    with pytest.raises(InputError, match=r"rows 2, 5, 8, 11 and 4 more, column 'a'"):
        read_panel(write(tmp_path, lines))
    lines = table(columns={"a": ["inf" if i == 3 else str(i) for i in range(24)], "b": range(24)})
    with pytest.raises(InputError, match="row 5, column 'a': an infinite number"):
        read_panel(write(tmp_path, lines))


def test_fred_md_codes_are_checked(tmp_path):
    with pytest.raises(InputError, match=r"row 2, column 'RPI': transformation code '9'"):
        read_panel(write(tmp_path, ["sasdate,RPI", "Transform:,9", "1/1/1959,1", "2/1/1959,2"]))


def test_files_that_are_no_tables(tmp_path):
    (tmp_path / "nul.csv").write_bytes(b"a,b\0\n1,2\n")
    (tmp_path / "latin.csv").write_bytes("dåte,b\n".encode("latin-1"))
    (tmp_path / "empty.csv").write_bytes(b"")
    for name in ("nul.csv", "latin.csv", "empty.csv", "absent.csv"):
        with pytest.raises(InputError, match=name):
            read_panel(tmp_path / name)


def test_events(tmp_path):
    path = write(tmp_path, ["date,event,size", "1990-08-02,Kuwait,2", "1973-10-17,embargo,3",
                            "1990-08-20,call,1"])
    events = read_events(path)
    assert events["period"].astype(str).tolist() == ["1990-08", "1973-10", "1990-08"]
    assert events["size"].tolist() == [2., 3., 1.]
    assert read_events(write(tmp_path, ["date,event", "1990-08,x"]))["size"].tolist() == [1.]
    for lines, words in [
        (["date,size", "1990-08,1"], "date, event and size were expected"),
        (["date,event,size", "1990-08,x,"], r"row 2: the event has no size"),
        (["date,event,size", "1990-08,x,big"], r"row 2, column 'size': 'big'"),
        (["date,event,size", "1990-08,,1"], r"row 2: the event has no name"),
    ]:
        with pytest.raises(InputError, match=words):
            read_events(write(tmp_path, lines))
