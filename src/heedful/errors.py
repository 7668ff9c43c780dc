"""The few errors that heedful raises on purpose."""

from __future__ import annotations

from pathlib import Path


class HeedfulError(Exception):
    """Base of every error that heedful raises on purpose."""


class InputError(HeedfulError, ValueError):
    """What was given cannot be used; says what it was, where, and what to do.

    Parameters
    ----------
    what : str
        What is wrong, in the user's words: what was got and what was expected.
    path : str or Path, optional
        The file concerned.
    where : str, optional
        The place within it: a row, a column, a key, a voxel.
    remedy : str, optional
        What the user can do about it.

    Examples
    --------
    >>> print(InputError("'abc' in a number column", path="panel.csv", where="row 7, column 'CPI'",
    ...                  remedy="remove the text or leave the cell empty"))
    panel.csv, row 7, column 'CPI': 'abc' in a number column; remove the text or leave the cell empty
    """

    def __init__(
        self,
        what: str,
        *,
        path: str | Path | None = None,
        where: str | None = None,
        remedy: str | None = None,
    ):
        self.what, self.path, self.where, self.remedy = what, path, where, remedy
        place = ", ".join(str(part) for part in (path, where) if part)
        super().__init__((f"{place}: " if place else "") + what + (f"; {remedy}" if remedy else ""))


class ShapeError(InputError):
    """Arrays whose shapes do not belong together."""


class EngineError(HeedfulError, RuntimeError):
    """An engine that was asked for by name cannot do what was asked of it."""


class MissingExtra(HeedfulError, ImportError):
    """A package of one of heedful's extras is not installed."""

    def __init__(self, package: str, extra: str):
        super().__init__(f"{package} is not installed; pip install 'heedful[{extra}]'")
