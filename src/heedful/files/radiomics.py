"""Tables of radiomics features: pyradiomics' column names understood, identifiers and targets told apart.

A column is ``[prefix_]{filter}_{class}_{name}[_suffix]``: ``CT_original_glcm_Contrast``,
``wavelet.HLL_firstorder_Mean``, ``T1_log-sigma-1-0-mm-3D_glszm_ZoneEntropy``,
``original_shape_Sphericity_PET``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from .limits import read_text

CLASSES = ("shape2D", "shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
_FILTER = (
    r"original|wavelet\d*[-._][LH]{2,3}|log[-._]sigma[-._][\d.\-_]+?[-._]?mm[-._]?[23]D|squareroot|square|"
    r"logarithm|exponential|gradient|lbp[-._][23]D(?:[-._](?:m\d|k))?"
)
_COLUMN = re.compile(
    rf"^(?:(?P<prefix>.+?)[_.])?(?P<filter>{_FILTER})[_.](?P<klass>{'|'.join(CLASSES)})[_.]"
    r"(?P<name>[A-Za-z0-9]+)(?:[_.](?P<suffix>.+))?$",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"^(unnamed: ?\d*|id|pid|case(?:[ _.-]?id)?|patient(?:[ _.-]?(?:id|name|number|no))?|"
    r"subject(?:[ _.-]?id)?|image|mask|"
    r"reader|scan|series(?:[ _]?uid)?|study(?:[ _]?uid)?|label)$",
    re.IGNORECASE,
)
_TARGETS = ("target", "label", "class", "outcome", "diagnosis", "y", "malignant", "status")
_TRUE = {"true", "yes", "y", "1", "1.0", "pos", "positive", "malignant"}
_FALSE = {"false", "no", "n", "0", "0.0", "neg", "negative", "benign"}


@dataclass(frozen=True)
class Feature:
    """One column, understood.

    Parameters
    ----------
    column : str
    modality : str
        Prefix or suffix: the modality, phase or region; "" where there is none.
    filter : str
        'original', 'wavelet-HLL', 'log-sigma-1-0-mm-3D', ...
    klass : str
        'shape', 'firstorder', 'glcm', ...
    name : str
    """

    column: str
    modality: str
    filter: str
    klass: str
    name: str

    @property
    def family(self) -> str:
        """The filter without its parameters: original, wavelet, log, other."""
        head = re.split(r"[-._\d]", self.filter.lower())[0]
        return head if head in ("original", "wavelet", "log") else "other"

    @property
    def kind(self) -> str:
        """shape, intensity or texture."""
        return {"shape": "shape", "shape2D": "shape", "firstorder": "intensity"}.get(self.klass, "texture")


def parse_column(column: str) -> Feature | None:
    """A pyradiomics column name's parts, or None if it is not one.

    Examples
    --------
    >>> f = parse_column("MR_wavelet.HLL_glcm_SumSquares")
    >>> f.modality, f.filter, f.klass, f.family, f.kind
    ('MR', 'wavelet-HLL', 'glcm', 'wavelet', 'texture')
    >>> parse_column("original_shape_Sphericity_PET").modality
    'PET'
    >>> parse_column("T1_log-sigma-1-0-mm-3D_glszm_ZoneEntropy").filter
    'log-sigma-1-0-mm-3D'
    >>> parse_column("age") is None
    True
    """
    m = _COLUMN.match(str(column).strip())
    if not m:
        return None
    klass = next(c for c in CLASSES if c.lower() == m["klass"].lower())
    place = "_".join(p for p in (m["prefix"], m["suffix"]) if p)
    return Feature(column, place, re.sub(r"[._]", "-", m["filter"]), klass, m["name"])


@dataclass(frozen=True)
class RadiomicsTable:
    """A table of patients.

    Attributes
    ----------
    X : DataFrame (n, p)
        Numeric features; columns that were asked for by `keep` may hold text.
    y : int array (n,) or None
        0 or 1.
    groups : array (n,)
        Patient identifiers: rows of one patient must never be split.
    classes : tuple
        What 0 and 1 were called.
    features : dict of str to Feature
        The columns that were understood.
    notes : list of str
        What was left out or repaired, with counts.
    """

    X: pd.DataFrame
    y: np.ndarray | None
    groups: np.ndarray
    classes: tuple
    features: dict[str, Feature]
    notes: list[str]


def read_radiomics(
    path: str | Path, *, target: str | None = None, identifier: str | None = None, keep: Sequence[str] = ()
) -> RadiomicsTable:
    """Read a comma-, semicolon- or tab-separated table (plain or gzip).

    Parameters
    ----------
    path : str or Path
    target : str, optional
        Column of the outcome (two values); looked for by name where it is not given.
    identifier : str, optional
        Column that names the patient; looked for by name.
    keep : sequence of str
        Further columns to keep although they are no pyradiomics features, such as context; text stays text.

    Returns
    -------
    RadiomicsTable

    Raises
    ------
    InputError
        No such column, a target of one or of many values, text among the numbers, no features.
    """
    text = read_text(path)
    head = text.split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=head.count)
    try:
        frame = pd.read_csv(
            StringIO(text),
            sep=separator,
            decimal="," if separator == ";" and re.search(r"\d,\d", text[:20000]) else ".",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"is no table ({error})", path=path, remedy="save it as CSV with a header line"
        ) from error
    frame.columns = [str(c).strip() for c in frame.columns]
    written = [c.strip().strip('"') for c in head.split(separator)]  # pandas renames the second of two
    twice = next((c for i, c in enumerate(written) if c and c in written[:i]), None)
    if twice is not None:
        raise InputError("two columns have this name", path=path, where=f"column {twice!r}")
    try:
        return split_table(frame, target=target, identifier=identifier, keep=keep)
    except InputError as error:
        raise InputError(error.what, path=path, where=error.where, remedy=error.remedy) from None


def split_table(
    frame: pd.DataFrame, *, target: str | None = None, identifier: str | None = None, keep: Sequence[str] = ()
) -> RadiomicsTable:
    """The same from a DataFrame."""
    notes: list[str] = []
    for given, what in ((target, "target"), (identifier, "identifier"), *((k, "context") for k in keep)):
        if given is not None and given not in frame.columns:
            raise InputError(
                f"there is no {what} column {given!r}",
                remedy="columns begin " + ", ".join(map(repr, frame.columns[:5])),
            )
    if target is None:
        found = [c for c in frame.columns if c.lower() in _TARGETS and _binary(frame[c]) is not None]
        target = found[0] if found else None
    names = [c for c in frame.columns if c != target]
    if identifier is None:
        found = [c for c in names if _IDENTIFIER.match(c) and c not in keep]
        identifier = next(
            (c for c in found if re.match(r"^(id|pid|case|patient|subject)", c, re.IGNORECASE)), None
        )
    y, classes = None, ()
    if target is not None:
        coded = _binary(frame[target])
        if coded is None:
            values = frame[target].dropna().unique()
            raise InputError(
                f"the target has {len(values)} values ({', '.join(map(str, values[:4]))}), two were expected",
                where=f"column {target!r}",
                remedy="choose a two-class outcome",
            )
        y, classes = coded
        if (y < 0).any():
            notes.append(f"{int((y < 0).sum())} rows without an outcome were left out")
    rows = np.ones(len(frame), bool) if y is None else y >= 0
    groups = (
        frame[identifier].astype(str).to_numpy()[rows] if identifier else np.arange(rows.sum()).astype(str)
    )
    features, columns, dropped = {}, [], []
    for c in names:
        if c == identifier:
            continue
        parsed = parse_column(c)
        if c.lower().startswith("diagnostics"):
            dropped.append(c)
        elif parsed is not None or c in keep:
            columns.append(c)
            if parsed is not None:
                features[c] = parsed
        elif _IDENTIFIER.match(c) or not pd.api.types.is_numeric_dtype(frame[c]):
            dropped.append(c)
        else:
            columns.append(c)
    if dropped:
        notes.append(
            f"{len(dropped)} columns are no features and were left out: {', '.join(dropped[:4])}"
            + (" ..." if len(dropped) > 4 else "")
        )
    if not columns:
        raise InputError("no column holds a feature", remedy="expected names such as original_glcm_Contrast")
    X = frame.loc[rows, columns]
    words = [c for c in keep if c in X and not _numeric(X[c])]
    bad = [c for c in X if c not in words and not pd.api.types.is_numeric_dtype(X[c])]
    if bad:
        text = X[bad[0]][pd.to_numeric(X[bad[0]], errors="coerce").isna() & X[bad[0]].notna()]
        if len(text):
            raise InputError(
                f"{str(text.iloc[0])!r} in a number column",
                where=f"column {bad[0]!r}",
                remedy="remove the text or leave the cell empty",
            )
        X = X.assign(**{c: pd.to_numeric(X[c]) for c in bad})
    X = X.astype({c: float for c in X if c not in words}).replace([np.inf, -np.inf], np.nan)
    X = X.reset_index(drop=True)
    return RadiomicsTable(X, None if y is None else y[rows], groups, classes, features, notes)


def _numeric(column: pd.Series) -> bool:
    """Whether every cell is a number or empty."""
    return bool((pd.to_numeric(column, errors="coerce").notna() | column.isna()).all())


def _binary(column: pd.Series) -> tuple[np.ndarray, tuple] | None:
    """0/1 codes (-1 missing) and the two names, or None."""
    text = column.astype("object").where(column.notna(), None)
    low = [None if v is None else str(v).strip().lower() for v in text]
    values = sorted({v for v in low if v is not None})
    if len(values) != 2:
        return None
    first, second = values
    if first in _TRUE and second in _FALSE:
        first, second = second, first
    elif not (first in _FALSE and second in _TRUE):
        with suppress(ValueError):
            first, second = sorted(values, key=float)
    code = {first: 0, second: 1, None: -1}
    return np.array([code[v] for v in low]), (first, second)
