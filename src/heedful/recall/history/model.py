"""History: risk from a patient's irregular events, with a half-life for each code, learned and reported."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import optimize
from sklearn.utils.validation import check_is_fitted

from ...errors import InputError
from ...learn import Estimator
from .design import Design, fixed_names, learn_scaling, rescaled
from .plain import PlainHead
from .survival import CoxLoss, LogisticLoss
from .tokens import Histories, histories

WIDE = np.log(1000.0)  # a half-life whose 95 % interval spans a factor of 1000 is not told by the data


class History(Estimator):
    """Risk from irregular events, with exponential forgetting learned for each code.

    A Cox model (durations) or logistic model (0/1 outcomes) on last values and covariates, corrected by decay
    heads: for codes with numbers the distance of the last value from a forgetting mean, for codes without
    numbers a forgetting sum, which counts. Half-lives and coefficients are fitted together by L-BFGS.

    Parameters
    ----------
    horizon : float, optional
        Days within which the event is to be predicted; needed where labels hold ``duration, event``.
    correction : float or "cv"
        Prior sd of the heads' coefficients on standardised columns; "cv" chooses among .03, .1, .3 and 1
        by grouped cross-validation inside the training data.
    counts : bool
        Also count events that carry numbers (being measured often is itself a sign).
    means : bool
        Last values and mean heads of codes with numbers; False leaves sums alone.
    half_life_sd : float
        Prior sd of the log half-life around the median age of the events. Priors are on the parameters, so
        their share falls as 1 / n.
    ridge : float
        Prior precision of the fixed columns.
    method : {"heads", "plain"}
        "plain" is one softmax over all events with one half-life, read directly: a mean, which cannot count.
    seed : int
        For the folds of "cv".

    Attributes
    ----------
    half_lives_ : DataFrame
        code, readout (mean or sum), half_life, low, high (days, 95 %), coefficient, told (whether the
        interval is narrower than a factor of 1000).
    coefficients_ : DataFrame
        name, value for the fixed columns, standardised.
    correction_ : float
    notes_ : list of str

    Source: Cox (1972) at landmarks (van Houwelingen 2007); decay heads: docs/history.md.

    Examples
    --------
    >>> from heedful.recall.history import History, generated
    >>> data = generated("sum", n=600, seed=1)
    >>> model = History().fit(data.events, data.labels)
    >>> model.predict(data.events, data.labels).shape
    (600,)
    """

    def __init__(
        self,
        horizon: float | None = None,
        *,
        correction: float | str = 3.0,
        counts: bool = False,
        means: bool = True,
        half_life_sd: float = 2.0,
        method: str = "heads",
        ridge: float = 1e-3,
        seed: int = 0,
    ):
        self.horizon, self.correction, self.counts, self.means = horizon, correction, counts, means
        self.half_life_sd, self.ridge, self.method, self.seed = half_life_sd, ridge, method, seed

    def fit(self, events, labels=None, *, groups=None) -> History:
        """Fit on an event table and labelled prediction times (or on `Histories` alone).

        Parameters
        ----------
        events : Events, DataFrame, path, or Histories
        labels : DataFrame or path
        groups : array (n,), optional
            Who belongs together in the folds of "cv"; by default the subject.
        """
        H = events if isinstance(events, Histories) else histories(events, labels)
        self._check(H)
        self.notes_ = list(H.notes)
        self.codes_, self.static_names_ = H.codes, H.static_names
        if self.method == "plain":
            return self._fit_plain(H)
        self.scaling_ = learn_scaling(H, counts=self.counts, means=self.means)
        if self.correction == "cv":
            self.correction_ = self._choose(H, H.subject if groups is None else np.asarray(groups))
        else:
            self.correction_ = float(self.correction)
        design, loss = Design(H, self.scaling_), self._loss(H)
        self.theta_ = self._solve(design, loss, self.correction_)
        self.scaling_ = design.s
        eta = design.eta(self.theta_)[0]
        self.hazard_ = loss.baseline(eta, self.horizon) if isinstance(loss, CoxLoss) else None
        self.covariance_ = self._covariance(design, loss)
        self._tables()
        return self

    def predict(self, events, labels=None) -> np.ndarray:
        """Probability (n,) of the event (within the horizon) for each prediction time."""
        return self._risk(self.linear_predictor(events, labels))

    def linear_predictor(self, events, labels=None) -> np.ndarray:
        """Log hazard ratio, or log odds, (n,)."""
        H = self._histories(events, labels)
        if self.method == "plain":
            return self.plain_.eta(H, self.theta_)[0]
        return Design(H, self.scaling_).eta(self.theta_)[0]

    def _fit_plain(self, H: Histories) -> History:
        loss = self._loss(H)
        cox = isinstance(loss, CoxLoss)
        self.plain_ = PlainHead(H).fit(H, loss, cox=cox)
        self.theta_ = self.plain_.theta
        self.hazard_ = loss.baseline(self.plain_.eta(H, self.theta_)[0], self.horizon) if cox else None
        self._plain_table()
        return self

    def _risk(self, eta: np.ndarray) -> np.ndarray:
        if self.hazard_ is None:
            return 1 / (1 + np.exp(-np.clip(eta, -500, 500)))
        return -np.expm1(-self.hazard_ * np.exp(np.clip(eta, -500, 500)))

    def _histories(self, events, labels) -> Histories:
        check_is_fitted(self, "theta_")
        H = events if isinstance(events, Histories) else histories(events, labels, codes=self.codes_)
        if H.codes != self.codes_:
            raise InputError(
                "the histories hold other codes than the fitted model",
                remedy="pass the event table itself, or histories(events, labels, codes=model.codes_)",
            )
        if H.static_names != self.static_names_:
            raise InputError(f"covariates {H.static_names}, the model was fitted on {self.static_names_}")
        return H

    def _check(self, H: Histories) -> None:
        if self.method not in ("heads", "plain"):
            raise InputError(f"method {self.method!r}; one of heads, plain")
        if H.duration is None and H.outcome is None:
            raise InputError(
                "the labels hold no outcome",
                remedy="give boolean_value, or duration and event, beside prediction_time",
            )
        if H.duration is not None and not (self.horizon and self.horizon > 0):
            raise InputError(
                "labels with durations need a horizon", remedy="History(horizon=<days>), or --horizon"
            )
        y = H.outcome if H.duration is None else H.died * (H.duration <= self.horizon)
        if not (0 < y.sum() < len(y)):
            raise InputError(
                f"{int(y.sum())} of {len(y)} outcomes are positive: one class only",
                remedy="choose another horizon, or more patients",
            )
        if not len(H.row):
            raise InputError(
                f"no event lies at or before any of the {len(H)} prediction times",
                remedy="check that both files count time from the same day",
            )
        if H.duration is not None and not (H.duration > self.horizon).any():
            raise InputError(
                f"nobody is followed for longer than the horizon of {self.horizon:g} days (the longest: "
                f"{H.duration.max():g})",
                remedy="choose a shorter horizon",
            )
        known = [(y, "outcome")]
        if H.duration is not None:
            known += [(H.died, "outcome"), (H.duration, "duration")]
        for name, column in zip(H.static_names, H.static.T, strict=True):
            for v, what in known:
                if np.array_equal(column, v) or np.array_equal(column, 1 - v):
                    raise InputError(
                        f"the covariate {name!r} is the {what} itself", remedy="take it out of the labels"
                    )
        if not isinstance(self.correction, str) and not self.correction > 0:
            raise InputError(f"correction {self.correction}; a prior sd is positive")

    def _loss(self, H: Histories):
        return LogisticLoss(H.outcome) if H.duration is None else CoxLoss(H.duration, H.died, self.horizon)

    def _penalty(self, design: Design, theta: np.ndarray, sd: float) -> tuple[float, np.ndarray]:
        F, V, S = design.sizes()
        precision = np.concatenate(
            [[1e-6], np.full(F, self.ridge), np.full(V + S, sd**-2), np.full(V + S, self.half_life_sd**-2)]
        )
        centre = np.zeros(len(theta))
        centre[1 + F + V + S :] = np.log(self.scaling_.start)
        away = theta - centre
        return 0.5 * float(precision @ away**2), precision * away

    def _objective(self, design: Design, loss, sd: float):
        def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
            eta, pull = design.eta(theta)
            cost, r = loss(eta)
            penalty, slope = self._penalty(design, theta, sd)
            return cost + penalty, pull(r) + slope

        return value

    def _solve(
        self, design: Design, loss, sd: float, starts: tuple[float, ...] = (0.05, 0.3, 1.0)
    ) -> np.ndarray:
        """L-BFGS from several half-lives: the likelihood has more than one hollow in them."""
        F, V, S = design.sizes()
        s = self.scaling_
        edge = (np.log(max(s.start * 1e-4, 1e-3)), np.log(100 * s.span))
        bounds = [(None, None)] * (1 + F + V + S) + [edge] * (V + S)
        if isinstance(loss, CoxLoss):
            bounds[0] = (0.0, 0.0)  # the baseline hazard is the intercept
        best = None
        for start in starts if V + S else (1.0,):
            theta = np.zeros(1 + F + 2 * (V + S))
            theta[1 + F + V + S :] = np.log(s.start * start)
            theta[1 + F : 1 + F + V + S] = 0.05  # at 0 a half-life has no slope
            for last in (False, False, True):
                design, theta = rescaled(design, theta)
                found = optimize.minimize(
                    self._objective(design, loss, sd),
                    theta,
                    jac=True,
                    method="L-BFGS-B",
                    bounds=bounds,
                    options={
                        "maxiter": 1000 if last else 60,
                        "maxcor": 30,
                        "ftol": 1e-10 if last else 1e-7,
                        "gtol": 1e-6,
                    },
                )
                theta = found.x
            if best is None or found.fun < best[0]:
                best = found.fun, theta, design.s
        design.s = best[2]
        return best[1]

    def _covariance(self, design: Design, loss) -> np.ndarray:
        """Inverse Hessian of the penalised loss, by central differences of its exact gradient."""
        value = self._objective(design, loss, self.correction_)
        theta, p = self.theta_, len(self.theta_)
        hessian = np.empty((p, p))
        for k in range(p):
            step = np.zeros(p)
            step[k] = 1e-4 * max(1.0, abs(theta[k]))
            hessian[k] = (value(theta + step)[1] - value(theta - step)[1]) / (2 * step[k])
        if isinstance(loss, CoxLoss):
            hessian[0], hessian[:, 0], hessian[0, 0] = 0.0, 0.0, 1.0
        values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
        return (vectors / np.maximum(values, 1e-6)) @ vectors.T

    def _choose(self, H: Histories, groups: np.ndarray) -> float:
        """The prior sd of the heads with the best held-out likelihood, folds by group."""
        fold = group_folds(groups, 3, self.seed)
        total = {}
        for sd in (0.03, 0.1, 0.3, 1.0):
            cost = 0.0
            for k in range(3):
                train, held = H.take(np.flatnonzero(fold != k)), H.take(np.flatnonzero(fold == k))
                design = Design(train, self.scaling_)
                theta = self._solve(design, self._loss(train), sd, starts=(0.3,))
                cost += self._loss(held)(Design(held, design.s).eta(theta)[0])[0]
            total[sd] = cost
        return min(total, key=total.get)

    def _plain_table(self) -> None:
        self.half_lives_ = pd.DataFrame(
            [{"code": "(all)", "readout": "softmax", "half_life": float(np.exp(self.theta_[1]))}]
        )

    def _tables(self) -> None:
        s = self.scaling_
        F = len(self.static_names_) + len(s.valued) + len(s.flagged)
        V, S = len(s.valued), len(s.counted)
        theta, sd = self.theta_, np.sqrt(np.diag(self.covariance_))
        coefficient, log_h = theta[1 + F : 1 + F + V + S], theta[1 + F + V + S :]
        half = 1.96 * sd[1 + F + V + S :]
        codes = [self.codes_[c] for c in (*s.valued, *s.counted)]
        self.half_lives_ = pd.DataFrame(
            {
                "code": codes,
                "readout": ["mean"] * V + ["sum"] * S,
                "half_life": np.exp(log_h),
                "low": np.exp(log_h - half),
                "high": np.exp(np.minimum(log_h + half, 700.0)),
                "coefficient": coefficient,
                "coefficient_sd": sd[1 + F : 1 + F + V + S],
                "told": 2 * half < WIDE,
            }
        )
        names = fixed_names(s, self.codes_, self.static_names_)
        self.coefficients_ = pd.DataFrame({"name": names, "value": theta[1 : 1 + F], "sd": sd[1 : 1 + F]})


def group_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold (n,) of every row, whole groups together.

    >>> fold = group_folds(np.array([7, 7, 3, 3, 5]), 2, seed=0)
    >>> bool(fold[0] == fold[1] and fold[2] == fold[3])
    True
    """
    _, at = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(at.max() + 1)
    return (order % folds)[at]
