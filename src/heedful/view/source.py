"""The view's own code, as it is shipped: one ES module and one style sheet."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from .squeeze import squeeze_script, squeeze_style

# In this order they are one module: view.js comes last and exports render.
ALWAYS_FIRST, ALWAYS_LAST = ("base", "frame", "table"), ("view",)
OF_KIND = {
    "bars": ("bars",),
    "waterfall": ("bars",),
    "timeline": ("lines",),
    "curves": ("lines",),
    "matrix": ("matrix",),
    "slice": ("images", "slice"),
    "swipe": ("images", "swipe"),
    "tokens": ("tokens",),
    "network": ("network",),
    "arcs": ("arcs",),
    "opinions": ("opinions",),
    "table": (),
}


@cache
def module(kinds: frozenset[str] = frozenset(OF_KIND), host: str = "") -> str:
    """Return the ES module that obeys anywidget's ``export default { render({ model, el }) }``.

    Parameters
    ----------
    kinds : frozenset of str
        The kinds of picture that the page holds; a page carries the code for these and no more.
    host : str
        Code at the module's end that calls ``render``, where the page is its own host.

    Returns
    -------
    str
        The hand-written files of ``view/js`` joined, without comments and needless spaces.

    Examples
    --------
    >>> "export default" in module()
    True
    >>> len(module(frozenset({"bars"}))) < len(module())
    True
    """
    parts = [
        *ALWAYS_FIRST,
        *(part for kind, parts in OF_KIND.items() if kind in kinds for part in parts),
        *ALWAYS_LAST,
    ]
    folder = files("heedful.view") / "js"
    sources = [(folder / f"{part}.js").read_text(encoding="utf-8") for part in dict.fromkeys(parts)]
    return squeeze_script("\n".join([*sources, host]))


@cache
def style() -> str:
    """Return the style sheet; every rule is confined to ``.heedful`` and the page's body."""
    return squeeze_style((files("heedful.view") / "view.css").read_text(encoding="utf-8"))
