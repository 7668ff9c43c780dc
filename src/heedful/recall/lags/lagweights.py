"""Attention over the lags of a link: how well the link would stand at each lag instead."""

from __future__ import annotations

import numpy as np

from .rows import Tokens
from .scan import Context
from .select import TargetModel, TargetScan


def token_scores(tokens: Tokens, scan: TargetScan, source: int, target: int, lag: int) -> np.ndarray:
    """Log-likelihood gain (P,) of every token for ``target`` in the place of the token (source, lag).

    The model is the selected one less every term of that token; a token that is itself in the rest is no
    candidate and reads -inf. With z the sequentially orthogonal scores at the size m that the link showed,
    the gain is -n/2 log(1 - sum_{k<=m} z_k^2 / e'e).

    Parameters
    ----------
    tokens : Tokens
    scan : TargetScan
        What was found about ``target``.
    source, target, lag : int
        The link; lag in steps, from 1.
    """
    token = source * tokens.L + lag - 1
    partner = int(scan.through[token])
    model = TargetModel(tokens, target, products=partner >= 0)
    model.terms, model.past = scan.terms, scan.past
    rest = model.without(token)
    c: Context = model.context(rest)
    if partner >= 0:
        share = c.product_rows([partner])[0] ** 2
    else:
        z, _, _ = c.blocks()
        share = (z[:, : int(scan.size[token])] ** 2).sum(-1) / c.ee
    gain = -0.5 * c.rows.n * np.log1p(-np.minimum(share, 1 - 1e-12))
    gain[[term.token for term in rest if term.other is None]] = -np.inf
    return gain


def swap_scores(tokens: Tokens, scan: TargetScan, source: int, target: int, lag: int) -> np.ndarray:
    """`token_scores` (L,) of the link's own source: how well the link would stand at each lag instead."""
    return token_scores(tokens, scan, source, target, lag)[source * tokens.L : (source + 1) * tokens.L]
