"""Ctrl-C and SIGTERM wait for the end of the step, so that a checkpoint can be written first."""

from __future__ import annotations

import signal
import threading


class Interrupt:
    """Within the block the first SIGINT or SIGTERM only sets a flag; a second one acts at once.

    Outside the main thread, where Python allows no handlers, signals act as they always do.
    """

    def __init__(self):
        self.asked: int = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                # a handler that was not set from Python (None), or is ignored, stays as it is
                if before is not None and before is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame) -> None:
        if self.asked:
            self._restore()
            self._act(number)
        self.asked = number

    def leave(self) -> None:
        """Stop now if a signal has come: KeyboardInterrupt, or exit status 143 for SIGTERM."""
        if self.asked:
            self._restore()
            self._act(self.asked)

    def _act(self, number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}

    def __exit__(self, kind, error, trace) -> None:
        self._restore()
        # a signal that came after the last step must not be lost
        if self.asked and kind is None:
            self._act(self.asked)
