"""The command line: one command a study, and the tour through all of them.

A study's `command.py` says what its verbs take and gives back a Story; here, once for all, the Story is
printed, the report written, and an InputError turned into one line and exit status 2.
"""

from __future__ import annotations

import codecs
import inspect
import os
import sys
import typing
import unicodedata
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

# name: (module, what it does); written here so that `heedful --help` imports no study
STUDIES: dict[str, tuple[str, str]] = {
    "inpaint": (
        "perceive.inpaint",
        "Fill holes in a CT from its visible patches, with sources and interval in HU.",
    ),
    "locate": ("perceive.locate", "Find a landmark in cluttered images: a class token that points."),
    "raster": (
        "arbitrate.raster",
        "Fuse optical, SAR or any sources per pixel; say which to distrust, where.",
    ),
    "features": (
        "arbitrate.features",
        "Weigh handcrafted against learned features, per patient, with a gate.",
    ),
    "opinions": (
        "interact.opinions",
        "Opinions on a network: consensus, camps, echo chambers; fit tau to data.",
    ),
    "jets": (
        "interact.jets",
        "Tag particle jets; attention among constituents with a nearest-neighbour mask.",
    ),
    "residues": ("interact.residues", "Residue contacts from an alignment; what a binding site depends on."),
    "history": ("recall.history", "Predict from patients' irregular events, with learned half-lives."),
    "nowcast": ("recall.nowcast", "Probability of recession, and which past months moved it."),
    "lags": ("recall.lags", "Lagged dependences between time series, tested, with their lags."),
}


def build(requested: str | None = None) -> typer.Typer:
    """The application; only the study that is asked for is imported, the others are listed by name."""
    app = typer.Typer(
        name="heedful",
        help="Attention that can be read, and trusted.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_heedful)
    app.command("tour", help="Run every study on small data: one table, one HTML page.")(_tour)
    app.command("version", help="Print the version.")(_version)
    for name, (module, text) in STUDIES.items():
        if name != requested:
            app.command(name, help=text)(lambda: None)
            continue
        verbs = import_module(f".{module}.command", "heedful").VERBS
        if set(verbs) == {""}:
            app.command(name, help=_help(verbs[""], text))(_runner(verbs[""]))
            continue
        group = typer.Typer(help=text, no_args_is_help=True, cls=_Verbs)
        for verb, function in verbs.items():
            said = _help(function, text) + ("" if verb else f" The word {_Verbs.plain} may be left out.")
            group.command(verb or _Verbs.plain, help=said)(_runner(function))
        app.add_typer(group, name=name)
    return app


class _Verbs(typer.core.TyperGroup):
    """A study's verbs; where one of them is verbless, it is meant wherever no other is named."""

    plain = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if self.plain in self.commands and args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [self.plain, *args]
        return super().parse_args(ctx, args)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the ``heedful`` command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    requested = next((a for a in arguments if not a.startswith("-")), None)
    for stream in (sys.stdout, sys.stderr):
        _take_any_text(stream)
    try:
        build(requested if requested in STUDIES else None)(arguments)
    except KeyboardInterrupt:  # before the work had begun
        typer.echo("stopped", err=True)
        sys.exit(130)


def _help(function: Callable, otherwise: str) -> str:
    return inspect.getdoc(function) or otherwise


def _runner(function: Callable[..., Any]) -> Callable[..., None]:
    """A study's verb as a command: its own parameters, and --report."""
    named = {n: a for n, a in function.__annotations__.items() if n != "return"}
    hints = typing.get_type_hints(
        SimpleNamespace(__annotations__=named), globalns=function.__globals__, include_extras=True
    )

    def run(**arguments: Any) -> None:
        report = arguments.pop("report")

        def work() -> None:
            if report is not None:
                _needs_folder(report)
            story = function(**arguments)
            if report is not None:
                from .view import write_report

                story.outputs = [*story.outputs, write_report(report, story)]
            from .telling import tell

            tell(story)

        _guarded(work)

    parameters = [p.replace(annotation=hints[n]) for n, p in inspect.signature(function).parameters.items()]
    report = inspect.Parameter(
        "report",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            Path | None, typer.Option(help="Write a self-contained HTML report here; it opens offline.")
        ],
    )
    run.__signature__ = inspect.Signature([*parameters, report])
    run.__annotations__ = {p.name: p.annotation for p in run.__signature__.parameters.values()}
    return run


def _needs_folder(report: Path) -> None:
    """Refuse before the work what could not be written after it."""
    from .errors import InputError

    if report.is_dir():
        raise InputError("is a folder, the name of a page was expected", path=report)
    if not report.parent.is_dir():
        raise InputError(f"the folder {report.parent} does not exist", path=report, remedy="create it first")
    if not os.access(report.parent, os.W_OK):
        raise InputError(f"the folder {report.parent} cannot be written to", path=report)


def _guarded(work: Callable[[], None]) -> None:
    """Run, and say in one line what was wrong with the input, or with the place it was to be written to."""
    from .errors import HeedfulError

    try:
        work()
    except HeedfulError as error:
        typer.echo(f"error: {_printable(str(error))}", err=True)
        raise typer.Exit(2) from None
    except BrokenPipeError:
        raise  # who reads has gone; click ends quietly
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"error: {_printable(f'{error.filename}: {error.strerror}')}", err=True)
        raise typer.Exit(2) from None
    except MemoryError:
        typer.echo("error: there is not enough memory for this", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("stopped; nothing half-written was left behind", err=True)
        raise typer.Exit(130) from None


def _printable(text: str) -> str:
    """The text on one line, without control characters that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)


# what stands for a sign that a terminal's or a file's encoding lacks; a minus must never become "?"
_PLAIN = str.maketrans(
    {"\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2026": "...", "\u2192": "->", "\u00b7": ".",
     "\u00d7": "x", "\u00b1": "+-", "\u2264": "<=", "\u2265": ">=", "\u03c4": "tau"}
)  # fmt: skip


def _take_any_text(stream: Any) -> None:
    """Where the output is not UTF-8 (another code page, LANG=C), write the nearest sign it has."""
    if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
        codecs.register_error("heedful-nearest", _nearest)
        stream.reconfigure(errors="heedful-nearest")


def _nearest(error: UnicodeError) -> tuple[str | bytes, int]:
    """A codec's error handler: the text in ASCII; bytes of a file's name that are no text stay as they are.

    >>> text = "\\u22120.15 \\u00e9t\\u00e9"
    >>> _nearest(UnicodeEncodeError("ascii", text, 0, len(text), "not in this code page"))
    ('-0.15 ete', 9)
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    if all("\udc80" <= c <= "\udcff" for c in text):
        return bytes(ord(c) - 0xDC00 for c in text), error.end
    plain = (unicodedata.normalize("NFKD", c.translate(_PLAIN)).encode("ascii", "ignore") for c in text)
    return b"".join(p or b"?" for p in plain).decode(), error.end


def _version() -> None:
    from . import __version__

    typer.echo(__version__)


def _and_leave(asked: bool) -> None:
    if asked:
        _version()
        raise typer.Exit


def _heedful(
    version: Annotated[
        bool, typer.Option("--version", callback=_and_leave, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Attention that can be read, and trusted."""


def _tour(
    report: Annotated[Path, typer.Option(help="The HTML page to be written.")] = Path("heedful-tour.html"),
    seed: Annotated[int, typer.Option(help="Seed of the generators.")] = 0,
    only: Annotated[str | None, typer.Option(help="Some studies, separated by commas.")] = None,
) -> None:
    """Run every study's demonstration: one table, one HTML page."""

    def work() -> None:
        from .errors import InputError
        from .telling import tell_tour
        from .view import write_report

        names = list(STUDIES) if only is None else [n.strip() for n in only.split(",")]
        for name in names:
            if name not in STUDIES:
                raise InputError(f"there is no study {name!r}", remedy=f"choose from {', '.join(STUDIES)}")
        _needs_folder(report)
        stories = []
        for n, name in enumerate(names, 1):
            typer.echo(f"[{n}/{len(names)}] {name}: {STUDIES[name][1]}", err=True)
            stories.append(import_module(f".{STUDIES[name][0]}.demo", "heedful").demo(seed=seed))
        path = write_report(report, stories, title="heedful tour")
        tell_tour(stories, path)

    _guarded(work)


if __name__ == "__main__":
    main()
