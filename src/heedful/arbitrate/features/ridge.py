"""A source's expert: ridge on normal scores, with held-out opinions in closed form, calibrated to log-odds.

For a ridge fit the held-out prediction of a whole fold F needs no refit: with H the hat matrix (unpenalised
intercept, penalty lambda), y_F - yhat_F(-F) = (I - H_FF)^-1 (y - H y)_F. It is linear in y, so that a
thousand label permutations, each with its own choice of lambda, cost a few matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = 10.0 ** np.arange(-1.0, 4.5, 0.75)  # relative to the mean squared singular value per patient


@dataclass
class Ridge:
    """coef (p,), intercept, and the calibration z = slope * score + offset."""

    coef: np.ndarray
    intercept: float
    slope: float
    offset: float
    penalty: float

    def score(self, x: np.ndarray) -> np.ndarray:
        return x @ self.coef + self.intercept

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        return self.slope * self.score(x) + self.offset


def smoothers(x: np.ndarray, folds: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Held-out smoother M for each penalty: M[l] @ y are the predictions of each row from the other folds.

    Parameters
    ----------
    x : (n, p), folds : int (n,), weight : (n,), optional

    Returns
    -------
    (L, n, n)

    Examples
    --------
    Against refitting, fold by fold:

    >>> rng = np.random.default_rng(0); x = rng.standard_normal((20, 30)); y = rng.standard_normal(20)
    >>> folds = np.arange(20) % 4; m = smoothers(x, folds)[2]
    >>> t = folds != 1; lam = PENALTIES[2] * _scale(x)
    >>> xc = x[t] - x[t].mean(0)
    >>> b = np.linalg.solve(xc.T @ xc + lam * np.eye(30), xc.T @ (y[t] - y[t].mean()))
    >>> bool(np.allclose((m @ y)[~t], (x[~t] - x[t].mean(0)) @ b + y[t].mean()))
    True
    """
    n = len(x)
    w = np.ones(n) if weight is None else weight / weight.mean()
    root = np.sqrt(w)
    ones = root / np.sqrt(w.sum())
    xw = (x - (w[:, None] * x).sum(0) / w.sum()) * root[:, None]
    u, s, _ = np.linalg.svd(xw, full_matrices=False)
    base = np.outer(ones, ones)
    out = np.empty((len(PENALTIES), n, n))
    members = [np.flatnonzero(folds == f) for f in np.unique(folds)]
    for i, lam in enumerate(PENALTIES * _scale(x)):
        h = base + (u * (s**2 / (s**2 + lam))) @ u.T
        h = h * root[None, :] / np.maximum(root[:, None], 1e-9)  # back to unweighted targets
        for f in members:
            # y_F - (I - H_FF)^-1 (y - H y)_F, as rows acting on y
            rows = np.linalg.solve(np.eye(len(f)) - h[np.ix_(f, f)], np.eye(n)[f] - h[f])
            out[i, f] = np.eye(n)[f] - rows
    return out


def _scale(x: np.ndarray) -> float:
    """Mean squared singular value: makes a penalty mean the same for 5 and for 700 columns."""
    return float(((x - x.mean(0)) ** 2).sum() / max(min(x.shape), 1)) or 1.0


def rotate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Wide tokens (n, p > n) as their n principal scores, with the axes (r, p): the same ridge fit, cheaper.

    >>> x = np.random.default_rng(0).standard_normal((9, 40)); s, axes = rotate(x)
    >>> bool(np.allclose(s @ axes, x - x.mean(0)))
    True
    """
    if x.shape[1] <= len(x):
        return x, None
    centred = x - x.mean(0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    keep = values > 1e-10 * values[-1]
    root = np.sqrt(values[keep])
    return vectors[:, keep] * root, (vectors[:, keep] / root).T @ centred


def held_out(m: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best penalty's held-out scores for each column of y (n, B): (n, B), and the index of the penalty
    (B,)."""
    y = y if y.ndim == 2 else y[:, None]
    scores = m @ y  # (L, n, B)
    best = ((scores - y) ** 2).mean(1).argmin(0)
    return scores[best, :, np.arange(y.shape[1])].T, best


def calibrate(score: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """Platt's slope (not below 0) and offset for held-out scores, lightly penalised."""
    from scipy.optimize import minimize

    w = np.ones(len(y)) if weight is None else weight / weight.mean()
    sd = score.std() + 1e-12
    u = (score - score.mean()) / sd

    def loss(t):
        z = t[0] * u + t[1]
        return (w * (np.logaddexp(0, z) - y * z)).sum() + 0.5 * (t[0] - 0.5) ** 2

    best = minimize(loss, [0.5, 0.0], bounds=[(0.0, 8.0), (-8.0, 8.0)], method="L-BFGS-B").x
    return float(best[0] / sd), float(best[1] - best[0] * score.mean() / sd)


def fit_ridge(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, weight: np.ndarray | None = None
) -> tuple[Ridge, np.ndarray]:
    """An expert and its held-out log-odds (n,)."""
    wide_mean, (x, axes) = x.mean(0), rotate(x)
    m = smoothers(x, folds, weight)
    w = np.ones(len(x)) if weight is None else weight / weight.mean()
    scores = m @ y
    best = int((w * (scores - y) ** 2).mean(1).argmin())
    slope, offset = calibrate(scores[best], y, weight)
    lam = PENALTIES[best] * _scale(x)
    mean, centre = (w[:, None] * x).sum(0) / w.sum(), (w * y).sum() / w.sum()
    root = np.sqrt(w)[:, None]
    u, s, vt = np.linalg.svd((x - mean) * root, full_matrices=False)
    coef = vt.T @ ((s / (s**2 + lam)) * (u.T @ ((y - centre) * root[:, 0])))
    intercept = float(centre - mean @ coef)
    if axes is not None:  # back to the columns themselves
        coef = coef @ axes
        intercept -= float(wide_mean @ coef)
    made = Ridge(coef, intercept, slope, offset, float(PENALTIES[best]))
    return made, slope * scores[best] + offset
