"""The command line in surroundings that are not a friendly terminal: signals, pipes, encodings, widths."""

import os
import subprocess
import sys

import pytest

from heedful import cli

# a finder that sends SIGINT while a module is being looked for, and lets the others find it
INTERRUPTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and not self.sent:
            self.sent = True
            os.kill(os.getpid(), {number})
    sent = False
signal.signal(2, {before})  # a test run in the background has it ignored
sys.meta_path.insert(0, Finder())
sys.argv = ["heedful", *{arguments!r}]
{start}
"""
STARTS = {  # as the installed script starts it, and as `python -m heedful` does
    "script": "from heedful.__main__ import main; main()",
    "module": "import runpy; runpy.run_module('heedful', run_name='__main__')",
}
LONG = "2009 Q3: \u22120.15 \u2026 \u0142\u00f3d\u017a, \u732b, \udcff"


def _run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=os.environ | environment
    )


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    "module", ["heedful.cli", "typer", "typer.main", "heedful.recall.lags.command", "numpy"]
)
def test_ctrl_c_during_the_imports_is_one_line_and_status_130(module, start, tmp_path):
    arguments = ["lags", str(tmp_path / "none.csv")]
    given = {"module": module, "number": 2, "arguments": arguments, "start": STARTS[start]}
    done = _run(INTERRUPTING.format(before="signal.default_int_handler", **given))
    assert done.returncode in (130, -2)  # -2: by the signal itself, which a shell tells as 130
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_a_sigint_that_is_ignored_stays_ignored():
    given = {"module": "typer", "number": 2, "arguments": ["--version"], "start": STARTS["script"]}
    code = INTERRUPTING.format(before="signal.SIG_IGN", **given)
    assert _run(code).returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_no_encoding_stops_the_output_and_a_minus_stays_one(encoding):
    code = f"import sys; from heedful import cli; cli._take_any_text(sys.stdout); print({LONG!a})"
    done = _run(code, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert b"\xff" in done.stdout  # a file's name that is no text is given back as it is
    text = done.stdout.replace(b"\xff", b"").decode(encoding)
    assert text.startswith(("2009 Q3: -0.15", "2009 Q3: \u22120.15"))


@pytest.mark.parametrize("arguments", [["--help"], ["nowcast", "--help"], ["opinions", "fit", "--help"]])
def test_help_fits_narrow_and_plain_surroundings(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "heedful", *arguments],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "60", "TERM": "dumb", "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii")
    assert "\x1b" not in text and "Traceback" not in done.stderr.decode()
    assert max(map(len, text.replace("...", ".").splitlines())) <= 60


def test_who_reads_may_stop_reading():
    child = subprocess.Popen(
        [sys.executable, "-m", "heedful", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    child.stdout.close()
    assert b"Traceback" not in child.stderr.read()
    child.stderr.close()
    child.wait()


def test_a_path_of_another_system_is_a_file_that_is_not_there(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["lags", r"C:\data\panel.csv"])
    told = capsys.readouterr().err
    assert left.value.code == 2 and len(told.splitlines()) == 1 and "panel.csv" in told


def test_a_verbless_form_stays_beside_verbs(capsys):
    for arguments in (["jets", "none.root"], ["jets", "--k", "3", "none.root"], ["jets", "run", "none.root"]):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        assert left.value.code == 2 and "none.root" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["jets", "predict", "none.safetensors", "none.root"])
    assert "none.safetensors" in capsys.readouterr().err
