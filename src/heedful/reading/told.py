"""The summary of a reading or a watch: a table that `print` draws, too."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.table import Table


class Summary(Table):
    """A :class:`rich.table.Table` whose ``str`` is the drawn table, as wide as the terminal.

    Examples
    --------
    >>> table = Summary("layer", "shape")
    >>> table.add_row("encoder.0", "2 x 4 x 5 x 7")
    >>> "encoder.0" in str(table), "object at" in str(table)
    (True, False)
    """

    def __str__(self) -> str:
        # rich takes the width from the terminal, or 80 columns where there is none
        console = Console(file=StringIO(), color_system=None, force_jupyter=False)
        console.print(self)
        return console.file.getvalue().rstrip("\n")
