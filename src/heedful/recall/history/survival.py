"""Losses and scores that keep censored patients: Cox's partial likelihood, Kaplan-Meier, IPCW."""

from __future__ import annotations

import numpy as np


class CoxLoss:
    """Negative log partial likelihood (Breslow's ties) and its gradient by the linear predictor.

    Parameters
    ----------
    duration, died : array (n,)
        Days to the event or the end of follow-up, and whether the event came.
    horizon : float, optional
        Follow-up beyond it is cut off, so that the effects are those within the horizon.

    Source: Cox (1972); Breslow (1974).
    """

    def __init__(self, duration: np.ndarray, died: np.ndarray, horizon: float | None = None):
        if horizon is not None:
            died = np.where(duration <= horizon, died, 0.0)
            duration = np.minimum(duration, horizon)
        self.order = np.argsort(-duration, kind="stable")
        self.time, self.died = duration[self.order], died[self.order].astype(bool)
        # the risk set of time t ends at the last row with duration >= t
        self.end = np.searchsorted(-self.time, -self.time, side="right") - 1

    def __call__(self, eta: np.ndarray) -> tuple[float, np.ndarray]:
        e = eta[self.order]
        top = e.max()
        risk = np.exp(e - top)
        total = np.cumsum(risk)[self.end]
        loss = (np.log(total[self.died]) + top - e[self.died]).sum()
        weight = np.zeros(len(e))
        np.add.at(weight, self.end[self.died], 1.0 / total[self.died])
        g = risk * np.cumsum(weight[::-1])[::-1] - self.died
        gradient = np.empty_like(g)
        gradient[self.order] = g
        return float(loss), gradient

    def baseline(self, eta: np.ndarray, at: float) -> float:
        """Breslow's cumulative baseline hazard at time ``at``."""
        e = eta[self.order]
        total = np.cumsum(np.exp(e))[self.end]
        use = self.died & (self.time <= at)
        return float((1.0 / total[use]).sum())


class LogisticLoss:
    """Negative log-likelihood of 0/1 outcomes and its gradient by the linear predictor."""

    def __init__(self, outcome: np.ndarray, weight: np.ndarray | None = None):
        self.y, self.w = outcome, np.ones_like(outcome) if weight is None else weight

    def __call__(self, eta: np.ndarray) -> tuple[float, np.ndarray]:
        loss = np.logaddexp(0.0, eta) - self.y * eta
        p = np.where(
            eta >= 0, 1 / (1 + np.exp(-np.abs(eta))), np.exp(-np.abs(eta)) / (1 + np.exp(-np.abs(eta)))
        )
        return float((self.w * loss).sum()), self.w * (p - self.y)


def kaplan_meier(duration: np.ndarray, happened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times and the survival curve just after each (Kaplan and Meier 1958).

    >>> kaplan_meier(np.array([1., 2., 3.]), np.array([1, 0, 1]))[1].round(3)
    array([0.667, 0.667, 0.   ])
    """
    times, at = np.unique(duration, return_inverse=True)
    events = np.bincount(at, happened, minlength=len(times))
    gone = np.bincount(at, minlength=len(times))
    risk = len(duration) - np.concatenate([[0], np.cumsum(gone)[:-1]])
    return times, np.cumprod(1 - events / risk)


def ipcw(
    duration: np.ndarray,
    died: np.ndarray,
    horizon: float,
    censoring: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Outcome by the horizon and inverse-probability-of-censoring weights; 0 where it is not known.

    Parameters
    ----------
    duration, died : array (n,)
    horizon : float
    censoring : (times, survival), optional
        Kaplan-Meier of the censoring times; of these rows by default.

    Source: Graf et al. (1999): events before the horizon weigh 1 / G(T-), survivors 1 / G(horizon).
    """
    times, G = kaplan_meier(duration, 1 - died) if censoring is None else censoring
    case = (duration <= horizon) & (died > 0)
    control = duration > horizon
    before = np.searchsorted(times, duration, side="left") - 1
    g_case = np.where(before >= 0, G[np.maximum(before, 0)], 1.0)
    k = np.searchsorted(times, horizon, side="right") - 1
    g_end = G[k] if k >= 0 else 1.0
    weight = np.where(case, 1 / np.maximum(g_case, 1e-3), np.where(control, 1 / max(g_end, 1e-3), 0.0))
    return case.astype(np.float64), weight


def auroc(p: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Area under the ROC curve, weighted (IPCW: cumulative cases, dynamic controls), ties half.

    >>> auroc(np.array([.1, .4, .35, .8]), np.array([0, 0, 1, 1]))
    0.75
    """
    weight = np.ones(len(p)) if weight is None else weight
    levels, at = np.unique(p, return_inverse=True)
    case = np.bincount(at, weight * y, minlength=len(levels))
    control = np.bincount(at, weight * (1 - y), minlength=len(levels))
    below = np.cumsum(control) - control
    return float((case * (below + control / 2)).sum() / (case.sum() * control.sum()))


def brier(p: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    """Weighted mean squared error of a probability; IPCW weights are divided by their number, not sum."""
    return float((weight * (p - y) ** 2).sum() / len(p))
