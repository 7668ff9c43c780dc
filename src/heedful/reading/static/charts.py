"""Bars, waterfalls, timelines, curves and tables on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.dates import AutoDateLocator, num2date
from matplotlib.ticker import FuncFormatter, NullFormatter

from .style import DASHES, Sheet, bare, plain, short_number, spread_apart

MOST_BARS = 40
MOST_ROWS = 40


def bars(p: Any, sheet: Sheet) -> None:
    n = min(len(p.labels), MOST_BARS)
    weighted = p.weights is not None
    axes = sheet.axes(0.21 * n + 0.45, columns=(4.6, 1) if weighted else (1,), share="y")
    ax, at = axes[0], np.arange(n)
    values = p.values[:n]
    colours = [sheet["minus"] if v < 0 else sheet["plus"] for v in values] if p.signed else sheet.series(0)
    ax.barh(at, np.nan_to_num(values), height=0.68, color=colours, zorder=2)
    ends_low, ends_high = np.minimum(np.nan_to_num(values), 0), np.maximum(np.nan_to_num(values), 0)
    if p.low is not None and p.high is not None:
        ax.hlines(at, p.low[:n], p.high[:n], color=sheet["ink"], lw=0.8, zorder=3)
        ends_low, ends_high = np.fmin(ends_low, p.low[:n]), np.fmax(ends_high, p.high[:n])
    for i, value in enumerate(values):
        left = value < 0
        said = "missing" if np.isnan(value) else short_number(value, p.signed)
        ax.annotate(
            said,
            ((ends_low if left else ends_high)[i], i),
            xytext=(-3 if left else 3, 0),
            va="center",
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=7,
        )
    names = [f"{g} · {name}" for g, name in zip(p.groups, p.labels, strict=True)] if p.groups else p.labels
    ax.set_yticks(at, [plain(name, 44) for name in names[:n]])
    ax.tick_params(axis="y", labelcolor=sheet["ink"])
    ax.invert_yaxis()
    ax.margins(x=0.16)
    bare(ax)
    ax.axvline(0, color=sheet["rule"], lw=0.8, zorder=1)
    note = f"the first {n} of {len(p.labels)}" if n < len(p.labels) else ""
    ax.set_xlabel(plain(", ".join(filter(None, [p.unit, note]))), loc="left")
    if weighted:
        side = axes[1]
        side.barh(at, np.nan_to_num(p.weights[:n]), height=0.34, color=sheet["quiet"], alpha=0.5)
        for i, weight in enumerate(p.weights[:n]):
            side.annotate(
                f"{weight:.2g}" if np.isfinite(weight) else "–",
                (np.nan_to_num(weight), i),
                va="center",
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=6.5,
                color=sheet["quiet"],
            )
        side.set_xlabel("attention weight", loc="right")
        side.margins(x=0.35)
        side.set_xlim(left=0)
        bare(side)


def waterfall(p: Any, sheet: Sheet) -> None:
    n = len(p.labels)
    (ax,) = sheet.axes(0.21 * (n + 2) + 0.4)
    sums = p.start + np.concatenate([[0.0], np.cumsum(p.values)])
    ax.barh([0, n + 1], [p.start, sums[-1]], height=0.68, color=sheet["quiet"])
    colours = [sheet["minus"] if v < 0 else sheet["plus"] for v in p.values]
    ax.barh(np.arange(1, n + 1), p.values, left=sums[:-1], height=0.68, color=colours)
    ax.vlines(sums, np.arange(n + 1) + 0.34, np.arange(n + 1) + 0.66, color=sheet["rule"], lw=0.7)
    tips = np.concatenate([[p.start], np.maximum(sums[:-1], sums[1:]), [sums[-1]]])
    said = [short_number(p.start), *[short_number(v, True) for v in p.values], short_number(sums[-1])]
    for i, text in enumerate(said):
        ax.annotate(
            text,
            (max(tips[i], 0), i),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            fontweight="bold" if i in (0, n + 1) else "normal",
        )
    ax.set_yticks(range(n + 2), [plain(name, 44) for name in (p.start_label, *p.labels, p.end_label)])
    ax.tick_params(axis="y", labelcolor=sheet["ink"])
    ax.invert_yaxis()
    ax.margins(x=0.12)
    bare(ax)
    ax.axvline(0, color=sheet["rule"], lw=0.8)
    ax.set_xlabel(plain(p.unit), loc="left")


def lines(p: Any, sheet: Sheet) -> None:
    timeline = p.kind == "timeline"
    events = list(p.events) if timeline else []
    if events and p.series:
        ax, strip = sheet.axes(min(3.4, 0.5 * sheet.width) + 1.0, rows=(3, 1.1), share="x")
    else:
        (ax,) = sheet.axes(min(3.2, 0.46 * sheet.width))
        strip = ax if events else None
    x = p.times if timeline else p.x
    order = np.argsort(x, kind="stable")
    for i, (name, values) in enumerate(p.series.items()):
        few = "o" if len(x) < 40 else ""
        dash = DASHES[(i + i // 6) % 6]  # six colours come round again with another dash each
        ax.plot(x[order], values[order], color=sheet.series(i), ls=dash, marker=few, ms=2.4, zorder=3)
        if name in p.bands:
            low, high = p.bands[name]
            ax.fill_between(
                x[order], low[order], high[order], color=sheet.series(i), alpha=0.15, lw=0, zorder=2
            )
    for name in set(p.bands) - set(p.series):
        ax.fill_between(
            x[order], p.bands[name][0][order], p.bands[name][1][order], color=sheet["quiet"], alpha=0.15, lw=0
        )
    if p.series:
        ax.grid(axis="y", color=sheet["grid"], lw=0.7, zorder=0)
        ax.set_title(plain(_axis_name(p)), loc="left", fontsize=8, color=sheet["quiet"])
        bare(ax, bottom=True)
        _name_lines(p, ax, sheet, x[order], order)
    ax.margins(x=0.01)
    if timeline:
        for start, end, label in p.spans:
            for each in {ax, strip} - {None}:
                each.axvspan(start, end, color=sheet["ink"], alpha=0.07, lw=0, zorder=0)
            ax.annotate(
                plain(label, 24),
                (start, 1),
                xycoords=("data", "axes fraction"),
                xytext=(1, -8),
                textcoords="offset points",
                fontsize=6.5,
                color=sheet["quiet"],
                annotation_clip=True,
            )
        if p.threshold is not None:
            ax.axhline(p.threshold, color=sheet["quiet"], lw=0.7, ls=(0, (3, 3)))
    else:
        for at, label in p.marks:
            ax.axvline(at, color=sheet["quiet"], lw=0.7, ls=(0, (3, 3)))
            ax.annotate(
                plain(label, 40),
                (at, 1),
                xycoords=("data", "axes fraction"),
                xytext=(3, -7),
                textcoords="offset points",
                fontsize=7,
                color=sheet["quiet"],
            )
        if p.log_x:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
            ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel(plain(p.x_label), loc="right")
    if strip is not None:
        _events(p, strip, sheet, events)
    if timeline and p.dates:
        locator = AutoDateLocator(minticks=3, maxticks=7)
        bottom = strip if strip is not None else ax
        bottom.xaxis.set_major_locator(locator)
        days = np.diff(bottom.get_xlim())[0]
        form = "%Y" if days > 5 * 365 else "%b %Y" if days > 100 else "%d %b %Y"
        bottom.xaxis.set_major_formatter(FuncFormatter(lambda day, _: num2date(day).strftime(form)))


def _axis_name(p: Any) -> str:
    unit = f"({p.unit})" if p.unit and p.unit != p.y_label else ""
    return " ".join(filter(None, [p.y_label, unit]))


def _name_lines(p: Any, ax: Any, sheet: Sheet, x: np.ndarray, order: np.ndarray) -> None:
    """Write each series' name at its end, in its colour, apart from its neighbours."""
    if len(p.series) < 2:
        return
    ends = []
    for values in p.series.values():
        known = np.flatnonzero(np.isfinite(values[order]))
        ends.append((x[known[-1]], values[order][known[-1]]) if known.size else (x[-1], 0.0))
    low, high = ax.get_ylim()
    places = spread_apart(np.array([end[1] for end in ends]), (high - low) * 0.3 / sheet.width)
    for i, name in enumerate(p.series):
        ax.annotate(
            plain(name, 26),
            (1, places[i]),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            va="center",
            textcoords="offset points",
            color=sheet.series(i),
            fontsize=7.5,
            fontweight="bold",
        )


def _events(
    p: Any, ax: Any, sheet: Sheet, events: list[tuple[float, str, float | None, float | None]]
) -> None:
    heavy = max([abs(event[3]) for event in events if event[3] is not None], default=1.0) or 1.0
    heights = np.array([event[2] if event[2] is not None else 0.0 for event in events])
    tall = np.abs(heights).max() or 1.0
    ax.axhline(0, color=sheet["rule"], lw=0.8)
    taken: list[tuple[float, float]] = []
    times = np.array([event[0] for event in events])
    span = np.ptp(np.concatenate([times, p.times])) or 1.0
    for i in np.argsort(-np.abs(heights), kind="stable"):
        when, label, value, weight = events[i]
        up = (value or 0) >= 0
        ax.plot([when, when], [0, heights[i]], color=sheet["quiet"], lw=0.6, alpha=0.6)
        area = 14 if weight is None else 8 + 90 * max(0.0, weight) / heavy
        ax.scatter(
            [when], [heights[i]], s=area, color=sheet["plus" if up else "minus"], alpha=0.8, lw=0, zorder=3
        )
        place = (when / span * sheet.width, heights[i] / tall)
        if all(abs(place[0] - a) > 1.0 or abs(place[1] - b) > 0.45 for a, b in taken):
            taken.append(place)
            side = (
                "left"
                if when < times.min() + 0.1 * span
                else "right"
                if when > times.max() - 0.1 * span
                else "center"
            )
            ax.annotate(
                plain(label, 26),
                (when, heights[i]),
                xytext=(0, 7 if up else -7),
                textcoords="offset points",
                ha=side,
                va="bottom" if up else "top",
                fontsize=6.5,
                color=sheet["quiet"],
            )
    ax.margins(y=0.35)
    ax.set_title(
        plain(f"contribution{f' ({p.unit})' if p.unit else ''}; area: attention weight"),
        loc="left",
        fontsize=7,
        color=sheet["quiet"],
    )
    bare(ax, bottom=True)


def table(p: Any, sheet: Sheet) -> None:
    record = p.to_dict()
    rows = record.get("rows", [])
    shown = [
        ["" if v is None else short_number(v) if isinstance(v, (int, float)) else plain(v, 40) for v in row]
        for row in rows[:MOST_ROWS]
    ]
    heads = [plain(name, 28) for name in record.get("columns", [])]
    (ax,) = sheet.axes(0.2 * (len(shown) + 1.6))
    ax.set_axis_off()
    widths = np.array(
        [max(len(text) for text in column) + 2 for column in zip(heads, *shown, strict=True)], float
    )
    ends = np.cumsum(widths) / widths.sum()
    for c, head in enumerate(heads):
        number = record["numeric"][c]
        x = ends[c] - 0.01 if number else ends[c] - widths[c] / widths.sum()
        for r, text in enumerate([head, *[row[c] for row in shown]]):
            ax.text(
                x,
                r + 0.5,
                text,
                ha="right" if number else "left",
                va="center",
                fontsize=7,
                color=sheet["ink"] if r else sheet["quiet"],
            )
    for r in range(1, len(shown) + 1):
        ax.axhline(r, color=sheet["rule"] if r == 1 else sheet["grid"], lw=0.6)
    ax.set(xlim=(0, 1), ylim=(len(shown) + 1.2, 0))
    if len(rows) > len(shown):
        ax.text(
            0,
            len(shown) + 1.3,
            f"the first {len(shown)} of {len(rows)} rows",
            fontsize=6.5,
            color=sheet["quiet"],
        )


DRAW = {"bars": bars, "waterfall": waterfall, "timeline": lines, "curves": lines, "table": table}
