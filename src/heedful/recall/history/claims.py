"""What a history model asserts: that the forgotten past says more than the last values alone."""

from __future__ import annotations

import numpy as np

from ...trust.verdict import Test, Verdict
from .model import History, group_folds
from .peers import cox_last
from .survival import auroc, brier, ipcw
from .tokens import Histories


def outcome_of(H: Histories, horizon: float | None) -> tuple[np.ndarray, np.ndarray]:
    """0/1 outcomes and their weights: IPCW where there are durations."""
    if H.duration is not None:
        return ipcw(H.duration, H.died, horizon)
    return H.outcome, np.ones(len(H))


def out_of_fold(
    H: Histories, model: History, groups: np.ndarray | None = None, *, folds: int = 5, seed: int = 0
) -> dict[str, np.ndarray]:
    """Held-out risks (n,) of the model and of Cox (logistic) regression on last values, folds by group."""
    groups = H.subject if groups is None else groups
    fold = group_folds(groups, folds, seed)
    out = {"ours": np.zeros(len(H)), "last values": np.zeros(len(H))}
    for k in range(folds):
        a, b = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        train, held = H.take(a), H.take(b)
        out["ours"][b] = History(**model.get_params()).fit(train, groups=groups[a]).predict(held)
        out["last values"][b] = cox_last(train, held, model.horizon)
    return out


def paired(
    H: Histories, horizon, guess: dict[str, np.ndarray], groups=None, *, draws: int = 500, seed: int = 0
):
    """AUROC and Brier of both, and bootstrap intervals (over groups) of ours less the other's."""
    groups = H.subject if groups is None else groups
    case, weight = outcome_of(H, horizon)
    _, at = np.unique(groups, return_inverse=True)
    order = np.argsort(at, kind="stable")
    edge = np.searchsorted(at[order], np.arange(at.max() + 2))
    rng = np.random.default_rng(seed)

    def score(p, rows):
        return np.array([auroc(p[rows], case[rows], weight[rows]), brier(p[rows], case[rows], weight[rows])])

    everyone = np.arange(len(H))
    whole = {who: score(p, everyone) for who, p in guess.items()}
    gaps = []
    for _ in range(draws):
        pick = rng.integers(0, at.max() + 1, at.max() + 1)
        rows = np.concatenate([order[edge[g] : edge[g + 1]] for g in pick])
        if 0 < case[rows].sum() < len(rows):
            gaps.append(score(guess["ours"], rows) - score(guess["last values"], rows))
    return whole, np.quantile(gaps, [0.025, 0.975], axis=0)


def verdict(H: Histories, whole, interval, *, peer: str) -> Verdict:
    """Is the forgetting history worth more than last values, out of fold?"""
    gain = float(whole["ours"][0] - whole["last values"][0])
    low, high = float(interval[0][0]), float(interval[1][0])
    says = f"AUROC {whole['ours'][0]:.4f} against {whole['last values'][0]:.4f} of {peer}"
    test = Test("held-out gain", low > 0, gain, (low, high), None, len(H), peer, says)
    return Verdict(
        f"The forgetting history adds to {peer}",
        "supported" if low > 0 else "not supported",
        gain,
        (low, high),
        None,
        len(H),
        peer,
        (test,),
        caution="association, not cause",
        reason="" if low > 0 else "the interval holds 0",
        measure="out-of-fold AUROC",
    )
