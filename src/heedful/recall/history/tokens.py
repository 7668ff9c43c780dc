"""Patients' events as tokens: for each prediction, every earlier event of that patient, and nothing later."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ...errors import InputError
from ...files.events import Events, read_events, read_labels


@dataclass(frozen=True)
class Histories:
    """What each of n predictions may look at: M (prediction, event) pairs, ragged.

    Attributes
    ----------
    subject, time : array (n,)
        Who and when (days).
    row : array (M,) of int
        Which prediction a pair belongs to; ascending.
    code : array (M,) of int
    dt : array (M,) of float
        Days from the event to the prediction time, never negative.
    value : array (M,) of float
        NaN where the event carries no number.
    event : array (M,) of int
        Row of the event in the table.
    static : array (n, S)
        Covariates that do not change; NaN where missing.
    outcome : array (n,) or None
        0 or 1.
    duration, died : array (n,) or None
        Days to the event or to the end of follow-up, and whether it came.
    dated : bool
        Times are days since 1970-01-01: the table held dates.
    """

    subject: np.ndarray
    time: np.ndarray
    row: np.ndarray
    code: np.ndarray
    dt: np.ndarray
    value: np.ndarray
    event: np.ndarray
    codes: list[str]
    static: np.ndarray
    static_names: list[str]
    outcome: np.ndarray | None = None
    duration: np.ndarray | None = None
    died: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    dated: bool = False

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: np.ndarray) -> Histories:
        """The predictions given by index, renumbered."""
        rows = np.asarray(rows)
        start = np.searchsorted(self.row, np.arange(len(self)), side="left")
        stop = np.searchsorted(self.row, np.arange(len(self)), side="right")
        pairs = _ranges(start[rows], stop[rows])
        row = np.repeat(np.arange(len(rows)), (stop - start)[rows])
        pick = lambda x: None if x is None else x[rows]  # noqa: E731
        return Histories(
            self.subject[rows],
            self.time[rows],
            row,
            self.code[pairs],
            self.dt[pairs],
            self.value[pairs],
            self.event[pairs],
            self.codes,
            self.static[rows],
            self.static_names,
            pick(self.outcome),
            pick(self.duration),
            pick(self.died),
            self.notes,
            self.dated,
        )

    def when(self, row: int) -> str:
        """The time of a prediction in words: a date, or "day 730"."""
        if self.dated:
            return f"{pd.Timestamp(self.time[row], unit='D'):%Y-%m-%d}"
        return f"day {self.time[row]:g}"

    def without_static(self, at: int) -> Histories:
        """The same without one static column (a group's name is no covariate)."""
        names = [n for k, n in enumerate(self.static_names) if k != at]
        return replace(self, static=np.delete(self.static, at, axis=1), static_names=names)


def histories(events, labels, *, codes: list[str] | None = None) -> Histories:
    """Pair every prediction with the events of its patient up to, and including, the prediction time.

    Parameters
    ----------
    events : Events, DataFrame, path or list of paths
        See `heedful.files.events.read_events`.
    labels : DataFrame or path
        See `heedful.files.events.read_labels`.
    codes : list of str, optional
        The codes of a fitted model: others are left out, and counted.

    Raises
    ------
    InputError
        Predictions for patients without a single row in the table are kept (an empty history); none at all
        in common is an error.

    Examples
    --------
    >>> events = pd.DataFrame({"subject_id": [1, 1, 1], "time": [0., 10., 30.], "code": ["a", "a", "b"]})
    >>> labels = pd.DataFrame({"subject_id": [1], "prediction_time": [20.]})
    >>> histories(events, labels).dt      # the event of day 30 may not enter
    array([20., 10.])
    """
    events = events if isinstance(events, Events) else read_events(events)
    table = read_labels(labels, dated=events.dated)
    first_row = 1 if isinstance(labels, pd.DataFrame) else 2
    notes = [*events.notes, *table.attrs.get("notes", []), *_repeats(table, first_row)]
    names, code = events.codes, events.code
    keep = np.ones(len(events), dtype=bool)
    if codes is not None:
        where = {c: k for k, c in enumerate(codes)}
        code = np.array([where.get(c, -1) for c in names], dtype=int)[events.code]
        keep = code >= 0
        if not keep.all():
            notes.append(f"{int((~keep).sum())} events of codes unknown to the model: left out")
        names = list(codes)
    timed = keep & ~np.isnan(events.time)
    index = np.flatnonzero(timed)
    ids, subject = np.unique(events.subject, return_inverse=True)
    place = {s: k for k, s in enumerate(ids.tolist())}
    who = np.array([place.get(s, -1) for s in table["subject"].tolist()], dtype=int)
    if len(who) and (who < 0).all():
        raise InputError(
            "no patient of the predictions has an event in the table",
            remedy="check that both files use the same identifiers",
        )
    if (who < 0).any():
        notes.append(f"{int((who < 0).sum())} predictions for patients without any event: an empty history")
    when = table["time"].to_numpy(dtype=np.float64)
    own, t = subject[index], events.time[index]
    first = np.searchsorted(own, who, side="left")
    last = np.searchsorted(own, who, side="right")
    rank = np.lexsort((t, own))  # already sorted; keeps searchsorted honest for hand-made tables
    index, own, t = index[rank], own[rank], t[rank]
    stop = (
        first
        + np.array(
            [np.searchsorted(t[a:b], w, side="right") for a, b, w in zip(first, last, when, strict=True)],
            dtype=int,
        )
        if len(who)
        else first
    )
    later = int((last - stop)[who >= 0].sum())
    if later:
        notes.append(f"{later} (prediction, event) pairs lie after the prediction time: they never enter")
    pairs = _ranges(first, stop)
    row = np.repeat(np.arange(len(when)), stop - first)
    chosen = index[pairs]
    covariates = [c for c in table.columns if c.startswith("static:")]
    static, static_names = table[covariates].to_numpy(dtype=np.float64), [c[7:] for c in covariates]
    empty = int(np.isnan(static).sum())
    if empty:
        notes.append(f"{empty} of {static.size} cells of covariates are empty: read as the covariate's mean")
    timeless = np.flatnonzero(keep & np.isnan(events.time))
    if timeless.size:
        facts, fact_names = _facts(events, code, timeless, subject, who, names)
        static, static_names = np.column_stack([static, facts]), static_names + fact_names
    column = lambda name: table[name].to_numpy(dtype=np.float64) if name in table else None  # noqa: E731
    return Histories(
        table["subject"].to_numpy(),
        when,
        row,
        code[chosen],
        when[row] - events.time[chosen],
        events.value[chosen],
        chosen,
        names,
        static,
        static_names,
        column("outcome"),
        column("duration"),
        column("event"),
        tuple(notes),
        events.dated,
    )


def _repeats(table: pd.DataFrame, first_row: int) -> list[str]:
    """What to say of predictions made twice; two outcomes for one of them are refused."""
    key = ["subject", "time"]
    twice = table.duplicated(key)
    said = [c for c in ("outcome", "duration", "event") if c in table]
    if twice.any() and said:
        differs = (table.groupby(key)[said].transform("nunique", dropna=False) > 1).any(axis=1)
        if differs.any():
            at = int(np.flatnonzero((twice & differs).to_numpy())[0])
            raise InputError(
                f"subject {table['subject'].iloc[at]} has two outcomes at one prediction time "
                f"({int((twice & differs).sum())} such rows)",
                where=f"row {at + first_row} of the labels",
                remedy="keep one of them",
            )
    return [f"{int(twice.sum())} predictions repeat a subject and time: each counts"] if twice.any() else []


def _facts(events, code, timeless, subject, who, names) -> tuple[np.ndarray, list[str]]:
    """Static facts (rows without a time): a column for each code, its number or else 1 where present."""
    kinds = np.unique(code[timeless])
    out = np.zeros((len(who), len(kinds)))
    for k, kind in enumerate(kinds):
        rows = timeless[code[timeless] == kind]
        number = np.where(np.isnan(events.value[rows]), 1.0, events.value[rows])
        table = dict(zip(subject[rows].tolist(), number.tolist(), strict=True))
        out[:, k] = [table.get(w, 0.0) for w in who.tolist()]
    return out, [names[k] for k in kinds]


def _ranges(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """start[0]..stop[0]-1, start[1]..stop[1]-1, ... in one array."""
    count = stop - start
    total = int(count.sum())
    if total == 0:
        return np.zeros(0, dtype=int)
    offset = np.repeat(start - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
    return offset + np.arange(total)


def labels_at(subject, time) -> pd.DataFrame:
    """A table of prediction times without outcomes, for `History.predict`."""
    return pd.DataFrame({"subject_id": np.atleast_1d(subject), "prediction_time": np.atleast_1d(time)})
