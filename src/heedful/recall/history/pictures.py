"""Pictures of histories with forgetting, as data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...reading import pictures as pic
from .model import History
from .reading import timeline
from .tokens import Histories


def patient(model: History, H: Histories, row: int) -> list:
    """The timeline of one prediction: its largest contributions as bars and as events in time."""
    table = timeline(model, H, row=row)
    top = table.reindex(table["contribution"].abs().sort_values(ascending=False).index).head(12)
    names = [
        f"{r.code}{'' if np.isnan(r.value) else f' {r.value:.3g}'}, {r.age:.0f} d ago"
        for r in top.itertuples()
    ]
    risk = float(model._risk(np.array([table.attrs["linear_predictor"]]))[0])
    who = table.attrs["subject"]
    table = table.sort_values("time", kind="stable")
    running = table["contribution"].cumsum().to_numpy() + table.attrs["rest"]
    return [
        pic.Bars(
            f"Subject {who} at {table.attrs['at']}: what moved the risk to {risk:.2f}",
            names,
            top["contribution"].to_numpy(),
            weights=top["weight"].to_numpy(),
            unit="log hazard ratio",
            caption="Exact terms of the sum, largest first, with the attention weight of each event within "
            f"its head. Covariates and intercept give {table.attrs['rest']:+.2f}.",
        ),
        pic.Timeline(
            f"Subject {who}: the history as it was read",
            _clock(table["time"], H.dated),
            {"running sum of contributions": running},
            y_label="log hazard ratio",
            events=[
                (t, str(r.code), float(r.contribution), float(r.weight))
                for t, r in zip(_clock(top["time"], H.dated).tolist(), top.itertuples(), strict=True)
            ],
            caption="Every event before the prediction time and none after it.",
        ),
    ]


def _clock(days: pd.Series, dated: bool) -> np.ndarray:
    """Days as they are, or as ISO dates where they count from 1970."""
    if not dated:
        return days.to_numpy(dtype=float)
    return pd.to_datetime(days, unit="D").dt.strftime("%Y-%m-%dT%H:%M:%S").to_numpy(dtype=str)


def half_lives(model: History) -> pic.Bars:
    """Half-lives in days with 95 % intervals, those that the data tell."""
    table = model.half_lives_[model.half_lives_["told"]].sort_values("half_life")
    return pic.Bars(
        "How long each code is remembered",
        [f"{r.code} ({r.readout}): {r.half_life:.0f} d" for r in table.itertuples()],
        np.log10(table["half_life"].to_numpy()),
        low=np.log10(table["low"].to_numpy()),
        high=np.log10(table["high"].to_numpy()),
        signed=False,
        unit="log10 days",
        caption="Half-life and 95 % interval. Codes whose interval spans more than a factor of 1000 are left "
        "out: the data do not tell how long they are remembered.",
    )


def calibration(p: np.ndarray, case: np.ndarray, weight: np.ndarray) -> pic.Curves:
    """Predicted against observed (IPCW) risk by tenths of the predicted risk."""
    bins = np.nan_to_num(pd.qcut(p, 10, labels=False, duplicates="drop"))  # all alike: one bin
    told = [k for k in np.unique(bins) if weight[bins == k].sum() > 0]
    mean = np.array([p[bins == k].mean() for k in told])
    seen = np.array([(weight * case)[bins == k].sum() / weight[bins == k].sum() for k in told])
    return pic.Curves(
        "Predicted and observed risk",
        mean,
        {"observed": seen, "if perfect": mean},
        x_label="predicted risk, out of fold",
        y_label="observed risk (IPCW)",
        caption="Tenths of the predictions; censored patients are weighted for, not dropped.",
    )
