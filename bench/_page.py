"""Write a bench page: the machine, the versions, the date, the command, the table."""

from __future__ import annotations

import datetime
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent


def machine() -> str:
    """One line: processor, cores, Python."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    import os

    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def versions(*packages: str) -> str:
    """'torch 2.13.0, numpy 2.4.6': what ran, or 'absent'."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} absent")
    return ", ".join(found)


def usage(doc: str | None) -> None:
    """End with a benchmark's own description where ``--help`` was asked for, before minutes of work."""
    if {"-h", "--help"} & set(sys.argv):
        sys.exit(print(doc))


def table(rows: list[dict]) -> str:
    """Rows as a Markdown table; columns in the order of first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))

    def cell(value) -> str:
        if isinstance(value, float):
            return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
        return str(value).replace("|", "/").replace("\n", " ")

    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(c, "")) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def write(
    name: str,
    title: str,
    sections: list[tuple[str, list[dict] | str]],
    packages: tuple[str, ...] = ("torch", "numpy"),
) -> str:
    """Write `bench/results/<name>.md` and return its text."""
    text = [
        f"## {title}",
        "",
        f"{machine()}; {versions('heedful', *packages)}; {datetime.date.today()}; "
        f"`python -m bench.{name} --write`",
        "",
    ]
    for heading, body in sections:
        text += [f"### {heading}", "", body if isinstance(body, str) else table(body), ""]
    page = "\n".join(text)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.md").write_text(page)
    return page
