"""A panel as tokens: one for each indicator and lag, as it stood when the nowcast was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ...errors import InputError
from ...files.panel import Panel
from .indicators import Indicator, transformed


@dataclass(frozen=True)
class Tokens:
    """What could be seen at the end of each period.

    Attributes
    ----------
    surprise : ndarray, shape (T, N, L + 1)
        Robust z-scores, turned so that positive speaks for recession; token (t, n, l) is indicator n
        in period t - l. NaN where it was not yet published, or is missing.
    raw : ndarray, shape (T, N)
        The transformed series in their own units.
    index : PeriodIndex (T,)
    indicators : tuple of Indicator (N,)
    """

    surprise: np.ndarray
    raw: np.ndarray
    index: pd.PeriodIndex
    indicators: tuple[Indicator, ...]

    @property
    def lags(self) -> int:
        """The largest lag, in rows."""
        return self.surprise.shape[-1] - 1

    def at(self, rows) -> Tokens:
        """The same tokens for some queries (rows) alone."""
        rows = np.atleast_1d(rows)
        return Tokens(self.surprise[rows], self.raw[rows], self.index[rows], self.indicators)

    def names(self) -> list[str]:
        """ "PERMIT t-3" for each token, indicator by indicator."""
        return [f"{i.key} t-{lag}" if lag else f"{i.key} t"
                for i in self.indicators for lag in range(self.lags + 1)]


def series(panel: Panel, indicators: Sequence[Indicator]) -> np.ndarray:
    """The transformed series (T, N); an indicator that never changes is an InputError."""
    columns = []
    for indicator in indicators:
        x = transformed(panel, indicator)
        present = x[~np.isnan(x)]
        if len(present) > 1 and np.ptp(present) == 0:
            raise InputError(f"'{indicator.key}' never changes (after transform {indicator.transform})",
                             path=panel.source or None, remedy="leave it out")
        columns.append(x)
    return np.stack(columns, 1)


def scale_of(raw: np.ndarray, least: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, robust spread, and whether it has begun (`least` numbers) of each series, (N,) each.

    The spread of a series that mostly rests (a policy rate, an event) is that of its movements.
    """
    centre, spread, begun = np.zeros(raw.shape[1]), np.ones(raw.shape[1]), np.zeros(raw.shape[1], bool)
    for n, x in enumerate(raw.T):
        x = x[~np.isnan(x)]
        if len(x) < least:
            continue  # its tokens are absent, not zero
        begun[n] = True
        centre[n] = np.median(x)
        away = np.abs(x - centre[n])
        spread[n] = 1.4826 * np.median(away)
        if spread[n] <= 1e-9 * away.max():
            moved = away[away > 0]
            begun[n] = len(moved) > 0
            spread[n] = np.sqrt(np.mean(moved**2)) if len(moved) else 1.0
    return centre, spread, begun


def tokenise(
    raw: np.ndarray, index: pd.PeriodIndex, indicators: Sequence[Indicator], lags: int,
    centre: np.ndarray, spread: np.ndarray, sign: np.ndarray,
) -> Tokens:
    """Tokens of transformed series.

    Parameters
    ----------
    raw : ndarray, shape (T, N)
        From `series`.
    index : PeriodIndex (T,)
    indicators : sequence of Indicator (N,)
    lags : int
        Periods looked back.
    centre, spread, sign : ndarray (N,)
        From the training part.

    Returns
    -------
    Tokens

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> index = pd.period_range("2000-01", periods=4, freq="M")
    >>> x = np.array([[1.], [2.], [3.], [4.]])
    >>> late = [Indicator("claims", "claims", sign=1, delay=1)]
    >>> tokenise(x, index, late, 2, np.zeros(1), np.ones(1), np.ones(1)).surprise[3, 0].tolist()
    [nan, 3.0, 2.0]
    """
    z = sign * (raw - centre) / spread
    t, n = z.shape
    surprise = np.full((t, n, lags + 1), np.nan)
    for i, indicator in enumerate(indicators):
        for lag in range(indicator.delay, min(lags, t - 1) + 1):
            surprise[lag:, i, lag] = z[: t - lag, i]
    return Tokens(surprise, raw, index, tuple(indicators))


def with_events(panel: Panel, events: pd.DataFrame) -> tuple[Panel, list[Indicator]]:
    """A panel with one more series for each kind of event (sizes summed within a period, else 0).

    Raises
    ------
    InputError
        If an event lies outside the panel, or a kind happens fewer than three times.
    """
    values = panel.values.copy()
    period = pd.PeriodIndex(events["period"]).asfreq(values.index.freqstr[0])
    outside = ~period.isin(values.index)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise InputError(f"{int(outside.sum())} events lie outside the panel ({panel.span}), the first "
                         f"'{events['event'].iloc[first]}' in {events['period'].iloc[first]}",
                         path=panel.source or None, remedy="remove them, or give a longer panel")
    made = []
    for kind, part in events.groupby("event", sort=True):
        if len(part) < 3:
            raise InputError(f"the event '{kind}' happens {len(part)} times; at least 3 are needed to learn "
                             "what follows it", remedy="put rare events under one name, or leave them out")
        if kind in values:
            raise InputError(f"'{kind}' is both a series and an event", remedy="rename the event")
        total = part["size"].groupby(period[part.index]).sum()
        values[kind] = total.reindex(values.index).fillna(0.0)
        made.append(Indicator(str(kind), str(kind), 1, 0, 0))
    return replace(panel, values=values), made
