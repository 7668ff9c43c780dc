"""A panel of series as tokens: one token per (source, lag), its content the Hermite features of the value.

The softmax kernel exp(q k) on scalar Gaussian content has the Hermite polynomials as eigenfunctions
(Mehler's formula: exp(q k) is, up to factors of q and k alone, sum_n rho^n He_n(q) He_n(k)), so a few of
them span what one attention head can see of a value. Testing in that basis is testing the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import signal

from ...errors import InputError

K = 5  # Hermite features of a token
CLIP = 2.5  # standard deviations beyond which a value is not believed more
NEAR_UNIT_ROOT = 0.97  # own-lag coefficient beyond which the F law of the scores starts to fail


@dataclass(frozen=True)
class Panel:
    """Series on one regular clock, missing values kept in place as NaN.

    Parameters
    ----------
    values : array (T, N)
        Float64; NaN where nothing was observed.
    names : list of str
        N names.
    times : array (T,)
        The clock: numbers or datetime64.
    notes : tuple of str
        Repairs, counted.
    """

    values: np.ndarray
    names: list[str]
    times: np.ndarray
    notes: tuple[str, ...] = ()


def panel(data, names=None, *, first_row: int = 0) -> Panel:
    """A DataFrame or array as a `Panel`, checked; rows are times, in order, on a regular clock.

    Parameters
    ----------
    data : DataFrame (T, N) or array (T, N) or Panel
        NaN marks a missing value. A DatetimeIndex must rise; where its dates are regular but for gaps
        (daily, monthly, ...), the gaps are filled with missing rows and counted in ``notes``, so that a
        lag is always a lag in time and never a lag in rows.
    names : list of str, optional
        For an array; else ``x0, x1, ...``.
    first_row : int
        What messages call the first row: 0, or 2 for a table whose header is row 1.

    Raises
    ------
    InputError
        Text, infinities, duplicate or falling times, constant or empty series, one series only.

    Examples
    --------
    >>> panel(np.random.default_rng(0).normal(size=(50, 2))).names
    ['x0', 'x1']
    """
    if isinstance(data, Panel):
        return data
    notes: list[str] = []
    if isinstance(data, pd.DataFrame):
        names = [str(c) for c in data.columns]
        bad = [c for c in data.columns if not pd.api.types.is_numeric_dtype(data[c])]
        if bad:
            raise InputError(
                f"column {bad[0]!r} holds {data[bad[0]].dtype}, not numbers",
                where=_first_text(data[bad[0]], first_row),
                remedy="drop the column, or turn it into numbers",
            )
        _finite(data.to_numpy(dtype=np.float64, na_value=np.nan), names, first_row)
        notes += data.attrs.get("notes", [])  # of the reader
        data, added = on_a_clock(data, first_row=first_row)
        if added:
            notes.append(f"{added} missing times put back as empty rows; gaps are kept, never closed")
        times, values = data.index.to_numpy(), data.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        try:
            values = np.asarray(data, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the panel is not all numbers ({error})", remedy="give a (T, N) array of floats"
            ) from None
        if values.ndim != 2:
            raise InputError(
                f"the panel has {values.ndim} axes {values.shape}, expected (T, N): rows are times"
            )
        names = [f"x{i}" for i in range(values.shape[1])] if names is None else [str(n) for n in names]
        times = np.arange(values.shape[0])
        _finite(values, names, first_row)
    if len(names) != values.shape[1]:
        raise InputError(f"{len(names)} names for {values.shape[1]} series")
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise InputError(f"two series are called {twice!r}", remedy="rename one")
    if values.shape[1] < 2:
        raise InputError(f"{values.shape[1]} series; a link needs at least two")
    for i, name in enumerate(names):
        seen = values[~np.isnan(values[:, i]), i]
        if seen.size == 0:
            raise InputError(f"series {name!r} has no value at all", remedy="drop it")
        if np.ptp(seen) <= 1e-12 * max(1.0, np.abs(seen).max()):
            raise InputError(
                f"series {name!r} is constant ({seen[0]:g})", remedy="drop it: it can drive nothing"
            )
    gone = int(np.isnan(values).sum())
    if gone:
        notes.append(f"{gone} of {values.size} values are missing: masked, not filled in and not closed up")
    return Panel(values, list(names), times, tuple(notes))


def on_a_clock(frame: pd.DataFrame, *, first_row: int = 0) -> tuple[pd.DataFrame, int]:
    """The frame on its regular clock, and how many empty rows that needed.

    Dates that are regular apart from gaps are put back on their frequency; dates with no common frequency
    are refused, since a lag would then mean a different time in every row.
    """
    index = frame.index
    if not index.is_unique:
        at = int(np.flatnonzero(index.duplicated())[0])
        raise InputError(
            f"time {index[at]} appears twice ({int(index.duplicated().sum())} repeats)",
            where=f"row {at + first_row}",
            remedy="average or drop the repeats first",
        )
    if not index.is_monotonic_increasing:
        at = int(np.flatnonzero(np.asarray(index[1:] < index[:-1]))[0]) + 1
        raise InputError(
            f"times fall back at {index[at]}", where=f"row {at + first_row}", remedy="sort the rows by time"
        )
    if isinstance(index, pd.RangeIndex) or len(index) < 4:
        return frame, 0
    if isinstance(index, pd.DatetimeIndex):
        best = None
        for rule in ("YS", "YE", "QS", "QE", "MS", "ME", "W", "B", "D", "h", "min", "s"):
            clock = pd.date_range(index[0], index[-1], freq=_anchored(rule, index[0]))
            if not 0 < len(clock) <= 4 * len(index) or clock[0] != index[0]:
                continue
            on = index.isin(clock)
            if on.all():
                whole = len(clock) == len(index)
                return (frame, 0) if whole else (frame.reindex(clock), len(clock) - len(index))
            if on.mean() >= 0.8 and (best is None or on.mean() > best[0]):
                best = on.mean(), int(np.argmin(on)), int((~on).sum())
        if best is not None:
            raise InputError(
                f"time {index[best[1]]} is off the clock that the other times keep ({best[2]} such rows)",
                where=f"row {best[1] + first_row}",
                remedy="correct it (a time zone?), or resample to regular times first",
            )
        step = pd.Series(index).diff().min()
        ratio = np.asarray((index - index[0]) / step)
    elif pd.api.types.is_numeric_dtype(index):
        step = np.diff(np.asarray(index, dtype=np.float64)).min()
        ratio = (np.asarray(index, dtype=np.float64) - float(index[0])) / step
    else:
        return frame, 0
    whole = np.rint(ratio).astype(np.int64)
    off = np.flatnonzero(np.abs(ratio - whole) > 1e-3)
    if off.size:
        raise InputError(
            f"times are not on a regular clock: {index[off[0]]} is {ratio[off[0]]:.3f} steps of {step} "
            "after the first",
            where=f"row {off[0] + first_row}",
            remedy="resample to regular times first",
        )
    if whole[-1] + 1 > 4 * len(index):
        raise InputError(
            f"{len(index)} rows over {whole[-1] + 1} steps of {step}: mostly gaps",
            remedy="resample to the time scale of the data",
        )
    if whole[-1] + 1 == len(index):
        return frame, 0
    clock = index[0] + np.arange(whole[-1] + 1) * step
    full = pd.DataFrame(np.nan, index=clock, columns=frame.columns)
    full.iloc[whole] = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    return full, int(whole[-1] + 1 - len(index))


def _anchored(rule: str, first: pd.Timestamp) -> str:
    """The pandas frequency that starts with the weekday or quarter of the first time."""
    if rule == "W":
        return f"W-{first.day_name()[:3].upper()}"
    return f"QS-{first.month_name()[:3].upper()}" if rule == "QS" else rule


def standardised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, N) values of mean 0 and sd 1 with 0 where missing, and the (T, N) flags of what was seen."""
    seen = ~np.isnan(values)
    mean, sd = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return np.where(seen, (values - mean) / sd, 0.0), seen


def own_coefficients(z: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Own-lag-1 coefficient (N,) of each standardised series, its downward bias (1 + 3a) / n added back."""
    both = seen[1:] & seen[:-1]
    n = np.maximum(both.sum(0), 1)
    a = (z[1:] * z[:-1] * both).sum(0) / np.maximum((z[:-1] ** 2 * both).sum(0), 1e-300)
    return a + (1 + 3 * a) / n


def mildly_integrated(x: np.ndarray, seen: np.ndarray, rho: float = 0.9) -> np.ndarray:
    """A path near a unit root as sum_s rho^(t-s) (x_s - x_{s-1}): its news, forgotten at a known rate.

    Source: the instrument of Phillips and Magdalinos (IVX), with a fixed rate. A step with a missing end
    counts as none.
    """
    step = np.diff(x, prepend=x[:1])
    step[1:][~(seen[1:] & seen[:-1])] = 0.0
    out = signal.lfilter([1.0], [1.0, -rho], step)
    inside = out[seen]
    return np.where(seen, (out - inside.mean()) / inside.std(), 0.0)


def hermite(v: np.ndarray, count: int = K) -> np.ndarray:
    """Normalised probabilists' Hermite polynomials He_1 .. He_count, stacked on the last axis.

    Source: the recurrence He_{n+1} = (v He_n - sqrt(n) He_{n-1}) / sqrt(n + 1), orthonormal under N(0, 1).

    >>> np.round(hermite(np.array([2.0]), 2), 3)  # v, (v^2 - 1) / sqrt(2)
    array([[2.   , 2.121]])
    """
    out = [np.ones_like(v), v]
    for n in range(1, count):
        out.append((v * out[n] - np.sqrt(n) * out[n - 1]) / np.sqrt(n + 1))
    return np.stack(out[1:], axis=-1)


def _finite(values: np.ndarray, names: list[str], first_row: int) -> None:
    with np.errstate(invalid="ignore"):
        wild = np.argwhere(np.abs(values) > 1e150)  # its square is not finite
    if len(wild):
        t, i = wild[0]
        raise InputError(
            f"an infinite value ({len(wild)} in all)" if np.isinf(values).any() else "a value beyond 1e150",
            where=f"row {t + first_row}, series {names[i]!r}",
            remedy="leave it empty if it is missing",
        )


def _first_text(column: pd.Series, first_row: int) -> str:
    odd = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    if odd.any():
        at = int(np.flatnonzero(odd.to_numpy())[0])
        return f"row {at + first_row}: {str(column.iloc[at])[:40]!r}"
    return f"column {column.name!r}"
