"""The nowcast: fixed attention heads over past observations, read out by a sign-constrained logit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit

from ...attention import Decay, Gate, Mask, Weights
from ...errors import InputError
from ...files.panel import Panel
from ...learn import Estimator
from . import plain
from .indicators import choose
from .labels import Chronology
from .logit import ridge_logit
from .tokens import Tokens, scale_of, series, tokenise


@dataclass(frozen=True)
class Parts:
    """The sum behind each probability: logit = intercept + mass * sum_j weight_j value_j.

    Attributes
    ----------
    weight : ndarray, shape (T, N, L + 1)
        One attention row per query over all tokens; sums to 1, 0 where a token was not there.
    value : ndarray, shape (T, N, L + 1)
        Squashed surprise, 0 where a token was not there.
    mass : ndarray, shape (T,)
        Log-odds per unit of value.
    intercept : float
    """

    weight: np.ndarray
    value: np.ndarray
    mass: np.ndarray
    intercept: float

    @property
    def terms(self) -> np.ndarray:
        """Log-odds (T, N, L + 1) of each token: the exact terms of the sum."""
        return self.mass[:, None, None] * self.weight * self.value

    @property
    def logit(self) -> np.ndarray:
        """Log-odds (T,)."""
        return self.intercept + self.terms.sum((1, 2))

    def row(self, t: int) -> Weights:
        """The attention row of one query over its N (L + 1) tokens, as `Weights`."""
        with np.errstate(divide="ignore"):
            gate = np.log(self.weight[t].ravel())
        zero = np.zeros((1, 1))
        return Weights(zero, np.zeros((gate.size, 1)), [Gate(gate)])


class Nowcast(Estimator):
    """Probability that a period lies in a recession, from observations as they were published.

    For each indicator n and head h a softmax over lags l pools its recent past,
    u_nh(t) = sum_l w_nh(l) v_n(t - l), log w_nh(l) = -ln 2 l / half-life_h + salience_h s_n(t - l) + const;
    then logit p(t) = b + sum c_nh u_nh(t) with c >= 0. Since no coefficient is negative, the heads
    together are *one* attention row over all (indicator, lag) tokens, times values: `parts`.

    Parameters
    ----------
    half_lives : tuple of float, optional
        Months; one head each that forgets at that rate. By default (1.5, 5) for months; (1.5,) for
        quarters, which are averages over three months already.
    salience : float, optional
        Of one more head with the last half-life whose weights also follow the surprise itself, so that a
        spike is not averaged away; 0 for none. By default 1 for months, 0 for quarters.
    window : int
        Months looked back.
    knee : float
        Standard deviations up to which a surprise counts in full; logarithmically beyond.
    ridge : float
        Penalty on the coefficients of unit-variance pooled features, as a sum over observations.
    method : {"heads", "plain"}
        "plain" is the literal idea: one trained softmax over all tokens, read directly.
    indicators : list of str, optional
        Columns to use.
    delays : dict of str to int, optional
        Publication lags in rows of the panel, over the known ones.

    Attributes
    ----------
    coef_ : ndarray, shape (N, H)
        c over the pooled features' own scale, log-odds per unit of pooled surprise.
    intercept_ : float
    sign_, centre_, spread_, begun_ : ndarray, shape (N,)
    notes_ : list of str
        What had to be assumed.

    Notes
    -----
    The rows of a panel are periods in order, not exchangeable samples, so scikit-learn's checks of tables
    do not apply (a prediction depends on the rows before it); parameters, ``clone``, ``save`` and ``load``
    do. Penalty, half-lives and knee were chosen on 1968-1995 (quarters: 1977-1995): docs/nowcast.md.
    """

    def __init__(self, *, half_lives=None, salience=None, window=12, knee=3.0, ridge=3.0,
                 method="heads", indicators=None, delays=None):
        self.half_lives = half_lives
        self.salience = salience
        self.window = window
        self.knee = knee
        self.ridge = ridge
        self.method = method
        self.indicators = indicators
        self.delays = delays

    # -- fitting --------------------------------------------------------------------------------

    def fit(self, panel: Panel, y: np.ndarray | None = None) -> Nowcast:
        """Learn from a panel that ends at the origin, and from what was known there.

        Parameters
        ----------
        panel : Panel
        y : ndarray, shape (T,), optional
            1 recession, 0 expansion, NaN not known; by default what the NBER had announced by the
            panel's last period.

        Raises
        ------
        InputError
            If fewer than three recessions lie within the panel (without `y`), or one class only is known.
        """
        if y is None:
            chronology = Chronology.nber()
            chronology.check(panel)
            y = chronology.known(panel.values.index, panel.values.index[-1])
        y = np.asarray(y, float)
        if y.shape != (len(panel.values),):
            raise InputError(f"y has shape {y.shape}, the panel has {len(panel.values)} rows")
        chosen, self.notes_ = choose(panel, self.indicators, self.delays)
        raw = series(panel, chosen)
        _refuse_label(raw, y, chosen, panel)
        self.months_ = panel.months
        self.columns_ = [indicator.key for indicator in chosen]
        self.centre_, self.spread_, self.begun_ = scale_of(raw, 24 // panel.months)
        if not self.begun_.any():
            raise InputError(f"no series has {24 // panel.months} numbers yet", path=panel.source or None)
        if not self.begun_.all():
            waiting = [key for key, begun in zip(self.columns_, self.begun_, strict=True) if not begun]
            self.notes_.append("too short so far to take part: " + ", ".join(waiting))
        self.sign_ = np.array([float(indicator.sign) for indicator in chosen])
        if (self.sign_ == 0).any():
            blank = np.where(self.sign_ == 0, 1.0, self.sign_)
            guess = self._signs(self._tokens(panel, raw, chosen, blank), y)
            self.sign_ = np.where(self.sign_ == 0, guess, blank)
        known = ~np.isnan(y)
        self.known_ = int(known.sum())
        learn = {"heads": Nowcast._learn, "plain": plain.learn}.get(self.method)
        if learn is None:
            raise InputError(f"method '{self.method}'; 'heads' or 'plain' was expected")
        found = learn(self, self._tokens(panel, raw, chosen).at(known), y[known])
        self.coef_, self.intercept_ = found[:2]
        self.content_, self.rate_, self.slope_ = found[2:] or (np.zeros(len(chosen)), 0.0, 0.0)
        return self

    def _learn(self, tokens: Tokens, y: np.ndarray):
        pooled = self._pool(tokens)[0].reshape(len(y), -1)
        size = np.sqrt((pooled**2).mean(0)) + 1e-9
        coef, intercept = ridge_logit(pooled / size, y, self.ridge)
        return (coef / size).reshape(len(self.columns_), -1), intercept

    def _signs(self, tokens: Tokens, y: np.ndarray) -> np.ndarray:
        """The sign of each series' mean over the window in known recessions, less that in expansions."""
        there = ~np.isnan(tokens.surprise)
        mean = self._values(tokens.surprise).sum(-1) / np.maximum(there.sum(-1), 1)
        return np.where(mean[y == 1].mean(0) >= mean[y == 0].mean(0), 1.0, -1.0)

    # -- what it gives --------------------------------------------------------------------------

    def nowcast(self, panel: Panel) -> pd.Series:
        """Probability of recession for each period of a panel (T,), made at its end."""
        return pd.Series(expit(self.parts(self.tokens(panel)).logit), panel.values.index, name="probability")

    def predict_proba(self, panel: Panel) -> np.ndarray:
        """Probabilities of expansion and recession (T, 2)."""
        p = self.nowcast(panel).to_numpy()
        return np.column_stack([1 - p, p])

    def predict(self, panel: Panel) -> np.ndarray:
        """1 where the probability of recession exceeds one half, else 0 (T,)."""
        return (self.nowcast(panel).to_numpy() > 0.5).astype(int)

    def tokens(self, panel: Panel) -> Tokens:
        """The tokens of a panel with the columns of the one it was fitted on."""
        chosen, _ = choose(panel, self.indicators or self._names(panel), self.delays)
        if [indicator.key for indicator in chosen] != list(self.columns_) or panel.months != self.months_:
            raise InputError(f"the panel gives {len(chosen)} series of {panel.months} months, the model was "
                             f"fitted on {len(self.columns_)} of {self.months_}",
                             remedy="give the same columns, in months or quarters as before")
        return self._tokens(panel, series(panel, chosen), chosen)

    def parts(self, tokens: Tokens) -> Parts:
        """Weights, values and mass of the one attention row behind each probability."""
        if self.method == "plain":
            share = plain.weights(self, tokens)
            mass = np.full(len(share), float(self.coef_[0, 0])) * share.sum((1, 2))
            return Parts(share, self._values(tokens.surprise), mass, self.intercept_)
        together = np.einsum("tnhl,nh->tnl", self._pool(tokens)[1], self.coef_)
        mass = together.sum((1, 2))
        share = together / np.where(mass > 0, mass, 1.0)[:, None, None]
        return Parts(share, self._values(tokens.surprise), mass, self.intercept_)

    def heads(self, tokens: Tokens) -> Weights:
        """The heads themselves as `Weights` (T, N, H, 1, L + 1): decay prior, content, what was published.

        With ``method="plain"`` the one softmax over all tokens, (T, 1, N (L + 1)).
        """
        if self.method == "plain":
            return plain.row(self, tokens)
        half_life, salience = self._heads()
        z = tokens.surprise[:, :, None, :, None]
        q = np.broadcast_to(salience[:, None, None], (*z.shape[:2], len(salience), 1, 1))
        lags = np.arange(tokens.lags + 1.0)
        return Weights(
            q, np.arcsinh(np.nan_to_num(z)),
            [Decay(np.zeros(1), -lags, half_life=half_life[:, None, None]),
             Mask(~np.isnan(z[..., 0])[..., None, :])],
            scale=1.0,
        )

    # -- within ---------------------------------------------------------------------------------

    def _heads(self) -> tuple[np.ndarray, np.ndarray]:
        """Half-lives in rows and saliences (H,)."""
        monthly = self.months_ == 1
        lives = (1.5, 5.0) if monthly else (1.5,)
        lives = [float(h) / self.months_ for h in (lives if self.half_lives is None else self.half_lives)]
        salience = float(monthly) if self.salience is None else self.salience
        extra = [lives[-1]] if salience else []
        return np.array(lives + extra), np.array([0.0] * len(lives) + [salience] * len(extra))

    def _names(self, panel: Panel) -> list[str]:
        return [key.split("-")[0] if key not in panel.values else key for key in self.columns_]

    def _tokens(self, panel: Panel, raw: np.ndarray, chosen, sign: np.ndarray | None = None) -> Tokens:
        lags = max(1, self.window // panel.months)
        raw, sign = np.where(self.begun_, raw, np.nan), self.sign_ if sign is None else sign
        # a sign that was taken from the past is told on, so that a reading can say "rise" or "decline"
        turned = [replace(one, sign=int(s)) for one, s in zip(chosen, sign, strict=True)]
        return tokenise(raw, panel.values.index, turned, lags, self.centre_, self.spread_, sign)

    def _values(self, surprise: np.ndarray) -> np.ndarray:
        return self.knee * np.arcsinh(np.nan_to_num(surprise) / self.knee)

    def _pool(self, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
        """Pooled values (T, N, H) and weights (T, N, H, L + 1): `heads` in plain NumPy, for fitting."""
        half_life, salience = self._heads()
        z = tokens.surprise[:, :, None]
        score = -np.log(2) / half_life[:, None] * np.arange(tokens.lags + 1)
        score = np.where(np.isnan(z), -np.inf, score + salience[:, None] * np.arcsinh(np.nan_to_num(z)))
        top = score.max(-1, keepdims=True)
        weight = np.exp(score - np.where(np.isfinite(top), top, 0.0))
        total = weight.sum(-1, keepdims=True)
        weight /= np.where(total > 0, total, 1.0)
        return (weight * self._values(z)).sum(-1), weight


def _refuse_label(raw: np.ndarray, y: np.ndarray, chosen, panel: Panel) -> None:
    """An indicator of 0 and 1 that is the label itself would be found out only by its perfect score."""
    for x, one in zip(raw.T, chosen, strict=True):
        both = ~np.isnan(x) & ~np.isnan(y)
        if both.any() and np.isin(x[both], (0, 1)).all() and np.ptp(y[both]) and (x == y)[both].mean() > 0.97:
            raise InputError(f"'{one.key}' is the recession indicator itself, which came later",
                             path=panel.source or None, remedy="leave the column out")
