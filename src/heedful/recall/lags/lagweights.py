"""Attention over the lags of a link: how well the link would stand at each lag instead."""

from __future__ import annotations

import numpy as np

from .scan import Context, Tokens
from .select import TargetModel, TargetScan


def swap_scores(tokens: Tokens, scan: TargetScan, source: int, target: int, lag: int) -> np.ndarray:
    """Log-likelihood gain (L,) of each lag of ``source`` for ``target``, the link's own token taken out.

    The model is the selected one less every term of the token; a lag that is itself in that model is not a
    candidate for this link and reads -inf (unless it is the link's own). With z the sequentially orthogonal
    scores at the size m that the link showed, the gain is -n/2 log(1 - sum_{k<=m} z_k^2 / e'e).

    Parameters
    ----------
    tokens : Tokens
    scan : TargetScan
        What was found about ``target``.
    source, target, lag : int
        The link; lag in steps, from 1.
    """
    L = tokens.L
    token = source * L + lag - 1
    model = TargetModel(tokens, target, products=bool(scan.products) or bool((scan.through >= 0).any()))
    model.terms = scan.terms
    rest = model.without(token)
    # a link's neighbours that the selection also took (a lag either side) stand for the same link
    c: Context = model.context(rest)
    mine = np.arange(source * L, (source + 1) * L)
    partner = int(scan.through[token])
    if partner >= 0:
        share = c.products()[mine, partner] ** 2
    else:
        z, _, _ = c.blocks(mine)
        share = (z[:, : int(scan.size[token])] ** 2).sum(-1) / c.ee
    gain = -0.5 * c.rows.n * np.log1p(-np.minimum(share, 1 - 1e-12))
    taken = [
        p - source * L
        for term in rest
        for p in (term.token, term.other)
        if p is not None and p // L == source and term.other is None
    ]
    gain[taken] = -np.inf
    return gain
