"""Decay heads: for each code, the log-partition (a sum that counts) and the mean of its events, forgetting.

For one prediction and one code with events at ages dt_e and weights w_e = 2^(-dt_e / h):
sum S = sum_e w_e = exp(lse) of an attention head with a Decay prior and no content, mean M = sum w_e v_e / S,
its output. A softmax alone gives M and destroys S: three admissions would weigh what one does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LN2 = np.log(2.0)


@dataclass(frozen=True)
class Heads:
    """Sums and means of all codes for all predictions, with slopes by log half-life.

    Attributes
    ----------
    total, total_slope : array (n, C)
        S and dS / d log h.
    mean, mean_slope : array (n, C)
        M and dM / d log h; 0 where no event of the code carries a number.
    """

    total: np.ndarray
    total_slope: np.ndarray
    mean: np.ndarray
    mean_slope: np.ndarray


class Pairs:
    """(prediction, event) pairs of some codes, prepared so that a change of half-life costs one pass.

    Parameters
    ----------
    row, code : array (M,) of int
    dt : array (M,)
        Ages in days.
    value : array (M,)
        Finite.
    n, C : int
        Predictions and codes.
    """

    def __init__(self, row, code, dt, value, n: int, C: int):
        self.n, self.C, self.code, self.value = n, C, code, value
        self.cell = row * C + code
        youngest = np.full(n * C, np.inf)
        np.minimum.at(youngest, self.cell, dt)
        self.any = np.isfinite(youngest)
        self.youngest = np.where(self.any, youngest, 0.0).reshape(n, C)
        self.age = dt - self.youngest.reshape(-1)[self.cell]  # shifting as a log-sum-exp does: no underflow

    def sums(self, log_h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """S (n, C) and dS / d log h."""
        rate = LN2 * np.exp(-log_h)
        a = rate[self.code] * self.age
        w = np.exp(-a)
        S = self._sum(w)
        shift = rate * self.youngest
        scale = np.where(self.any.reshape(self.n, self.C), np.exp(-shift), 0.0)
        return scale * S, scale * (self._sum(w * a) + shift * S)

    def means(self, log_h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """M (n, C) and dM / d log h; 0 where there is no event."""
        rate = LN2 * np.exp(-log_h)
        a = rate[self.code] * self.age
        w = np.exp(-a)
        S = self._sum(w)
        safe = np.where(S > 0, S, 1.0)
        M = self._sum(w * self.value) / safe
        wa = w * a
        slope = (self._sum(wa * self.value) - M * self._sum(wa)) / safe
        return M, slope

    def _sum(self, x: np.ndarray) -> np.ndarray:
        return np.bincount(self.cell, x, minlength=self.n * self.C).reshape(self.n, self.C)


def last_values(row, code, dt, value, n: int, C: int) -> tuple[np.ndarray, np.ndarray]:
    """Most recent number (n, C) of each code, and whether there is one."""
    cell = row * C + code
    order = np.argsort(-dt, kind="stable")  # oldest first: the youngest is written last
    out = np.zeros(n * C)
    there = np.zeros(n * C, dtype=bool)
    out[cell[order]] = value[order]
    there[cell] = True
    return out.reshape(n, C), there.reshape(n, C)
