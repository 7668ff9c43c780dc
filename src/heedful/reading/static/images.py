"""Matrices, slices with provenance and map swipes on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from heedful.reading.pictures.images import spread

from .style import Sheet, bare, plain

OUTLINES = ("#ffd24a", "#5fd3ff", "#ff9df0", "#9dff9d")


def matrix(p: Any, sheet: Sheet) -> None:
    R, C = p.values.shape
    known = p.values[np.isfinite(p.values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if p.signed:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    else:
        low = min(0.0, low)
    across = sheet.width - 1.5
    (ax,) = sheet.axes(float(np.clip(across * R / max(C, 1), 1.0, across * 1.15)) + 0.5)
    colours = sheet.ramp("diverging" if p.signed else "magnitude")
    shown = ax.pcolormesh(
        np.arange(C + 1),
        np.arange(R + 1),
        p.values,
        cmap=colours,
        vmin=low,
        vmax=high or 1.0,
        edgecolor=sheet["paper"],
        linewidth=0.6 if max(R, C) <= 40 else 0,
        rasterized=R * C > 4000,
    )
    ax.set_aspect("equal" if 0.2 < R / max(C, 1) < 5 else "auto")
    ax.invert_yaxis()
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    thin_r, thin_c = max(1, round(R / 28)), max(1, round(C / 28))
    names = [plain(name, 16) for name in p.columns[::thin_c]]
    long = max(map(len, names), default=0) * 0.062 > across / max(1, len(names))
    ax.set_xticks(
        np.arange(0, C, thin_c) + 0.5, names, rotation=60 if long else 0, ha="left" if long else "center"
    )
    ax.set_yticks(np.arange(0, R, thin_r) + 0.5, [plain(name, 26) for name in p.rows[::thin_r]])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlabel(plain(p.column_label), loc="left")
    ax.set_ylabel(plain(p.row_label))
    if p.marks is not None:
        if max(R, C) > 30:
            r, c = np.nonzero(p.marks)
            ax.scatter(c + 0.5, r + 0.5, s=(24 * across / max(R, C)) ** 2, color=sheet["ink"], lw=0)
        else:
            for r, c in np.argwhere(p.marks):
                ax.add_patch(
                    Rectangle((c + 0.08, r + 0.08), 0.84, 0.84, fill=False, ec=sheet["plus"], lw=1.0)
                )
    if 0 < R * C <= 150 and across / C > 0.3:
        for r, c in np.argwhere(np.isfinite(p.values)):
            red, green, blue, _ = colours((p.values[r, c] - low) / ((high - low) or 1.0))
            ink = "#14161a" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "#ffffff"
            ax.text(
                c + 0.5,
                r + 0.5,
                cell_text(p.values[r, c], high),
                ha="center",
                va="center",
                fontsize=6,
                color=ink,
            )
    sheet.colourbar(shown, ax, p.unit)


def cell_text(value: float, peak: float) -> str:
    """Return a cell's number with as many decimals as its neighbours: two significant digits of the peak.

    Examples
    --------
    >>> cell_text(0.123, 0.9), cell_text(-0.0001, 0.9), cell_text(12.3, 50.0)
    ('0.12', '0.00', '12')
    """
    places = int(np.clip(1 - np.floor(np.log10(abs(peak) or 1.0)), 0, 6))
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def picture_slice(p: Any, sheet: Sheet) -> None:
    height, width = p.image.shape
    (ax,) = sheet.axes(min((sheet.width - 0.9) * height / width, 1.3 * sheet.width))
    ax.imshow(p.image, cmap="gray", vmin=p.window[0], vmax=p.window[1], interpolation="nearest")
    if p.overlay is not None:
        known = p.overlay[np.isfinite(p.overlay)]
        top = float(known.max()) if known.size else 1.0
        norm = Normalize(min(0.0, float(known.min()) if known.size else 0.0), top or 1.0)
        alpha = np.nan_to_num(np.clip(0.25 + 0.75 * norm(np.nan_to_num(p.overlay)), 0, 0.85) * 0.8)
        alpha = np.where(np.isfinite(p.overlay) & (p.overlay > norm.vmin), alpha, 0.0)
        shown = ax.imshow(
            np.nan_to_num(p.overlay), cmap=sheet.ramp("heat"), norm=norm, alpha=alpha, interpolation="nearest"
        )
        shown.set_alpha(alpha)
        bar = sheet.figure.colorbar(
            _mappable(sheet.ramp("heat"), norm), ax=ax, shrink=0.6, aspect=28, pad=0.015
        )
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelsize=7)
        bar.set_label(plain(p.overlay_label), fontsize=7.5)
    edge = [withStroke(linewidth=2, foreground="#000000aa")]
    for i, (name, mask) in enumerate(p.outlines.items()):
        if not mask.any():
            continue
        colour = OUTLINES[i % 4]
        lines = LineCollection(outline(mask), colors=colour, linewidths=1.1, path_effects=edge)
        ax.add_collection(lines)
        r, c = np.argwhere(mask)[0]
        ax.annotate(
            plain(name, 30),
            (c, r),
            xytext=(0, 3),
            textcoords="offset points",
            color=colour,
            fontsize=7,
            fontweight="bold",
            path_effects=edge,
        )
    if p.sources is not None and len(p.sources["pixel"]):
        _sources(p, ax)
    bare(ax)
    ax.set_yticks([])
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    if p.unit:
        ax.set_xlabel(plain(f"shown from {p.window[0]:g} to {p.window[1]:g} {p.unit}"), loc="left")


def _mappable(colours: Any, norm: Any) -> Any:
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(norm=norm, cmap=colours)


def _sources(p: Any, ax: Any, examples: int = 3) -> None:
    """Show where a few pixels come from: those spread widest over the list given."""
    pixel, source, weight = p.sources["pixel"], p.sources["source"], p.sources["weight"]
    heavy = np.nanmax(weight) or 1.0
    for i in np.unique(np.linspace(0, len(pixel) - 1, min(examples, len(pixel))).astype(int)):
        there = (source[i] >= 0).all(axis=1)
        for (r, c), w in zip(source[i][there], np.nan_to_num(weight[i][there]), strict=True):
            ax.plot(
                [c, pixel[i, 1]],
                [r, pixel[i, 0]],
                color="#ffe07a",
                lw=0.8,
                alpha=0.25 + 0.6 * max(0, w) / heavy,
            )
            ax.scatter(
                [c], [r], s=4 + 40 * max(0, w) / heavy, color="#ffd24a", ec="#00000099", lw=0.4, zorder=4
            )
        ax.scatter([pixel[i, 1]], [pixel[i, 0]], s=22, fc="none", ec="white", lw=1.2, zorder=5)


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the edge of a mask as segments (n, 2, 2) of x, y along the sides of its pixels.

    Examples
    --------
    >>> len(outline(np.array([[False, True]])))
    4
    """
    padded = np.pad(mask, 1)
    r, c = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    flat = np.stack([np.stack([c - 0.5, r - 0.5], 1), np.stack([c + 0.5, r - 0.5], 1)], axis=1)
    r, c = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([np.stack([c - 0.5, r - 0.5], 1), np.stack([c - 0.5, r + 0.5], 1)], axis=1)
    return np.concatenate([flat, upright])


def swipe(p: Any, sheet: Sheet) -> None:
    panels = [(p.left_label, p.left, None), (p.right_label, p.right, None)]
    panels += [(name, p.right, values) for name, values in list(p.layers.items())[:4]]
    columns = 2 if len(panels) in (2, 4) else 3
    rows = -(-len(panels) // columns)
    height, width = p.left.shape[:2]
    each = (sheet.width - 0.2) / columns
    axes = sheet.axes(rows * (each * height / width + 0.2), rows=[1] * rows, columns=[1] * columns)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (label, image, layer) in zip(axes, panels, strict=False):
        grey = image if image.ndim == 2 else None
        limits = spread(image) if grey is not None else (0, 1)
        ax.imshow(
            np.clip(np.nan_to_num(image), *limits),
            cmap="gray",
            vmin=limits[0],
            vmax=limits[1],
            alpha=1.0 if layer is None else 0.35,
        )
        if layer is not None:
            shown = ax.imshow(layer, cmap=sheet.ramp("heat"), vmin=min(0.0, np.nanmin(layer)), alpha=0.8)
            bar = sheet.figure.colorbar(
                shown, ax=ax, orientation="horizontal", shrink=0.6, aspect=24, pad=0.02
            )
            bar.outline.set_visible(False)
            bar.ax.tick_params(length=0, labelsize=6.5)
        ax.set_title(plain(label, 36), loc="left", fontsize=7.5)
        bare(ax)
        ax.set_yticks([])


DRAW = {"matrix": matrix, "slice": picture_slice, "swipe": swipe}
