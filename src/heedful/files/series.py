"""Panels of time series: CSV (comma, semicolon or tab, plain or gzip) and Parquet, rows are times."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError, MissingExtra
from .limits import check_readable, read_text

TIME_NAMES = ("time", "date", "datetime", "timestamp", "month", "quarter", "year", "day", "t", "")


def read_series(
    path: str | Path, *, time: str | None = None, columns: list[str] | None = None
) -> pd.DataFrame:
    """A panel of numeric series from a file; the index is the clock where the file has one.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.tsv``, ``.txt`` (optionally gzip) or ``.parquet``.
    time : str, optional
        Name of the time column; by default the first column where it holds dates or is called so.
    columns : list of str, optional
        The series wanted, in this order.

    Returns
    -------
    DataFrame (T, N)
        Float64; NaN where a cell is empty. Neither sorted nor filled: what reads it decides. Repairs are
        counted in ``attrs["notes"]``.

    Raises
    ------
    InputError
        Text in a number column, dates of mixed formats or time zones, unknown columns, no rows; with row
        numbers (the header is row 1).
    """
    path = check_readable(path)
    frame = parquet_frame(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    if frame.empty:
        raise InputError("has a header and no rows", path=path)
    frame.columns = [str(c).strip() for c in frame.columns]
    twice = [c for c in frame.columns if list(frame.columns).count(c) > 1]
    if twice:
        raise InputError(f"two columns are called {twice[0]!r}", path=path, remedy="rename one")
    if time is not None and time not in frame.columns:
        raise InputError(
            f"no column {time!r}; there are {', '.join(map(repr, frame.columns[:12]))}", path=path
        )
    clock, notes = time if time is not None else _find_clock(frame), []
    if clock is not None:
        frame = frame.set_index(as_times(frame[clock], path, notes=notes)).drop(columns=clock)
    if columns:
        unknown = [c for c in columns if c not in frame.columns]
        if unknown:
            raise InputError(
                f"no column {unknown[0]!r}; there are {', '.join(map(repr, frame.columns[:12]))}", path=path
            )
        frame = frame[list(columns)]
    out = pd.DataFrame({c: numbers(frame[c], path) for c in frame.columns}, index=frame.index)
    out.attrs["notes"] = notes
    return out


def numbers(column: pd.Series, path: str | Path | None = None, first_row: int = 2) -> pd.Series:
    """The column as float64; the first cell that is not a number is named with its row."""
    if pd.api.types.is_bool_dtype(column) or not (
        pd.api.types.is_numeric_dtype(column) or column.isna().all()
    ):
        text = column.astype("string").str.strip()
        value = pd.to_numeric(text.mask(text.isin(["", "NA", "NaN", "nan", ".", "null"])), errors="coerce")
        wrong = np.flatnonzero(
            (value.isna() & ~text.isin(["", "NA", "NaN", "nan", ".", "null"]) & text.notna()).to_numpy()
        )
        if wrong.size:
            raise InputError(
                f"{str(column.iloc[wrong[0]])[:40]!r} is not a number ({wrong.size} such cells)",
                path=path,
                where=f"row {wrong[0] + first_row}, column {column.name!r}",
                remedy="leave a missing value empty, or drop the column",
            )
        return value.astype(np.float64)
    return column.astype(np.float64)


def as_times(
    column: pd.Series,
    path: str | Path | None = None,
    first_row: int = 2,
    *,
    notes: list[str] | None = None,
) -> pd.Index:
    """Numbers as they are; else dates, all of one ISO-like format, with a zone or without, as UTC.

    Offsets from UTC may differ from row to row (summer time does that): what has another one than the first
    row is counted in ``notes``, where a list is given.

    Raises
    ------
    InputError
        An empty time, a mixture of formats or of times with and without zone, text that is no date; with its
        row.
    """

    def row(at: int) -> int:
        """As the file counts it, also where the column is what is left of a table."""
        whole = pd.api.types.is_integer_dtype(column.index)
        return first_row + (int(column.index[at]) if whole else at)

    if column.isna().any():
        at = int(np.flatnonzero(column.isna().to_numpy())[0])
        raise InputError(
            f"the time is empty ({int(column.isna().sum())} such rows)",
            path=path,
            where=f"row {row(at)}, column {column.name!r}",
            remedy="remove these rows",
        )
    if pd.api.types.is_numeric_dtype(column):
        return pd.Index(column.to_numpy(), name=column.name)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(column.dt.tz_convert("UTC").dt.tz_localize(None), name=column.name)
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.DatetimeIndex(column, name=column.name)
    text = column.astype("string").str.strip()
    zone = text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True) & text.str.contains(":")
    if zone.any() and not zone.all():
        with_zone = bool(zone.iloc[0])
        at = int(np.flatnonzero((zone != with_zone).to_numpy())[0])
        raise InputError(
            f"{text.iloc[at]!r} {'lacks' if with_zone else 'has'} a time zone, the rows before "
            f"{'have' if with_zone else 'lack'} one",
            path=path,
            where=f"row {row(at)}, column {column.name!r}",
            remedy="write all times in UTC",
        )
    if zone.any() and notes is not None:
        offset = text.str.extract(r"(Z|[+-]\d\d:?\d\d)$")[0].str.replace(":", "").replace("Z", "+0000")
        other = (offset != offset.iloc[0]).to_numpy()
        if other.any():
            at = int(other.argmax())
            notes.append(
                f"{int(other.sum())} of {len(text)} times in column {column.name!r} have another offset from "
                f"UTC than the first ({offset.iloc[0]}; row {row(at)} has {offset.iloc[at]}): all read as UTC"
            )
    try:
        parsed = pd.to_datetime(text, utc=bool(zone.any()))
    except (ValueError, TypeError, OverflowError):
        guess = pd.to_datetime(text, errors="coerce", utc=bool(zone.any()))
        at = int(np.flatnonzero(guess.isna().to_numpy())[0]) if guess.isna().any() else 0
        raise InputError(
            f"{text.iloc[at][:40]!r} is not a date of the format of {text.iloc[0]!r}",
            path=path,
            where=f"row {row(at)}, column {column.name!r}",
            remedy="write all dates alike, as YYYY-MM-DD",
        ) from None
    index = pd.DatetimeIndex(parsed, name=column.name)
    return index.tz_localize(None) if index.tz is not None else index


def _find_clock(frame: pd.DataFrame) -> str | None:
    first = frame.columns[0]
    named = [c for c in frame.columns if c.lower() in TIME_NAMES and c]
    if named:
        return named[0]
    if first == "" or first.startswith("Unnamed"):
        return first
    if pd.api.types.is_numeric_dtype(frame[first]) or pd.api.types.is_bool_dtype(frame[first]):
        return None
    sample = frame[first].dropna().astype("string").head(20)
    dated = len(sample) > 0 and sample.str.contains(r"^\s*\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?").mean() > 0.5
    return first if dated or pd.api.types.is_datetime64_any_dtype(frame[first]) else None


def _csv(path: Path) -> pd.DataFrame:
    text = read_text(path)
    head = text[: text.find("\n")] if "\n" in text else text
    if "\x00" in text[:10_000]:
        raise InputError("holds zero bytes: not a text table", path=path)
    separator = max(",;\t", key=head.count)
    decimal = "," if separator == ";" and text[:20_000].count(",") else "."
    names = [c.strip().strip('"') for c in head.split(separator)]
    twice = [c for c in names if c and names.count(c) > 1]
    if twice:  # pandas would rename the second
        raise InputError(f"two columns are called {twice[0]!r}", path=path, remedy="rename one")
    try:
        return pd.read_csv(io.StringIO(text), sep=separator, decimal=decimal, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"not a table ({str(error).strip()[:120]})", path=path) from None


def parquet_frame(path: Path) -> pd.DataFrame:
    """A Parquet file as a table, or an InputError."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("pyarrow", "files") from None
    try:
        frame = pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"not a Parquet file that can be read ({str(error)[:120]})", path=path) from None
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return frame
