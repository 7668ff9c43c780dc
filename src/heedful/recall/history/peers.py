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
    """Risk (n,) from Cox (or logistic) regression on last values, flags and covariates; no history.

    The columns are the fixed ones of `History` (skewed laboratory values on the log scale), the ridge is
    small; bench/history.py checks the coefficients against lifelines.
    """
    s = learn_scaling(train, counts=False)
    X, Z = Design(train, s).fixed, Design(held, s).fixed
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


def window_table(H: Histories) -> np.ndarray:
    """Columns for boosted trees: static; by code last value, days since, and by window count, mean, min, max."""
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
    """Risk (n,) from LightGBM on windows of the history, IPCW-weighted, rounds chosen within the training data.

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
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_child_samples": 20,
        "colsample_bytree": 0.5,
        "subsample": 0.8,
        "subsample_freq": 1,
        "reg_lambda": 1.0,
        "random_state": seed,
        "verbose": -1,
        "n_jobs": 1,
    }
    inner = lightgbm.LGBMClassifier(n_estimators=2000, **options)
    a, b = use & (fold != 0), use & (fold == 0)
    inner.fit(
        X[a],
        y[a],
        sample_weight=weight[a],
        eval_set=[(X[b], y[b])],
        eval_sample_weight=[weight[b]],
        callbacks=[lightgbm.early_stopping(100, verbose=False)],
    )
    rounds = max(20, int((inner.best_iteration_ or 200) * 1.1))
    model = lightgbm.LGBMClassifier(n_estimators=rounds, **options)
    model.fit(X[use], y[use], sample_weight=weight[use])
    return model.predict_proba(Z)[:, 1]
