"""The nowcast's pictures, as data: the sum, the years, the observations behind one month."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...reading import pictures as pic
from ...trust import Verdict
from ...writing import write_atomic
from .backtesting import Backtest
from .labels import Chronology
from .reading import Narrative


def waterfall(story: Narrative, most: int = 8, verdict=None) -> pic.Waterfall:
    """From the usual level to the nowcast, by the `most` largest groups; the others are in the last bar."""
    named = story.groups[story.groups["kind"] != "rest"]
    # the groups' own order stays: first what pushed, then what held back
    named = named.loc[named["points"].abs().nlargest(most).index.sort_values()]
    labels = [f"{row.words} ({row.when})" for row in named.itertuples()]
    values = list(named["points"])
    labels.append("all other observations")
    values.append(story.probability - story.base - sum(values))
    return pic.Waterfall(
        f"{story.period}: what moved the probability", labels, np.array(values), start=story.base,
        start_label="every observation at its usual level", end_label=f"nowcast for {story.period}",
        unit="probability", verdict=verdict,
        caption="Each bar is a run of months of one indicator: the exact terms of the log-odds, shared out "
                "in probability by the mean slope of the logistic curve. The bars add up.",
    )


def poster(
    drawn: pic.Waterfall, path: str | Path, verdict: Verdict | None = None, width: float = 7.5
) -> Path:
    """Write a waterfall as an SVG for a page that may be light or dark, with every name whole.

    Parameters
    ----------
    drawn : Waterfall
    path : path
        Ends in ``.svg``.
    verdict : Verdict, optional
        Told once, under the bars, in place of the picture's own.
    width : float
        Inches.

    Returns
    -------
    Path

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> bars = pic.Waterfall("Risk", ["a name " * 9], np.array([0.1]), start=0.2, end_label="risk")
    >>> svg = Path(poster(bars, tempfile.mkdtemp() + "/risk.svg")).read_text()
    >>> "prefers-color-scheme: dark" in svg
    True
    """
    from io import StringIO

    from ...reading.static import figure
    from ...reading.static.style import DARK, LIGHT, rules

    said = None if verdict is None else {"status": verdict.status, "sentence": _told(verdict)}
    sheet = figure(replace(drawn, verdict=said), width=width)
    sheet.axes[0].set_yticklabels([drawn.start_label, *drawn.labels, drawn.end_label])
    text = StringIO()
    with rules(False):  # without the date, the same picture is the same bytes
        sheet.savefig(text, format="svg", metadata={"Date": None}, facecolor=LIGHT["paper"])
    dark = "".join(f'[style*="{part}: {LIGHT[name]}"] {{{part}: {DARK[name]} !important}}\n'
                   for name in LIGHT if name != "series" for part in ("fill", "stroke"))
    style = f"\n@media (prefers-color-scheme: dark) {{\n{dark}}}</style>"
    return write_atomic(path, text.getvalue().replace("</style>", style, 1))


def _told(verdict: Verdict) -> str:
    """The claim and its figures; the status, which stands before it, is not said again."""
    if verdict.status == "not testable":
        return f'Claim: "{verdict.name}"; {verdict.reason}.'
    figures = f"{verdict.measure} {verdict.effect:+.3f} "
    if verdict.interval is not None:
        figures += "[{:+.3f}, {:+.3f}] ".format(*verdict.interval)
    figures += f"against {verdict.compared_with}"
    if verdict.p is not None:
        figures += f", p = {verdict.p:.3g}"
    caution = f" ({verdict.caution})" if verdict.caution else ""
    return f'Claim: "{verdict.name}". {figures[0].upper()}{figures[1:]}, n = {verdict.n}{caution}.'


def bars(story: Narrative, most: int = 12, verdict=None) -> pic.Bars:
    """The single observations with the largest terms, their weights beside."""
    top = story.tokens.reindex(story.tokens["points"].abs().sort_values(ascending=False).index).head(most)
    return pic.Bars(
        f"{story.period}: single observations", [f"{r.indicator} {r.period}" for r in top.itertuples()],
        top["points"].to_numpy(), weights=top["weight"].to_numpy(), signed=True, unit="probability",
        verdict=verdict, caption="Weights are not contributions: a large weight on a usual value moves "
                                 "nothing.",
    )


def lags(story: Narrative, most: int = 8) -> pic.Matrix:
    """Contribution of each indicator and lag."""
    tokens = story.tokens
    order = tokens.groupby("indicator", sort=False)["points"].apply(lambda x: x.abs().sum())
    names = list(order.sort_values(ascending=False).index[:most])
    width = int(tokens["lag"].max()) + 1
    values = np.array([tokens[tokens["indicator"] == name].sort_values("lag")["points"].to_numpy()
                       for name in names])
    return pic.Matrix(
        f"{story.period}: contribution by lag", values, names, [f"t-{i}" if i else "t" for i in range(width)],
        signed=True, row_label="indicator", column_label="months before" if story.months == 1 else
        "quarters before", unit="probability",
    )


def timeline(test: Backtest, story: Narrative | None = None) -> pic.Timeline:
    """The nowcasts over time with recessions shaded, and the narrative's observations marked."""
    index = test.probability.index
    events = []
    if story is not None:
        top = story.tokens[story.tokens["points"] > 0.01].nlargest(6, "points")
        events = [(str(index.__class__([r.period], freq=index.freq)[0].start_time.date()), r.indicator,
                   r.points, r.weight) for r in top.itertuples()]
    return pic.Timeline(
        "Probability of recession, as it would have been nowcast",
        [str(p.start_time.date()) for p in index],
        {name: test.probability[name].to_numpy() for name in test.probability},
        spans=test.chronology.spans(index), events=events, threshold=0.5, y_label="probability",
        caption="Each point was computed from what was published, and from the turning points announced, by "
                "then. The figures themselves are those of one vintage.",
    )


def recessions(chronology: Chronology) -> str:
    """One line on where the shaded spans come from."""
    return f"recessions: {chronology.source}"
