"""From columns to sources: one token per source, never one per feature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from ...errors import InputError
from ...files.radiomics import parse_column

MANY = 16  # more sources than this are merged: with a hundred patients more weights cannot be told apart


def sources_of(columns: Sequence[str], *, most: int = MANY, learned: str = "learned") -> dict[str, list[str]]:
    """Columns grouped into named sources, by the finest level that gives at most `most`.

    Levels: modality x filter x class, modality x filter family x class, modality x family x kind (shape,
    intensity, texture), modality x kind, kind. Columns that are no pyradiomics names form a source by
    their prefix up to the first underscore or digit where at least two share it, else 'other'.

    Parameters
    ----------
    columns : sequence of str

    Returns
    -------
    dict of str to list of str

    Examples
    --------
    >>> sources_of(["CT_original_glcm_Contrast", "deep0", "deep1"])
    {'CT glcm': ['CT_original_glcm_Contrast'], 'deep': ['deep0', 'deep1']}
    """
    parsed = {c: parse_column(c) for c in columns}
    rest: dict[str, list[str]] = defaultdict(list)
    for c, f in parsed.items():
        if f is None:
            rest[str(c).rstrip("0123456789").split("_")[0].strip("_. ") or "other"].append(c)
    others: dict[str, list[str]] = {}
    for name, group in rest.items():
        others.setdefault(name if len(group) > 1 else "other", []).extend(group)
    known = [f for f in parsed.values() if f is not None]
    if not known:
        return others
    levels = (
        lambda f: (f.modality, f.filter, f.klass),
        lambda f: (f.modality, f.family, f.klass),
        lambda f: (f.modality, f.family, f.kind),
        lambda f: (f.modality, f.kind),
        lambda f: (f.kind,),
    )
    for level in levels:
        groups: dict[str, list[str]] = {}
        for f in known:
            # shape has no filter, and 'original' goes without saying
            name = " ".join(p for p in level(f) if p and p != "original")
            groups.setdefault(name or "features", []).append(f.column)
        if len(groups) + len(others) <= most:
            break
    return {**groups, **others}


def check_sources(X: pd.DataFrame, sources: Mapping[str, Sequence[str]], context: Sequence[str]) -> None:
    """Refuse sources that cannot be: no column, a column twice, a column that is also the context."""
    seen: dict[str, str] = {}
    for name, columns in sources.items():
        if not len(columns):
            raise InputError(f"the source {name!r} has no column")
        for c in columns:
            if c not in X.columns:
                raise InputError(f"there is no column {c!r}", where=f"source {name!r}")
            if c in seen:
                raise InputError(f"the column {c!r} is in two sources, {seen[c]!r} and {name!r}")
            if c in context:
                raise InputError(f"the column {c!r} is both context and part of the source {name!r}")
            seen[c] = name
    for c in context:
        if c not in X.columns:
            raise InputError(f"there is no context column {c!r}")


def check_table(X: pd.DataFrame, y: np.ndarray) -> None:
    """Refuse what cannot be learned from: few patients, the outcome or an identifier among the features."""
    n, p = X.shape
    if n < 30 and p > n:
        raise InputError(
            f"{n} patients and {p} features: any pattern could be found",
            remedy="collect at least 30 patients, or choose a few features beforehand",
        )
    if min(y.sum(), (1 - y).sum()) < 5:
        raise InputError(
            f"only {int(min(y.sum(), (1 - y).sum()))} patients in the smaller class, 5 are needed"
        )
    for c in X.columns:
        v = X[c]
        if not pd.api.types.is_numeric_dtype(v):
            continue
        v = v.to_numpy(dtype=float)
        values = np.unique(v[np.isfinite(v)])
        if len(values) == 2 and (
            np.array_equal(v == values[1], y == 1) or np.array_equal(v == values[0], y == 1)
        ):
            raise InputError(
                "is the outcome itself", where=f"column {c!r}", remedy="take it out of the features"
            )
        if (
            len(values) == n
            and n > 20
            and np.array_equal(v, np.round(v))
            and (np.all(np.diff(v) > 0) or np.array_equal(np.sort(v) - v.min(), np.arange(n)))
        ):
            raise InputError(
                "counts the rows: an identifier, no feature",
                where=f"column {c!r}",
                remedy="take it out of the features, or give it as groups=",
            )


class RankGauss:
    """Each column to normal scores by its training ranks; missing cells to 0, and counted.

    Examples
    --------
    >>> t = RankGauss().fit(np.arange(9.0)[:, None])
    >>> float(t(np.array([[4.0]]))[0, 0])
    0.0
    """

    def fit(self, x: np.ndarray) -> RankGauss:
        """x (n, p), NaN allowed."""
        n = len(x)
        self.sorted = np.sort(x, axis=0)  # NaN last
        self.count = np.isfinite(x).sum(0)
        self.live = np.array(
            [len(np.unique(c[:k])) > 1 for c, k in zip(self.sorted.T, self.count, strict=True)]
        )
        self.n = n
        return self

    def __call__(self, x: np.ndarray) -> np.ndarray:
        out = np.zeros((len(x), int(self.live.sum())))
        for j, c in enumerate(np.flatnonzero(self.live)):
            ref = self.sorted[: self.count[c], c]
            low = np.searchsorted(ref, x[:, c], side="left")
            high = np.searchsorted(ref, x[:, c], side="right")
            score = ndtri(np.clip((low + high + 1) / 2, 0.75, len(ref) + 0.25) / (len(ref) + 1))
            out[:, j] = np.where(np.isfinite(x[:, c]), score, 0.0)
        return out


class Context:
    """Context columns as a query basis: constant, linear part, hinges at three quantiles; categories one
    by one."""

    def __init__(self, knots: Sequence[float] = (0.25, 0.5, 0.75)):
        self.quantiles = tuple(knots)

    def fit(self, c: np.ndarray) -> Context:
        """c (n, k); NaN becomes the median (counted by the caller)."""
        self.median = np.nanmedian(c, axis=0) if c.size else np.zeros(c.shape[1])
        self.spread = np.nanstd(c, axis=0) + 1e-9 if c.size else np.ones(c.shape[1])
        filled = np.where(np.isfinite(c), c, self.median)
        self.binary = np.array([len(np.unique(col)) <= 2 for col in filled.T], bool)
        self.knots = [np.unique(np.quantile(col, self.quantiles)) for col in filled.T]
        return self

    def __call__(self, c: np.ndarray) -> np.ndarray:
        """(n, d) with a leading column of ones."""
        parts = [np.ones((len(c), 1))]
        filled = np.where(np.isfinite(c), c, self.median)
        for j, col in enumerate(filled.T):
            u = (col - self.median[j]) / self.spread[j]
            parts.append(u[:, None])
            if not self.binary[j]:
                for k in self.knots[j]:
                    parts.append(np.maximum((col - k) / self.spread[j], 0)[:, None])
        return np.concatenate(parts, 1)
