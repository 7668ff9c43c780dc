"""Months and quarters as people write them in tables, checked row by row."""

from __future__ import annotations

import math
import re
from calendar import monthrange

import numpy as np
import pandas as pd

from ..errors import InputError

MISSING = frozenset({"", ".", "na", "nan", "n/a", "null", "none", "#n/a"})  # FRED writes "."
# name of a format: its pattern, and (year, month) from the match
_FORMATS = {
    "YYYY-MM-DD": (re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?)?$"), (1, 2)),
    "YYYY-MM": (re.compile(r"(\d{4})-(\d{1,2})$"), (1, 2)),
    "M/D/YYYY": (re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})$"), (3, 1)),
    "YYYYQn": (re.compile(r"(\d{4})[-: ]?[Qq]([1-4])$"), (1, 2)),
    "YYYYMn": (re.compile(r"(\d{4})[-: ]?[Mm](\d{1,2})$"), (1, 2)),
}


def is_missing(cell) -> bool:
    """Whether a cell holds no observation: empty, ``.``, ``NA`` and the like."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and cell.strip().lower() in MISSING


def rows_named(numbers) -> str:
    """ "row 7", "rows 7, 9 and 4 more"."""
    numbers = [int(n) for n in numbers]
    if len(numbers) == 1:
        return f"row {numbers[0]}"
    head = ", ".join(map(str, numbers[:4]))
    return f"rows {head}" + (f" and {len(numbers) - 4} more" if len(numbers) > 4 else "")


def periods(header: list[str], rows: list[list], date_columns: tuple[int, ...], path, first: int):
    """The months or quarters of the rows: one format throughout, else an InputError with the row."""
    empty = [first + i for i, row in enumerate(rows) if any(is_missing(row[c]) for c in date_columns)]
    if empty:
        raise InputError("the date is missing", path=path, where=rows_named(empty), remedy="fill it in")
    if len(date_columns) == 2:
        letter = "M" if header[date_columns[1]].lower() == "month" else "Q"
        cells = [_two(row, date_columns, letter) for row in rows]
    else:
        cells = [_one(row[date_columns[0]]) for row in rows]
    kinds: dict[str, int] = {}
    ordinals = []
    for number, cell in enumerate(cells, first):
        name = next((name for name, (pattern, _) in _FORMATS.items() if pattern.match(cell)), None)
        if name is None:
            raise InputError(
                f"'{cell[:40]}' is no date that is understood",
                path=path,
                where=f"row {number}",
                remedy=f"write all dates as one of {', '.join(_FORMATS)}",
            )
        if kinds and name not in kinds:
            other, before = next(iter(kinds.items()))
            raise InputError(
                f"two date formats: '{cell}' is {name}, row {before} is {other}",
                path=path,
                where=f"row {number}",
                remedy="write all dates in the same way",
            )
        kinds.setdefault(name, number)
        pattern, (y, m) = _FORMATS[name]
        match = pattern.match(cell)
        year, month = int(match[y]), int(match[m])
        if (
            not 1 <= month <= 12
            or not 1600 <= year <= 2500
            or (name in ("YYYY-MM-DD", "M/D/YYYY") and not _is_day(match, name))
        ):
            raise InputError(
                f"'{cell}' is no day of the calendar in the form {name}",
                path=path,
                where=f"row {number}",
                remedy="day and month may be exchanged",
            )
        ordinals.append(year * 4 + month - 1 if name == "YYYYQn" else year * 12 + month - 1)
    ordinals = np.array(ordinals)
    if "YYYYQn" in kinds:
        return pd.PeriodIndex.from_ordinals(ordinals - 1970 * 4, freq="Q")
    if len(ordinals) > 2 and (np.diff(ordinals) == 3).mean() > 0.9:
        quarter = (ordinals - 1970 * 12) // 3
        return pd.PeriodIndex.from_ordinals(quarter, freq="Q")
    return pd.PeriodIndex.from_ordinals(ordinals - 1970 * 12, freq="M")


def _two(row, columns, letter) -> str:
    try:
        return f"{int(float(row[columns[0]])):04d}{letter}{int(float(row[columns[1]]))}"
    except (TypeError, ValueError, OverflowError):
        return f"{row[columns[0]]} {row[columns[1]]}"


def _one(cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()


def _is_day(match, name) -> bool:
    y, m, d = (1, 2, 3) if name == "YYYY-MM-DD" else (3, 1, 2)
    return 1 <= int(match[d]) <= monthrange(int(match[y]), int(match[m]))[1]


def check_order(index: pd.PeriodIndex, path, first: int) -> None:
    """An InputError if a period is twice there, out of order or skipped."""
    seen: dict = {}
    for number, period in enumerate(index, first):
        if period in seen:
            raise InputError(
                f"{period} appears twice (first in row {seen[period]})",
                path=path,
                where=f"row {number}",
                remedy="keep one row",
            )
        seen[period] = number
    steps = np.diff(index.astype("int64"))
    # a step back is what is wrong; the gap that it leaves elsewhere is only its shadow
    for i in (np.flatnonzero(steps < 0) if (steps < 0).any() else np.flatnonzero(steps != 1))[:1]:
        where = f"row {first + i + 1}"
        if steps[i] < 0:
            raise InputError(
                f"{index[i + 1]} comes after {index[i]}: the rows are not in order of time",
                path=path,
                where=where,
                remedy="sort them",
            )
        raise InputError(
            f"{index[i + 1]} comes after {index[i]}: the {steps[i] - 1} between are absent",
            path=path,
            where=where,
            remedy="give each a row with empty cells",
        )
