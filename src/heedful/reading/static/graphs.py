"""Networks, arcs, tokens and opinions on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from .style import Sheet, bare, plain

MOST_TOKENS = 40


def network(p: Any, sheet: Sheet) -> None:
    n, measured = len(p.x), bool(p.x_label or p.y_label)
    (ax,) = sheet.axes(0.62 * sheet.width)
    i, j, w = p.edges
    strength = np.full(len(i), 0.45) if w is None else np.abs(np.nan_to_num(w))
    share = strength if w is None else strength / (strength.max(initial=0) or 1.0)
    opposed = w is not None and bool((w < 0).any())
    inks = [sheet["minus" if v < 0 else "plus"] for v in w] if opposed else [sheet["quiet"]] * len(i)
    size = (
        14.0 + 200 * np.nan_to_num(p.size) / (np.nanmax(p.size, initial=0) or 1.0)
        if p.size is not None
        else (np.full(n, 40.0 if n <= 120 else 12.0 if n <= 600 else 5.0))
    )
    base = 0.1 if len(i) > 4000 else 0.18 if len(i) > 400 else 0.3
    if p.directed and len(i) <= 600:
        for a, b, v, ink in zip(i, j, share, inks, strict=True):
            if a != b:
                ax.add_patch(
                    FancyArrowPatch(
                        (p.x[a], p.y[a]),
                        (p.x[b], p.y[b]),
                        arrowstyle="-|>",
                        mutation_scale=6,
                        lw=0.5 + 1.1 * v,
                        connectionstyle="arc3,rad=0.12",
                        shrinkA=0,
                        shrinkB=np.sqrt(size[b]) / 2 + 1,
                        color=ink,
                        alpha=min(1.0, base + 0.5 * v),
                        zorder=1,
                    )
                )
    else:
        ends = np.stack([np.stack([p.x[i], p.y[i]], 1), np.stack([p.x[j], p.y[j]], 1)], axis=1)
        colours = [(*_rgb(ink), min(1.0, base + 0.5 * v)) for ink, v in zip(inks, share, strict=True)]
        ax.add_collection(LineCollection(ends, colors=colours, linewidths=0.4 + 1.1 * share, zorder=1))
    edge = {"lw": 0.5, "ec": sheet["paper"], "zorder": 2, "s": size}
    names = list(dict.fromkeys(p.groups or ()))
    rims = [sheet.series(names.index(group)) for group in p.groups or ()]
    if p.values is not None:
        low, high = float(np.nanmin(p.values)), float(np.nanmax(p.values))
        sides, top = low < 0 < high, max(abs(low), abs(high))
        colours = sheet.ramp("diverging" if sides else "magnitude")
        if not sides:  # the palest quarter would not be seen on the ground
            colours = ListedColormap(colours.colors[56:])
        limits = (-top, top) if sides else (low, high)
        shown = ax.scatter(
            p.x,
            p.y,
            c=p.values,
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            **{
                **edge,
                "ec": sheet["quiet"] if p.groups is None else rims,
                "lw": 0.8 if p.groups is None else 1.2,
            },
        )
        sheet.colourbar(shown, ax, p.unit)
        if p.groups is not None:  # the fill tells the value, the rim the group
            for k, group in enumerate(names):
                ax.scatter([], [], fc="none", ec=sheet.series(k), label=plain(group, 30))
            _legend(ax)
    elif p.groups is not None:
        for k, group in enumerate(names):
            member = np.array([g == group for g in p.groups])
            ax.scatter(
                p.x[member],
                p.y[member],
                color=sheet.series(k),
                label=plain(group, 30),
                **{**edge, "s": size[member]},
            )
        _legend(ax)
    else:
        ax.scatter(p.x, p.y, color=sheet.series(0), **edge)
    if p.labels is not None:
        _names(p, ax, sheet, size)
    if measured:
        ax.grid(color=sheet["grid"], lw=0.6, zorder=0)
        ax.set_axisbelow(True)
        bare(ax, bottom=True)
        ax.set_xlabel(plain(p.x_label), loc="right")
        ax.set_ylabel(plain(p.y_label), rotation=0, ha="left")
        ax.yaxis.set_label_coords(0, 1.02)
    else:
        ax.set_axis_off()
        ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.08)


def _legend(ax: Any) -> None:
    """Name the groups above the axes, each in its colour."""
    legend = ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.06, 1),
        ncols=4,
        frameon=False,
        fontsize=7.5,
        handletextpad=0.1,
        borderpad=0,
        columnspacing=1,
        labelcolor="linecolor",
    )
    for handle in legend.legend_handles:
        handle.set_sizes([22])


def _rgb(colour: str) -> tuple[float, float, float]:
    return tuple(int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))


def _names(p: Any, ax: Any, sheet: Sheet, size: np.ndarray) -> None:
    """Name the largest points, as far as there is room for names."""
    spans = (np.ptp(p.x) or 1.0, np.ptp(p.y) or 1.0)
    worth = (
        p.size if p.size is not None else (np.abs(p.values) if p.values is not None else -np.arange(len(p.x)))
    )
    taken: list[tuple[float, float, float]] = []
    for a in np.argsort(-np.nan_to_num(worth), kind="stable")[:300]:
        name = plain(p.labels[a], 22)
        x, y, wide = (
            p.x[a] / spans[0] * sheet.width,
            p.y[a] / spans[1] * sheet.width * 0.55,
            0.07 * len(name) + 0.1,
        )
        if len(taken) < 40 and all(
            abs(y - ty) > 0.14 or x > tx + tw or tx > x + wide for tx, ty, tw in taken
        ):
            taken.append((x, y, wide))
            ax.annotate(
                name,
                (p.x[a], p.y[a]),
                xytext=(np.sqrt(size[a]) / 2 + 2, 0),
                textcoords="offset points",
                va="center",
                fontsize=6.5,
                path_effects=[withStroke(linewidth=2, foreground=sheet["paper"])],
                zorder=4,
            )


def arcs(p: Any, sheet: Sheet) -> None:
    (ax,) = sheet.axes(0.42 * sheet.width)
    n = len(p.labels)
    apart = np.abs(p.pairs[:, 0] - p.pairs[:, 1])
    reach, heavy = (apart.max(initial=1) or 1), (np.nanmax(np.abs(p.weights), initial=0) or 1.0)
    turn = np.linspace(0, np.pi, 60)
    for e in np.argsort(p.weights, kind="stable"):
        a, b = sorted(p.pairs[e])
        good, v = p.marks is None or bool(p.marks[e]), abs(np.nan_to_num(p.weights[e])) / heavy
        ax.plot(
            (a + b) / 2 - (b - a) / 2 * np.cos(turn),
            np.sqrt((b - a) / reach) * np.sin(turn),
            color=sheet.series(0 if good else 1),
            lw=0.4 + 1.5 * v,
            alpha=0.25 + 0.6 * v,
            ls="-" if good else DASH,
        )
    names = [plain(name, 10) for name in p.labels]
    step = max(1, round(n * max([3, *map(len, names)]) / (sheet.width * 9)))  # no name meets the next
    ax.set_xticks(np.arange(0, n, step), names[::step])
    ax.set(xlim=(-1, n), ylim=(0, 1.04))
    bare(ax, bottom=True)
    ax.set_yticks([])
    if p.marks is not None:
        ax.set_title("true contact", loc="left", fontsize=7.5, color=sheet.series(0), fontweight="bold")
        ax.set_title(
            "not a contact (dashed)", loc="right", fontsize=7.5, color=sheet.series(1), fontweight="bold"
        )


DASH = (0, (4, 2.5))


def tokens(p: Any, sheet: Sheet) -> None:
    """The first queries on the left, the keys they read on the right; a line's strength is its weight."""
    lead = p.index.ndim - 2
    index, weight = p.index[(0,) * lead], p.weight[(0,) * lead]
    shown = min(len(p.queries), MOST_TOKENS)
    read = np.unique(index[:shown][index[:shown] >= 0])
    if len(read) > MOST_TOKENS:
        received = np.bincount(
            index[:shown][index[:shown] >= 0], np.nan_to_num(weight[:shown][index[:shown] >= 0])
        )
        read = np.sort(np.argsort(-received, kind="stable")[:MOST_TOKENS])
    tall = max(shown, len(read))
    (ax,) = sheet.axes(0.165 * tall + 0.5)
    left, right = (
        np.linspace(0, tall - 1, shown) if shown > 1 else [0.0],
        np.linspace(0, tall - 1, max(2, len(read))),
    )
    place = dict(zip(read.tolist(), right, strict=False))
    heavy = np.nanmax(weight[:shown], initial=0) or 1.0
    segments, colours, widths = [], [], []
    for q in range(shown):
        for k, w in zip(index[q].tolist(), np.nan_to_num(weight[q]), strict=True):
            if k in place and w > 0.02 * heavy:
                turn = np.linspace(0, 1, 24)
                ease = turn * turn * (3 - 2 * turn)
                segments.append(np.stack([turn, left[q] + (place[k] - left[q]) * ease], axis=1))
                colours.append((*_rgb(sheet.series(0)), 0.12 + 0.8 * min(1.0, w / heavy)))
                widths.append(0.3 + 1.8 * w / heavy)
    ax.add_collection(LineCollection(segments, colors=colours, linewidths=widths, capstyle="round"))
    for q in range(shown):
        ax.text(-0.02, left[q], plain(p.queries[q], 30), ha="right", va="center", fontsize=7)
    for k in read.tolist():
        ax.text(1.02, place[k], plain(p.keys[k], 30), ha="left", va="center", fontsize=7)
    ax.text(-0.02, -1.2, "query", ha="right", fontsize=7, color=sheet["quiet"])
    ax.text(1.02, -1.2, "key", ha="left", fontsize=7, color=sheet["quiet"])
    ax.set(xlim=(-0.55, 1.55), ylim=(tall - 0.4, -1.7))
    ax.set_axis_off()
    notes = [f"{axis} {names[0]}" for axis, names in p.heads.items()]
    if shown < len(p.queries):
        notes.append(f"the first {shown} of {len(p.queries)} queries")
    if notes:
        ax.text(0.5, -1.2, plain(", ".join(notes), 70), ha="center", fontsize=7, color=sheet["quiet"])


def opinions(p: Any, sheet: Sheet) -> None:
    ax, side = sheet.axes(0.45 * sheet.width, columns=(6, 1), share="y")
    path = trajectories(p)
    steps = np.arange(len(path))
    crowd = np.clip(40 / len(p.opinions), 0.08, 0.7)
    low, high = p.opinions.min(), p.opinions.max()
    if p.groups is not None:
        names = list(dict.fromkeys(p.groups))
        colours = [sheet.series(names.index(g)) for g in p.groups]
        for k, name in enumerate(names):
            ax.scatter([], [], color=sheet.series(k), label=plain(name, 30))
        _legend(ax)
    else:
        at = (p.opinions - low) / ((high - low) or 1.0)
        colours = sheet.ramp("diverging")(np.where(at < 0.5, at * 0.75, 1 - (1 - at) * 0.75))
    lines = [np.stack([steps, path[:, a]], axis=1) for a in range(path.shape[1])]
    ax.add_collection(
        LineCollection(lines, colors=colours, linewidths=0.7, alpha=crowd, rasterized=len(lines) > 500)
    )
    ax.set(xlim=(0, len(path) - 1))
    ax.autoscale_view(scalex=False)
    ax.set_title(plain(f"τ = {p.tau:g}"), loc="right", fontsize=8, color=sheet["quiet"])
    ax.set_ylabel(plain(f"opinion{f' ({p.unit})' if p.unit else ''}"))
    ax.set_xlabel("step", loc="right")
    ax.grid(axis="y", color=sheet["grid"], lw=0.7)
    bare(ax, bottom=True)
    side.hist(
        path[-1],
        bins=np.linspace(low, high if high > low else low + 1, 49),
        orientation="horizontal",
        color=sheet["quiet"],
        alpha=0.5,
    )
    bare(side)
    side.set_xlabel("people", loc="left")


def trajectories(p: Any) -> np.ndarray:
    """Return the opinions at every step, (steps + 1, N), by the rule that the page runs.

    Examples
    --------
    >>> from heedful.reading.pictures import Opinions
    >>> trajectories(Opinions("two", [0.0, 1.0], tau=1e9, steps=1)).round(6).tolist()
    [[0.0, 1.0], [0.5, 0.5]]
    """
    x = p.opinions.copy()
    path = [x]
    n = len(x)
    if p.edges is not None:
        i, j = p.edges
        own = i == j
        i, j = np.concatenate([i[~own], np.arange(n)]), np.concatenate([j[~own], np.arange(n)])
    for _ in range(p.steps):
        if p.edges is None:
            weight = np.exp(-((x[:, None] - x[None, :]) ** 2) / (2 * p.tau))
            x = weight @ x / weight.sum(axis=1)
        else:
            weight = np.exp(-((x[i] - x[j]) ** 2) / (2 * p.tau))
            x = np.bincount(i, weight * x[j], n) / np.bincount(i, weight, n)
        path.append(x)
    return np.array(path)


DRAW = {"network": network, "arcs": arcs, "tokens": tokens, "opinions": opinions}
