"""Event tables: MEDS, CSV and pandas; repairs are counted, what cannot be read is refused with its row."""

import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.files.events import read_events, read_labels


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "subject_id": [2, 1, 1, 1, 1],
            "time": pd.to_datetime(["2020-01-05", "2020-01-02", None, "2020-01-02", "2020-01-02"]),
            "code": ["LAB//bili", "DX//flu", "GENDER//F", "LAB//bili", "LAB//bili"],
            "numeric_value": [1.0, None, None, 2.0, 4.0],
        }
    )


@pytest.mark.parametrize("how", ["pandas", "parquet", "csv", "shards"])
def test_meds_reads_alike(tmp_path, table, how):
    source = table
    if how == "parquet":
        source = tmp_path / "data.parquet"
        table.to_parquet(source)
    elif how == "csv":
        source = tmp_path / "data.csv"
        table.to_csv(source, index=False)
    elif how == "shards":
        source = tmp_path / "data"
        source.mkdir()
        table[:2].to_parquet(source / "0.parquet")
        table[2:].to_parquet(source / "1.parquet")
    events = read_events(source)
    assert events.dated
    assert len(events) == 4
    assert list(events.subject) == [1, 1, 1, 2]
    bili = events.frame().query("code == 'LAB//bili' and subject_id == 1")
    assert bili["numeric_value"].tolist() == [3.0]
    assert events.frame()["time"].isna().sum() == 1
    assert any("1 rows repeat a subject, time and code" in note for note in events.notes)
    assert any("out of order" in note for note in events.notes)


def test_exact_repeats_are_dropped_and_counted(table):
    events = read_events(pd.concat([table, table[:2]]))
    assert any("2 rows were exact repeats" in note for note in events.notes)


def test_other_column_names():
    events = read_events(pd.DataFrame({"id": [1], "days": [3.0], "test": ["hdl"], "value": [50.0]}))
    assert not events.dated
    assert events.time[0] == 3.0
    asked = read_events(
        pd.DataFrame({"who": [1], "when": [3.0], "what": ["x"]}), subject="who", time="when", code="what"
    )
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("subject_id,time,code\n", "no rows"),
        ("subject_id,time\n1,2\n", "no code column"),
        ("subject_id,time,code,numeric_value\n1,2,a,high\n", "row 2, column 'numeric_value': 'high'"),
        ("subject_id,time,code\n1,2020-01-01,a\n1,soon,a\n", "row 3, column 'time'"),
        ("subject_id,time,code\n1,2020-01-01T00:00:00Z,a\n1,2020-01-01T00:00:00,a\n", "time zone"),
        ("subject_id,time,code\n,5,a\n", "subject_id is empty"),
        ("subject_id,time,code,numeric_value\n1,5,a,inf\n", "infinite"),
    ],
)
def test_refused_with_the_row(tmp_path, rows, words):
    path = tmp_path / "events.csv"
    path.write_text(rows)
    with pytest.raises(InputError, match=words):
        read_events(path)


def test_dates_and_days_do_not_mix(tmp_path, table):
    days = pd.DataFrame({"subject_id": [1], "time": [3.0], "code": ["x"]})
    with pytest.raises(InputError, match="numbers of days"):
        read_events([table, days])
    with pytest.raises(InputError, match="folder without"):
        read_events(tmp_path)


def test_labels(table):
    labels = pd.DataFrame(
        {"subject_id": [1], "prediction_time": ["2020-02-01"], "boolean_value": [True], "age": [50]}
    )
    got = read_labels(labels, dated=True)
    assert got["outcome"].tolist() == [1.0]
    assert got["static:age"].tolist() == [50.0]
    with pytest.raises(InputError, match="row 2: boolean_value is 3"):
        read_labels(labels.assign(boolean_value=3), dated=True)
    with pytest.raises(InputError, match="boolean_value is empty"):
        read_labels(labels.assign(boolean_value=[None]).astype({"boolean_value": float}), dated=True)


def test_offsets_that_change_are_counted_and_rows_are_those_of_the_file():
    table = pd.DataFrame(
        {
            "subject_id": [1, 1, 1],
            "time": [None, "2020-01-01T00:00:00Z", "2020-01-01T00:00:00+05:00"],
            "code": ["sex", "a", "b"],
        }
    )
    events = read_events(table)
    seen = sorted(t for t in events.time if t == t)
    assert seen[-1] - seen[0] == pytest.approx(5 / 24)
    assert "row 4 has +0500" in events.notes[0]
    with pytest.raises(InputError) as error:
        read_events(table.assign(time=[None, "2020-01-01", "tomorrow"]))
    assert error.value.where.startswith("row 4")
