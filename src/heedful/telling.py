"""Stories on the terminal: the finding, ours beside the field's baseline, the verdicts, the limits."""

from __future__ import annotations

from collections.abc import Sequence
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
    console = console or Console()
    console.print(Text(story.title, style="bold"))
    console.print(Text(story.data, style="dim"))
    console.print()
    console.print(Text(story.headline))
    if story.scores:
        console.print()
        console.print(_scores(story))
    for name, frame in story.tables.items():
        console.print()
        console.print(_frame(name, frame))
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
    console = console or Console()
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


def _scores(story: Story) -> Table:
    table = Table(title="beside the field's baseline, same data")
    table.add_column("measure")
    table.add_column("heedful", justify="right")
    table.add_column("baseline", justify="right")
    table.add_column("which")
    table.add_column("difference, 95 %", justify="right")
    table.add_column("outcome")
    for s in story.scores:
        interval = "-" if s.interval is None else f"[{s.interval[0]:+.3g}, {s.interval[1]:+.3g}]"
        cells = (s.name, f"{s.ours:.4g}", f"{s.baseline:.4g}", s.baseline_name, interval, s.outcome)
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _frame(name: str, frame: Any) -> Table:
    more = len(frame) - ROWS
    table = Table(title=escape(name), caption=f"and {more} more rows" if more > 0 else None)
    for column in frame.columns:
        table.add_column(
            escape(str(column)), justify="right" if frame[column].dtype.kind in "fiu" else "left"
        )
    for row in frame.head(ROWS).itertuples(index=False):
        table.add_row(*(escape(f"{v:.4g}" if isinstance(v, float) else str(v)) for v in row))
    return table


def _verdict(verdict: Any) -> Text:
    style = {"supported": "green", "not supported": "red"}.get(str(verdict.status), "yellow")
    text = Text()
    text.append(f"{verdict.status}", style=style)
    text.append(f": {verdict.sentence()}")
    return text
