"""The view's own code, as it is shipped: one ES module and one style sheet."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from .squeeze import squeeze_script, squeeze_style

# In this order they are one module: view.js comes last and exports render.
PARTS = ("base", "frame", "charts", "images", "relations", "opinions", "view")


@cache
def module() -> str:
    """Return the ES module that obeys anywidget's ``export default { render({ model, el }) }``.

    Returns
    -------
    str
        The hand-written files of ``view/js`` joined, without comments and needless spaces.

    Examples
    --------
    >>> module().endswith("export default view;")
    True
    """
    folder = files("heedful.view") / "js"
    return squeeze_script("\n".join((folder / f"{part}.js").read_text(encoding="utf-8") for part in PARTS))


@cache
def style() -> str:
    """Return the style sheet; every rule is confined to ``.heedful`` and the page's body."""
    return squeeze_style((files("heedful.view") / "view.css").read_text(encoding="utf-8"))
