"""The gate: one query per pixel, one key per expert, a log-reliability, a softmax; and the mismatch stage.

w = softmax(W h + b + alpha sum over the sources an expert reads of log r_s), with h an additive
piecewise-linear
basis of the evidence (so every row of W is a set of calibration curves), r_s the calibrated probability
that source s is intact, and -inf wherever an expert reads a source without data. Trained through the mix
z = sum_e w_e z_e itself: there is no path around the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .experts import softmax

QUANTILES = (0.01, 0.05, 0.2, 0.5, 0.8)


@dataclass
class Basis:
    """Evidence (n, K) -> h (n, 6 K): standardised, and five hinges at quantiles of clean pixels."""

    mean: np.ndarray
    spread: np.ndarray
    knots: np.ndarray

    @classmethod
    def fit(cls, clean: np.ndarray) -> Basis:
        return cls(clean.mean(0), clean.std(0) + 1e-3, np.quantile(clean, QUANTILES, axis=0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        parts = [(x - self.mean) / self.spread] + [np.maximum(k - x, 0) / self.spread for k in self.knots]
        return np.clip(np.concatenate(parts, -1), -12, 12).astype(np.float32)


@dataclass
class Monitor:
    """P(this source is damaged): logistic on h, then isotonic calibration on held-out folds."""

    coef: np.ndarray
    intercept: float
    x: np.ndarray
    y: np.ndarray

    @classmethod
    def fit(
        cls, h: np.ndarray, damaged: np.ndarray, splits: list, weight: np.ndarray
    ) -> tuple[Monitor, np.ndarray]:
        """Fit, calibrated on rows that were held out.

        Parameters
        ----------
        h : (n, F), damaged : bool (n,), weight : (n,)
        splits : sequence of (train, test)
            Bool masks; every row is in one test part.

        Returns
        -------
        Monitor, and P(intact) of each row while it was held out (n,)
        """
        from sklearn.isotonic import IsotonicRegression

        out = np.zeros(len(h))
        share = weight[damaged].sum() / weight.sum()
        for train, test in splits:
            bad = damaged & train
            if not bad.any():  # only its relatives damage this source: nothing is known, nothing is suspected
                continue
            w = weight.copy()  # as much damage as in all rows, although some kinds are missing
            w[bad] *= share / (1 - share) * weight[train & ~damaged].sum() / weight[bad].sum()
            c, b = logistic(h[train], damaged[train], w[train])
            out[test] = h[test] @ c + b
        coef, intercept = logistic(h, damaged, weight)
        iso = IsotonicRegression(y_min=0.002, y_max=0.995, out_of_bounds="clip").fit(out, damaged, weight)
        x, y = np.asarray(iso.X_thresholds_, float), np.asarray(iso.y_thresholds_, float)
        return cls(coef, intercept, x, y), 1 - np.interp(out, x, y)

    def __call__(self, h: np.ndarray) -> np.ndarray:
        return np.interp(h @ self.coef + self.intercept, self.x, self.y)


def logistic(h: np.ndarray, y: np.ndarray, weight: np.ndarray, c: float = 0.02) -> tuple[np.ndarray, float]:
    """Ridge logistic regression: coefficients and intercept."""
    from sklearn.linear_model import LogisticRegression

    w = weight / weight.mean()
    model = LogisticRegression(C=c, solver="newton-cholesky", max_iter=100).fit(h, y, sample_weight=w)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


@dataclass
class Gate:
    """Keys W (E, F), bias b (E,), the weight alpha of the log-reliability."""

    keys: np.ndarray
    bias: np.ndarray
    alpha: float

    def scores(self, h: np.ndarray, log_reliability: np.ndarray) -> np.ndarray:
        """(n, E) before any no-data is masked."""
        return h @ self.keys.T + self.bias + self.alpha * log_reliability

    @classmethod
    def fit(
        cls,
        h: np.ndarray,
        log_reliability: np.ndarray,
        z: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        start: np.ndarray,
        reads: np.ndarray,
        intact: np.ndarray,
        *,
        classes: bool,
        seed: int,
        steps: int = 300,
        honesty: float = 0.05,
    ) -> Gate:
        """Minimise the loss of the mix, and of the weights themselves against what was planted.

        The second term asks that the keys which take source s at its word hold no weight where s was damaged
        and all of it where nothing was: without it a harmless damage leaves no trace in the weights.

        Parameters
        ----------
        h : (n, F), log_reliability : (n, E), z : (n, E, C), y : (n,), weight : (n,), start : (E,)
        reads : (S, E) bool, intact : (n, S) bool
            Which keys take which source at its word; where it was not damaged.
        honesty : float
            Weight of the second term.
        classes : bool
            Cross-entropy of the mixed log-probabilities; squared error otherwise.
        """
        import torch

        n, experts = len(h), z.shape[1]
        th, tr, tz = (torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in (h, log_reliability, z))
        ty = torch.from_numpy(y.astype(np.int64 if classes else np.float32))
        tm, ti = torch.from_numpy(reads.astype(np.float32)), torch.from_numpy(intact.astype(np.float32))
        tw = torch.from_numpy((weight / weight.mean()).astype(np.float32))
        keys = torch.zeros(experts, h.shape[1], requires_grad=True)
        bias = torch.tensor(start, dtype=torch.float32, requires_grad=True)
        alpha = torch.tensor(1.0, requires_grad=True)
        optimiser = torch.optim.Adam([keys, bias, alpha], 2e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        draw = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            i = torch.randint(n, (min(4096, n),), generator=draw)
            w = (th[i] @ keys.T + bias + alpha * tr[i]).softmax(-1)
            mix = (w[..., None] * tz[i]).sum(1)
            loss = (
                torch.nn.functional.cross_entropy(mix, ty[i], reduction="none")
                if classes
                else (mix[:, 0] - ty[i]) ** 2
            )
            kept = (w @ tm.T).clamp(1e-4, 1 - 1e-4)
            clean = ti[i].amin(-1, keepdim=True)
            told = -((1 - ti[i]) * (1 - kept).log() + clean * kept.log()).mean(-1)
            total = (
                (tw[i] * (loss + honesty * told)).mean()
                + 2e-3 * (keys**2).sum() / experts
                + 1e-3 * keys.abs().sum() / experts
            )
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():
                alpha.clamp_(0.0, 4.0)
        return cls(
            keys.detach().numpy().astype(np.float64),
            bias.detach().numpy().astype(np.float64),
            float(alpha.detach()),
        )


def scene_rate(posterior: np.ndarray, prior: float = 0.05, steps: int = 200) -> float:
    """The share of a scene whose sources do not belong together, by EM on unlabelled pixels (Saerens 2002).

    Parameters
    ----------
    posterior : (n,)
        P(mismatch) at even odds.

    Examples
    --------
    >>> scene_rate(np.full(500, .01)) < .01
    True
    """
    m = np.clip(posterior, 1e-6, 1 - 1e-6)
    rate = prior
    for _ in range(steps):
        h = rate * m / (rate * m + (1 - rate) * (1 - m))
        rate = (h.sum() + 1.0) / (len(h) + 20.0)
    return float(rate)


def shift_prior(posterior: np.ndarray, rate: float) -> np.ndarray:
    """P(mismatch) at the scene's own rate."""
    return rate * posterior / (rate * posterior + (1 - rate) * (1 - posterior))


def masked_softmax(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Weights (n, E); an expert that is not allowed has exactly 0."""
    return softmax(np.where(allowed, scores, -np.inf))
