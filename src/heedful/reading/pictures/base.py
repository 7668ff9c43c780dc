"""What every picture shares: checked fields, and a compact form that JSON can carry."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from heedful.errors import InputError

LONGEST_NAME = 400  # a longer name is cut, and says that it was: pages stay small
PACK_ABOVE = 192  # an array with more numbers travels as base64, not as text


@dataclass(frozen=True, eq=False)
class Picture:
    """Base of every picture: what is said around it.

    Parameters
    ----------
    title : str
        What the picture shows.
    caption : str
        One or two sentences below it: how to read it.
    verdict : Verdict, optional
        What the trust tests found about the claim that the picture makes.
    unit : str
        Unit of the values, "HU", "percentage points".
    """

    kind: ClassVar[str] = ""

    title: str
    caption: str = field(default="", kw_only=True)
    verdict: Any = field(default=None, kw_only=True)
    unit: str = field(default="", kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the picture as plain data that ``json.dumps`` accepts.

        Returns
        -------
        dict
            ``{"kind", "title", "caption", "unit", "verdict"}`` and the kind's own fields. Numbers keep
            five significant digits, missing values are null, long arrays are packed (:func:`pack`).
        """
        head = {
            "kind": self.kind,
            "title": clip(self.title),
            "caption": clip(self.caption, 4000),
            "unit": clip(self.unit),
            "verdict": verdict_dict(self.verdict),
        }
        return {key: value for key, value in {**head, **self._fields()}.items() if value is not None}

    def _fields(self) -> dict[str, Any]:
        raise NotImplementedError

    def save(self, path: str | Path, *, width: float = 6.0, dark: bool = False) -> Path:
        """Draw the picture for a paper or a slide with matplotlib.

        Parameters
        ----------
        path : str or Path
            A file that ends in ``.pdf``, ``.svg`` or ``.png``.
        width : float
            Width in inches.
        dark : bool
            Light ink on a dark ground.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        InputError
            If the ending is another, or the file cannot be written.
        """
        from heedful.reading.static import save

        return save(self, path, width=width, dark=dark)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _refuse(self, what: str, remedy: str | None = None) -> InputError:
        return InputError(what, where=f"{type(self).__name__} {clip(self.title, 60)!r}", remedy=remedy)

    def _array(self, name: str, *shape: int | None, values: Any = None, optional: bool = True) -> np.ndarray:
        """Check the field ``name``: a float array of the shape, where None is any length; NaN is missing."""
        values = getattr(self, name) if values is None else values
        if values is None:
            if optional:
                return None
            raise self._refuse(f"{name} is missing")
        try:
            array = np.asarray(_to_numpy(values), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise self._refuse(f"{name} holds something that is not a number ({error})") from error
        differs = (want not in (None, got) for want, got in zip(shape, array.shape, strict=False))
        if array.ndim != len(shape) or any(differs):
            wanted = "(" + ", ".join("any" if want is None else str(want) for want in shape) + ")"
            raise self._refuse(f"{name} has shape {array.shape}, expected {wanted}")
        return np.where(np.isfinite(array), array, np.nan)

    def _index(self, name: str, *shape: int | None, upper: int, values: Any = None) -> np.ndarray:
        """Check the field ``name``: whole numbers below ``upper``; negative is 'none' and becomes -1."""
        array = self._array(name, *shape, values=values)
        if array is None:
            return None
        if np.isnan(array).any() or (array != np.round(array)).any():
            raise self._refuse(f"{name} must hold whole numbers")
        if array.size and array.max() >= upper:
            raise self._refuse(f"{name} holds {int(array.max())}, but there are only {upper} to point at")
        return np.maximum(array, -1).astype(np.int64)

    def _names(self, name: str, count: int | None = None) -> list[str] | None:
        """Check the field ``name``: a list of names, as many as ``count``."""
        names = getattr(self, name)
        if names is None:
            return None
        names = ["" if item is None else str(item) for item in _to_numpy(names)]
        if count is not None and len(names) != count:
            raise self._refuse(f"{name} has {len(names)} names, expected {count}")
        return names


def _to_numpy(values: Any) -> Any:
    """Take a tensor to the host; leave anything else as it is."""
    if hasattr(values, "detach"):
        return values.detach().cpu().numpy()
    return values


def clip(text: Any, longest: int = LONGEST_NAME) -> str:
    """Return a name that fits: a longer one is cut and says how long it was.

    Examples
    --------
    >>> clip("temperature")
    'temperature'
    >>> clip("x" * 1000, 4)
    'xxxx… (1000 characters)'
    """
    text = str(text)
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def clips(names: Sequence[str] | None) -> list[str] | None:
    """Clip every name of a list."""
    return None if names is None else [clip(name) for name in names]


def number(value: Any, digits: int = 5) -> float | int | None:
    """Round to significant digits; what is not finite becomes None.

    Examples
    --------
    >>> number(3.14159265), number(float("nan")), number(2.0)
    (3.1416, None, 2)
    """
    if value is None:
        return None
    value = float(value)
    if not math.isfinite(value):
        return None
    value = float(f"{value:.{digits}g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def pack(array: np.ndarray | None, digits: int = 5) -> Any:
    """Return an array as JSON can carry it: nested lists when short, base64 when long.

    Parameters
    ----------
    array : ndarray, optional
        Floats (NaN = missing), integers or booleans, any shape.
    digits : int
        Significant digits kept where the numbers are written as text.

    Returns
    -------
    list, dict or None
        Nested lists with null for NaN; or ``{"d": dtype, "s": shape, "b": base64}``, little-endian,
        in the smallest integer type that holds the numbers, or float32 (NaN = missing).

    Examples
    --------
    >>> pack(np.array([[1.0, np.nan], [0.25, 3.0]]))
    [[1, None], [0.25, 3]]
    >>> pack(np.zeros(1000, int))["d"]
    'u1'
    """
    if array is None:
        return None
    array = np.asarray(array)
    if array.size <= PACK_ABOVE:
        return _nested(array, digits)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        names = ("u1", "u2", "u4") if low >= 0 else ("i1", "i2", "i4")
        code = next((c for c in names if np.iinfo(c).min <= low and high <= np.iinfo(c).max), "f8")
    else:
        code = "f4" if digits <= 7 else "f8"
    raw = np.ascontiguousarray(array, dtype="<" + code).tobytes()
    return {"d": code, "s": list(array.shape), "b": base64.b64encode(raw).decode("ascii")}


def _nested(array: np.ndarray, digits: int) -> Any:
    if array.ndim == 0:
        if array.dtype == bool:
            return int(array)
        return int(array) if array.dtype.kind in "iu" else number(array, digits)
    return [_nested(item, digits) for item in array]


def quantise(image: np.ndarray, low: float, high: float) -> dict[str, Any]:
    """Return a grey image as 8-bit steps between two values; 255 marks what is missing.

    Examples
    --------
    >>> quantise(np.array([[0.0, 1.0, np.nan]]), 0.0, 1.0)["s"]
    [1, 3]
    """
    high = high if high > low else low + 1.0
    steps = np.clip((image - low) / (high - low), 0.0, 1.0) * 254.0
    codes = np.where(np.isnan(steps), 255, np.round(np.nan_to_num(steps))).astype(np.uint8)
    return {
        "d": "u1",
        "s": list(codes.shape),
        "b": base64.b64encode(codes.tobytes()).decode("ascii"),
        "low": number(low),
        "high": number(high),
    }


def verdict_dict(verdict: Any) -> dict[str, Any] | None:
    """Return a verdict as plain data, whatever class it is, from the attributes that it has."""
    if verdict is None:
        return None
    if isinstance(verdict, dict):
        return verdict
    interval = getattr(verdict, "interval", None)
    sentence = getattr(verdict, "sentence", "")
    record = {
        "name": clip(getattr(verdict, "name", "") or ""),
        "status": clip(getattr(verdict, "status", "") or "not tested"),
        "sentence": clip(sentence() if callable(sentence) else sentence, 2000),
        "effect": _scalar(getattr(verdict, "effect", None)),
        "interval": None if interval is None else [_scalar(end) for end in interval],
        "p": _scalar(getattr(verdict, "p", None)),
        "n": _scalar(getattr(verdict, "n", None)),
        "compared_with": clip(getattr(verdict, "compared_with", "") or ""),
        "tests": [_test(test) for test in getattr(verdict, "tests", None) or ()],
    }
    return {key: value for key, value in record.items() if value not in (None, "", [])}


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    try:
        return number(value, 4)
    except (TypeError, ValueError):
        return clip(value)


def _test(test: Any) -> dict[str, Any]:
    """One test behind a verdict: a record, a mapping or a line of text."""
    if dataclasses.is_dataclass(test) and not isinstance(test, type):
        test = {item.name: getattr(test, item.name) for item in dataclasses.fields(test)}
    if not isinstance(test, dict):
        return {"name": clip(test, 600)}
    plain: dict[str, Any] = {}
    for key, value in test.items():
        if isinstance(value, (tuple, list)) and len(value) == 2 and all(np.isscalar(end) for end in value):
            plain[str(key)] = [_scalar(end) for end in value]
        elif value is None or isinstance(value, str) or np.isscalar(value):
            plain[str(key)] = clip(value, 600) if isinstance(value, str) else _scalar(value)
    return plain
