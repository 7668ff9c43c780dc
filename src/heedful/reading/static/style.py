"""The look of the printed pictures: the page's colours, quiet axes, names as plain text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from heedful.reading.pictures.base import verdict_dict

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1c1f24",
    "quiet": "#666c76",
    "rule": "#c9c6be",
    "grid": "#eae8e2",
    "plus": "#c2571a",
    "minus": "#2b66ad",
    "good": "#17694f",
    "bad": "#a2311f",
    "series": ("#2b66ad", "#c2571a", "#177a60", "#9a3f86", "#7d6a0c", "#565b64"),
}
DARK = {
    "paper": "#15171b",
    "ink": "#e6e4de",
    "quiet": "#9ba1ab",
    "rule": "#4a4f58",
    "grid": "#272b31",
    "plus": "#f0a062",
    "minus": "#7fb4f2",
    "good": "#6fcfad",
    "bad": "#f2917f",
    "series": ("#7fb4f2", "#f0a062", "#62cba8", "#e09bcd", "#d6c660", "#b4bac4"),
}
DASHES = ("-", (0, (5, 2.2)), (0, (1.5, 1.8)), (0, (7, 2, 1.5, 2)), (0, (1, 3)), (0, (9, 3)))
# (lightness, chroma, hue) in OKLab's cylinder; the page draws the same ramps
ANCHORS = {
    ("magnitude", False): ((0.985, 0.004, 110), (0.76, 0.10, 195), (0.33, 0.13, 265)),
    ("magnitude", True): ((0.215, 0.015, 262), (0.58, 0.10, 225), (0.95, 0.11, 105)),
    ("diverging", False): ((0.40, 0.14, 255), (0.975, 0.0, 0), (0.50, 0.15, 45)),
    ("diverging", True): ((0.80, 0.12, 240), (0.215, 0.012, 262), (0.82, 0.14, 65)),
    ("heat", False): ((0.50, 0.19, 25), (0.72, 0.17, 60), (0.94, 0.13, 105)),
}
ANCHORS["heat", True] = ANCHORS["heat", False]
FONTS = (
    "Helvetica Neue",
    "Arial",
    "Liberation Sans",
    "Noto Sans",
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
)


@cache
def ramp(name: str, dark: bool = False) -> ListedColormap:
    """Return a colour map whose lightness is linear in OKLab (Ottosson, 2020); missing cells are clear.

    Examples
    --------
    >>> ramp("magnitude").N
    256
    """
    stops = np.array(
        [[L, C * np.cos(np.radians(hue)), C * np.sin(np.radians(hue))] for L, C, hue in ANCHORS[name, dark]]
    )
    at = np.linspace(0, len(stops) - 1, 256)
    lab = np.stack([np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)], axis=1)
    cones = (
        lab
        @ np.array(
            [
                [1, 1, 1],
                [0.3963377774, -0.1055613458, -0.0894841775],
                [0.2158037573, -0.0638541728, -1.2914855480],
            ]
        )
    ) ** 3
    linear = np.clip(
        cones
        @ np.array(
            [
                [4.0767416621, -1.2684380046, -0.0041960863],
                [-3.3077115913, 2.6097574011, -0.7034186147],
                [0.2309699292, -0.3413193965, 1.7076147010],
            ]
        ),
        0,
        1,
    )
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return ListedColormap(srgb, name=f"heedful-{name}")  # missing cells are clear by default


@cache
def _fonts() -> list[str]:
    here = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in FONTS if name in here] or ["sans-serif"]


@contextmanager
def rules(dark: bool) -> Iterator[None]:
    """Set the style inside the block alone; a user's own settings are not touched."""
    ink = DARK if dark else LIGHT
    with rc_context(
        {
            "font.family": _fonts(),
            "font.size": 8,
            "text.parse_math": False,
            "axes.unicode_minus": True,
            "text.color": ink["ink"],
            "axes.labelcolor": ink["quiet"],
            "axes.edgecolor": ink["rule"],
            "axes.facecolor": ink["paper"],
            "figure.facecolor": ink["paper"],
            "xtick.color": ink["rule"],
            "ytick.color": ink["rule"],
            "xtick.labelcolor": ink["quiet"],
            "ytick.labelcolor": ink["quiet"],
            "xtick.labelsize": 7.5,
            "ytick.labelsize": 7.5,
            "axes.labelsize": 8,
            "axes.linewidth": 0.7,
            "xtick.major.width": 0.7,
            "ytick.major.width": 0.7,
            "xtick.major.size": 3,
            "ytick.major.size": 0,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "lines.linewidth": 1.4,
            "lines.solid_capstyle": "round",
            "pdf.fonttype": 42,
            "svg.hashsalt": "heedful",
            "savefig.dpi": 300,
            "hatch.linewidth": 0.4,
        }
    ):
        yield


class Sheet:
    """One figure under way: its colours, its axes, its title and its verdict."""

    def __init__(self, picture: Any, *, width: float, dark: bool):
        self.picture, self.width, self.dark = picture, float(width), dark
        self.colours = DARK if dark else LIGHT
        self.figure = Figure(figsize=(self.width, 3.0), layout="constrained")

    def __getitem__(self, name: str) -> str:
        return self.colours[name]

    def series(self, i: int) -> str:
        return self.colours["series"][i % 6]

    def ramp(self, name: str) -> ListedColormap:
        return ramp(name, self.dark)

    def axes(self, height: float, *, rows: Any = (1,), columns: Any = (1,), share: str = "") -> list[Axes]:
        """Make the axes on a sheet of the given height in inches, row by row."""
        extra = 0.32 + (0.16 * len(self._verdict()) + 0.08 if self._verdict() else 0)
        self.figure.set_size_inches(self.width, height + extra)
        grid = self.figure.subplots(
            len(rows),
            len(columns),
            squeeze=False,
            sharex="x" in share,
            sharey="y" in share,
            gridspec_kw={"height_ratios": rows, "width_ratios": columns},
        )
        return list(grid.ravel())

    def _verdict(self) -> list[str]:
        verdict = verdict_dict(self.picture.verdict)
        if not verdict:
            return []
        name, sentence = verdict.get("name") or "", verdict.get("sentence") or ""
        said = f"{verdict['status'].capitalize()}. " + (
            sentence if sentence.startswith(name) else f"{name}: {sentence}"
        )
        return textwrap.wrap(plain(said, 600), int(self.width * 17))

    def finish(self) -> None:
        title = "\n".join(textwrap.wrap(plain(self.picture.title, 240), int(self.width * 12)))
        self.figure.suptitle(title, x=0.008, ha="left", fontsize=9.5, fontweight="bold", color=self["ink"])
        if self._verdict():
            status = verdict_dict(self.picture.verdict)["status"]
            colour = {"supported": self["good"], "not supported": self["bad"]}.get(status, self["quiet"])
            self.figure.supxlabel("\n".join(self._verdict()), x=0.008, ha="left", fontsize=7, color=colour)

    def colourbar(self, mapped: Any, ax: Any, label: str) -> None:
        bar = self.figure.colorbar(mapped, ax=ax, shrink=0.6, aspect=28, pad=0.015)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=7)
        bar.set_label(plain(label, 60), fontsize=7.5)


def plain(text: Any, longest: int = 60) -> str:
    """Return a name that a printed picture can hold: no control characters, not endless.

    Examples
    --------
    >>> plain("a\\x00b" + "c" * 100, 10)
    'a�bcccccc…'
    """
    text = re.sub(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]",
        "\ufffd",
        str(text),
    )
    return text if len(text) <= longest else text[: longest - 1] + "…"


def short_number(value: float, signed: bool = False) -> str:
    """Return a number with three significant digits and a real minus sign.

    Examples
    --------
    >>> short_number(-0.12345), short_number(2.0, signed=True), short_number(float("nan"))
    ('−0.123', '+2', '–')
    """
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return ("+" if signed and value > 0 else "") + text.replace("-", "−")


def bare(ax: Axes, *, left: bool = False, bottom: bool = False) -> None:
    """Take away the frame, and the ticks where nothing is measured."""
    ax.spines["left"].set_visible(left)
    ax.spines["bottom"].set_visible(bottom)
    if not bottom:
        ax.set_xticks([])
    if not left:
        ax.tick_params(axis="y", length=0)


def spread_apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Move places apart until none are nearer than ``gap``; their order stays.

    Examples
    --------
    >>> spread_apart(np.array([0.0, 0.0]), 1.0)
    array([-0.5,  0.5])
    """
    order = np.argsort(places, kind="stable")
    moved = places[order].astype(float)
    for _ in range(60):
        near = np.clip(gap - np.diff(moved), 0, None) / 2
        moved[:-1] -= near
        moved[1:] += near
    out = np.empty_like(moved)
    out[order] = moved
    return out
