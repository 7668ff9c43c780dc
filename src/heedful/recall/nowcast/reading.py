"""Which past observations moved this period's probability: the exact terms, grouped and said in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit

from ...attention import Contribution, EffectiveKeys, TopK, Weights
from ...errors import InputError
from ...files.panel import Panel
from .indicators import Indicator
from .labels import as_period
from .model import Nowcast

if TYPE_CHECKING:
    from ...reading import Reading

SPIKE = 2  # a run of at most two periods is a spike, if its peak exceeds so many standard deviations
SPIKE_OVER = 2.0  # standard deviations by which a spike within a run stands over the rest of it
SLOW_MONTHS = 4  # a run that lasts at least so long is a slow movement


@dataclass(frozen=True)
class Narrative:
    """One period's probability and what it is made of.

    Attributes
    ----------
    period : Period
    probability, base : float
        The nowcast, and what it would be were every observation at its usual level.
    tokens : DataFrame
        One row for each (indicator, lag): weight, surprise (standard deviations towards recession), the
        exact log-odds term and its share of the probability; log-odds add up to the logit less the
        intercept, shares to ``probability - base``.
    groups : DataFrame
        Contiguous lags of one indicator that moved together: what pushed the probability to where it is,
        strongest first, then what held it back, then all the rest in one row.
    weights : Weights
        The attention row over the tokens.
    value, mass : ndarray, float
        Values of the tokens; log-odds per unit of weight x value.
    months : int
    """

    period: pd.Period
    probability: float
    base: float
    tokens: pd.DataFrame
    groups: pd.DataFrame
    weights: Weights
    value: np.ndarray
    mass: float
    months: int

    def sentence(self, most: int = 5) -> str:
        """What an economist would write: "March 2008: 0.71. Housing permits (-3 months) +0.21, ..."."""
        when = f"{self.period:%B %Y}" if self.months == 1 else f"{self.period:%Y} Q{self.period.quarter}"
        named = self.groups[(self.groups["kind"] != "rest") & (self.groups["points"].abs() >= 0.005)]
        toward = named["points"] * (self.probability - self.base) >= 0
        text = ", ".join(map(_clause, named[toward].head(most).itertuples()))
        if not text:
            return f"{when}: {self.probability:.2f}. No observation moved it by as much as 0.01."
        against = ", ".join(map(_clause, named[~toward].head(2).itertuples()))
        text = f"{text[0].upper()}{text[1:]}" + (f"; against it {against}" if against else "")
        return f"{when}: {self.probability:.2f}. {text}."

    def reading(self) -> Reading:
        """The labelled weights over the tokens, with each token's term of the log-odds."""
        from ...reading import Reading

        names = [f"{row.indicator} {row.period}" for row in self.tokens.itertuples()]
        terms = Contribution(self.value[:, None], np.array([self.mass]))
        _, r = self.weights.read(None, [TopK(min(10, len(names))), terms, EffectiveKeys()])
        return Reading(r, queries=[str(self.period)], keys=names)


def explain(model: Nowcast, panel: Panel, period: str | pd.Period | None = None) -> Narrative:
    """Take one probability apart into the exact terms of its sum.

    In log-odds the terms are mass * weight * value, token by token, and nothing is left over. In
    probability each term is multiplied by the mean slope of the logistic curve between the base and the
    nowcast, (p - base) / (logit p - intercept): the Aumann-Shapley share, which for a function of a sum is
    the only one that is exact, symmetric and additive.

    Parameters
    ----------
    model : Nowcast
        Fitted.
    panel : Panel
    period : str or Period, optional
        The last one by default.

    Returns
    -------
    Narrative

    Raises
    ------
    InputError
        If the period is not in the panel.

    Source
    ------
    Aumann & Shapley 1974, "Values of Non-Atomic Games"; Sundararajan, Taly & Yan 2017 (integrated gradients).
    """
    index = panel.values.index
    when = index[-1] if period is None else as_period(period, panel)
    if when not in index:
        raise InputError(f"{when} is not in the panel, which runs {panel.span}", path=panel.source or None)
    every = model.tokens(panel)
    row = index.get_loc(when)
    now = every.at(row)
    parts = model.parts(now)
    terms = parts.terms[0]
    logit = float(parts.logit[0])
    base, p = float(expit(parts.intercept)), float(expit(logit))
    gap = logit - parts.intercept
    slope = (p - base) / gap if abs(gap) > 1e-9 else base * (1 - base)
    tokens = _tokens_table(every, now.surprise[0], parts, terms * slope, row)
    groups = _groups(every.indicators, now.surprise[0], parts.weight[0], terms, terms * slope, panel.months)
    return Narrative(when, p, base, tokens, groups, parts.row(0), parts.value[0].ravel(),
                     float(parts.mass[0]), panel.months)


def _tokens_table(every, surprise, parts, points, row) -> pd.DataFrame:
    n, lags = surprise.shape
    rows = []
    for i in range(n):
        for lag in range(lags):
            if not np.isnan(surprise[i, lag]):
                rows.append({
                    "indicator": every.indicators[i].key, "period": str(every.index[row - lag]), "lag": lag,
                    "observed": every.raw[row - lag, i], "surprise": surprise[i, lag],
                    "weight": parts.weight[0, i, lag], "log_odds": parts.terms[0, i, lag],
                    "points": points[i, lag], "token": i * lags + lag,
                })
            else:
                rows.append({"indicator": every.indicators[i].key, "period": "not published", "lag": lag,
                             "observed": np.nan, "surprise": np.nan, "weight": 0.0, "log_odds": 0.0,
                             "points": 0.0, "token": i * lags + lag})
    return pd.DataFrame(rows)


def best_run(values: np.ndarray) -> tuple[int, int]:
    """The contiguous run [a, b) that stands out most: sum / sqrt(length) - sqrt(2 log(e n / length)).

    The multiscale statistic for a raised mean in unit-variance noise. The second term is what the best of
    many short runs reaches by luck, so a single spike wins as a run of one, and a slow movement as a long
    run although some of its months stand out, whatever the heads make of them.

    Source
    ------
    Duembgen & Spokoiny 2001, "Multiscale testing of qualitative hypotheses", Annals of Statistics 29.

    Examples
    --------
    >>> import numpy as np
    >>> best_run(np.array([0., 0, 0, 5, 0, 0])), best_run(np.array([1., 1, 1, 1, 1, 0]))
    ((3, 4), (0, 5))
    """
    n = len(values)
    total = np.concatenate([[0.0], np.cumsum(values)])
    luck = np.sqrt(2 * np.log(np.e * n / np.arange(1, n + 1)))
    best, where = -np.inf, (0, 1)
    for a in range(n):
        for b in range(a + 1, n + 1):
            score = (total[b] - total[a]) / np.sqrt(b - a) - luck[b - a - 1]
            if score > best + 1e-12:
                best, where = score, (a, b)
    return where


def _groups(indicators, surprise, weight, terms, points, months) -> pd.DataFrame:
    """One group for each indicator: the run that carries its net effect; all other terms are the rest."""
    rows, used = [], np.zeros(points.shape, bool)
    for i, indicator in enumerate(indicators):
        net = points[i].sum()
        if net == 0:
            continue
        z = np.nan_to_num(surprise[i])
        there = np.flatnonzero(~np.isnan(surprise[i]))
        low, high = there[0], there[-1] + 1
        a, b = best_run(np.sign(net) * z[low:high])
        for lags in _parted(np.arange(a, b) + low, np.sign(net) * z, points[i]):
            used[i, lags] = True
            kind = _kind(z[lags], len(lags), months)
            peak = int(lags[np.argmax(np.abs(z[lags]))])
            rows.append({
                "indicator": indicator.key, "words": _words(indicator, kind, np.sign(net)), "kind": kind,
                "when": _when(kind, lags[0], lags[-1] + 1, peak, low, months), "from_lag": int(lags[0]),
                "to_lag": int(lags[-1]), "surprise": z[peak], "weight": weight[i, lags].sum(),
                "log_odds": terms[i, lags].sum(), "points": points[i, lags].sum(),
            })
    columns = ["indicator", "words", "kind", "when", "from_lag", "to_lag", "surprise", "weight", "log_odds",
               "points"]
    frame = pd.DataFrame(rows, columns=columns)
    # what pushed the probability where it is comes first, then what held it back; each by size
    toward = frame["points"] * (np.sign(points.sum()) or 1.0)
    order = np.lexsort([-toward.abs().to_numpy(), (toward < 0).to_numpy()])
    frame = frame.iloc[order]
    rest = {"indicator": "", "words": "all other observations", "kind": "rest", "when": "", "from_lag": 0,
            "to_lag": points.shape[1] - 1, "surprise": np.nan, "weight": weight[~used].sum(),
            "log_odds": terms[~used].sum(), "points": points[~used].sum()}
    return pd.concat([frame, pd.DataFrame([rest])], ignore_index=True)


def _parted(lags: np.ndarray, z: np.ndarray, points: np.ndarray) -> list[np.ndarray]:
    """A run's lags, or its spike and what is left of it, where the spike did more than all the rest.

    A jump in the middle of a slow rise makes the whole run stand out; what moved the probability is the jump
    if it stands `SPIKE_OVER` standard deviations over the others and its term is the larger part.
    """
    peak = int(lags[np.argmax(z[lags])])
    rest = lags[lags != peak]
    if len(lags) <= SPIKE or z[peak] - z[rest].mean() < SPIKE_OVER:
        return [lags]
    if abs(points[peak]) <= abs(points[rest].sum()):
        return [lags]
    return [np.array([peak]), rest]


def _kind(z: np.ndarray, length: int, months: int) -> str:
    if length * months >= SLOW_MONTHS and length > 1:
        return "slow"
    return "spike" if length <= SPIKE and np.abs(z).max() >= 2.0 else "move"


def _words(indicator: Indicator, kind: str, net: float) -> str:
    """ "jump in the oil price", "slow decline in consumer sentiment"; for a level, low or high."""
    # `net` and the sign together say whether the series itself went up
    up = net * indicator.sign
    if indicator.transform in (1, 4):
        level = "high" if up > 0 else "low"
        manner = {"slow": "lastingly ", "spike": "suddenly ", "move": ""}[kind]
        return f"{manner}{level} {indicator.words.removeprefix('the ')}"
    rise, fall = {"slow": ("slow rise", "slow decline"), "spike": ("jump", "drop"), "move": ("rise", "fall")}[
        kind]
    return f"{rise if up > 0 else fall} in {indicator.words}"


def _when(kind: str, a: int, b: int, peak: int, newest: int, months: int) -> str:
    unit = "month" if months == 1 else "quarter"
    if kind == "spike" or b - a == 1:
        return f"-{peak} {unit}{'' if peak == 1 else 's'}" if peak else f"this {unit}"
    if a <= newest + 1:
        return f"past {b} {unit}s"
    return f"-{b - 1} to -{a} {unit}s"


def _clause(row) -> str:
    return f"{row.words} ({row.when}) {_signed(row.points)}"


def _signed(x: float) -> str:
    return f"{x:+.2f}".replace("-", "\N{MINUS SIGN}")
