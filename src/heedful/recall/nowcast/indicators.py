"""What is known about each series before any data: its words, its direction, its delay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ...errors import InputError
from ...files.panel import Panel


@dataclass(frozen=True)
class Indicator:
    """One series as the nowcast uses it.

    Parameters
    ----------
    name : str
        The column of the panel.
    words : str
        How an economist calls it.
    transform : int
        FRED-MD's code: 1 level, 2 difference, 3 second difference, 4 log, 5 log difference (per cent),
        6 second log difference, 7 difference of the growth rate.
    sign : int
        +1 where a rise speaks for recession, -1 where a fall does, 0 where the data shall say.
    delay : int
        Publication lag in rows of the panel: 0 where the value of a period is known at its end.
    minus : str
        A second column that is subtracted first, for spreads.
    """

    name: str
    words: str
    transform: int = 1
    sign: int = 0
    delay: int = 1
    minus: str = ""

    @property
    def key(self) -> str:
        """Its short name: the columns it is made of."""
        return f"{self.name}-{self.minus}" if self.minus else self.name


# Signs are textbook (a fall in permits speaks for recession). Delays are the ragged edge of a FRED-MD
# vintage as it was published: at the end of a month most series end the month before, CMRMTSPLx two months
# before (HWI one month before in the vintage of 2023-12, two in that of 2022-12: --delay HWI=2 is stricter);
# rates, prices on markets, claims and the survey of consumers are known at once.
_FRED_MD = (
    Indicator("T10YFFM", "the term spread (10 years less federal funds)", 1, -1, 0),
    Indicator("BAA", "the credit spread (Baa less Aaa)", 1, +1, 0, "AAA"),
    Indicator("S&P 500", "share prices", 5, -1, 0),
    Indicator("PERMIT", "housing permits", 5, -1, 1),
    Indicator("CLAIMSx", "initial jobless claims", 5, +1, 0),
    Indicator("PAYEMS", "payroll employment", 5, -1, 1),
    Indicator("UNRATE", "the unemployment rate", 2, +1, 1),
    Indicator("INDPRO", "industrial production", 5, -1, 1),
    Indicator("W875RX1", "real income less transfers", 5, -1, 1),
    Indicator("CMRMTSPLx", "real manufacturing and trade sales", 5, -1, 2),
    Indicator("UMCSENTx", "consumer sentiment", 2, -1, 0),
    Indicator("AWHMAN", "factory hours", 2, -1, 1),
    Indicator("AMDMNOx", "orders for durable goods", 5, -1, 1),
    Indicator("FEDFUNDS", "the federal funds rate", 2, +1, 0),
    Indicator("OILPRICEx", "the oil price", 5, +1, 0),
    Indicator("HWI", "the help-wanted index", 5, -1, 1),
    Indicator("CUMFNS", "capacity utilisation", 2, -1, 1),
)
# statsmodels' macrodata, quarterly: national accounts, prices and money of a quarter are published in
# the next one; the bill rate is known at once, and two of the three monthly unemployment rates are.
_MACRODATA = (
    Indicator("realgdp", "real GDP", 5, -1, 1),
    Indicator("realcons", "real consumption", 5, -1, 1),
    Indicator("realinv", "real investment", 5, -1, 1),
    Indicator("realgovt", "real federal spending", 5, 0, 1),
    Indicator("realdpi", "real disposable income", 5, -1, 1),
    Indicator("m1", "money (M1)", 5, -1, 1),
    Indicator("tbilrate", "the Treasury bill rate", 2, 0, 0),
    Indicator("unemp", "the unemployment rate", 2, +1, 0),
    Indicator("infl", "inflation", 1, +1, 1),
    Indicator("realint", "the real interest rate", 1, +1, 1),
)
MOST_DELAY = 24  # rows; what was not seen for longer is told
KNOWN = {indicator.name: indicator for indicator in (*_FRED_MD, *_MACRODATA)}
_SPREADS = ("T10YFFM", "T10Y3M", "T10Y2Y", "term_spread", "spread")


def choose(
    panel: Panel, names: list[str] | None = None, delays: Mapping[str, int] | None = None
) -> tuple[list[Indicator], list[str]]:
    """The indicators of a panel, and notes on what had to be assumed.

    Parameters
    ----------
    panel : Panel
    names : list of str, optional
        Columns to use; default: those that are known, or all where fewer than three are.
    delays : mapping of str to int, optional
        Publication lags in rows, over the known ones.

    Returns
    -------
    indicators : list of Indicator
    notes : list of str

    Raises
    ------
    InputError
        If a name is no column, or there are more than 60.
    """
    columns = list(panel.values)
    for name in [*(names or []), *(delays or {})]:
        if name not in columns:
            raise InputError(f"'{name}' is no column of the panel", path=panel.source or None,
                             remedy=f"it has {', '.join(columns[:6])}{', ...' if len(columns) > 6 else ''}")
    known = [name for name in columns if name in KNOWN and KNOWN[name].minus in ("", *columns)]
    if names is None:
        names = known if len(known) >= 3 else columns
    if len(names) > 60:
        raise InputError(f"{len(names)} series; at most 60 are read at once",
                         remedy="name the ones you want with --indicators")
    chosen, guessed, unsigned, late = [], [], [], []
    for name in names:
        if name in known:
            indicator = KNOWN[name]
        else:
            code = panel.transforms.get(name, 0)
            if not code:
                code = _guess(panel.values[name])
                guessed.append(f"{name} {_CODES[code]}")
            indicator = Indicator(name, name, code)
            late.append(name)
        if delays and name in delays:
            if not 0 <= int(delays[name]) <= MOST_DELAY:
                raise InputError(f"a publication lag of {delays[name]} rows for {name}",
                                 remedy=f"0 to {MOST_DELAY} rows are understood")
            indicator = replace(indicator, delay=int(delays[name]))
            late = [other for other in late if other != name]
        if indicator.sign == 0:
            unsigned.append(name)
        chosen.append(indicator)
    notes = []
    if len(names) < len(columns):
        notes.append(f"{len(names)} of {len(columns)} series are used")
    if guessed:
        notes.append("how they are transformed was chosen from the data: " + ", ".join(guessed))
    if unsigned:
        notes.append("whether a rise speaks for or against recession was taken from the past alone, at each "
                     "refit, for " + ", ".join(unsigned))
    if late:
        notes.append("a publication lag of one period was assumed for " + ", ".join(late))
    index, stale = panel.values.index, []
    for name in names:
        end = panel.values[name].last_valid_index()
        rows = 0 if end is None else len(index) - 1 - index.get_loc(end)
        if rows > MOST_DELAY:
            stale.append(f"{name} ends in {end}, {rows} rows before the panel")
    if stale:
        notes.append("not observed lately: " + ", ".join(stale))
    return chosen, notes


_CODES = {1: "as it is", 2: "as difference", 5: "as growth rate"}


def _guess(series: pd.Series) -> int:
    """Level where it returns to its mean, else difference; growth rate where it is positive and trends."""
    x = series.dropna().to_numpy()
    if len(x) < 8 or np.std(x) == 0:
        return 1
    d = x - x.mean()
    persistence = float(d[1:] @ d[:-1] / (d @ d))
    if persistence < 0.95:
        return 1
    return 5 if x.min() > 0 else 2


def transformed(panel: Panel, indicator: Indicator) -> np.ndarray:
    """The series (T,) as it is read: transformed, not yet standardised; growth rates in per cent.

    Raises
    ------
    InputError
        If a logarithm meets a number that is not positive.
    """
    x = panel.values[indicator.name].astype(float)
    if indicator.minus:
        x = x - panel.values[indicator.minus]
    code = indicator.transform
    if code in (4, 5, 6):
        bad = x.index[(x <= 0).to_numpy()]
        if len(bad):
            raise InputError(f"{x[bad[0]]:g} in {bad[0]}, whose logarithm is asked for (transform {code})",
                             path=panel.source or None, where=f"column '{indicator.name}'",
                             remedy="give code 1 or 2 in a Transform row, or remove the number")
        x = 100 * np.log(x)
    if code == 7:
        x = x.pct_change(fill_method=None)
    for _ in range({1: 0, 4: 0, 2: 1, 5: 1, 3: 2, 6: 2, 7: 1}[code]):
        x = x.diff()
    return x.to_numpy()


def term_spread(panel: Panel) -> tuple[np.ndarray, str] | None:
    """The term spread (T,) and its name, where the panel has one: the probit's only regressor."""
    for name in _SPREADS:
        if name in panel.values:
            return panel.values[name].to_numpy(float), name
    for long in ("GS10", "DGS10"):
        for short in ("TB3MS", "FEDFUNDS"):
            if long in panel.values and short in panel.values:
                return (panel.values[long] - panel.values[short]).to_numpy(float), f"{long} less {short}"
    return None
