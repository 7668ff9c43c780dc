"""What a lag scan asserts, tested where it was not chosen: links of the first half, read on the second."""

from __future__ import annotations

import numpy as np

from ...attention import Weights
from ...errors import InputError
from ...trust import Claim, examine
from .lagweights import token_scores
from .model import LagScan
from .tokens import Panel


def claim(scan: LagScan) -> Claim | None:
    """That each link's attention over all tokens sits on its source and lag; None without links.

    Links are found on the first half of the panel, the attention over all (source, lag) tokens is computed
    on the second: what was picked by looking at noise does not come back. Queries are links, keys tokens.
    """
    values, L = scan.panel_.values, scan.max_lag
    half = len(values) // 2
    parts = []
    for rows in (slice(0, half), slice(half, None)):
        part = Panel(values[rows], scan.names, scan.panel_.times[rows])
        try:
            parts.append(
                LagScan(
                    L, scan.alpha, products=scan.products, variance=False, near_unit_root=scan.near_unit_root
                ).fit(part)
            )
        except InputError:  # too short, or a series constant within a half
            return None
    first, second = parts
    if not len(first.links):
        return None
    index = {name: i for i, name in enumerate(scan.names)}
    # neighbouring lags of one pair are one finding: as queries of their own they would count it twice
    surest = first.links.drop_duplicates(["source", "target"])
    links = [(index[r.source], index[r.target], int(r.lag)) for r in surest.itertuples()]
    gain = np.stack([token_scores(second.tokens_, second.scans_[j], i, j, lag) for i, j, lag in links])
    gain = np.maximum(gain, gain[np.isfinite(gain)].min() - 50.0)
    keys = np.zeros(gain.shape, dtype=bool)
    keys[np.arange(len(links)), [i * L + lag - 1 for i, _, lag in links]] = True
    W = Weights(
        np.eye(len(links)), gain.T, scale=1.0
    )  # q_i . k_p is what token p would gain in the place of link i
    return Claim(
        W,
        queries=range(len(links)),
        keys=keys,
        null="label",
        name=f"{len(links)} links found in the first half, source and lag, hold in the second",
        caution="assuming no hidden common driver and the same dynamics throughout; tokens are exchanged "
        "one by one, though neighbouring lags are alike",
    )


def verdicts(scan: LagScan, *, level: str = "quick", seed: int = 0) -> list:
    """The verdict on `claim`; none at level "none" or where there is nothing to claim."""
    if level == "none" or scan.method == "plain":
        return []
    made = claim(scan)
    return [] if made is None else [examine(made, level=level, seed=seed)]
