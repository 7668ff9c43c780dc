"""The notebook's host: the same module and the same data as the report's."""

from __future__ import annotations

import json
import re

import pytest

from heedful.reading import pictures as pic
from heedful.reading.story import Story
from heedful.view.page import page_dict
from heedful.view.source import style


def test_the_widget_carries_the_module_and_the_page():
    pytest.importorskip("anywidget")
    from heedful.view.widget import widget

    story = Story("toy", "A toy", data="d", headline="h", pictures=[pic.Bars("b", ["a"], [1.0])])
    shown = widget(story, title="Title")
    assert shown.page == page_dict(story, title="Title")
    assert json.loads(json.dumps(shown.page)) == shown.page
    assert re.search(r"export default\s?\w+", str(shown._esm))


def test_the_style_leaves_a_notebook_alone():
    """Every rule is confined to the view's own element or to a page that is ours."""
    rules = re.sub(r"@media[^{]*", "", style())
    depth, heads, head = 0, [], ""
    for char in rules:
        if char == "{":
            if depth == 0 and head.strip():
                heads.append(head.strip())
            depth += 1 if head.strip() else 0
            head = ""
        elif char == "}":
            depth, head = max(0, depth - 1), ""
        else:
            head += char
    assert heads
    heads.remove("@page heedful")  # a page of this name is used by .heedful alone
    assert all(".heedful" in text or "body:has(>#view)" in text for text in heads), heads
