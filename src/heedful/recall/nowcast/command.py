"""`heedful nowcast`: a panel in, a probability with its reasons out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...files.panel import Panel
    from ...reading.story import Story

HELP = "Probability of recession, and which past months moved it."


def run(
    panel: Annotated[Path | None, typer.Argument(
        help="CSV or Parquet with a date column, or FRED-MD's own file; without it the US panel of "
             "statsmodels (quarterly, 1959-2009).")] = None,
    period: Annotated[str, typer.Option(help="Which month or quarter to explain, 2008-03 or 2008Q1; the last "
                                             "one by default.")] = "",
    events: Annotated[Path | None, typer.Option(help="A table date,event,size of dated events.")] = None,
    recessions: Annotated[Path | None, typer.Option(
        help="A table peak,trough,peak_announced,trough_announced; the NBER's by default.")] = None,
    vintages: Annotated[Path | None, typer.Option(
        help="A folder of panels as they stood, named 2008-03.csv or FRED-MD_2008m03.csv; each month is "
             "nowcast from the newest one that was out.")] = None,
    indicators: Annotated[str, typer.Option(help="Columns to use, separated by commas.")] = "",
    delay: Annotated[list[str] | None, typer.Option(
        help="Publication lag in rows, NAME=2; repeatable.")] = None,
    start: Annotated[str, typer.Option(help="First period tested.")] = "",
    method: Annotated[str, typer.Option(help="'heads', or 'plain' for one softmax read directly.")] = "heads",
    trust: Annotated[str, typer.Option(help="none, quick or full.")] = "quick",
    out: Annotated[Path | None, typer.Option(help="Write the nowcasts here (CSV).")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the trust tests.")] = 0,
) -> Story:
    """Nowcast recessions from a panel of indicators, and say which past observations moved it."""
    from ...errors import InputError
    from ...files.panel import read_events, read_panel
    from .demo import macrodata
    from .labels import Chronology
    from .telling import tell

    if trust not in ("none", "quick", "full"):
        raise InputError(f"--trust {trust}; none, quick or full was expected")
    delays = {}
    for item in delay or []:
        name, _, rows = item.partition("=")
        if not rows.isdigit():
            raise InputError(f"--delay {item}; NAME=ROWS was expected, for instance HWI=2")
        delays[name] = int(rows)
    return tell(
        macrodata() if panel is None else read_panel(panel),
        vintages=None if vintages is None else _vintages(vintages),
        events=None if events is None else read_events(events),
        chronology=Chronology.nber() if recessions is None else Chronology.read(recessions),
        indicators=[name.strip() for name in indicators.split(",") if name.strip()] or None, delays=delays,
        start=start or None, method=method, trust=trust, out=out, seed=seed, period=period or None,
    )


VERBS = {"": run}


def _vintages(folder: Path) -> dict[str, Panel]:
    """The panels of a folder by the month in their names."""
    import re

    from ...errors import InputError
    from ...files.panel import read_panel

    if not folder.is_dir():
        raise InputError("is no folder; a folder of panels named 2008-03.csv was expected", path=folder)
    dated = re.compile(r"(?:FRED-[MQ]D_)?(\d{4})[-m](\d{1,2})(?!\d)", re.IGNORECASE)
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if (found := dated.match(path.name)) is None:
            continue
        month = f"{found[1]}-{int(found[2]):02d}"
        if month in files:
            raise InputError(
                f"{files[month].name} and {path.name} are both of {month}", path=folder, remedy="keep one"
            )
        files[month] = path
    if not files:
        raise InputError("holds no file named like 2008-03.csv or FRED-MD_2008m03.csv", path=folder)
    return {month: read_panel(files[month]) for month in sorted(files)}
