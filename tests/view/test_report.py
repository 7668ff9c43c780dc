"""The report without a browser: what its policy allows, what its data escapes, how large its code is."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.reading import pictures as pic
from heedful.reading.story import Score, Story
from heedful.view import report_html, write_report
from heedful.view.page import page_dict
from heedful.view.source import OF_KIND, module
from heedful.view.squeeze import squeeze_script

HOSTILE = "</script><script>alert(1)</script>\u2028\u2029<!--&\x00\ud800"


def story(**changes) -> Story:
    fields = {
        "study": "toy",
        "title": "A toy",
        "data": "three numbers",
        "headline": "They are level.",
        "scores": [
            Score("AUROC", 0.9, 0.8, "logit", True, (0.05, 0.15)),
            Score("QPS", np.nan, 0.1, "probit"),
        ],
        "pictures": [pic.Bars("bars", ["a", "b"], [1.0, np.nan])],
        "tables": {"figures": pd.DataFrame({"x": [1.0, np.inf]})},
        "notes": ["one note"],
    }
    return Story(**{**fields, **changes})


def parts(text: str) -> tuple[str, str, str, dict]:
    """The policy, the script, the style and the data of a report."""
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    script = re.search(r'<script type="module">(.*?)</script>', text, re.S)[1]
    rules = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    data = re.search(r'<script type="application/json" id="page">(.*?)</script>', text, re.S)[1]
    return html.unescape(policy), script, rules, json.loads(data)


def digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_the_policy_allows_our_script_and_style_and_nothing_else(tmp_path):
    policy, script, rules, _ = parts(write_report(tmp_path / "r.html", story()).read_text())
    allowed = dict(line.split(" ", 1) for line in policy.split("; "))
    assert allowed == {
        "default-src": "'none'",
        "script-src": digest(script),
        "style-src": digest(rules),
        "worker-src": "blob:",
        "img-src": "blob: data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_what_comes_from_outside_cannot_leave_its_block(tmp_path):
    bad = story(
        study=HOSTILE,
        title=HOSTILE,
        headline=HOSTILE,
        notes=[HOSTILE],
        tables={HOSTILE: pd.DataFrame({HOSTILE[:-1]: [HOSTILE[:-1]]})},  # pandas holds no lone surrogate,
    )
    text = write_report(tmp_path / "r.html", bad).read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert not re.search("[\u2028\u2029\x00]", text)
    data = parts(text)[3]
    assert data["stories"][0]["headline"] == HOSTILE


def test_a_story_is_kept_whole(tmp_path):
    data = parts(write_report(tmp_path / "r.html", story()).read_text())[3]["stories"][0]
    assert data["scores"][0]["outcome"] == "better"
    assert data["scores"][1] == {
        "name": "QPS",
        "ours": None,
        "baseline": 0.1,
        "baseline_name": "probit",
        "higher_is_better": True,
        "interval": None,
        "outcome": "no interval",
    }
    assert data["tables"][0]["rows"] == [[1], [None]]
    assert data["pictures"][0]["values"] == [1, None]


def test_a_tour_has_every_study(tmp_path):
    page = write_report(tmp_path / "r.html", [story(), story(study="other")], title="Tour").read_text()
    data = parts(page)[3]
    assert [s["study"] for s in data["stories"]] == ["toy", "other"]
    assert "<title>Tour</title>" in page


def test_a_table_too_long_for_a_page_is_cut_and_says_so(tmp_path):
    long = story(tables={"all": pd.DataFrame({"x": np.arange(6000)})})
    data = parts(write_report(tmp_path / "r.html", long).read_text())[3]["stories"][0]
    assert len(data["tables"][0]["rows"]) == 5000
    assert any("first 5000 of 6000 rows" in note for note in data["notes"])


def test_refusals(tmp_path):
    with pytest.raises(InputError, match="no story"):
        write_report(tmp_path / "r.html", [])
    with pytest.raises(InputError, match="has no study"):
        write_report(tmp_path / "r.html", "a title")
    with pytest.raises(InputError, match="does not exist"):
        write_report(tmp_path / "nowhere" / "r.html", story())
    assert not list(tmp_path.iterdir())


def test_a_verdict_is_told_in_full_once_and_a_table_shown_once():
    verdict = {"name": "b leads", "status": "supported", "sentence": "b leads: supported.", "p": 0.01}
    other = {"name": "c leads", "status": "not testable", "sentence": "c leads: not testable."}
    frame = pd.DataFrame({"word": ["a", "b"], "x": [1.23456, np.nan]})
    told = page_dict(
        story(
            verdicts=[verdict],
            pictures=[
                pic.Bars("one", ["a"], [1.0], verdict=verdict),
                pic.Bars("two", ["a"], [1.0], verdict=other),
                pic.Table("rounded", frame.round(2)),
            ],
            tables={"figures": frame, "others": frame.iloc[::-1]},
        )
    )["stories"][0]
    first, second, table = told["pictures"]
    assert told["verdicts"] == [verdict]
    assert first["verdict"] == {"status": "supported", "sentence": "b leads (told above)"}
    assert second["verdict"] == other
    assert [t["title"] for t in told["tables"]] == ["others"]
    assert table["rows"] == [["a", 1.23456], ["b", None]]


def test_the_same_story_is_the_same_bytes(tmp_path):
    first, second = (write_report(tmp_path / name, story()).read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_our_code_stays_small(tmp_path):
    """No more than 60 kB of ours, even in a page that holds every kind of picture."""
    page = {"version": "", "title": "", "stories": [{"pictures": [{"kind": kind} for kind in OF_KIND]}]}
    text = report_html(page)
    data = re.search(r'id="page">(.*?)</script>', text, re.S)[1]
    assert len(text.encode()) - len(data.encode()) <= 60_000


def test_a_page_carries_the_code_of_its_own_pictures(tmp_path):
    text = write_report(tmp_path / "r.html", story()).read_text()
    assert re.search(r"\.bars=", text)
    assert not re.search(r"\.network=", text)


@pytest.mark.parametrize(
    "forbidden",
    [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
        "DOMParser",
        "createContextualFragment",
        "http:",
        "https:",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "importScripts",
        "localStorage",
    ],
)
def test_the_view_never_uses(forbidden):
    for file in (files("heedful.view") / "js").iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert forbidden not in text, file.name


def test_every_kind_of_picture_has_its_drawing():
    assert set(OF_KIND) == {kind.kind for kind in pic.KINDS}
    whole = module()
    for kind in OF_KIND:
        assert re.search(rf"\.{kind}=", whole)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a = 'x // y';  // z", "a='x // y';"),
        ("let a = b / c / d; /* e */ f", "let a=b/c/d;f"),
        ("x.replace(/a  b\\/[/]/g, '  ')", "x.replace(/a  b\\/[/]/g,'  ')"),
        ("`a  ${ b + `c ${ d } e` }  f`", "`a  ${b+`c ${d} e`}  f`"),
        ("a + +b; c - -d", "a+ +b;c- -d"),
        ("return x\nlet y = {\n  a: 1,\n}", "return x\nlet y={a:1}"),
        ("const a = 1\n// why\nconst b = 2", "const a=1\nconst b=2"),
        ("f(\n  a,\n  b,\n);\nif (c) {\n  d();\n}", "f(a,b);if(c){d()}"),
        ("x = a\n  ? b\n  : c &&\n    d;", "x=a?b:c&&d;"),
        ("`a,)  ;} ${b.c(d,)}`", "`a,)  ;} ${b.c(d)}`"),
    ],
)
def test_squeezing_keeps_the_meaning(given, kept):
    assert squeeze_script(given, rename=False) == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("const width = 1; o.width = width;", "const a=1;o.width=a;"),
        ("const { width, height: tall = width } = o;", "const{width:a,height:b=a}=o;"),
        ("function f({ deep: { inner }, ...rest }, [first, , last]) { return inner + rest + first + last; }",
         "function e({deep:{inner:b},...d},[a,,c]){return b+d+a+c}"),
        ("const one = (two) => ({ two, other: two ? two : 0 });", "const b=a=>({two:a,other:a?a:0});"),
        ("later(() => go(), (x, y) => x);", "later(()=>go(),(a,b)=>a);"),
        ("for (const item of list) { if (item) go(item); }", "for(const a of list){if(a)go(a)}"),
        ("const a = 1; let b = 2; let c = `${a} a ${b}`;", "const a=1;let b=2,c=`${a} a ${b}`;"),
        ("try { go(); } catch (error) { say(error.message); }", "try{go()}catch(a){say(a.message)}"),
        ("const free = a + window.b; document.free = free;", "const b=a+window.b;document.free=b;"),
        ("const f = (one) => one, g = (two) => two + f(two);", "const b=c=>c,d=a=>a+b(a);"),
        ("function f(one) { return one }\nfunction g(two) { return two + f(two) }",
         "function b(a){return a}\nfunction c(a){return a+b(a)}"),
        ("const x1 = (up) => 1; o = { on(up) { return up; } };", "const b=a=>1;o={on(a){return a}};"),
    ],
)  # fmt: skip
def test_short_names_keep_the_meaning(given, kept):
    assert squeeze_script(given) == kept
