"""One self-contained HTML file: opens with the network off, runs our script alone, reads only."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

from heedful.writing import write_atomic

from .page import page_dict
from .source import module, style

# What stands in for a notebook's model.
_HOST = """
const page = JSON.parse(document.getElementById('page').textContent);
render({ model: { get: () => page }, el: document.getElementById('view') });
"""


def write_report(path: str | Path, stories: Any, *, title: str | None = None) -> Path:
    """Write stories as one HTML file that opens offline.

    Parameters
    ----------
    path : str or Path
        The file to be written; it appears whole or not at all.
    stories : Story or sequence of Story
        Several become a tour: a table of all the studies, and a section for each.
    title : str, optional
        Of the page.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If there is no story, a picture is not drawable, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from heedful.reading.story import Story
    >>> story = Story("toy", "A toy", data="three numbers", headline="They are level.")
    >>> write_report(tempfile.mkdtemp() + "/toy.html", story).read_text()[:15]
    '<!doctype html>'
    """
    return write_atomic(path, report_html(page_dict(stories, title=title)))


def report_html(page: dict[str, Any]) -> str:
    """Return the HTML text of a page given as data.

    Everything that came from outside is in one block of JSON in which ``<``, ``>``, ``&`` and the two
    line ends of Unicode are escaped: nothing in it can close the block. The content policy forbids
    everything but our own script and style, named by their hash.
    """
    kinds = frozenset(picture["kind"] for story in page["stories"] for picture in story["pictures"])
    script = module(kinds, _HOST)
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src 'sha256-{_hash(script)}'",
            f"style-src 'sha256-{_hash(style())}'",
            "worker-src blob:",
            "img-src blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">',
            f"<title>{_plain(page['title'])}</title>",
            f"<style>{style()}</style></head><body>",
            '<main id="view"></main>',
            "<noscript>The pictures are drawn by the page's own script.</noscript>",
            f'<script type="application/json" id="page">{_json(page)}</script>',
            f'<script type="module">{script}</script>',
            "</body></html>",
            "",
        ]
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: Any) -> str:
    """JSON in ASCII (U+2028, U+2029 and lone surrogates are escaped) that cannot end its script block."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plain(text: str) -> str:
    """A title: no markup, no control characters, no direction overrides, nothing that UTF-8 cannot hold."""
    unfit = r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
    return html.escape(re.sub(unfit, "\ufffd", text))
