"""`heedful`, and `python -m heedful` where it is not on the path; no import before Ctrl-C is clean."""

import os
import signal


def main() -> None:
    """Entry point of the ``heedful`` command: `heedful.cli.main`, and one line for Ctrl-C from the start.

    While the command line is being imported nothing is open that could be left half-written, and an
    exception there would be a traceback of other people's modules; so the process ends at once, with
    status 130. A SIGINT that is ignored (``nohup``, a background job of a script) stays ignored.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _leave)
    from .cli import main as run

    try:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run()
    except KeyboardInterrupt:
        _leave()


def _leave(*_: object) -> None:
    os.write(2, b"stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
