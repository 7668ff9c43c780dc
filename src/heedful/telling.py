"""Stories on the terminal: the finding, ours beside the field's baseline, the verdicts, the limits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .reading import Story

ROWS = 12  # of a table shown on the terminal; the report and --out hold all


def tell(story: Story, console: Console | None = None) -> None:
    """Print one study's result."""
    console = console or _console()
    console.print(Text(story.title, style="bold"))
    console.print(Text(story.data, style="dim"))
    console.print()
    console.print(Text(story.headline))
    if story.scores:
        console.print()
        console.print(_scores(story, console.width))
    for name, frame in story.tables.items():
        console.print()
        for table in _frames(name, frame, console.width):
            console.print(table)
    if story.verdicts:
        console.print()
        for verdict in story.verdicts:
            console.print(_verdict(verdict))
    if story.notes:
        console.print()
        for note in story.notes:
            console.print(Text(f"note: {note}", style="dim"))
    for path in story.outputs:
        console.print(Text(f"wrote {path}"))


def tell_tour(stories: Sequence[Story], report: Path, console: Console | None = None) -> None:
    """Print one line for each study, and where the page lies."""
    console = console or _console()
    table = Table(title="heedful tour", show_lines=True)
    for heading in ("study", "data", "ours beside the field's baseline", "what the reading says", "verdict"):
        table.add_column(heading, overflow="fold")
    for story in stories:
        scores = "\n".join(
            f"{s.name}: {s.ours:.3g} / {s.baseline_name} {s.baseline:.3g} ({s.outcome})" for s in story.scores
        )
        verdicts = "\n".join(dict.fromkeys(str(v.status) for v in story.verdicts)) or "-"
        table.add_row(*(escape(cell) for cell in (story.study, story.data, scores, story.headline, verdicts)))
    console.print(table)
    console.print(Text(f"wrote {report}"))


def _console() -> Console:
    """The terminal; rich takes every TERM=dumb for 80 columns wide, whatever it is."""
    console, size = Console(), shutil.get_terminal_size()
    return Console(width=size.columns, height=size.lines) if console.is_dumb_terminal else console


def _scores(story: Story, width: int) -> Table:
    table = Table(title="beside the field's baseline, same data")
    table.add_column("measure", min_width=_longest_word("measure", [s.name for s in story.scores]))
    table.add_column("heedful", justify="right")
    table.add_column("baseline", justify="right")
    table.add_column("which")
    table.add_column("difference, 95 %", justify="right", max_width=11 if width < 100 else None)
    table.add_column("outcome")
    for s in story.scores:
        interval = "-" if s.interval is None else f"[{s.interval[0]:+.3g}, {s.interval[1]:+.3g}]"
        cells = (s.name, f"{s.ours:.4g}", f"{s.baseline:.4g}", s.baseline_name, interval, s.outcome)
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _frames(name: str, frame: Any, width: int) -> Iterator[Table]:
    """A table, in parts that each repeat the first column where the terminal is too narrow for all."""
    shown, more = frame.head(ROWS), len(frame) - ROWS
    cells = {c: [f"{v:.4g}" if isinstance(v, float) else str(v) for v in shown[c]] for c in frame.columns}
    natural = [max(map(len, (str(c), *texts))) for c, texts in cells.items()]
    needed = [_longest_word(str(c), texts) for c, texts in cells.items()]
    needed[:1] = [min(n, 24) for n in natural[:1]]  # the first column names the rows
    roomy = 1 + sum(n + 3 for n in natural) <= width
    parts = [list(range(len(natural)))] if roomy else _fitting([n + 3 for n in needed], width)
    for n, part in enumerate(parts, 1):
        table = Table(title=escape(name if len(parts) == 1 else f"{name} ({n} of {len(parts)})"))
        if more > 0 and n == len(parts):
            table.caption = f"and {more} more rows"
        columns = [frame.columns[i] for i in part]
        for i, column in zip(part, columns, strict=True):
            number = frame[column].dtype.kind in "fiu"
            fixed = None if roomy or not (number or i == 0) else needed[i]
            table.add_column(escape(str(column)), justify="right" if number else "left", width=fixed)
        for row in zip(*(cells[c] for c in columns), strict=True):
            table.add_row(*map(escape, row))
        yield table


def _longest_word(heading: str, texts: Sequence[str]) -> int:
    return max((len(word) for text in (heading, *texts) for word in text.split()), default=1)


def _fitting(widths: Sequence[int], width: int) -> list[list[int]]:
    """Columns by part, each with the first and as many more as fit (one at least).

    >>> _fitting([10, 10, 10, 10], 31), _fitting([10, 10], 80)
    ([[0, 1, 2], [0, 3]], [[0, 1]])
    """
    parts = [[0]] if widths else [[]]
    for i in range(1, len(widths)):
        if len(parts[-1]) > 1 and 1 + sum(widths[j] for j in parts[-1]) + widths[i] > width:
            parts.append([0])
        parts[-1].append(i)
    return parts


def _verdict(verdict: Any) -> Text:
    """The verdict's own sentence, its status in colour."""
    style = {"supported": "green", "not supported": "red"}.get(str(verdict.status), "yellow")
    text = Text(verdict.sentence())
    text.highlight_words([f": {verdict.status}"], style=style)
    return text
