"""The sparse expert: logistic LASSO on standardised columns of all sources, held out fold by fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ridge import calibrate

STRENGTHS = np.logspace(-2.0, 0.25, 6)


@dataclass
class Sparse:
    """mean, spread, coef (p,) and intercept; then Platt's calibration."""

    mean: np.ndarray
    spread: np.ndarray
    coef: np.ndarray
    intercept: float
    slope: float
    offset: float

    def standard(self, x: np.ndarray) -> np.ndarray:
        """Standardised columns, missing cells 0, none beyond 6 standard deviations."""
        return np.clip(np.nan_to_num((x - self.mean) / self.spread), -6.0, 6.0)

    def terms(self, x: np.ndarray) -> np.ndarray:
        """What each column adds to the log-odds (n, p)."""
        return self.slope * self.standard(x) * self.coef

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        return self.slope * (self.standard(x) @ self.coef + self.intercept) + self.offset


def fit_sparse(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> tuple[Sparse, np.ndarray]:
    """An expert from raw columns (n, p), NaN allowed, and its held-out log-odds (n,).

    The strength is chosen by held-out log loss over five folds.
    """
    from sklearn.linear_model import LogisticRegression

    live = np.isfinite(x).any(0)
    mean = np.where(live, np.nanmean(np.where(live, x, 0.0), axis=0), 0.0)
    spread = np.nanstd(np.where(live, x, 0.0), axis=0)
    made = Sparse(
        mean,
        np.where(spread > 1e-12 * np.maximum(np.abs(mean), 1e-300), spread, np.inf),
        np.zeros(x.shape[1]),
        0.0,
        1.0,
        0.0,
    )
    s = made.standard(x)
    def fit(c: float, rows: np.ndarray):
        lasso = LogisticRegression(
            C=c, solver="liblinear", l1_ratio=1.0, tol=1e-3, random_state=0, max_iter=100
        )
        return lasso.fit(s[rows], y[rows])

    part = folds % 5 if len(np.unique(folds)) > 5 else folds
    scores = np.zeros((len(STRENGTHS), len(y)))
    for f in np.unique(part):
        for i, c in enumerate(STRENGTHS):
            scores[i, part == f] = fit(c, part != f).decision_function(s[part == f])
    best = int((np.logaddexp(0, scores) - y * scores).mean(1).argmin())
    made.slope, made.offset = calibrate(scores[best], y)
    model = fit(STRENGTHS[best], np.ones(len(y), bool))
    made.coef, made.intercept = model.coef_[0].astype(float), float(model.intercept_[0])
    return made, made.slope * scores[best] + made.offset
