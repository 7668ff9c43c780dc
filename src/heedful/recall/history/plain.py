"""The literal idea: one softmax over all of a patient's events, the recent weighing more, read directly.

score_e = a_code(e) - ln 2 dt_e / h, value_e = u_code(e) + s_code(e) x_e,
log odds = b + sum_e softmax(score)_e value_e.

A weighted mean: three admissions read as one, and the half-life is shared.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from .heads import LN2
from .tokens import Histories


class PlainHead:
    """One attention head over events, fitted by L-BFGS.

    Attributes
    ----------
    theta : array
        b, log half-life, then a, u and s for each code.
    """

    def __init__(self, H: Histories):
        C = len(H.codes)
        number = ~np.isnan(H.value)
        count = np.maximum(np.bincount(H.code, number, minlength=C), 1)
        filled = np.where(number, H.value, 0.0)
        self.centre = np.bincount(H.code, filled, minlength=C) / count
        square = np.bincount(H.code, np.where(number, (H.value - self.centre[H.code]) ** 2, 0.0), minlength=C)
        self.spread = np.where(square > 0, np.sqrt(square / count), 1.0)
        self.start = float(np.median(H.dt[H.dt > 0])) if (H.dt > 0).any() else 1.0
        self.C = C

    @classmethod
    def rebuilt(cls, centre: np.ndarray, spread: np.ndarray, start: float, theta: np.ndarray) -> PlainHead:
        """A fitted head from its stored parts."""
        if len(theta) != 2 + 3 * len(centre):
            raise ValueError(f"{len(theta)} parameters for {len(centre)} codes")
        new = cls.__new__(cls)
        new.centre, new.spread, new.start, new.C, new.theta = centre, spread, start, len(centre), theta
        return new

    def attention(self, H: Histories, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights, values and standardised numbers (M,) of the pairs."""
        C = self.C
        a, u, s = theta[2:].reshape(3, C)
        score = a[H.code] - LN2 * H.dt * np.exp(-theta[1])
        top = np.full(len(H), -np.inf)
        np.maximum.at(top, H.row, score)
        w = np.exp(score - top[H.row])
        w /= np.bincount(H.row, w, minlength=len(H))[H.row]
        x = np.where(np.isnan(H.value), 0.0, (H.value - self.centre[H.code]) / self.spread[H.code])
        return w, u[H.code] + s[H.code] * x, x

    def eta(self, H: Histories, theta: np.ndarray):
        """Linear predictor (n,), and the pull-back of its gradient."""
        w, value, x = self.attention(H, theta)
        out = np.bincount(H.row, w * value, minlength=len(H))

        def pull(r: np.ndarray) -> np.ndarray:
            rw = r[H.row] * w
            by = lambda y: np.bincount(H.code, y, minlength=self.C)  # noqa: E731
            score = rw * (value - out[H.row])
            half = (score * LN2 * H.dt).sum() * np.exp(-theta[1])
            return np.concatenate([[r.sum(), half], by(score), by(rw), by(rw * x)])

        return theta[0] + out, pull

    def fit(self, H: Histories, loss, *, cox: bool) -> PlainHead:
        """Fit on histories with the loss of `History`."""
        start = np.zeros(2 + 3 * self.C)
        start[1] = np.log(self.start)
        centre = start.copy()

        def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
            eta, pull = self.eta(H, theta)
            cost, r = loss(eta)
            away = theta - centre
            return cost + 0.05 * away @ away, pull(r) + 0.1 * away

        bounds = [(0.0, 0.0) if cox else (None, None), (np.log(self.start) - 8, np.log(self.start) + 8)]
        bounds += [(None, None)] * (3 * self.C)
        start[2 + self.C :] = 0.01
        self.theta = optimize.minimize(
            value, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}
        ).x
        return self
