"""What the narrative asserts, in a form that can be refuted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...attention import Bias, Weights
from ...files.panel import Panel
from ...trust import Claim, Refit
from .labels import Chronology
from .model import Nowcast


def claim(model: Nowcast, panel: Panel, rows: np.ndarray, indicator: str | None = None) -> Claim | None:
    """ "In these months indicator X carried the nowcast", for the one whose terms are largest.

    The prior is what recency and publication alone give when every indicator and head counts the same;
    the content is all that was learned and all that was surprising. Since the indicator is chosen by
    looking, all indicators form the family whose maximum the null is compared with.

    Parameters
    ----------
    model : Nowcast
        Fitted.
    panel : Panel
    rows : int array
        The queries: periods of the panel with a high probability.
    indicator : str, optional
        Which one; by default that with the largest sum of terms.

    Returns
    -------
    Claim or None
        None where there is no row.
    """
    if len(rows) == 0:
        return None
    if len(rows) > 200:  # every query must keep its own value: an even sample of them
        rows = rows[np.linspace(0, len(rows) - 1, 200).astype(int)]
    tokens = model.tokens(panel).at(rows)
    parts = model.parts(tokens)
    keys = [i.key for i in tokens.indicators]
    n, lags = parts.weight.shape[1:]
    chosen = int(parts.terms.sum((0, 2)).argmax()) if indicator is None else keys.index(indicator)
    with np.errstate(divide="ignore"):
        learned = np.log(parts.weight.reshape(len(rows), -1))
        flat = np.log(_flat(model, tokens).reshape(len(rows), -1))
    seen = np.isfinite(flat)
    # a series without weight is content far below any other, not a hole in the support
    content = np.where(seen, np.maximum(learned, -40.0) - np.where(seen, flat, 0.0), 0.0)
    # any matrix is an inner product: the queries are unit vectors, one for each period
    weights = Weights(np.eye(len(rows)), content.T, [Bias(flat)], scale=1.0)
    family = np.repeat(np.eye(n, dtype=bool), lags, axis=1)
    family = family[(seen.any(0) @ family.T) > 0]
    values = (parts.mass[:, None] * parts.value.reshape(len(rows), -1)).T
    words = tokens.indicators[chosen].words
    spans = _spells(rows)
    return Claim(
        weights, queries=np.arange(len(rows)), keys=np.repeat(np.arange(n) == chosen, lags), values=values,
        quantity=np.diag, null="label", family=family,
        name=f"in the {len(rows)} periods with p > 0.5, {words} carried the nowcast",
        caution=f"the periods belong to {spans} episode{'' if spans == 1 else 's'}, so they are far from "
                "independent; observations are exchanged one by one, though a series' lags belong together",
    )


def refit(model: Nowcast, panel: Panel, rows: np.ndarray, chronology: Chronology, indicator: str) -> Refit:
    """How to fit again: on two thirds of the two-year blocks of the known labels, drawn by seed."""
    index = panel.values.index
    known = chronology.known(index, index[-1])
    block = max(1, 24 // panel.months)

    def again(seed: int) -> Claim:
        rng = np.random.default_rng(seed)
        number = np.arange(len(known)) // block
        out = rng.permutation(number[-1] + 1)[: (number[-1] + 1) // 3]
        y = np.where(np.isin(number, out), np.nan, known)
        from sklearn.base import clone

        return claim(clone(model).fit(replace(panel), y), panel, rows, indicator)

    return Refit(seed=again)


def _flat(model: Nowcast, tokens) -> np.ndarray:
    """The row (T, N, L + 1) if every indicator and head counted alike and no value were surprising."""
    half_life, _ = model._heads()
    decay = np.exp(-np.log(2) / half_life[:, None] * np.arange(tokens.lags + 1)).mean(0)
    weight = np.where(np.isnan(tokens.surprise), 0.0, decay)
    total = weight.sum((1, 2), keepdims=True)
    return weight / np.where(total > 0, total, 1.0)


def _spells(rows: np.ndarray) -> int:
    return int((np.diff(np.sort(rows)) > 1).sum()) + 1
