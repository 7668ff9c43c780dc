"""The pictures on paper: matplotlib draws the records that the page draws.

>>> import tempfile
>>> from heedful.reading import pictures as pic
>>> bars = pic.Bars("What moved it", ["claims", "spread"], [4.2, -1.1], unit="points")
>>> bars.save(tempfile.mkdtemp() + "/bars.svg").suffix
'.svg'
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.errors import InputError, MissingExtra
from heedful.writing import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure", "save"]

FORMATS = (".pdf", ".svg", ".png")


def save(picture: Any, path: str | Path, *, width: float = 6.0, dark: bool = False) -> Path:
    """Draw a picture and write it; see :meth:`heedful.reading.pictures.Picture.save`."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"pictures are written as {', '.join(FORMATS)}, not {path.suffix or 'without an ending'}",
            path=path,
        )
    drawn = figure(picture, width=width, dark=dark)
    ending = path.suffix.lower().removeprefix(".")
    # without the date, the same picture is the same bytes
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[ending]
    from .style import rules

    def write(temporary: Path) -> None:
        with rules(dark), warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            drawn.savefig(temporary, format=ending, metadata=undated, facecolor=drawn.get_facecolor())
        if any("missing from" in str(warning.message) for warning in heard):
            warnings.warn(
                f"no font here can show some names in {path.name}; install one that can "
                "(Debian: fonts-noto-cjk for Chinese)",
                UserWarning,
                stacklevel=2,
            )

    return write_atomic(path, write)


def figure(picture: Any, *, width: float = 6.0, dark: bool = False) -> Figure:
    """Return the picture as a matplotlib Figure, to be changed further or shown.

    Parameters
    ----------
    picture : Picture
    width : float
        Inches.
    dark : bool

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.

    Examples
    --------
    >>> from heedful.reading import pictures as pic
    >>> float(figure(pic.Waterfall("Risk", ["age"], [0.1], start=0.2, end_label="risk")).get_figwidth())
    6.0
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    from . import charts, graphs, images
    from .style import Sheet, rules

    drawers = {**charts.DRAW, **images.DRAW, **graphs.DRAW}
    with rules(dark):
        sheet = Sheet(picture, width=width, dark=dark)
        drawers[picture.kind](picture, sheet)
        sheet.finish()
    return sheet.figure
