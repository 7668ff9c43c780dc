"""Panels of economic series (CSV, Parquet, FRED-MD) and tables of dated events, checked row by row."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError, MissingExtra
from .dates import check_order, is_missing, periods, rows_named
from .limits import check_array, check_readable, read_text

# rows between header and data: FRED-MD's codes, and before them FRED-QD's marks of what enters its factors
_ABOVE = ("transform", "factors")
_DATE_NAMES = ("sasdate", "date", "observation_date", "time", "month", "quarter", "period")


@dataclass(frozen=True)
class Panel:
    """Series on one regular time axis.

    Attributes
    ----------
    values : DataFrame, shape (T, N), float64
        Rows are consecutive months or quarters (a PeriodIndex), columns the series; NaN = missing.
    transforms : dict of str to int
        FRED-MD's transformation code of each series, where the file gives them.
    source : str
        Where it came from, one line.
    notes : tuple of str
        What was counted while reading.
    """

    values: pd.DataFrame
    transforms: dict[str, int] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def months(self) -> int:
        """Months in one row: 1 or 3."""
        return 3 if self.values.index.freqstr.startswith("Q") else 1

    @property
    def span(self) -> str:
        """First and last period, "1959-01 to 2023-12"."""
        return f"{self.values.index[0]} to {self.values.index[-1]}"


def read_panel(path: str | Path) -> Panel:
    """Read a panel of monthly or quarterly series; every damage is an error that names its rows.

    Accepted: CSV (comma, semicolon or tab; gzip too) or Parquet with a date column (any of ``date,
    sasdate, observation_date, time, month, period``, else the first column), or with the two columns
    ``year`` and ``month`` or ``quarter``; FRED-MD's and FRED-QD's own formats, whose first data rows
    begin with ``Transform:``, and with ``factors`` and ``transform``. Dates are written in one of
    YYYY-MM-DD, YYYY-MM, M/D/YYYY, YYYYQn, YYYYMn, the same throughout. Empty cells, ``.`` and ``NA``
    are missing observations.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Panel

    Raises
    ------
    InputError
        Missing, duplicated, unsorted, skipped or mixed dates, text in a number column, an infinite
        number, a column that never changes or is empty, a damaged file. Rows are counted as in the
        file, the header being row 1.

    Source
    ------
    FRED-MD: McCracken & Ng 2016, "FRED-MD: a monthly database for macroeconomic research".

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "panel.csv"
    >>> _ = path.write_text("date,permits\\n1990-01,1.5\\n1990-02,1.4\\n1990-02,1.3\\n")
    >>> read_panel(path)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    heedful.errors.InputError: panel.csv, row 4: 1990-02 appears twice (first in row 3); keep one row
    """
    path = check_readable(path)
    header, rows, first = _table(path)
    transforms: dict[str, int] = {}
    date_columns = _date_columns(header, path)
    while rows and (kind := str(rows[0][date_columns[0]]).strip().lower()).startswith(_ABOVE):
        if kind.startswith("transform"):
            transforms = _transforms(header, rows[0], date_columns, path, first)
        rows, first = rows[1:], first + 1
    while rows and all(is_missing(cell) for cell in rows[-1]):
        rows = rows[:-1]  # FRED-MD's files end in empty lines
    if not rows:
        raise InputError("holds a header and no rows", path=path)
    index = periods(header, rows, date_columns, path, first)
    check_order(index, path, first)
    names = [name for i, name in enumerate(header) if i not in date_columns]
    columns, missing = {}, 0
    for i, name in enumerate(header):
        if i not in date_columns:
            columns[name] = _numbers([row[i] for row in rows], name, path, first)
            missing += int(np.isnan(columns[name]).sum())
    if not columns:
        raise InputError("has dates and no series", path=path)
    values = pd.DataFrame(columns, index=index, columns=names)
    _check_columns(values, path)
    notes = (f"{missing} of {values.size} cells are empty and take no part",) if missing else ()
    return Panel(values, transforms, Path(path).name, notes)


def read_events(path: str | Path) -> pd.DataFrame:
    """Read dated events: a table ``date,event,size``; ``size`` may be left out (then 1).

    Parameters
    ----------
    path : str or Path
        CSV or Parquet.

    Returns
    -------
    DataFrame
        Columns ``period`` (monthly), ``event`` (str), ``size`` (float), in the order of the file.

    Raises
    ------
    InputError
        With the row, as in `read_panel`; events need not be sorted and may share a date.
    """
    path = check_readable(path)
    header, rows, first = _table(path)
    lower = [name.lower() for name in header]
    absent = [name for name in ("date", "event") if name not in lower]
    if absent:
        raise InputError(
            f"the columns are {', '.join(header)}; date, event and size were expected", path=path
        )
    if not rows:
        raise InputError("holds a header and no rows", path=path)
    at = lower.index("date")
    dates = periods(header, rows, (at,), path, first)
    labels = [str(row[lower.index("event")]).strip() for row in rows]
    for number, label in enumerate(labels):
        if not label:
            raise InputError("the event has no name", path=path, where=f"row {first + number}")
    sizes = np.ones(len(rows))
    if "size" in lower:
        sizes = _numbers([row[lower.index("size")] for row in rows], "size", path, first)
        if np.isnan(sizes).any():
            raise InputError(
                "the event has no size", path=path, where=rows_named(first + np.flatnonzero(np.isnan(sizes)))
            )
    return pd.DataFrame({"period": dates.asfreq("M"), "event": labels, "size": sizes})


def _table(path: Path) -> tuple[list[str], list[list], int]:
    """Header, rows of cells, and the number of the first row as a person counts it."""
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    text = read_text(path)
    if "\0" in text:
        raise InputError("is no text table (it holds NUL bytes)", path=path)
    line = text.split("\n", 1)[0]
    mark = max((",", ";", "\t"), key=line.count)
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=mark))
    except csv.Error as error:
        raise InputError(f"is no readable table ({error})", path=path) from error
    header = [name.strip() for name in rows[0]] if rows else []
    if len(header) < 2:
        raise InputError("has fewer than two columns", path=path, remedy="separate them by commas")
    while header and not header[-1] and all(len(r) < len(header) or not r[len(header) - 1] for r in rows[1:]):
        header = header[:-1]
    _check_names(header, path)
    body = [row[: len(header)] if not any(row[len(header) :]) else row for row in rows[1:]]
    while body and not any(cell.strip() for cell in body[-1]):
        body = body[:-1]
    for number, row in enumerate(body, 2):
        if len(row) != len(header):
            raise InputError(
                f"{len(row)} cells, the header has {len(header)}", path=path, where=f"row {number}"
            )
    return header, body, 2


def _parquet(path: Path) -> tuple[list[str], list[list], int]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("pyarrow", "files") from None
    try:
        with pq.ParquetFile(path) as file:
            check_array((file.metadata.num_rows, file.metadata.num_columns), 64, path=path, what="table")
            frame = file.read().to_pandas()
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"is damaged or no Parquet file ({reason})", path=path) from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(names=frame.index.name or "date")
    header = [str(name) for name in frame.columns]
    if len(header) < 2:
        raise InputError("has fewer than two columns", path=path)
    _check_names(header, path)
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            raise InputError(
                "the times carry a time zone; months have none",
                path=path,
                where=f"column '{name}'",
                remedy="write dates without one",
            )
        if pd.api.types.is_datetime64_any_dtype(frame[name].dtype):
            frame[name] = frame[name].dt.strftime("%Y-%m-%d").astype(object)
        elif isinstance(frame[name].dtype, pd.PeriodDtype):
            frame[name] = frame[name].astype(str)
    frame = frame.astype(object).where(frame.notna(), None)
    return header, frame.to_numpy().tolist(), 1


def _check_names(header: list[str], path) -> None:
    seen: dict[str, int] = {}
    for number, name in enumerate(header, 1):
        if not name:
            raise InputError(f"column {number} has no name", path=path, where="row 1")
        if name in seen:
            raise InputError(f"two columns are named '{name}' (columns {seen[name]} and {number})", path=path)
        seen[name] = number


def _date_columns(header: list[str], path) -> tuple[int, ...]:
    lower = [name.lower() for name in header]
    if "year" in lower and ("month" in lower or "quarter" in lower):
        return lower.index("year"), lower.index("month" if "month" in lower else "quarter")
    return next(((lower.index(name),) for name in _DATE_NAMES if name in lower), (0,))


def _transforms(header, row, date_columns, path, number: int) -> dict[str, int]:
    out = {}
    for i, (name, cell) in enumerate(zip(header, row, strict=True)):
        if i in date_columns:
            continue
        try:
            code = int(float(cell))
        except (TypeError, ValueError):
            code = 0
        if code not in range(1, 8):
            raise InputError(
                f"transformation code {cell!r}; 1 to 7 was expected",
                path=path,
                where=f"row {number}, column '{name}'",
            )
        out[name] = code
    return out


def _numbers(cells, name: str, path, first: int) -> np.ndarray:
    out = np.full(len(cells), np.nan)
    text, infinite = [], []
    for i, cell in enumerate(cells):
        if is_missing(cell):
            continue
        try:
            out[i] = float(cell)
        except (TypeError, ValueError):
            text.append(i)
            continue
        if math.isinf(out[i]):
            infinite.append(i)
        elif math.isnan(out[i]):
            text.append(i)
    if text:
        raise InputError(
            f"'{str(cells[text[0]])[:40]}' in a number column",
            path=path,
            where=f"{rows_named(first + np.array(text))}, column '{name}'",
            remedy="remove the text or leave the cell empty",
        )
    if infinite:
        raise InputError(
            "an infinite number",
            path=path,
            where=f"{rows_named(first + np.array(infinite))}, column '{name}'",
        )
    return out


def _check_columns(values: pd.DataFrame, path) -> None:
    empty = [name for name in values if values[name].notna().sum() == 0]
    if empty:
        raise InputError(
            f"no number in {', '.join(map(repr, empty[:4]))}", path=path, remedy="remove the column"
        )
    flat = [name for name in values if values[name].nunique() == 1]
    if flat:
        always = values[flat[0]].dropna().iloc[0]
        raise InputError(
            f"{', '.join(map(repr, flat[:4]))} never changes (always {always:g})",
            path=path,
            remedy="remove the column, it can say nothing",
        )
