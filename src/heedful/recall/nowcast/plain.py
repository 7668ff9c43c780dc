"""The literal idea: one trained softmax over all (indicator, lag) tokens, whose weights are read directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ...attention import Bias, Gate, Mask, Weights
from ...learn import lbfgs

if TYPE_CHECKING:
    from .model import Nowcast
    from .tokens import Tokens


def learn(model: Nowcast, tokens: Tokens, y: np.ndarray):
    """Fit score_nl = content_n - rate l + slope s_nl and logit p = b + a sum w v, by L-BFGS.

    Returns
    -------
    coef (1, 1), intercept, content (N,), rate, slope
        a, b and the parameters of the score.
    """
    z = tokens.surprise
    score = torch.from_numpy(np.arcsinh(np.nan_to_num(z)))
    gone = torch.from_numpy(np.isnan(z))
    value = torch.from_numpy(model._values(z))
    lag = torch.arange(z.shape[-1], dtype=torch.float64)
    target = torch.from_numpy(np.asarray(y, float))
    rate = float(np.log(2)) / model._heads()[0][-1]

    def loss(p):
        logit = p["content"][:, None] - p["rate"] * lag + p["slope"] * score
        weight = logit.masked_fill(gone, -1e9).flatten(1).softmax(1)
        out = p["intercept"] + p["coef"] * (weight * value.flatten(1)).sum(1)
        total = torch.nn.functional.binary_cross_entropy_with_logits(out, target, reduction="sum")
        # weak normal priors: without them a perfectly separable past sends parameters to infinity
        return total + 0.5 * ((p["content"] ** 2).sum() / 4 + p["slope"] ** 2 / 4 + p["coef"] ** 2 / 100)

    share = float(np.clip(y.mean(), 0.01, 0.99))
    found = lbfgs(
        loss,
        {"content": np.zeros(z.shape[1]), "rate": rate, "slope": 0.0, "coef": 2.0,
         "intercept": np.log(share / (1 - share))},
        bounds={"rate": (0, 10), "coef": (0, None)}, max_iter=200, tol=1e-4,
    ).params
    return (found["coef"].reshape(1, 1), float(found["intercept"]), found["content"],
            float(found["rate"]), float(found["slope"]))


def row(model: Nowcast, tokens: Tokens) -> Weights:
    """The one softmax as `Weights`, (T, 1, N (L + 1)): content, a gate by series, decay by lag."""
    z = tokens.surprise
    lag = np.tile(np.arange(z.shape[-1], dtype=float), z.shape[1])
    return Weights(
        np.full((len(z), 1, 1), model.slope_), np.arcsinh(np.nan_to_num(z)).reshape(len(z), -1, 1),
        [Gate(np.repeat(model.content_, z.shape[-1])), Bias(-model.rate_ * lag[None]),
         Mask(~np.isnan(z).reshape(len(z), 1, -1))],
        scale=1.0,
    )


def weights(model: Nowcast, tokens: Tokens) -> np.ndarray:
    """Its weights (T, N, L + 1), in plain NumPy."""
    z = tokens.surprise
    score = model.content_[:, None] - model.rate_ * np.arange(z.shape[-1])
    score = np.where(np.isnan(z), -np.inf, score + model.slope_ * np.arcsinh(np.nan_to_num(z)))
    top = score.max((1, 2), keepdims=True)
    weight = np.exp(score - np.where(np.isfinite(top), top, 0.0))
    total = weight.sum((1, 2), keepdims=True)
    return weight / np.where(total > 0, total, 1.0)
