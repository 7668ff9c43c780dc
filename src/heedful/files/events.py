"""Event tables of patients: MEDS (Parquet), CSV and pandas; one row is one event, irregular in time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError
from .limits import check_readable, read_text
from .series import as_times, numbers, parquet_frame

SUBJECT = ("subject_id", "patient_id", "person_id", "id", "subject")
TIME = ("time", "timestamp", "datetime", "date", "day", "days")
CODE = ("code", "event", "test", "concept", "name")
VALUE = ("numeric_value", "value", "result")
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Events:
    """Events, sorted by subject, time and code; times in days.

    Attributes
    ----------
    subject : array (E,)
        Identifiers, of the type in the file.
    time : array (E,) of float
        Days: since 1970-01-01 where the file held dates (``dated``), else as given. NaN: a static fact.
    code : array (E,) of int
        Index into ``codes``.
    value : array (E,) of float
        NaN where the event carries no number.
    codes : list of str
    dated : bool
    notes : tuple of str
        Repairs, counted.
    """

    subject: np.ndarray
    time: np.ndarray
    code: np.ndarray
    value: np.ndarray
    codes: list[str]
    dated: bool
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time)

    def only(self, keep: np.ndarray) -> Events:
        """The events flagged, in the same order."""
        return Events(
            self.subject[keep],
            self.time[keep],
            self.code[keep],
            self.value[keep],
            self.codes,
            self.dated,
            self.notes,
        )

    def frame(self) -> pd.DataFrame:
        """As a table with the MEDS names."""
        return pd.DataFrame(
            {
                "subject_id": self.subject,
                "time": self.time,
                "code": np.asarray(self.codes, dtype=object)[self.code],
                "numeric_value": self.value,
            }
        )


def read_events(
    source: str | Path | pd.DataFrame | list,
    *,
    subject: str | None = None,
    time: str | None = None,
    code: str | None = None,
    value: str | None = None,
) -> Events:
    """An event table, checked, sorted, repeats counted and folded.

    Parameters
    ----------
    source : path, DataFrame, or list of them
        MEDS Parquet or CSV (``subject_id, time, code, numeric_value``), or any table with such columns; a
        folder of MEDS shards is read whole. A list is joined.
    subject, time, code, value : str, optional
        Column names where they are not the usual ones.

    Returns
    -------
    Events
        Exact repeats are dropped; several numbers for one code at one time become their mean: both counted
        in ``notes``. Rows without a time are static facts (MEDS).

    Raises
    ------
    InputError
        Missing columns, text among numbers, dates of mixed formats or zones, an empty subject or code.

    Examples
    --------
    >>> table = pd.DataFrame({"subject_id": [2, 1, 1], "time": [0., 5., 5.], "code": ["flu", "bp", "bp"],
    ...                       "numeric_value": [None, 120., 130.]})
    >>> events = read_events(table)
    >>> events.value, events.notes[1]
    (array([125.,  nan]), '1 rows repeat a subject, time and code with another number: averaged')
    """
    parts = source if isinstance(source, list) else [source]
    if not parts:
        raise InputError("no event table was given")
    frames, dated, notes = [], set(), []
    for part in parts:
        frame, path = _table(part)
        one, is_dated = _columns(frame, path, subject, time, code, value, notes)
        frames.append(one)
        if is_dated is not None:
            dated.add(is_dated)
    if len(dated) > 1:
        raise InputError("one table has dates and another numbers of days", remedy="write both the same way")
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    return _ordered(frame, bool(dated and dated.pop()), notes)


def _ordered(frame: pd.DataFrame, dated: bool, notes: list[str]) -> Events:
    codes, names = pd.factorize(frame["code"], sort=True)
    frame = frame.assign(code=codes)
    order = frame.sort_values(["subject", "time", "code"], kind="stable", na_position="first")
    moved = int((order.index.to_numpy()[1:] < order.index.to_numpy()[:-1]).sum())
    if moved:
        notes.append(f"{moved} rows stood out of order (by subject, time, code): sorted")
    whole = len(order)
    order = order.drop_duplicates()
    if whole > len(order):
        notes.append(f"{whole - len(order)} rows were exact repeats: dropped")
    repeat = order.duplicated(["subject", "time", "code"])
    if repeat.any():
        notes.append(
            f"{int(repeat.sum())} rows repeat a subject, time and code with another number: averaged"
        )
        order = order.groupby(["subject", "time", "code"], dropna=False, sort=False, as_index=False)[
            "value"
        ].mean()
    return Events(
        order["subject"].to_numpy(),
        order["time"].to_numpy(dtype=np.float64),
        order["code"].to_numpy(),
        order["value"].to_numpy(dtype=np.float64),
        [str(n) for n in names],
        dated,
        tuple(notes),
    )


def read_labels(source: str | Path | pd.DataFrame, *, dated: bool) -> pd.DataFrame:
    """Prediction times and outcomes: subject, time (days), and what is known of the outcome.

    Parameters
    ----------
    source : path or DataFrame
        ``subject_id, prediction_time`` and either ``boolean_value`` (MEDS label) or ``duration, event``
        (days from the prediction time to the event or to the end of follow-up, and whether it came); with
        neither, times to predict at. Other numeric columns are static covariates. Repairs are counted in the
        answer's ``attrs["notes"]``.
    dated : bool
        Whether the events' times are dates.

    Returns
    -------
    DataFrame
        ``subject, time``, then ``outcome`` or ``duration, event`` where given, then the covariates.
    """
    frame, path = _table(source)
    who = _pick(frame, None, SUBJECT, path, "subject")
    when = _pick(frame, None, ("prediction_time", *TIME), path, "prediction_time")
    notes: list[str] = []
    index = as_times(frame[when], path, notes=notes)
    if isinstance(index, pd.DatetimeIndex) != dated:
        raise InputError(
            f"prediction times are {'dates' if not dated else 'numbers'}, the events' times are "
            f"{'numbers' if not dated else 'dates'}",
            path=path,
            remedy="write both the same way",
        )
    out = pd.DataFrame({"subject": frame[who].to_numpy(), "time": _days(index)})
    out.attrs["notes"] = notes
    rest = [c for c in frame.columns if c not in (who, when)]
    if "boolean_value" in rest:
        flag = frame["boolean_value"]
        if not pd.api.types.is_bool_dtype(flag):
            flag = numbers(flag.replace({"true": 1, "false": 0, "True": 1, "False": 0}), path)
        _no_gap(flag, path)
        neither = ~np.isin(flag.astype(float).to_numpy(), (0.0, 1.0))
        if neither.any():
            at = int(neither.argmax())
            raise InputError(
                f"boolean_value is {flag.iloc[at]:g}; true, false, 1 or 0 was expected",
                path=path,
                where=f"row {at + 2}",
            )
        out["outcome"] = flag.astype(float).to_numpy()
    if ("duration" in rest) != ("event" in rest):
        raise InputError("of duration and event only one is given", path=path, remedy="give both")
    if "duration" in rest:
        duration, event = numbers(frame["duration"], path), numbers(frame["event"], path)
        for column in (duration, event):
            _no_gap(column, path)
        bad = np.flatnonzero(duration.to_numpy() < 0)
        if bad.size:
            raise InputError(f"a negative duration ({bad.size} rows)", path=path, where=f"row {bad[0] + 2}")
        out["duration"], out["event"] = duration.to_numpy(), event.to_numpy()
        if not set(np.unique(out["event"])) <= {0.0, 1.0}:
            raise InputError("event is neither 0 nor 1 somewhere", path=path)
    for c in rest:
        if c not in ("boolean_value", "duration", "event"):
            out[f"static:{c}"] = numbers(frame[c], path).to_numpy()
    return out


def _no_gap(column: pd.Series, path) -> None:
    if column.isna().any():
        at = int(np.flatnonzero(column.isna().to_numpy())[0])
        raise InputError(
            f"{column.name} is empty ({int(column.isna().sum())} rows)",
            path=path,
            where=f"row {at + 2}",
            remedy="leave out rows whose outcome is not known",
        )


def _table(source) -> tuple[pd.DataFrame, Path | None]:
    if isinstance(source, pd.DataFrame):
        return source.reset_index(drop=True), None
    path = Path(source)
    if path.is_dir():
        shards = sorted(path.rglob("*.parquet"))
        if not shards:
            raise InputError("a folder without Parquet shards", path=path)
        return pd.concat([parquet_frame(check_readable(s)) for s in shards], ignore_index=True), path
    path = check_readable(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        return parquet_frame(path), path
    text = read_text(path)
    head = text[: text.find("\n")] if "\n" in text else text
    try:
        frame = pd.read_csv(io.StringIO(text), sep=max(",;\t", key=head.count), skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"not a table ({str(error).strip()[:120]})", path=path) from None
    return frame, path


def _pick(frame: pd.DataFrame, asked: str | None, usual: tuple[str, ...], path, what: str) -> str:
    if asked is not None:
        if asked not in frame.columns:
            raise InputError(
                f"no column {asked!r}; there are {', '.join(map(str, frame.columns))}", path=path
            )
        return asked
    for name in usual:
        if name in frame.columns:
            return name
    raise InputError(
        f"no {what} column ({', '.join(usual)}); there are {', '.join(map(str, frame.columns))}",
        path=path,
        remedy="rename it, or name it",
    )


def _columns(frame, path, subject, time, code, value, notes) -> tuple[pd.DataFrame, bool | None]:
    if frame.empty:
        raise InputError("has no rows", path=path)
    who, what = _pick(frame, subject, SUBJECT, path, "subject"), _pick(frame, code, CODE, path, "code")
    when = _pick(frame, time, TIME, path, "time")
    for column in (who, what):
        if frame[column].isna().any():
            at = int(np.flatnonzero(frame[column].isna().to_numpy())[0])
            raise InputError(
                f"{column} is empty ({int(frame[column].isna().sum())} rows)",
                path=path,
                where=f"row {at + 2}",
                remedy="remove these rows",
            )
    names = [value] if value else [v for v in VALUE if v in frame.columns][:1]
    number = numbers(frame[names[0]], path) if names else pd.Series(np.nan, index=frame.index)
    wild = np.flatnonzero(np.isinf(number.to_numpy()))
    if wild.size:
        raise InputError(f"an infinite value ({wild.size})", path=path, where=f"row {wild[0] + 2}")
    known = frame[when].notna()
    days, dated = np.full(len(frame), np.nan), None
    if known.any():
        index = as_times(frame.loc[known, when], path, notes=notes)
        dated = isinstance(index, pd.DatetimeIndex)
        days[known.to_numpy()] = _days(index)
    return pd.DataFrame(
        {
            "subject": frame[who].to_numpy(),
            "time": days,
            "code": frame[what].astype(str).to_numpy(),
            "value": number.to_numpy(),
        }
    ), dated


def _days(index: pd.Index) -> np.ndarray:
    if isinstance(index, pd.DatetimeIndex):
        return (index.to_numpy() - np.datetime64("1970-01-01")) / DAY
    return index.to_numpy(dtype=np.float64)
