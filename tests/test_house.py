"""The house's own rules: what files may hold, how large they grow, what an import costs."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from heedful.errors import EngineError

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "heedful"
FILES = sorted(SOURCE.rglob("*.py"))


def test_no_source_file_is_longer_than_400_lines():
    long = {str(f.relative_to(ROOT)): n for f in FILES if (n := len(f.read_text().splitlines())) > 400}
    assert not long, "what are they two of?"


@pytest.mark.parametrize(
    "pattern",
    [r"\bpickle\.loads?\(", r"joblib\.load", r"torch\.load\(", r"allow_pickle=True", r"weights_only=False",
     r"innerHTML", r"\beval\(", r"\bexec\(", r"np\.random\.seed\("],
)  # fmt: skip
def test_nothing_loads_code_from_data_or_touches_global_seeds(pattern):
    found = []
    for file in [*FILES, *SOURCE.rglob("*.js")]:
        for n, line in enumerate(file.read_text().splitlines(), 1):
            if (
                re.search(pattern, line)
                and ".eval()" not in line
                and not line.lstrip().startswith((">>>", "#"))
            ):
                found.append(f"{file.relative_to(ROOT)}:{n}: {line.strip()}")
    assert not found


def test_torch_is_seeded_only_inside_a_fork_of_its_generator():
    for file in FILES:
        text = file.read_text()
        if "torch.manual_seed(" in re.sub(r">>>.*", "", text):
            assert "fork_rng" in text, file


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from heedful.cli import build; build();"
        "import json; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    heavy = {"torch", "numpy", "scipy", "pandas", "sklearn", "numba", "xarray", "matplotlib", "statsmodels"}
    assert not loaded & heavy


def test_every_study_has_the_same_rooms():
    from heedful.cli import STUDIES

    rooms = {"__init__", "tokens", "model", "reading", "claims", "pictures", "demo", "command"}
    assert len(STUDIES) == 10
    for name, (module, _) in STUDIES.items():
        folder = SOURCE / Path(*module.split("."))
        assert rooms <= {f.stem for f in folder.glob("*.py")}, name
        assert import_module(f"heedful.{module}.command").VERBS, name
        assert (ROOT / "docs" / f"{name}.md").is_file()
        assert (ROOT / "examples" / f"{name}.py").is_file()


def test_public_names_resolve_and_stay_lazy():
    import heedful

    for name in heedful.__all__:
        assert getattr(heedful, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = heedful.nothing


@pytest.mark.parametrize("arguments", [["tour", "--only", "nothing"], ["nowcast", "no-such-file.csv"]])
def test_bad_input_is_one_line_and_exit_status_2(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "heedful.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "said", "status"),
    [
        (EngineError("engine='fused': no"), "engine='fused': no", 2),
        (OSError(28, "No space left on device", "out.html"), "out.html: No space left on device", 2),
        (MemoryError(), "not enough memory", 2),
        (KeyboardInterrupt(), "stopped", 130),
    ],
)
def test_what_goes_wrong_within_a_study_is_one_line(error, said, status, capsys):
    import typer

    from heedful.cli import _guarded

    def work():
        raise error

    with pytest.raises(typer.Exit) as left:
        _guarded(work)
    told = capsys.readouterr().err
    assert said in told and len(told.splitlines()) == 1
    assert left.value.exit_code == status


def test_the_version_as_an_option_and_as_a_command(capsys):
    from heedful import __version__
    from heedful.cli import build

    for how in ("--version", "version"):
        with pytest.raises(SystemExit) as left:
            build()([how])
        assert left.value.code == 0
        assert capsys.readouterr().out.strip() == __version__


def test_a_report_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    from heedful.cli import _needs_folder
    from heedful.errors import InputError

    for path in (tmp_path, tmp_path / "none" / "x.html"):
        with pytest.raises(InputError):
            _needs_folder(path)
    _needs_folder(tmp_path / "x.html")
