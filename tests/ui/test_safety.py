"""Names are text: fifty hostile strings in every place where a name may stand, in a real browser."""

from __future__ import annotations

import pytest

from heedful.view import write_report

from ._stories import HOSTILE, Names, story

pytestmark = pytest.mark.ui

FOREIGN = (
    "main :is(script, img, iframe, object, embed, link, style, base, meta, video, math, form,"
    " [onload], [onerror], a:not([href^='#']))"
)


def check(opened) -> None:
    page = opened.page
    assert page.evaluate("window.ran") is None
    assert opened.dialogs == []
    assert opened.outside() == []
    assert opened.complaints == []
    assert opened.broken() == []
    assert page.locator(FOREIGN).count() == 0
    assert page.locator("script").count() == 2


def test_fifty_hostile_names_run_nothing_and_ask_for_nothing(open_report, tmp_path):
    assert len(HOSTILE) >= 50
    for start in range(0, len(HOSTILE), 17):
        path = write_report(tmp_path / f"{start}.html", story(Names(HOSTILE, start)))
        opened = open_report(path)
        page = opened.page
        for kind in (
            "tokens .tok",
            "network svg",
            "arcs svg",
            "slice svg",
            "matrix svg",
            "opinions svg",
            "timeline svg",
        ):
            page.locator(f".{kind}").first.click(force=True)
        for summary in page.locator("summary").all():
            summary.click()
        for button in page.locator(".side .link").all()[:6]:
            button.click(force=True)
        for header in page.locator(".sort").all():
            header.click()
        check(opened)


def test_a_tour_of_hostile_studies(open_report, tmp_path):
    stories = [story(Names([text]), shown=[]) for text in HOSTILE]
    opened = open_report(write_report(tmp_path / "tour.html", stories, title=HOSTILE[0]))
    check(opened)
    assert opened.page.locator(".studies tbody tr").count() == len(HOSTILE)
    assert "<script>" in opened.page.title()


@pytest.mark.slow
def test_every_hostile_name_in_every_place(open_report, tmp_path):
    """Each story takes all its names from one string: every string in every place."""
    for at in range(0, len(HOSTILE), 13):
        stories = [story(Names([text])) for text in HOSTILE[at : at + 13]]
        opened = open_report(write_report(tmp_path / f"{at}.html", stories))
        assert opened.page.locator("figure.pic").count() == 14 * len(stories)
        check(opened)


def test_a_hostile_name_is_shown_as_text(open_report, tmp_path):
    opened = open_report(write_report(tmp_path / "r.html", story(Names(["<b>bold</b> & \u202eevil"]))))
    assert opened.page.locator(".pic h3").first.inner_text() == "<b>bold</b> & \ufffdevil"
    assert opened.page.locator("main b:has-text('bold')").locator("b").count() == 0


def test_names_of_other_scripts_are_shown(open_report, tmp_path):
    opened = open_report(write_report(tmp_path / "r.html", story(Names(["猫很累了", "مرحبا", "Ελλάδα"]))))
    shown = opened.page.locator("main").inner_text()
    for text in ("猫很累了", "مرحبا", "Ελλάδα"):
        assert text in shown


def test_the_page_cannot_reach_out_even_if_asked(open_report, tmp_path):
    opened = open_report(write_report(tmp_path / "r.html", story(Names(["a"]))))
    opened.page.context.set_offline(False)
    refused = opened.page.evaluate(
        "fetch('http://127.0.0.1:9/').then(() => 'went', (error) => String(error))"
    )
    assert "went" not in refused
    assert any("Content Security Policy" in text for text in opened.complaints)
