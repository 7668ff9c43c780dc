"""What the field would run on the same panel, the same split and the same knowledge of labels."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit, ndtr

from ...learn import lbfgs
from .logit import ridge_logit
from .tokens import Tokens


def logit(tokens: Tokens, y: np.ndarray, *, newest: int = 3, ridge: float = 10.0) -> np.ndarray:
    """Ridge logit on the mean of each indicator's newest published values; probabilities (T,).

    Of the variants tried on 1968-1995 (newest value; mean of 3; of 6; two means of 3; four lags; ridge
    1 to 30) this one scored best, so it is the baseline.

    Parameters
    ----------
    tokens : Tokens
    y : ndarray, shape (T,)
        1, 0, NaN not known: rows learned from are those that are known.
    newest : int
        How many values are averaged.
    ridge : float
    """
    columns = []
    for n, indicator in enumerate(tokens.indicators):
        part = tokens.surprise[:, n, indicator.delay : indicator.delay + newest]
        there = ~np.isnan(part)
        columns.append(np.where(there, part, 0.0).sum(1) / np.maximum(there.sum(1), 1))
    x = np.stack(columns, 1)
    known = ~np.isnan(y)
    mean, spread = x[known].mean(0), x[known].std(0) + 1e-9
    coef, intercept = ridge_logit((x[known] - mean) / spread, y[known], ridge, nonnegative=False)
    return expit((x - mean) / spread @ coef + intercept)


def probit(spread: np.ndarray, y: np.ndarray, *, ahead: int = 12) -> np.ndarray:
    """Probit on the term spread `ahead` periods before; probabilities (T,), NaN where that is missing.

    Source
    ------
    Estrella & Mishkin 1998, "Predicting U.S. recessions: financial variables as leading indicators".
    """
    x = np.full(len(spread), np.nan)
    x[ahead:] = spread[: len(spread) - ahead]
    use = ~np.isnan(y) & ~np.isnan(x)
    a, b = torch.from_numpy(x[use]), torch.from_numpy(2 * y[use] - 1)
    found = lbfgs(lambda p: -torch.special.log_ndtr(b * (p["w"][0] + p["w"][1] * a)).sum(),
                  {"w": np.zeros(2)}, tol=1e-6).params["w"]
    return ndtr(found[0] + found[1] * x)
