"""Patients with planted half-lives, 7 days to 1000: outcomes by a forgetting sum, or by forgetting means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from .survival import auroc

HALF_LIVES = (7.0, 30.0, 90.0, 180.0, 365.0, 1000.0)
SPAN = 1095.0


class Generated(NamedTuple):
    """A generated cohort: event table, labels, planted half-lives, the true probability of each label."""

    events: pd.DataFrame
    labels: pd.DataFrame
    half_lives: dict[str, float]
    truth: np.ndarray

    def oracle(self) -> float:
        """AUROC of the true probabilities."""
        return auroc(self.truth, self.labels["boolean_value"].to_numpy(dtype=float))


def generated(kind: str = "sum", *, n: int = 4000, seed: int = 0, frailty: bool = False) -> Generated:
    """n patients with three years of history and six codes, each with its own half-life.

    Parameters
    ----------
    kind : {"sum", "mean"}
        "sum": each event adds w 2^(-age / h) to the log odds, so three admissions are worse than one.
        "mean": codes are laboratory values; the log odds follow their forgetting means.
    n, seed : int
    frailty : bool
        Some patients have more events of a code than others (gamma, variance .5), which makes sums over any
        half-life resemble one another.

    Examples
    --------
    >>> data = generated("mean", n=50)
    >>> sorted(data.half_lives.values())[0]
    7.0
    """
    rng = np.random.default_rng([seed, n, len(kind)])
    codes = [f"C{int(h)}" for h in HALF_LIVES]
    rows = []
    eta = np.zeros((n, len(codes)))
    for c, (code, h) in enumerate(zip(codes, HALF_LIVES, strict=True)):
        if kind == "sum":
            # rates such that the forgetting sum is about one event for every half-life
            rate = (rng.gamma(2.0, 0.5, n) if frailty else np.ones(n)) * max(1.0, SPAN * np.log(2) / h)
        else:
            rate = np.full(n, max(8.0, 500.0 / h))
        count = rng.poisson(rate)
        who = np.repeat(np.arange(n), count)
        age = rng.uniform(0.0, SPAN, len(who))
        w = 2.0 ** (-age / h)
        if kind == "sum":
            value = np.full(len(who), np.nan)
            part = np.bincount(who, w, minlength=n)
        else:
            level = rng.normal(size=n)
            value = level[who] * 0.5 + rng.normal(size=len(who))
            total = np.bincount(who, w, minlength=n)
            part = np.where(
                total > 0, np.bincount(who, w * value, minlength=n) / np.where(total > 0, total, 1), 0.0
            )
        eta[:, c] = (part - part.mean()) / part.std()
        rows.append(
            pd.DataFrame({"subject_id": who, "time": SPAN - age, "code": code, "numeric_value": value})
        )
    weight = np.array([1.0, -0.7, 0.8, 0.6, -0.6, 0.7]) * (0.87 if kind == "sum" else 2.2)
    logit = eta @ weight - 1.0
    p = 1 / (1 + np.exp(-logit))
    labels = pd.DataFrame(
        {"subject_id": np.arange(n), "prediction_time": SPAN, "boolean_value": rng.random(n) < p}
    )
    return Generated(pd.concat(rows, ignore_index=True), labels, dict(zip(codes, HALF_LIVES, strict=True)), p)
