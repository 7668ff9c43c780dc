"""A progress bar that only appears where somebody is waiting and looking."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(
    iterable: Iterable[T], text: str, *, total: int | None = None, after: float = 1.0
) -> Iterator[T]:
    """Go through an iterable, with a bar on the standard error stream once it takes long.

    Nothing is written where the standard error stream is no terminal, or where the work is done
    before `after` seconds have passed; the bar is removed when the work ends, however it ends.

    Parameters
    ----------
    iterable : iterable
        What to go through.
    text : str
        What is being done, "refitting each year".
    total : int, optional
        How many items; taken from ``len(iterable)`` where that exists.
    after : float
        Seconds before the bar appears.

    Yields
    ------
    object
        The items, unchanged.

    Examples
    --------
    >>> from heedful.learn import progress
    >>> [year for year in progress(range(1978, 1981), "refitting")]
    [1978, 1979, 1980]
    """
    stream = sys.stderr
    if not getattr(stream, "isatty", lambda: False)():
        yield from iterable
        return
    if total is None and hasattr(iterable, "__len__"):
        total = len(iterable)
    start, bar, task = time.monotonic(), None, None
    try:
        for done, item in enumerate(iterable):
            if bar is None and time.monotonic() - start >= after:
                bar = _bar()
                bar.start()
                task = bar.add_task(text, total=total, completed=done)
            elif bar is not None:
                bar.update(task, completed=done)
            yield item
    finally:
        if bar is not None:
            bar.stop()


def _bar():
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )
