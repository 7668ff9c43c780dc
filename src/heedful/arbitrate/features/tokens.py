"""From columns to sources: one token per source, never one per feature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    their prefix up to the first underscore or digit where at least two share it, else 'other'; one column
    alone keeps its name.

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
    if len(alone := others.get("other", ())) == 1:  # better known by its own name
        others = {(str(alone[0]) if k == "other" else k): v for k, v in others.items()}
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


def check_table(X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None = None) -> None:
    """Refuse what cannot be learned from: few patients, the outcome or an identifier among the features.

    Parameters
    ----------
    X : DataFrame (n, p), y : (n,) of 0 and 1
    groups : (n,), optional
        Patient of each row: patients are counted, not rows.
    """
    n, p = X.shape
    unit = np.arange(n) if groups is None else np.asarray(groups)
    patients = len(set(unit))
    if patients < 30 and p > patients:
        raise InputError(
            f"{patients} patients and {p} features: any pattern could be found",
            remedy="collect at least 30 patients, or choose a few features beforehand",
        )
    fewest = min(len(set(unit[y == k])) for k in (0, 1))
    if fewest < 5:
        raise InputError(f"only {fewest} patients in the smaller class, 5 are needed")
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


def tell_apart(X: pd.DataFrame, y: np.ndarray, least: int = 20) -> list[str]:
    """Columns that by themselves separate the outcomes without one exception: made from the outcome?

    >>> x = pd.DataFrame({"time": [1.0, 2, 3, 9, 8, 7], "age": [1.0, 5, 3, 2, 6, 4]})
    >>> tell_apart(x, np.array([0, 0, 0, 1, 1, 1]), least=6)
    ['time']
    """
    found = []
    for c in X.columns:
        if not pd.api.types.is_numeric_dtype(X[c]):
            continue
        v = X[c].to_numpy(dtype=float)
        low, high = (v[(y == k) & np.isfinite(v)] for k in (0, 1))
        if min(len(low), len(high)) * 2 >= least and (low.max() < high.min() or high.max() < low.min()):
            found.append(str(c))
    return found


KINDS = 8  # values that a context in words may have


@dataclass
class Coding:
    """Context columns as numbers: words become one column of 0 and 1 for each value but the most frequent.

    Attributes
    ----------
    values : dict of str to list of str
        For each column in words, its values in training, the most frequent first. An empty cell and a value
        that was never seen count as the most frequent, as an empty number counts as the middle.
    """

    values: dict[str, list[str]]

    @classmethod
    def fit(cls, X: pd.DataFrame, columns: Sequence[str]) -> Coding:
        """From the training table.

        >>> c = Coding.fit(pd.DataFrame({"kind": ["b", "a", "b", None]}), ["kind"])
        >>> c.values, c(pd.DataFrame({"kind": ["a", "b", "z"]}), ["kind"])[:, 0].tolist()
        ({'kind': ['b', 'a']}, [1.0, 0.0, 0.0])
        """
        values = {}
        for c in columns:
            if _number(X[c]).notna().sum() == X[c].notna().sum():
                continue
            found = X[c].dropna().astype(str).value_counts(sort=False).sort_index()
            if len(found) > KINDS:
                raise InputError(
                    f"has {len(found)} different words, {KINDS} at most can be a context",
                    where=f"column {c!r}",
                    remedy="merge kinds that are alike, or leave it out of the context",
                )
            values[c] = found.sort_values(ascending=False, kind="stable").index.tolist()
        return cls(values)

    def __call__(self, X: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
        """(n, d), NaN where a number is missing."""
        parts = [np.empty((len(X), 0))]
        for c in columns:
            if c in self.values:
                word = X[c].astype(str).to_numpy()
                parts += [(word == v).astype(float)[:, None] for v in self.values[c][1:]]
            else:
                x = _number(X[c]).to_numpy(dtype=float)
                parts.append(np.where(np.isfinite(x), x, np.nan)[:, None])
        return np.concatenate(parts, 1)


def _number(column: pd.Series) -> pd.Series:
    return pd.to_numeric(column.astype(object), errors="coerce")


def matching(table: Sequence[str], learned: Sequence[str], *, named: bool) -> tuple[np.ndarray, str]:
    """Which row of the learned features belongs to each row of the table, and how that was found.

    Parameters
    ----------
    table, learned : sequences of str
        Patients of the rows; '0', '1', ... where a file names none.
    named : bool
        The column was named by the caller, so that '0', '1', ... are names.

    Returns
    -------
    rows : int array (n,), note : str

    Raises
    ------
    InputError
        A patient is missing or has several rows in both, or it cannot be told whether rows are in order.

    Examples
    --------
    >>> matching(["b", "a"], ["a", "b", "c"], named=False)
    (array([1, 0]), 'learned features were matched by patient; 1 row was of others and left out')
    """
    mine, theirs = _names(table), _names(learned)
    if mine == theirs:
        return np.arange(len(mine)), ""
    counted = any(x == [str(i) for i in range(len(x))] for x in (mine, theirs))
    if counted and not named:
        if set(mine) == set(theirs):
            raise InputError(
                "are the rows in the table's order? Patients are numbers in another order, or not named",
                remedy="name the patient column that both have: --id COLUMN",
            )
        if len(mine) != len(theirs):
            raise InputError(
                f"{len(theirs)} rows, the table has {len(mine)}",
                remedy="give both files a column of patients, or one row for each of the table's",
            )
        return np.arange(len(mine)), "learned features name no patients: rows were taken in the table's order"
    lacking = [p for p in dict.fromkeys(mine) if p not in set(theirs)]
    if lacking:
        raise InputError(
            f"no learned features of {len(lacking)} of {len(set(mine))} patients, such as {lacking[0]!r}",
            remedy="give a row for every patient of the table",
        )
    if len(set(theirs)) < len(theirs):
        raise InputError(
            "a patient has several rows, and they stand in another order than the table's",
            remedy="give one row per patient, or the rows in the table's order",
        )
    at = {p: i for i, p in enumerate(theirs)}
    rows, left = np.array([at[p] for p in mine]), len(theirs) - len(set(mine))
    more = f"; {left} row{'s were' if left > 1 else ' was'} of others and left out" if left else ""
    return rows, f"learned features were matched by patient{more}"


def _names(patients: Sequence[str]) -> list[str]:
    """7.0 and 7 are one name."""
    return [p[:-2] if p.endswith(".0") and p[:-2].isdigit() else p for p in map(str, patients)]


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
    """Context columns as a query basis: constant, linear part, hinges at three quantiles; two values alone
    (a category, see `Coding`) have no hinges."""

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
