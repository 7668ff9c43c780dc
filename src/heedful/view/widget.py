"""The view in a notebook: the same module, hosted by anywidget."""

from __future__ import annotations

from functools import cache
from typing import Any

from heedful.errors import MissingExtra

from .page import page_dict
from .source import module, style


def widget(stories: Any, *, title: str | None = None) -> Any:
    """Return a notebook widget that shows stories as the report does.

    Parameters
    ----------
    stories : Story or sequence of Story
    title : str, optional

    Returns
    -------
    anywidget.AnyWidget
        Its trait ``page`` holds the stories as data; set it anew to show others.

    Raises
    ------
    MissingExtra
        If anywidget is not installed (``pip install 'heedful[notebook]'``).

    Examples
    --------
    >>> from heedful.reading.story import Story
    >>> shown = widget(Story("toy", "A toy", data="three numbers", headline="They are level."))
    >>> shown.page["stories"][0]["headline"]
    'They are level.'
    """
    return _widget_class()(page=page_dict(stories, title=title))


@cache
def _widget_class() -> type:
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise MissingExtra("anywidget", "notebook") from error

    class StoryView(anywidget.AnyWidget):
        """Stories in a notebook cell."""

        _esm = module()
        _css = style()
        page = traitlets.Dict().tag(sync=True)

    return StoryView
