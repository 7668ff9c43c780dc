"""A random forest over all sources as plain arrays: the nonlinear expert, out-of-bag, saved without
pickle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ridge import calibrate


@dataclass
class Forest:
    """Trees laid end to end: -1 in `left` marks a leaf, `value` is P(1) there; then Platt's calibration."""

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    slope: float
    offset: float

    def score(self, x: np.ndarray) -> np.ndarray:
        """Log-odds of the trees' mean vote, (n,)."""
        total = np.zeros(len(x))
        rows = np.arange(len(x))
        x = x.astype(np.float32)
        for root in self.roots:
            at = np.full(len(x), root)
            while True:
                inner = self.left[at] >= 0
                if not inner.any():
                    break
                go = x[rows, np.maximum(self.feature[at], 0)] <= self.threshold[at]
                at = np.where(inner, np.where(go, self.left[at], self.right[at]), at)
            total += self.value[at]
        return _logit(total / len(self.roots))

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        return self.slope * self.score(x) + self.offset


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 0.02, 0.98)
    return np.log(p / (1 - p))


def fit_forest(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, *, trees: int, seed: int, grouped: bool
) -> tuple[Forest, np.ndarray]:
    """A forest and its held-out log-odds: out of bag, or by folds where a patient has several rows."""
    from sklearn.ensemble import RandomForestClassifier

    def make(**more):
        return RandomForestClassifier(
            trees, min_samples_leaf=2, max_features="sqrt", random_state=seed, n_jobs=1, **more
        )

    model = make(oob_score=not grouped).fit(x, y)
    if grouped:
        p = np.empty(len(y))
        for f in np.unique(folds):
            p[folds == f] = make().fit(x[folds != f], y[folds != f]).predict_proba(x[folds == f])[:, 1]
    else:
        p = np.nan_to_num(model.oob_decision_function_[:, 1], nan=y.mean())
    slope, offset = calibrate(_logit(p), y)
    parts: dict[str, list] = {k: [] for k in ("left", "right", "feature", "threshold", "value")}
    roots, start = [], 0
    for e in model.estimators_:
        t = e.tree_
        roots.append(start)
        parts["left"].append(np.where(t.children_left >= 0, t.children_left + start, -1))
        parts["right"].append(np.where(t.children_right >= 0, t.children_right + start, -1))
        parts["feature"].append(t.feature)
        parts["threshold"].append(t.threshold)
        v = t.value[:, 0, :]
        parts["value"].append(v[:, 1] / v.sum(1))
        start += t.node_count
    made = Forest(
        **{k: np.concatenate(v) for k, v in parts.items()},
        roots=np.asarray(roots),
        slope=slope,
        offset=offset,
    )
    return made, slope * _logit(p) + offset
