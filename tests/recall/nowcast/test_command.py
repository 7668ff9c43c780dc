"""The command on whole and on damaged files: a sentence each time, nothing half-written."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from heedful.cli import build
from heedful.errors import InputError
from heedful.recall.nowcast.command import VERBS, _vintages
from heedful.recall.nowcast.demo import demo, macrodata

RUN = CliRunner()


def heedful(*arguments):
    return RUN.invoke(build("nowcast"), ["nowcast", *map(str, arguments)])


@pytest.fixture(scope="module")
def csv(panel, tmp_path_factory):
    path = tmp_path_factory.mktemp("nowcast") / "panel.csv"
    panel.values.to_csv(path, index_label="date")
    return path


def test_the_demo_tells_a_whole_story():
    story = demo()
    assert story.study == "nowcast"
    assert story.headline.startswith("2008 Q4: ")
    assert [s.name for s in story.scores] == ["QPS", "AUROC"]
    assert len(story.pictures) == 4
    assert any("one vintage" in note for note in story.notes)
    # five recessions: table and note say the same
    assert {s.outcome for s in story.scores} == {"level (5 recessions)"}
    assert any("5 recessions began in the test" in n and "a lead is told as level" in n for n in story.notes)
    assert set(VERBS) == {""}


def test_macrodata_is_what_statsmodels_ships():
    panel = macrodata()
    assert panel.span == "1959Q1 to 2009Q3"
    assert panel.values.shape == (203, 10)
    assert panel.values["infl"].isna().sum() == 1


def test_a_panel_with_events_and_files_written(csv, tmp_path, panel):
    events = tmp_path / "events.csv"
    events.write_text("date,event,size\n1973-10,embargo,2\n1979-01,embargo,1\n1990-08,embargo,1\n")
    done = heedful(csv, "--start", "1999-01", "--events", events, "--out", tmp_path / "p.csv",
                   "--period", "2008-12", "--trust", "none")
    assert done.exit_code == 0, done.output
    assert "December 2008" in done.output.replace("\n", " ")
    table = np.genfromtxt(tmp_path / "p.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert table.dtype.names == ("period", "heedful", "logit", "probit", "recession")
    assert len(table) == 144


@pytest.mark.parametrize(("change", "words"), [
    (lambda lines: lines.pop(100), "between are absent"),
    (lambda lines: lines.insert(100, lines[99]), "appears twice"),
    (lambda lines: lines.__setitem__(100, lines[100].rsplit(",", 1)[0] + ",n/k"), "'n/k' in a number column"),
    (lambda lines: lines.__setitem__(slice(1, None), [x.rsplit(",", 1)[0] + ",7" for x in lines[1:]]),
     "never changes"),
    (lambda lines: lines.__delitem__(slice(1, 500)), "holds the start of 2 recessions"),
    (lambda lines: lines.__setitem__(50, "5/1/1963" + lines[50][7:]), "two date formats"),
])
def test_damage_is_one_line_and_exit_2(csv, tmp_path, change, words):
    lines = csv.read_text().splitlines()
    change(lines)
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join(lines) + "\n")
    done = heedful(bad, "--out", tmp_path / "out.csv", "--report", tmp_path / "r.html", "--trust", "none")
    assert done.exit_code == 2, done.output
    said = done.stderr if done.stderr_bytes is not None else done.output
    assert said.startswith("error: ")
    assert len(said.strip().splitlines()) == 1
    assert re.search(words, said), said
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize("arguments", [
    ("--trust", "much"), ("--delay", "CLAIMSx=two"), ("--period", "1850-01"), ("--start", "1850-01"),
    ("--indicators", "absent"), ("--method", "magic"), ("--start", "soon")])
def test_wrong_options_are_one_line(csv, arguments):
    done = heedful(csv, *arguments)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output


def test_vintages_are_found_under_both_of_their_names(tmp_path):
    lines = ["sasdate,a,b", "Transform:,1,1", *(f"{m}/1/1990,{m},{m * m}" for m in range(1, 7))]
    for name in ("1999-08.csv", "FRED-MD_2015m1.csv", "2024-12-md.csv", "README.txt", "19990801.csv"):
        (tmp_path / name).write_text("\n".join(lines))
    assert list(_vintages(tmp_path)) == ["1999-08", "2015-01", "2024-12"]
    (tmp_path / "2015-01.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"are both of 2015-01"):
        _vintages(tmp_path)
