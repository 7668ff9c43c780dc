"""`heedful nowcast`: a panel in, a probability with its reasons out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...files.panel import Panel
    from ...reading.story import Story
    from .backtesting import Backtest
    from .labels import Chronology

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
        help="A folder of panels as they stood, named 2008-03.csv; each month is nowcast from the newest one "
             "that was out.")] = None,
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


def tell(
    panel: Panel, *, events=None, vintages: dict[str, Panel] | None = None,
    chronology: Chronology | None = None, indicators: list[str] | None = None,
    delays: dict[str, int] | None = None, start: str | None = None, method: str = "heads",
    trust: str = "quick", out: Path | None = None, seed: int = 0, period: str | None = None,
    beside_plain: bool = False,
) -> Story:
    """Backtest, fit, explain one period, examine the claim: the whole study as a Story.

    With `beside_plain` the literal idea, one trained softmax, is run on the same split.
    """
    import numpy as np

    from ...errors import InputError
    from ...reading.story import Story
    from .backtesting import as_of, backtest
    from .indicators import choose
    from .labels import Chronology, as_period
    from .model import Nowcast
    from .pictures import bars, lags, timeline, waterfall
    from .reading import explain
    from .scores import scores
    from .tokens import with_events

    chronology = chronology or Chronology.nber()
    if events is not None:
        indicators = indicators or [i.name for i in choose(panel, None, delays)[0]]
        if vintages:
            raise InputError("events and vintages are not read together yet", remedy="give one of them")
        panel, kinds = with_events(panel, events)
        indicators = [*indicators, *(kind.name for kind in kinds)]
        delays = {**{kind.name: 0 for kind in kinds}, **(delays or {})}
    model = Nowcast(method=method, indicators=indicators, delays=delays or None)
    test = backtest(panel, chronology, model, start=start, vintages=vintages)
    if beside_plain and method != "plain":
        plain = backtest(panel, chronology, Nowcast(**{**model.get_params(), "method": "plain"}), start=start,
                         vintages=vintages)
        test.probability.insert(1, "plain softmax", plain.probability["heedful"])
    index = panel.values.index
    model = model.fit(panel, chronology.known(index, index[-1]))
    when = index[-1] if period is None else as_period(period, panel)
    if when not in index:
        raise InputError(f"{when} is not in the panel, which runs {panel.span}", path=panel.source or None)
    # a period that was tested is explained by the model that nowcast it, not by one that knows better
    fitted = _in_force(panel, vintages, chronology, model, test, when)
    story = explain(fitted, as_of(panel, vintages, index.get_loc(when) + 1), when)
    high = np.flatnonzero(model.nowcast(panel).to_numpy() > 0.5)
    verdicts = _verdicts(model, panel, high, chronology, trust, seed)
    verdict = verdicts[0] if verdicts else None
    outputs = [] if out is None else [_write(out, test)]
    tested = test.table()
    onsets = len(test.onsets())
    return Story(
        study="nowcast",
        title="Recession nowcast",
        data=f"{panel.source}: {len(model.columns_)} series, {panel.span}, {chronology.source} turning "
             f"points; tested {test.probability.index[0]} to {test.probability.index[-1]}",
        headline=story.sentence(),
        scores=scores(test, seed),
        verdicts=verdicts,
        pictures=[waterfall(story, verdict=verdict), timeline(test, story), bars(story), lags(story)],
        tables={"methods on the same split": tested,
                f"what moved {story.period}": _short(story.groups),
                f"observations behind {story.period}": story.tokens.sort_values(
                    "points", key=abs, ascending=False).head(20).drop(columns=["token", "lag"]).round(3)},
        notes=[*panel.notes, *fitted.notes_, *_limits(onsets, chronology, vintages)],
        reading=story.reading(),
        outputs=outputs,
    )


def _vintages(folder: Path) -> dict[str, Panel]:
    """The panels of a folder by the month in their names."""
    import re

    from ...errors import InputError
    from ...files.panel import read_panel

    if not folder.is_dir():
        raise InputError("is no folder; a folder of panels named 2008-03.csv was expected", path=folder)
    dated = re.compile(r"\d{4}-\d{2}\b")
    files = {path.name[:7]: path for path in sorted(folder.iterdir()) if dated.match(path.name)}
    if not files:
        raise InputError("holds no file named like 2008-03.csv", path=folder)
    return {month: read_panel(path) for month, path in files.items()}


def _in_force(panel, vintages, chronology, model, test: Backtest, when):
    """The refit that was in force when `when` was nowcast; the newest one for what was not tested."""
    from sklearn.base import clone

    from .backtesting import as_of

    if when not in test.probability.index:
        return model
    index, step = panel.values.index, 12 // panel.months
    first = index.get_loc(test.probability.index[0])
    row = first + (index.get_loc(when) - first) // step * step
    past = as_of(panel, vintages, row)
    return clone(model).fit(past, chronology.known(past.values.index, past.values.index[-1]))


def _verdicts(model, panel, high, chronology, trust, seed):
    if trust == "none" or len(high) == 0:
        return []
    from ...learn import progress
    from ...trust import examine
    from .claims import claim, refit

    made = claim(model, panel, high)
    chosen = model.columns_[int(made.keys[0].reshape(len(model.columns_), -1).any(1).argmax())]
    again = refit(model, panel, high, chronology, chosen) if trust == "full" else None
    return [examine(made, again, trust, seed=seed, progress=progress)]


def _limits(onsets: int, chronology: Chronology, vintages) -> list[str]:
    from .scores import evidence

    return [
        evidence(onsets),
        f"labels are used only as announced by then ({chronology.source}); turning points without an "
        f"announcement date, as before 1980, count as known after {chronology.lag} months",
        f"{len(vintages)} vintages: each period is nowcast from the newest that was out; before the first, "
        "and in the claim, from the panel itself" if vintages else
        "the figures are those of one vintage: revisions made after the nowcast are in them",
    ]


def _short(groups):
    """The groups as a table that fits a terminal."""
    table = groups[["words", "when", "weight", "log_odds", "points"]].round(3)
    return table.rename(columns={"words": "what", "log_odds": "log-odds", "points": "probability"})


def _write(out: Path, test: Backtest) -> Path:
    from ...writing import write_atomic

    table = test.probability.round(6).assign(recession=test.truth.astype(int))
    return write_atomic(out, table.to_csv(index_label="period"))
