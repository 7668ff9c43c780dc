"""What the weights assert about sources, and the tests of it: shuffled outcomes, shuffled contexts.

With half a dozen keys an exchange of their contents has too few outcomes to test a claim; shuffling the
outcomes of the patients has not, and it repeats the whole fit.
"""

from __future__ import annotations

import pandas as pd

from ...trust import Verdict
from .model import FeatureArbiter
from .null import Signal


def claims(arbiter: FeatureArbiter, n: int) -> list[Verdict]:
    """One verdict for the table, one for each source that could matter, one for the context.

    Parameters
    ----------
    arbiter : FeatureArbiter
        Fitted.
    n : int
        Patients.
    """
    s = arbiter.signal_
    if s is None:
        reason = "permutations=0"
        return [
            Verdict("the features know the outcome", "not testable", 0.0, None, None, n, "", reason=reason)
        ]
    against = f"{arbiter.permutations} shuffles of the outcome"
    top = max(s.auroc, key=s.auroc.get)
    made = [
        _verdict("the features know the outcome", s.any, s.auroc[top], s.p_table, n, against, _at(s, top))
    ]
    if s.any:
        against += f", the largest of {len(s.p)} sources"
        best = sorted(s.p, key=lambda k: -s.auroc[k])[:6]
        made += [
            _verdict(f"{k} matters", s.matters(k), s.auroc[k], s.p[k], n, against, _at(s, k)) for k in best
        ]
    if arbiter.context_p_ is not None:
        said = f"{', '.join(arbiter.context)} changes whom to trust"
        against = "its own rows exchanged among patients of the same outcome"
        made.append(_verdict(said, arbiter.context_p_ <= 0.05, float("nan"), arbiter.context_p_, n, against))
    return made


def _at(s: Signal, source: str) -> tuple[float, float] | None:
    ends = s.interval.get(source)
    return None if ends is None else (ends[0] - 0.5, ends[1] - 0.5)


def _verdict(
    name: str, good: bool, auroc: float, p: float, n: int, against: str, interval=None
) -> Verdict:
    status = "supported" if good else "not supported"
    return Verdict(
        name, status, auroc - 0.5, interval, float(p), n, against, measure="held-out AUROC", origin=0.5,
        items="patients",
    )  # fmt: skip


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
        p, share = arbiter.context_p_, arbiter.context_share_
        text += (
            f" The {said} changes whom to trust (p = {p:.3f})."
            if p <= 0.05
            else f" That the {said} changes whom to trust is not shown (p = {p:.2f}): "
            + (
                "weights are the same for all."
                if share == 0
                else f"its part in the weights is shrunk to {share:.0%}."
            )
        )
    return text


def _short(x: float) -> str:
    return f"{x:.2f}".lstrip("0")


def signal_table(arbiter: FeatureArbiter) -> pd.DataFrame:
    """Per source: columns, held-out AUROC, family-wise p, whether it matters."""
    s = arbiter.signal_
    rows = [
        {
            "source": k,
            "features": len(c),
            "held-out AUROC": None if s is None else round(s.auroc[k], 3),
            "95 %": "" if s is None or k not in s.interval else "-".join(map(_short, s.interval[k])),
            "p (family)": None if s is None else round(s.p[k], 4),
            "matters": "not tested" if s is None else "yes" if s.matters(k) else "no",
        }
        for k, c in arbiter.sources_.items()
    ]
    return pd.DataFrame(rows)
