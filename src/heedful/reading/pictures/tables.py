"""Tables as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .base import Picture, clip, clips, number

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Table(Picture):
    """A table that can be sorted.

    Parameters
    ----------
    frame : DataFrame
        Its index is shown where it carries names.

    Examples
    --------
    >>> import pandas as pd
    >>> Table("Figures", pd.DataFrame({"lag": [1, 2], "weight": [0.7, float("nan")]})).to_dict()["rows"]
    [[1, 0.7], [2, None]]
    """

    kind: ClassVar[str] = "table"

    frame: pd.DataFrame

    def __post_init__(self) -> None:
        if not hasattr(self.frame, "columns"):
            raise self._refuse(f"frame is a {type(self.frame).__name__}, expected a pandas DataFrame")

    def _fields(self) -> dict[str, Any]:
        return frame_dict(self.frame)


def frame_dict(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a DataFrame as ``{"columns": [...], "numeric": [...], "rows": [[...], ...]}``."""
    plain_index = frame.index.nlevels == 1 and frame.index.name is None and frame.index.dtype.kind in "iu"
    frame = frame if plain_index else frame.reset_index()
    names = [" · ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    columns = [[_cell(value) for value in frame.iloc[:, at].tolist()] for at in range(frame.shape[1])]
    numeric = [all(v is None or isinstance(v, (int, float)) for v in column) for column in columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return {"columns": clips(names), "numeric": numeric, "rows": rows}


def _cell(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, float, np.number)):
        return number(value, 6)
    if value is None or value != value:  # NaN and NaT differ from themselves
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat().removesuffix("T00:00:00")
    return clip(value)
