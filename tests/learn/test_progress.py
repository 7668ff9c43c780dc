"""The bar appears on a terminal, after a while, and nowhere else."""

import io
import sys
import time

from heedful.learn import progress
from heedful.learn.progress import progress as by_module


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_items_pass_unchanged_and_nothing_is_written(monkeypatch):
    assert progress is by_module
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(progress(iter("abc"), "letters", after=0)) == ["a", "b", "c"]
    assert stream.getvalue() == ""


def test_silent_when_fast_and_seen_when_slow(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(progress(range(5), "fast work")) == [0, 1, 2, 3, 4]
    assert stream.getvalue() == ""
    for _ in progress(range(5), "slow work", after=0):
        time.sleep(.03)
    assert "slow work" in stream.getvalue()


def test_the_bar_goes_when_the_loop_is_left(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    loop = progress(range(100), "left early", after=0)
    next(loop)
    next(loop)
    loop.close()
    assert stream.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in stream.getvalue()
