"""What a person can do in a report: click, slide, scrub, zoom, sort, find, save; by mouse and by key."""

from __future__ import annotations

import csv
import io
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heedful.reading import pictures as pic
from heedful.reading.static import figure
from heedful.reading.static.graphs import trajectories
from heedful.reading.static.style import ramp
from heedful.view import write_report

from ._stories import Names, edges, story

pytestmark = pytest.mark.ui

WORDS = ["the", "cat", "that", "dogs", "chased", "sat", "on", "a", "mat", "because", "it", "was", "tired"]


def one(open_report, tmp_path, picture, **how):
    opened = open_report(write_report(tmp_path / "r.html", story(Names(["name"]), shown=[picture])), **how)
    assert opened.complaints == []
    assert opened.broken() == []
    return opened


@pytest.fixture
def tokens() -> pic.Tokens:
    n = len(WORDS)
    index = np.stack([(np.arange(n) + s) % n for s in (1, 2)], 1)
    weight = np.tile([0.7, 0.2], (n, 1))
    return pic.Tokens(
        "words",
        WORDS,
        WORDS,
        np.stack([index, index[:, ::-1]]),
        np.stack([weight, weight]),
        contribution=np.stack([-weight, weight]),
        columns=np.ones((2, n)),
        heads=["first", "second"],
        unit="nats",
    )


def test_every_kind_opens_offline_with_no_request_and_no_complaint(open_report, tmp_path):
    path = write_report(tmp_path / "r.html", [story(Names(["a name"])), story(Names(["another"]), shown=[])])
    for width, theme in ((1000, "light"), (390, "dark")):
        opened = open_report(path, width=width, theme=theme)
        assert opened.outside() == []
        assert len(opened.requests) == 1
        assert opened.complaints == []
        assert opened.broken() == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        assert opened.page.locator("figure.pic").count() == 15


def test_a_token_shows_what_it_attends_to_and_what_attends_to_it(open_report, tmp_path, tokens):
    page = one(open_report, tmp_path, tokens).page
    page.locator(".tok", has_text="dogs").click()
    to, by = page.locator(".ranked").all()
    assert "dogs attends to" in to.inner_text()
    rows = [row.inner_text().split("\t") for row in to.locator("tbody tr").all()]
    assert [row[0].strip() for row in rows] == ["chased", "sat · 6"]
    assert [row[-2:] for row in rows] == [["0.7", "−0.7"], ["0.2", "−0.2"]]
    assert "is attended to by" in by.inner_text()
    assert {row.inner_text().split("\t")[0].strip() for row in by.locator("tbody tr").all()} == {
        "cat · 2",
        "that",
    }
    to.locator("button", has_text="chased").click()
    assert page.locator(".tok[aria-pressed]").inner_text() == "chased"
    page.locator(".tok", has_text="chased").click()
    assert page.locator(".ranked").count() == 0


def test_heads_are_scrubbed(open_report, tmp_path, tokens):
    page = one(open_report, tmp_path, tokens).page
    page.locator(".tok", has_text="dogs").click()
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("output").inner_text() == "second"
    first = page.locator(".ranked").first.locator("tbody tr").first.inner_text().split("\t")
    assert first[0].strip() == "sat · 6"
    assert first[-1] == "+0.7"


def test_tokens_are_reached_by_key_and_by_name(open_report, tmp_path, tokens):
    page = one(open_report, tmp_path, tokens).page
    page.locator(".tok").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator(".tok[aria-pressed]").inner_text() == "cat"
    page.locator("input[type=search]").fill("because")
    page.keyboard.press("Enter")
    assert page.locator(".tok[aria-pressed]").inner_text() == "because"
    page.locator("input[type=search]").fill("nobody")
    page.keyboard.press("Enter")
    assert "no name holds" in page.locator(".tokens .read").inner_text()


def test_a_pixel_shows_its_sources_and_back(open_report, tmp_path):
    sources = {
        "pixel": [[10, 10], [30, 40]],
        "source": [[[5, 5], [20, 20]], [[5, 5], [-1, -1]]],
        "weight": [[0.6, 0.4], [1.0, 0.0]],
    }
    picture = pic.Slice("CT", np.random.default_rng(0).random((50, 50)), sources=sources, unit="HU")
    page = one(open_report, tmp_path, picture).page
    svg = page.locator(".slice svg")
    k = svg.bounding_box()["width"] / 50
    svg.click(position={"x": 11 * k, "y": 11 * k})
    assert "row 10, column 10 attends to" in page.locator(".ranked").inner_text()
    assert page.locator(".ray").count() == 2
    page.locator(".ranked button", has_text="row 5, column 5").click()
    assert "row 5, column 5 is attended to by" in page.locator(".ranked").inner_text()
    assert page.locator(".ranked tbody tr").count() == 2
    svg.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".target").count() == 1
    page.get_by_label("Zoom in").click()
    page.get_by_label("Zoom in").click()
    assert float(page.locator(".target").get_attribute("cx")) > 0


def test_a_network_point_shows_both_directions(open_report, tmp_path):
    picture = pic.Network(
        "n",
        [0, 1, 2],
        [0, 1, 0],
        labels=["a1", "b2", "c3"],
        edges=([0, 2], [1, 0], [0.9, 0.4]),
        directed=True,
    )
    page = one(open_report, tmp_path, picture).page
    page.locator(".network svg").focus()
    page.keyboard.press("ArrowRight")
    to, by = (section.inner_text() for section in page.locator(".ranked").all())
    assert "a1 attends to" in to
    assert "b2" in to
    assert "0.9" in to
    assert "c3" in by
    page.locator(".ranked button", has_text="b2").click()
    assert "b2 attends to" in page.locator(".ranked").first.inner_text()


def test_an_arc_place_shows_its_contacts(open_report, tmp_path):
    page = one(
        open_report, tmp_path, pic.Arcs("a", list("MKVLA"), [[0, 3], [1, 4]], [0.5, 0.9], marks=[1, 0])
    ).page
    page.locator(".arcs svg").focus()
    page.keyboard.press("ArrowRight")
    assert "L ✓" in page.locator(".ranked").inner_text()


def test_the_temperature_slides_in_a_worker(open_report, tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, 100)
    opened = one(open_report, tmp_path, pic.Opinions("o", x, tau=0.01, steps=25))
    page = opened.page
    read = page.locator(".opinions .read")
    read.filter(has_text="25 steps at τ = 0.01").wait_for()
    slider = page.locator("input[type=range]")
    slider.evaluate("(el) => { el.value = 1; el.dispatchEvent(new Event('input')); }")
    read.filter(has_text="25 steps at τ = 10").wait_for()
    assert "1 camp among 100 people" in read.inner_text()
    assert len(page.workers) == 1
    page.locator(".opinions svg").click(position={"x": 300, "y": 150})
    assert "listens to" in page.locator(".ranked").inner_text()
    assert opened.complaints == []
    assert opened.outside() == []


def test_the_page_and_the_paper_compute_the_same(browser):
    """The two renderers share no code: the rule of opinions and the colour ramps must agree."""
    page = browser.new_page()
    folder = files("heedful.view") / "js"
    source = "\n".join(
        (folder / f"{part}.js").read_text(encoding="utf-8") for part in ("base", "frame", "opinions")
    )
    p = pic.Opinions("o", np.random.default_rng(1).uniform(-1, 1, 40), tau=0.05, steps=6)
    got = page.evaluate(
        """([source, x, steps]) => {
            const step = new Function(source + ';return opinionStep')(), path = [x];
            for (let s = 0; s < steps; s++) {
                const next = new Float64Array(x.length);
                step(path[s], next, .05, null, null);
                path.push([...next]);
            }
            return path;
        }""",
        [source, p.opinions.tolist(), 6],
    )
    np.testing.assert_allclose(np.array(got), trajectories(p), atol=1e-12)
    for name in ("magnitude", "diverging", "heat"):
        for theme in ("light", "dark"):
            colours = page.evaluate(
                "([source, ...which]) => new Function(source + ';return ramp')()(...which)",
                [source, theme, name],
            )
            mine = np.array(ramp(name, theme == "dark").colors) * 255
            np.testing.assert_allclose(np.array(colours), mine, atol=1.01)
    page.close()


def test_a_table_is_sorted_by_its_header(open_report, tmp_path):
    frame = pd.DataFrame({"word": ["b", "a10", "a9"], "x": [2.0, np.nan, 10.0]})
    page = one(open_report, tmp_path, pic.Table("t", frame)).page
    first = page.locator("figure.table").first
    column = lambda c: [row.locator("td").nth(c).inner_text() for row in first.locator("tbody tr").all()]
    first.locator(".sort", has_text="x").click()
    assert column(1) == ["10", "2", "–"]
    first.locator(".sort", has_text="x").click()
    assert column(1) == ["2", "10", "–"]
    first.locator(".sort", has_text="word").click()
    assert column(0) == ["a9", "a10", "b"]
    assert first.locator("th").first.get_attribute("aria-sort") == "ascending"


def test_every_picture_saves_its_numbers_and_its_drawing(open_report, tmp_path):
    opened = open_report(write_report(tmp_path / "r.html", story(Names(["=name"]))))
    for drawn in opened.page.locator("figure.pic").all():
        for label in ("CSV", "SVG", "PNG"):
            button = drawn.locator("button", has_text=label)
            if not button.count():
                assert "table" in drawn.get_attribute("class")
                continue
            with opened.page.expect_download() as waiting:
                button.click()
            data = Path(waiting.value.path()).read_bytes()
            if label == "CSV":
                rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
                assert len(rows) > 2
                assert not any(cell.startswith("=") for row in rows for cell in row)
            elif label == "SVG":
                assert data.startswith(b"<svg")
                assert b"class=" not in data
            else:
                assert data.startswith(b"\x89PNG")
                assert len(data) > 2000
    assert opened.complaints == []
    assert opened.outside() == []


def test_the_theme_is_switched_and_kept_legible(open_report, tmp_path):
    page = one(open_report, tmp_path, pic.Bars("b", ["a"], [1.0])).page
    ground = "getComputedStyle(document.querySelector('.heedful')).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.locator("button.theme").click()
    assert page.evaluate(ground) == "rgb(21, 23, 27)"


def test_a_long_reading_stays_light(open_report, tmp_path):
    """5,000 tokens open without N x N anything: a bounded number of elements, and a click still answers."""
    n, k = 5000, 8
    rng = np.random.default_rng(0)
    picture = pic.Tokens(
        "long",
        [f"w{i}" for i in range(n)],
        [f"w{i}" for i in range(n)],
        rng.integers(0, n, (n, k)),
        rng.dirichlet(np.ones(k), n),
        columns=rng.random(n),
    )
    path = write_report(tmp_path / "r.html", story(Names(["name"]), shown=[picture]))
    assert path.stat().st_size < 700_000
    page = open_report(path).page
    assert page.evaluate("document.querySelectorAll('*').length") < n + 1500
    page.locator(".tok").nth(4321).click()
    assert page.locator(".ranked tbody tr").count() >= k


def test_printing_leaves_the_tools_away(open_report, tmp_path):
    page = one(open_report, tmp_path, pic.Bars("b", ["a"], [1.0])).page
    page.emulate_media(media="print")
    assert not page.locator(".tools").first.is_visible()


def test_a_page_is_printed_light_and_as_wide_as_paper(open_report, tmp_path):
    page = one(open_report, tmp_path, pic.Bars("b", ["a"], [1.0]), theme="dark", width=1400).page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("[data-theme=light]").count() == 1
    assert page.locator(".bars svg").get_attribute("width") == "690"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("[data-theme=dark]").count() == 1
    assert float(page.locator(".bars svg").get_attribute("width")) > 690
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_nothing_one_missing_and_too_much_are_all_drawn(open_report, tmp_path):
    opened = open_report(write_report(tmp_path / "r.html", story(Names(["name"]), shown=edges())), width=390)
    assert opened.broken() == []
    assert opened.complaints == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "undefined" not in opened.page.locator("main").inner_text()
    assert not opened.page.locator("svg [d*=NaN], svg [cx*=NaN], svg [x*=NaN], svg [width*=NaN]").count()


@pytest.mark.parametrize("picture", edges(), ids=lambda p: f"{p.kind}-{p.title}")
def test_nothing_one_missing_and_too_much_are_printed(picture):
    assert figure(picture).get_figheight() > 0


def test_lines_of_one_colour_have_other_dashes_and_names_stay_within(open_report, tmp_path):
    names = [f"MMMM control number {n}, WITHOUT features" for n in range(8)]
    x = np.linspace(0, 1, 5)
    curves = pic.Curves("many", x, {name: x + n for n, name in enumerate(names)})
    for width in (1400, 420):
        page = one(open_report, tmp_path, curves, width=width).page
        drawn = page.evaluate(
            "[...document.querySelectorAll('path.line')].map((p) => getComputedStyle(p).stroke"
            " + ' ' + p.getAttribute('stroke-dasharray'))"
        )
        assert len(drawn) == len(set(drawn)) == 8
        outside = page.evaluate(
            """[...document.querySelectorAll('.draw svg text')].filter((t) => {
                 const box = t.getBoundingClientRect(), own = t.closest('svg').getBoundingClientRect();
                 return box.width && (box.right > own.right + 1 || box.left < own.left - 1);
               }).map((t) => t.textContent)"""
        )
        assert outside == []
    for line in figure(curves).axes[0].lines[:8]:
        drawn.append((line.get_color(), str(line._dash_pattern)))
    assert len(set(drawn[8:])) == 8


def test_every_study_and_score_of_a_tour_is_seen_without_scrolling_in_a_box(open_report, tmp_path):
    stories = [story(Names([f"a study with rather a long name, the {n}th"]), shown=[]) for n in range(20)]
    page = open_report(write_report(tmp_path / "r.html", stories), width=420).page
    cut = page.evaluate(
        "[...document.querySelectorAll('.scroll:has(.scores, .studies)')]"
        ".filter((e) => e.scrollHeight > e.clientHeight + 1).length"
    )
    assert page.locator(".studies tbody tr").count() == 20
    assert cut == 0
