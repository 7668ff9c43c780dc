"""What the terminal shows: tables of any width can be read."""

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from heedful.telling import _console, _frames


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_cell_of_a_wide_table_is_cut(width):
    rng = np.random.default_rng(0)
    numbers = {f"measure number {n}": rng.random(3) for n in range(14)}
    frame = pd.DataFrame({"kind of damage": ["none (clean)", "no-data as 0", "shift 3 px"], **numbers})
    console = Console(width=width, record=True, file=StringIO(), color_system=None)
    for table in _frames("stress", frame, width):
        console.print(table)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for column in numbers:
        for value in frame[column]:
            assert f"{value:.4g}" in text


def test_a_dumb_terminal_is_as_wide_as_it_says(monkeypatch):
    for name, value in {"TERM": "dumb", "COLUMNS": "60", "LINES": "20", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    assert _console().width == 60
