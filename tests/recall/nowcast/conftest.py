"""A panel whose recessions (the NBER's) are caused by what the test planted."""

import numpy as np
import pandas as pd
import pytest

from heedful.files.panel import Panel
from heedful.recall.nowcast.labels import Chronology


def make_panel(seed=0, start="1959-01", end="2010-12", freq="M"):
    rng = np.random.default_rng(seed)
    index = pd.period_range(start, end, freq=freq)
    y = Chronology.nber().truth(index)
    n = len(index)
    values = pd.DataFrame({
        "CLAIMSx": 300 * np.exp(np.cumsum(0.02 * rng.normal(size=n) + 0.05 * y - 0.05 * y.mean())),
        "PAYEMS": 60000 * np.exp(np.cumsum(0.002 + 0.002 * rng.normal(size=n) - 0.008 * y)),
        "T10YFFM": 1.5 + rng.normal(size=n) - 0.3 * np.roll(y, 6),
        "UMCSENTx": 90 + np.cumsum(rng.normal(size=n) - 0.8 * y + 0.8 * y.mean()),
    }, index)
    return Panel(values, {}, "planted")


@pytest.fixture(scope="session")
def panel():
    return make_panel()
