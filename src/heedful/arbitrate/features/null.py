"""No signal, no story: what the weights would have said about labels that mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .ridge import held_out, rotate, smoothers


@dataclass(frozen=True)
class Signal:
    """The permutation test of one table.

    Attributes
    ----------
    auroc : dict of str to float
        Held-out AUROC of each source's expert, and of 'joint'.
    p : dict of str to float
        Of each source, against the largest over all sources under permuted labels (family-wise).
    p_table : float
        Of the table: the largest of all, against the largest under permuted labels.
    interval : dict of str to (float, float)
        95 % of each `auroc`, resampling patients.
    """

    auroc: dict[str, float]
    p: dict[str, float]
    p_table: float
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is anything to tell, at 5 %."""
        return self.p_table <= 0.05

    def matters(self, source: str) -> bool:
        """Whether this source matters, at 5 % over the whole family."""
        return self.any and self.p[source] <= 0.05


def resampled(groups: np.ndarray | None, n: int) -> Callable[[np.random.Generator], np.ndarray]:
    """A function that draws as many patients as there are, with replacement, and gives all their rows.

    >>> rows = resampled(np.array(["a", "a", "b"]), 3)(np.random.default_rng(0))
    >>> bool((rows == 0).sum() == (rows == 1).sum())
    True
    """
    if groups is None or len(set(groups)) == n:
        return lambda rng: rng.integers(n, size=n)
    unit = np.unique(groups, return_inverse=True)[1]
    rows = np.split(np.argsort(unit, kind="stable"), np.cumsum(np.bincount(unit))[:-1])
    return lambda rng: np.concatenate([rows[k] for k in rng.integers(len(rows), size=len(rows))])


def exchanged(y: np.ndarray, groups: np.ndarray | None) -> Callable[[np.random.Generator], np.ndarray]:
    """A function that shuffles labels (n,) the way they lie among patients.

    Where every patient has one label, patients exchange it. Where some have both (a lesion and the healthy
    side), patients with as many rows exchange all theirs, and every patient's are shuffled among its rows.

    >>> pairs = exchanged(np.array([0, 1, 0, 1]), np.array(["a", "a", "b", "b"]))(np.random.default_rng(0))
    >>> pairs.reshape(2, 2).sum(1)
    array([1, 1])
    """
    if groups is None:
        return lambda rng: y[rng.permutation(len(y))]
    _, first, unit, count = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    if (y == y[first][unit]).all():
        return lambda rng: y[first][rng.permutation(len(first))][unit]
    rows = np.split(np.argsort(unit, kind="stable"), np.cumsum(count)[:-1])
    alike = [np.stack([rows[k] for k in np.flatnonzero(count == c)]) for c in np.unique(count)]

    def draw(rng: np.random.Generator) -> np.ndarray:
        out = np.empty_like(y)
        for at in alike:  # (patients, rows)
            out[at] = rng.permuted(y[at][rng.permutation(len(at))], axis=1)
        return out

    return draw


def auroc_columns(score: np.ndarray, y: np.ndarray) -> np.ndarray:
    """AUROC of each column of scores (n, B) for each column of labels (n, B)."""
    from scipy.stats import rankdata

    rank = rankdata(score, axis=0)
    positive = y.sum(0)
    return ((rank * y).sum(0) - positive * (positive + 1) / 2) / (positive * (len(y) - positive))


def hats_of(x: Mapping[str, np.ndarray], folds: np.ndarray) -> dict[str, np.ndarray | None]:
    """Held-out smoothers of every source and of all together; they do not depend on the labels."""
    every = {**x, "joint": np.concatenate(list(x.values()), 1)}
    return {s: smoothers(rotate(t)[0], folds) if t.shape[1] else None for s, t in every.items()}


def permutation_test(
    x: Mapping[str, np.ndarray],
    y: np.ndarray,
    folds: np.ndarray,
    *,
    permutations: int = 499,
    seed: int = 0,
    groups: np.ndarray | None = None,
    hats: Mapping[str, np.ndarray] | None = None,
) -> Signal:
    """Does any source know the label better than it knows shuffled ones?

    Every permutation repeats the whole procedure, choice of penalty included (the held-out smoothers are
    linear in y). Rows of one patient keep one label; see `exchanged` for patients with both.

    Parameters
    ----------
    x : dict of str to array (n, p_s)
        Normal scores of each source.
    y : (n,) of 0 and 1
    folds : int (n,)
    groups : (n,), optional
    hats : dict, optional
        From `hats_of(x, folds)`, where the same table is tested with many labels.

    Returns
    -------
    Signal
    """
    rng = np.random.default_rng([seed, 31])
    shuffle = exchanged(y, groups)
    shuffled = np.stack([shuffle(rng) for _ in range(permutations)], 1)
    labels = np.concatenate([y[:, None], shuffled], 1).astype(float)
    found, interval, draw = {}, {}, resampled(groups, len(y))
    for name, m in (hats_of(x, folds) if hats is None else hats).items():
        if m is None:
            found[name], interval[name] = np.full(permutations + 1, 0.5), (0.5, 0.5)
            continue
        scores = held_out(m, labels)[0]
        found[name] = auroc_columns(scores, labels)
        interval[name] = _interval(scores[:, 0], y, draw, np.random.default_rng([seed, 32]))
    sources = list(x)
    top = np.stack([found[s][1:] for s in sources]).max(0)
    all_top = np.maximum(top, found["joint"][1:])
    p_of = lambda value, null: float((1 + (null >= value - 1e-12).sum()) / (1 + len(null)))  # noqa: E731
    return Signal(
        {s: float(v[0]) for s, v in found.items()},
        {s: p_of(found[s][0], top) for s in sources},
        p_of(max(v[0] for v in found.values()), all_top),
        interval,
    )


def _interval(score, y, draw, rng, draws: int = 200) -> tuple[float, float]:
    """95 % of an AUROC, resampling patients."""
    rows = [i for i in (draw(rng) for _ in range(draws)) if 0 < y[i].sum() < len(i)]
    found = [float(auroc_columns(score[i][:, None], y[i][:, None].astype(float))[0]) for i in rows]
    low, high = np.quantile(found, [0.025, 0.975]) if found else (np.nan, np.nan)
    return float(low), float(high)
