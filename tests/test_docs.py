"""What README and docs show: the Python runs, its imports exist, and every command has the options named."""

import ast
import re
import shlex
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import torch
import typer

from heedful.cli import STUDIES, build

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def shown_commands():
    for page in PAGES:
        text = page.read_text()
        lines = [line.strip() for line in text.splitlines() if re.match(r"( {4})?heedful \S", line)]
        for line in [*lines, *re.findall(r"`(heedful [^`]+)`", text)]:
            words = shlex.split(re.sub(r"[\[\]]", " ", line), comments=True)
            if len(words) > 1 and words[1] in STUDIES:
                yield pytest.param(words[1:], id=f"{page.name}: {' '.join(words)[:60]}")


@cache
def command(study):
    return typer.main.get_command(build(study)).commands[study]


@pytest.mark.parametrize("words", list(shown_commands()))
def test_every_command_shown_has_the_verb_and_the_options_shown(words):
    asked, rest = command(words[0]), words[1:]
    if hasattr(asked, "commands"):
        verb = rest[0] if rest and rest[0] in asked.commands else "run"
        assert verb in asked.commands or not rest, f"{words[0]} has no verb {rest[:1]}"
        asked = asked.commands.get(verb, asked)
    known = {name for p in asked.params for name in (*p.opts, *p.secondary_opts)}
    assert {w.split("=")[0] for w in rest if re.match(r"--?[a-z]", w)} <= known


def test_every_import_shown_exists():
    for page in PAGES:
        indented = re.findall(r"^ {4}((?:from|import) [\w.]+.*)$", page.read_text(), re.MULTILINE)
        for code in [*python_blocks(page), *indented]:
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.ImportFrom):
                    module = import_module(node.module)
                    for name in node.names:
                        assert hasattr(module, name.name), f"{page.name}: {node.module} has no {name.name}"
                elif isinstance(node, ast.Import):
                    for name in node.names:
                        import_module(name.name)


@pytest.mark.parametrize("page", ["README.md", "docs/view.md"])
def test_the_python_shown_runs_in_an_empty_folder(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = python_blocks(ROOT / page)
    assert blocks
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for code in blocks:
            exec(compile(code, page, "exec"), {})
    if page == "README.md":
        told = capsys.readouterr().out
        assert "compiled: " in told or "tiled: " in told  # the engine and why
        assert ": not supported;" in told  # noise, as the page says
    else:
        assert {p.name for p in tmp_path.iterdir()} == {"report.html", "figure.pdf"}
