"""The study on the real US panel that ships inside statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...errors import MissingExtra
from ...files.panel import Panel
from ...reading.story import Story


def macrodata() -> Panel:
    """The quarterly US panel of statsmodels, 1959-2009 (``statsmodels.datasets.macrodata``).

    Returns
    -------
    Panel
        203 quarters of real GDP, consumption, investment, federal spending, disposable income, M1, the
        Treasury bill rate, unemployment, inflation and the real interest rate.

    Source
    ------
    Compiled by Skipper Seabold from FRED and the BEA; public domain.
    """
    try:
        from statsmodels.datasets import macrodata as source
    except ImportError:
        raise MissingExtra("statsmodels", "studies") from None
    frame = source.load_pandas().data
    ordinals = ((frame["year"] - 1970) * 4 + frame["quarter"] - 1).astype(int).to_numpy()
    values = frame.drop(columns=["year", "quarter", "cpi", "pop"]).astype(float)
    # the file's first quarter holds a placeholder 0 for what needs the quarter before
    values.loc[0, ["infl", "realint"]] = np.nan
    values.index = pd.PeriodIndex.from_ordinals(ordinals, freq="Q")
    return Panel(values, {}, "statsmodels macrodata")


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Nowcast the US recessions of 1977-2009 from ten quarterly series.

    Parameters
    ----------
    seed : int
        Of the bootstrap and of the trust tests; the nowcast itself draws nothing.
    quick : bool
        False adds the tests that refit.

    Returns
    -------
    Story
    """
    from .telling import tell

    return tell(macrodata(), trust="quick" if quick else "full", seed=seed, period="2008Q4",
                beside_plain=True)
