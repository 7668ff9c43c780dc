"""When there was a recession, and when anybody could know: the NBER's months and announcements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import InputError
from ...files.dates import rows_named
from ...files.panel import Panel

# NBER Business Cycle Dating Committee, "US Business Cycle Expansions and Contractions" and the
# committee's announcements (nber.org/research/business-cycle-dating): facts. Peak, trough, and the days
# on which they were announced; before 1980 there was no committee that announced.
NBER = (
    ("1957-08", "1958-04", "", ""),
    ("1960-04", "1961-02", "", ""),
    ("1969-12", "1970-11", "", ""),
    ("1973-11", "1975-03", "", ""),
    ("1980-01", "1980-07", "1980-06-03", "1981-07-08"),
    ("1981-07", "1982-11", "1982-01-06", "1983-07-08"),
    ("1990-07", "1991-03", "1991-04-25", "1992-12-22"),
    ("2001-03", "2001-11", "2001-11-26", "2003-07-17"),
    ("2007-12", "2009-06", "2008-12-01", "2010-09-20"),
    ("2020-02", "2020-04", "2020-06-08", "2021-07-19"),
)
LAG = 12  # months: how long an unannounced turning point stays possible, and the lag before 1980


def _month(text: str) -> int:
    return pd.Period(text[:7], "M").ordinal


@dataclass(frozen=True)
class Chronology:
    """Recessions: peaks, troughs, and the months in which each became known.

    Attributes
    ----------
    peak, trough, peak_known, trough_known : tuple of int
        Months as ordinals (pandas' monthly Period). The recession runs from the month after the
        peak through the trough.
    lag : int
        Months after which a month is taken as an expansion if no peak has been announced.
    source : str
    """

    peak: tuple[int, ...]
    trough: tuple[int, ...]
    peak_known: tuple[int, ...]
    trough_known: tuple[int, ...]
    lag: int = LAG
    source: str = "NBER"

    @classmethod
    def nber(cls, lag: int = LAG) -> Chronology:
        """The NBER's chronology since 1957; turning points before 1980 are known `lag` months later."""
        return cls._of(NBER, lag, "NBER")

    @classmethod
    def read(cls, path: str | Path, lag: int = LAG) -> Chronology:
        """From a table ``peak,trough[,peak_announced,trough_announced]`` in order of time.

        Raises
        ------
        InputError
            With the row, where a date is missing, no date, or out of order.
        """
        from ...files.limits import read_text

        lines = [line.split(",") for line in read_text(path).splitlines() if line.strip()]
        header = [cell.strip().lower() for cell in lines[0]]
        if header[:2] != ["peak", "trough"]:
            raise InputError(f"the columns are {', '.join(header)}; peak, trough (and peak_announced, "
                             "trough_announced) were expected", path=path)
        rows = []
        for number, cells in enumerate(lines[1:], 2):
            cells = [*(cell.strip() for cell in cells), "", ""][:4]
            try:
                months = [_month(cell) for cell in cells[:2]] + [_month(c) for c in cells[2:] if c]
            except ValueError:
                raise InputError(f"'{','.join(cells)}' are no dates", path=path, where=f"row {number}",
                                 remedy="write YYYY-MM or YYYY-MM-DD") from None
            before = _month(rows[-1][1]) if rows else -(10**6)
            if not before < months[0] < months[1]:
                raise InputError("peak and trough are not in order of time", path=path,
                                 where=rows_named([number]), remedy="sort the rows; a peak comes first")
            rows.append(tuple(cells))
        return cls._of(rows, lag, Path(path).name)

    @classmethod
    def _of(cls, rows, lag: int, source: str) -> Chronology:
        peak, trough = [_month(r[0]) for r in rows], [_month(r[1]) for r in rows]
        known = [[_month(r[2 + i]) if r[2 + i] else _month(r[i]) + lag for r in rows] for i in (0, 1)]
        return cls(tuple(peak), tuple(trough), tuple(known[0]), tuple(known[1]), lag, source)

    def truth(self, index: pd.PeriodIndex) -> np.ndarray:
        """1 in recession, else 0 (T,); a quarter is in recession when two of its months are."""
        months = _months_of(index)
        hit = np.zeros(months.shape, bool)
        for peak, trough in zip(self.peak, self.trough, strict=True):
            hit |= (months > peak) & (months <= trough)
        return (hit.mean(1) > 0.5).astype(float)

    def known(self, index: pd.PeriodIndex, origin: pd.Period) -> np.ndarray:
        """What could be known at the end of `origin` (T,): 1 recession, 0 expansion, NaN not yet known.

        After an announced peak the first month of recession is known and nothing later, until the
        trough is announced; otherwise a month counts as expansion once `lag` months have passed
        without a peak being announced.
        """
        months = _months_of(index)
        now = origin.asfreq("M", how="end").ordinal
        state = np.full(months.shape, np.nan)
        state[months <= now - self.lag] = 0.0
        for peak, trough, peak_known, trough_known in zip(
                self.peak, self.trough, self.peak_known, self.trough_known, strict=True):
            if peak_known <= now:
                state[(months <= peak) & np.isnan(state)] = 0.0
                state[months > peak] = np.nan
                state[months == peak + 1] = 1.0
            if trough_known <= now:
                state[(months > peak) & (months <= trough)] = 1.0
                state[(months > trough) & (months <= max(now - self.lag, trough + 1))] = 0.0
        state[months > now] = np.nan
        ones, zeros = (state == 1.0).mean(1), (state == 0.0).mean(1)
        return np.where(ones > 0.5, 1.0, np.where(zeros > 0.5, 0.0, np.nan))

    def spans(self, index: pd.PeriodIndex) -> list[tuple[str, str, str]]:
        """Recessions within a panel as (first day, last day, "recession") for a timeline."""
        low, high = _months_of(index)[0, 0], _months_of(index)[-1, -1]
        out = []
        for peak, trough in zip(self.peak, self.trough, strict=True):
            if trough > low and peak < high:
                start, end = pd.Period(ordinal=peak + 1, freq="M"), pd.Period(ordinal=trough, freq="M")
                out.append((str(start.start_time.date()), str(end.end_time.date()), "recession"))
        return out

    def check(self, panel: Panel, needed: int = 3) -> None:
        """An InputError where the panel covers fewer than three recessions: there is nothing to learn."""
        y = self.truth(panel.values.index)
        starts = int(((y[1:] == 1) & (y[:-1] == 0)).sum())
        if starts < needed:
            raise InputError(
                f"the panel runs {panel.span} and holds the start of {starts} recession"
                f"{'' if starts == 1 else 's'} ({self.source}); at least {needed} are needed to learn from "
                "some and be tested on another",
                path=panel.source or None, remedy="give a longer panel, or your own dates with --recessions")


def as_period(when: str | pd.Period, panel: Panel) -> pd.Period:
    """A month or quarter as the panel counts them; an InputError if it is none."""
    try:
        return pd.Period(when, panel.values.index.freqstr[0])
    except ValueError:
        raise InputError(f"'{when}' is no period", remedy="write it as 2008-03 or 2008Q1") from None


def _months_of(index: pd.PeriodIndex) -> np.ndarray:
    """The months (T, 1 or 3) of each period."""
    if index.freqstr.startswith("Q"):
        first = index.asfreq("M", how="start").astype("int64").to_numpy()
        return first[:, None] + np.arange(3)
    return index.astype("int64").to_numpy()[:, None]
