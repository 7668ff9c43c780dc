"""What the field uses today: Cox regression on last values, and boosted trees on windows of the history."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from ...errors import MissingExtra
from .design import Design, learn_scaling
from .survival import CoxLoss, LogisticLoss, ipcw
from .tokens import Histories

WINDOWS = (30.0, 180.0, 365.0, 1095.0, np.inf)


def cox_last(train: Histories, held: Histories, horizon: float | None) -> np.ndarray:
    """Risk (n,) from Cox (or logistic) regression on last values, covariates, and counts of bare codes.

    The columns are the fixed ones of `History` (skewed laboratory values on the log scale) and, for codes
    without numbers, whether and how often (log) they came. The ridge is small; bench/history.py checks the
    coefficients against lifelines.
    """
    X, Z = last_table(train, held)
    cox = train.duration is not None
    loss = CoxLoss(train.duration, train.died, horizon) if cox else LogisticLoss(train.outcome)

    def value(theta):
        cost, r = loss(theta[0] + X @ theta[1:])
        return cost + 0.5e-3 * theta[1:] @ theta[1:], np.concatenate(
            [[0.0 if cox else r.sum()], r @ X + 1e-3 * theta[1:]]
        )

    theta = optimize.minimize(
        value, np.zeros(1 + X.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-11}
    ).x
    if not cox:
        return 1 / (1 + np.exp(-(theta[0] + Z @ theta[1:])))
    return -np.expm1(-loss.baseline(X @ theta[1:], horizon) * np.exp(np.minimum(Z @ theta[1:], 500)))


def last_table(train: Histories, held: Histories) -> tuple[np.ndarray, np.ndarray]:
    """The columns of `cox_last` for both, standardised by the former."""
    s = learn_scaling(train, counts=False)
    out = []
    for H in (train, held):
        design = Design(H, s)
        count = design.sums.sums(np.full(len(s.counted), 50.0))[0]  # a half-life of e^50 days: a count
        out.append(np.column_stack([design.fixed, count > 0, np.log1p(count)]))
    mean, sd = out[0].mean(0), out[0].std(0)
    keep = sd > 1e-9
    return (out[0][:, keep] - mean[keep]) / sd[keep], (out[1][:, keep] - mean[keep]) / sd[keep]


def window_table(H: Histories) -> np.ndarray:
    """Columns for boosted trees: static; by code last, days since; by window count, mean, min, max."""
    n, C = len(H), len(H.codes)
    cell = H.row * C + H.code
    columns = [H.static]
    number = ~np.isnan(H.value)
    youngest = np.full(n * C, np.nan)
    last = np.full(n * C, np.nan)
    order = np.argsort(-H.dt, kind="stable")
    youngest[cell[order]] = H.dt[order]
    keep = order[number[order]]
    last[cell[keep]] = H.value[keep]
    columns += [last.reshape(n, C), youngest.reshape(n, C)]
    for span in WINDOWS:
        inside = H.dt <= span
        columns.append(np.bincount(cell[inside], minlength=n * C).reshape(n, C).astype(float))
        use = inside & number
        count = np.bincount(cell[use], minlength=n * C)
        total = np.bincount(cell[use], H.value[use], minlength=n * C)
        columns.append(np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(n, C))
        for best, start in ((np.minimum, np.inf), (np.maximum, -np.inf)):
            edge = np.full(n * C, start)
            best.at(edge, cell[use], H.value[use])
            columns.append(np.where(np.isfinite(edge), edge, np.nan).reshape(n, C))
    table = np.concatenate(columns, axis=1)
    return table


def lightgbm_windows(
    train: Histories, held: Histories, horizon: float | None, groups=None, *, seed: int = 0
) -> np.ndarray:
    """Risk (n,) from LightGBM on windows of the history; IPCW, rounds chosen within the training data.

    Raises
    ------
    MissingExtra
        Where lightgbm is not installed.
    """
    try:
        import lightgbm
    except ImportError:
        raise MissingExtra("lightgbm", "studies") from None
    from .model import group_folds

    if train.duration is not None:
        y, weight = ipcw(train.duration, train.died, horizon)
    else:
        y, weight = train.outcome, np.ones(len(train))
    X, Z = window_table(train), window_table(held)
    use = weight > 0
    fold = group_folds(train.subject if groups is None else groups, 4, seed)
    options = {
        "objective": "binary", "learning_rate": 0.03, "num_leaves": 15, "min_data_in_leaf": 20,
        "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0, "seed": seed,
        "verbose": -1, "num_threads": 1,
    }  # fmt: skip
    a, b = use & (fold != 0), use & (fold == 0)
    inner = lightgbm.train(
        options, lightgbm.Dataset(X[a], y[a], weight=weight[a]), 2000,
        valid_sets=[lightgbm.Dataset(X[b], y[b], weight=weight[b])],
        callbacks=[lightgbm.early_stopping(100, verbose=False)],
    )  # fmt: skip
    rounds = max(20, int((inner.best_iteration or 200) * 1.1))
    return lightgbm.train(options, lightgbm.Dataset(X[use], y[use], weight=weight[use]), rounds).predict(Z)
