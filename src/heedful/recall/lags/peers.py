"""The field's plain baseline, always at hand: the linear Granger test of one lag given all others (VAR)."""

from __future__ import annotations

import numpy as np
from scipy import special


def granger_f(values: np.ndarray, max_lag: int) -> np.ndarray:
    """p-values (N, N, max_lag + 1) of each coefficient of a vector autoregression (t-test squared).

    Parameters
    ----------
    values : array (T, N)
        Rows with a missing value in any token are left out.
    max_lag : int

    Source: Granger (1969); ordinary least squares for each target on all series at all lags.

    Examples
    --------
    >>> from heedful.recall.lags import planted
    >>> data = planted("linear", seed=0)
    >>> bool(granger_f(data.values, 5)[data.truth(5)].max() < .01)
    True
    """
    T, N = values.shape
    L = max_lag
    X = np.concatenate([values[L - lag : T - lag] for lag in range(1, L + 1)], axis=1)  # lag-major
    keep = ~(np.isnan(X).any(1) | np.isnan(values[L:]).any(1))
    X = np.column_stack([np.ones(keep.sum()), X[keep]])
    Y = values[L:][keep]
    inverse = np.linalg.pinv(X.T @ X)
    beta = inverse @ X.T @ Y
    df = len(X) - X.shape[1]
    s2 = ((Y - X @ beta) ** 2).sum(0) / df
    F = beta[1:] ** 2 / (np.diag(inverse)[1:, None] * s2)
    p = np.ones((N, N, L + 1))
    p[:, :, 1:] = special.fdtrc(1, df, F).reshape(L, N, N).transpose(1, 2, 0)
    return p
