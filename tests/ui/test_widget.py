"""The notebook in a real browser: anywidget's contract, with a model that stands in for the kernel's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from heedful.reading import pictures as pic
from heedful.reading.story import Story

from .conftest import Opened

pytestmark = pytest.mark.ui

# What anywidget does: import the module, call render({ model, el }), keep what it returns for the end.
NOTEBOOK = """<!doctype html><link rel="icon" href="data:,"><style>p { margin: 9px }</style>
<p>another cell</p><div id="one"></div><div id="two"></div>
<script type="module">
import view from './view.mjs';
const page = await (await fetch('./page.json')).json();
const hosted = (id) => {
  const heard = {}, state = { page };
  const model = { get: (key) => state[key], on: (what, act) => { heard[what] = act; } };
  const sheet = document.getElementById(id).attachShadow({ mode: 'open' });
  const style = document.createElement('style'), el = document.createElement('div');
  style.textContent = window.rules;
  sheet.append(style, el);
  return { end: view.render({ model, el }), set: (to) => { state.page = to; heard['change:page'](); } };
};
window.rules = await (await fetch('./view.css')).text();
window.cells = ['one', 'two'].map(hosted);
</script>"""


@pytest.fixture
def cells(browser):
    """Two cells of a notebook that show the same story."""
    pytest.importorskip("anywidget", reason="no anywidget here: pip install 'heedful[notebook]'")
    from heedful.view.widget import widget

    n = 12
    rng = np.random.default_rng(0)
    shown = widget(
        Story(
            "toy",
            "A toy",
            data="d",
            headline="First.",
            pictures=[
                pic.Bars("bars", ["a", "b"], [1.0, -2.0]),
                pic.Tokens("words", [f"w{i}" for i in range(n)], [f"w{i}" for i in range(n)],
                           rng.integers(0, n, (n, 3)), rng.random((n, 3))),
            ],
        )
    )  # fmt: skip
    files = {
        "": (NOTEBOOK, "text/html"),
        "view.mjs": (str(shown._esm), "text/javascript"),
        "view.css": (str(shown._css), "text/css"),
        "page.json": (json.dumps(shown.page), "application/json"),
    }
    page = browser.new_page(viewport={"width": 900, "height": 700})

    def answer(route):
        body, kind = files[route.request.url.removeprefix("http://notebook.invalid/")]
        route.fulfill(body=body, content_type=f"{kind}; charset=utf-8")

    page.route("http://notebook.invalid/**", answer)
    opened = Opened(page)
    page.goto("http://notebook.invalid/")
    page.wait_for_function(
        "window.cells && ['one', 'two'].every((id) =>"
        " document.getElementById(id).shadowRoot.querySelector('.heedful[data-ready]'))"
    )
    yield opened, shown
    page.close()


def test_the_widget_draws_in_a_cell_and_answers(cells):
    opened, _ = cells
    page = opened.page
    assert opened.complaints == []
    assert opened.broken() == []
    for cell in ("#one", "#two"):
        page.locator(f"{cell} .tok", has_text="w3").first.click()
        assert "w3 attends to" in page.locator(f"{cell} .ranked").first.inner_text()
    ids = page.evaluate(
        "[...document.querySelectorAll('#one, #two')].flatMap((el) =>"
        " [...el.shadowRoot.querySelectorAll('[id]')].map((kid) => kid.id))"
    )
    assert len(ids) == len(set(ids))
    assert page.evaluate("getComputedStyle(document.querySelector('p')).marginTop") == "9px"


def test_another_page_replaces_the_first_and_the_end_leaves_no_listener(cells):
    opened, shown = cells
    page = opened.page
    other = {**shown.page, "stories": [{**shown.page["stories"][0], "headline": "Second."}]}
    page.evaluate("(to) => window.cells[0].set(to)", other)
    page.locator("#one .headline", has_text="Second.").wait_for()
    assert page.locator("#two .headline").inner_text() == "First."
    assert page.locator("#one figure.pic").count() == 2
    page.evaluate("window.cells[0].end()")
    page.emulate_media(color_scheme="dark")
    page.locator("#two [data-theme=dark]").wait_for()
    assert page.locator("#one [data-theme=light]").count() == 1
    assert opened.complaints == []
