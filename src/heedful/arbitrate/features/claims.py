"""What the weights assert about the features, in a form that can be tested."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .answer import FeatureAnswer
from .model import FeatureArbiter
from .reading import weights_of


def claims(arbiter: FeatureArbiter, answer: FeatureAnswer, patients: list[str]) -> list[Any]:
    """'The keys with weight are those the answers rest on': only where the table has a signal at all."""
    from ...trust import Claim

    if arbiter.signal_ is not None and not arbiter.signal_.any:
        return []
    return [
        Claim(
            weights_of(arbiter, answer),
            patients,
            list(answer.keys),
            values=answer.opinions.mean(0),
            name="the weights say which features the answer rests on",
        )
    ]


def sentence(arbiter: FeatureArbiter) -> str:
    """What may be said about sources, in one sentence."""
    s = arbiter.signal_
    if s is None:
        return "No permutation null was run: nothing is claimed about sources."
    if not s.any:
        return f"No signal: shuffled labels do as well (p = {s.p_table:.2f}); no source is said to matter."
    found = sorted((k for k in s.p if s.matters(k)), key=lambda k: -s.auroc[k])
    if not found:
        return (
            f"There is a signal (p = {s.p_table:.3f}), but no single source stands out from shuffled labels."
        )
    told = ", ".join(f"{k} (held-out AUROC {s.auroc[k]:.2f}, p {s.p[k]:.3f})" for k in found[:4])
    text = f"Sources that matter: {told}{' and more' if len(found) > 4 else ''}."
    if arbiter.context:
        said = f"context {', '.join(arbiter.context)}"
        text += (
            f" The {said} changes whom to trust (p = {arbiter.context_p_:.2f})."
            if arbiter.context_p_ <= 0.05
            else f" The {said} does not change whom to trust (p >= {arbiter.context_p_:.2f}): "
                "weights are the same for all."
        )
    return text


def signal_table(arbiter: FeatureArbiter) -> pd.DataFrame:
    """Per source: columns, held-out AUROC, family-wise p, whether it matters."""
    s = arbiter.signal_
    rows = [
        {
            "source": k,
            "features": len(c),
            "held-out AUROC": None if s is None else round(s.auroc[k], 3),
            "p (family-wise)": None if s is None else round(s.p[k], 4),
            "matters": "not tested" if s is None else "yes" if s.matters(k) else "no",
        }
        for k, c in arbiter.sources_.items()
    ]
    return pd.DataFrame(rows)
