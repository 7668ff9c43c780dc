"""Pictures on axes: bars, waterfalls, timelines and curves, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .base import Picture, clip, clips, number, pack


@dataclass(frozen=True, eq=False)
class Bars(Picture):
    """Contributions by name, with the attention weight beside each.

    Parameters
    ----------
    labels : sequence of str, n names
    values : array (n,)
        What each contributes, in ``unit``.
    weights : array (n,), optional
        The attention weight of each, drawn thin beside the bar: a weight is not a contribution.
    low, high : array (n,), optional
        Ends of an interval around each value.
    signed : bool, optional
        Colour by sign; by default where a value is negative.
    groups : sequence of str, optional
        Group of each bar, printed before it.

    Examples
    --------
    >>> Bars("What moved the probability", ["claims", "spread"], [4.2, -1.1], unit="points").signed
    True
    """

    kind: ClassVar[str] = "bars"

    labels: Sequence[str]
    values: np.ndarray
    weights: np.ndarray | None = field(default=None, kw_only=True)
    low: np.ndarray | None = field(default=None, kw_only=True)
    high: np.ndarray | None = field(default=None, kw_only=True)
    signed: bool | None = field(default=None, kw_only=True)
    groups: Sequence[str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        labels = self._names("labels")
        n = len(labels)
        values = self._array("values", n, optional=False)
        signed = bool((values < 0).any()) if self.signed is None else bool(self.signed)
        self._set(labels=labels, values=values, signed=signed, groups=self._names("groups", n))
        self._set(**{name: self._array(name, n) for name in ("weights", "low", "high")})

    def _fields(self) -> dict[str, Any]:
        return {
            "labels": clips(self.labels),
            "values": pack(self.values),
            "weights": pack(self.weights),
            "low": pack(self.low),
            "high": pack(self.high),
            "signed": self.signed,
            "groups": clips(self.groups),
        }


@dataclass(frozen=True, eq=False)
class Waterfall(Picture):
    """From a starting value, contribution by contribution, to the end.

    Parameters
    ----------
    labels : sequence of str, n names
    values : array (n,)
        Contributions in drawing order; ``start + values.sum()`` is the end.
    start : float
    start_label, end_label : str

    Examples
    --------
    >>> Waterfall("Risk", ["age", "smoking"], [0.1, 0.2], start=0.05, end_label="this patient").end
    0.35
    """

    kind: ClassVar[str] = "waterfall"

    labels: Sequence[str]
    values: np.ndarray
    start: float = field(kw_only=True)
    end_label: str = field(kw_only=True)
    start_label: str = field(default="start", kw_only=True)

    def __post_init__(self) -> None:
        labels = self._names("labels")
        values = self._array("values", len(labels), optional=False)
        start = self._array("start", optional=False)
        if np.isnan(values).any() or np.isnan(start):
            raise self._refuse("a contribution is missing", "a waterfall must add up: leave the row out")
        self._set(labels=labels, values=values, start=float(start))

    @property
    def end(self) -> float:
        """The start and all contributions together."""
        return round(self.start + float(self.values.sum()), 12)

    def _fields(self) -> dict[str, Any]:
        return {
            "labels": clips(self.labels),
            "values": pack(self.values),
            "start": number(self.start),
            "end": number(self.end),
            "start_label": clip(self.start_label),
            "end_label": clip(self.end_label),
        }


@dataclass(frozen=True, eq=False)
class Timeline(Picture):
    """Series over time, with bands, shaded spans and single events.

    Parameters
    ----------
    times : array (n,)
        Numbers, ISO dates or datetime64.
    series : dict of str to array (n,)
    bands : dict of str to (low (n,), high (n,)), optional
        Interval around the series of the same name.
    spans : sequence of (start, end, label)
        Shaded periods, recessions say.
    events : sequence of (time, label, value, weight)
        Marked moments: value is the contribution, weight the attention (either may be None).
    y_label : str
    threshold : float, optional
        A horizontal line.

    Examples
    --------
    >>> line = Timeline("Probability", ["2008-01-01", "2008-04-01"], {"ours": [0.1, 0.8]},
    ...                 spans=[("2008-01-01", "2009-06-30", "recession")])
    >>> line.to_dict()["times"]
    [13879, 13970]
    """

    kind: ClassVar[str] = "timeline"

    times: np.ndarray
    series: Mapping[str, np.ndarray]
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = field(default=None, kw_only=True)
    spans: Sequence[tuple[Any, Any, str]] = field(default=(), kw_only=True)
    events: Sequence[tuple[Any, str, float | None, float | None]] = field(default=(), kw_only=True)
    y_label: str = field(default="", kw_only=True)
    threshold: float | None = field(default=None, kw_only=True)
    dates: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        times, dates = self._moments(self.times)
        n = len(times)
        spans = [
            (self._moment(start, dates), self._moment(end, dates), str(label))
            for start, end, label in self.spans or ()
        ]
        events = []
        for event in self.events or ():
            when, label, value, weight = (*event, None, None)[:4]
            events.append((self._moment(when, dates), str(label), number(value), number(weight)))
        self._set(
            times=times,
            dates=dates,
            spans=spans,
            events=events,
            series=_series(self, n),
            bands=_bands(self, n),
        )

    def _moments(self, times: Any) -> tuple[np.ndarray, bool]:
        array = np.asarray(times if not hasattr(times, "to_numpy") else times.to_numpy())
        if array.ndim != 1:
            raise self._refuse(f"times has shape {array.shape}, expected (n,)")
        if array.dtype.kind in "iuf":
            return self._array("times", len(array)), False
        try:
            return _days(array), True
        except (TypeError, ValueError) as error:
            raise self._refuse(f"times hold neither numbers nor ISO dates ({error})") from error

    def _moment(self, when: Any, dates: bool) -> float:
        try:
            return float(_days(np.asarray([when]))[0]) if dates else float(when)
        except (TypeError, ValueError) as error:
            raise self._refuse(f"{when!r} is not a time like the others ({error})") from error

    def _fields(self) -> dict[str, Any]:
        return {
            "times": pack(self.times, 10),
            "dates": self.dates,
            "y_label": clip(self.y_label),
            "series": [{"name": clip(name), "values": pack(values)} for name, values in self.series.items()],
            "bands": _packed_bands(self.bands),
            "threshold": number(self.threshold),
            "spans": [[number(a, 10), number(b, 10), clip(label)] for a, b, label in self.spans],
            "events": [[number(when, 10), clip(label), *rest] for when, label, *rest in self.events],
        }


@dataclass(frozen=True, eq=False)
class Curves(Picture):
    """Functions of one number: power, deletion curves, phase diagrams.

    Parameters
    ----------
    x : array (n,)
    series : dict of str to array (n,)
    bands : dict of str to (low (n,), high (n,)), optional
    x_label, y_label : str
    log_x : bool
        x on a logarithmic axis; then every x must be above 0.
    marks : sequence of (x, label)
        Vertical lines.

    Examples
    --------
    >>> Curves("Deletion", [0, 1, 2], {"attention": [1, .4, .2], "random": [1, .9, .8]},
    ...        x_label="keys removed", y_label="score").to_dict()["log_x"]
    False
    """

    kind: ClassVar[str] = "curves"

    x: np.ndarray
    series: Mapping[str, np.ndarray]
    bands: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = field(default=None, kw_only=True)
    x_label: str = field(default="", kw_only=True)
    y_label: str = field(default="", kw_only=True)
    log_x: bool = field(default=False, kw_only=True)
    marks: Sequence[tuple[float, str]] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        x = self._array("x", None, optional=False)
        if self.log_x and not (x > 0).all():
            raise self._refuse("x holds a value that is not above 0", "leave it out, or drop log_x")
        marks = [(float(at), str(label)) for at, label in self.marks or ()]
        self._set(x=x, marks=marks, series=_series(self, len(x)), bands=_bands(self, len(x)))

    def _fields(self) -> dict[str, Any]:
        return {
            "x": pack(self.x, 7),
            "x_label": clip(self.x_label),
            "y_label": clip(self.y_label),
            "log_x": bool(self.log_x),
            "bands": _packed_bands(self.bands),
            "series": [{"name": clip(name), "values": pack(values)} for name, values in self.series.items()],
            "marks": [[number(at), clip(label)] for at, label in self.marks],
        }


def _days(values: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 (UTC), with the hours as a fraction."""
    values = np.asarray(
        [getattr(v, "to_datetime64", lambda v=v: v)() for v in values.tolist()]
        if values.dtype == object
        else values
    )
    moments = values.astype("datetime64[us]")
    days = moments.astype(np.int64) / 86_400e6
    return np.where(np.isnat(moments), np.nan, days)


def _series(picture: Any, n: int) -> dict[str, np.ndarray]:
    if not isinstance(picture.series, Mapping):
        raise picture._refuse("series must map names to values", "pass {'name': values}")
    return {
        str(name): picture._array(f"series {clip(name, 60)!r}", n, values=values)
        for name, values in picture.series.items()
    }


def _bands(picture: Any, n: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    bands = {}
    for name, (low, high) in (picture.bands or {}).items():
        where = f"band {clip(name, 60)!r}"
        bands[str(name)] = (picture._array(where, n, values=low), picture._array(where, n, values=high))
    return bands


def _packed_bands(bands: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    return [{"name": clip(name), "low": pack(low), "high": pack(high)} for name, (low, high) in bands.items()]
