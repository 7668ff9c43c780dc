"""The whole study as a Story: backtest, fit, one period explained, the claim examined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.base import clone

from ...errors import InputError
from ...files.panel import Panel
from ...learn import progress
from ...reading.story import Story
from ...trust import examine
from ...writing import write_atomic
from .backtesting import Backtest, as_of, backtest
from .claims import claim, refit
from .indicators import choose
from .labels import Chronology, as_period
from .model import Nowcast
from .pictures import bars, lags, timeline, waterfall
from .reading import explain
from .scores import evidence, scores
from .tokens import with_events


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


def _in_force(panel, vintages, chronology, model, test: Backtest, when):
    """The refit that was in force when `when` was nowcast; the newest one for what was not tested."""
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
    made = claim(model, panel, high)
    chosen = model.columns_[int(made.keys[0].reshape(len(model.columns_), -1).any(1).argmax())]
    again = refit(model, panel, high, chronology, chosen) if trust == "full" else None
    return [examine(made, again, trust, seed=seed, progress=progress)]


def _limits(onsets: int, chronology: Chronology, vintages) -> list[str]:
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
    table = test.probability.round(6).assign(recession=test.truth.astype(int))
    return write_atomic(out, table.to_csv(index_label="period"))
