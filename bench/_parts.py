"""Parts of a bench page that may run one at a time: the rows of each are kept, the page holds them all."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from . import _page


def code_of(package, modules: Sequence[str]) -> str:
    """A hash of some modules of a package: results of other code are not taken for theirs."""
    folder = Path(package.__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in modules)).hexdigest()[:12]


class Kept:
    """Results by data set on disk, so that a run that was cut short goes on where it stopped.

    Parameters
    ----------
    name : str
        Of the file in bench/.cache.
    mark : dict of str to str
        For each method, what tells its results from those of other code (`code_of`).
    """

    def __init__(self, name: str, mark: Mapping[str, str]):
        self.mark, self.path = mark, _page.HERE / ".cache" / f"{name}.json"
        self.rows = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.saved = time.monotonic()

    def __call__(self, who: str, *key, make: Callable[[], Sequence[float]]) -> np.ndarray:
        """What ``make`` gives (numbers) for this method and data set, made at most once."""
        name = "|".join(map(str, (who, self.mark[who], *key)))
        if name not in self.rows:
            self.rows[name] = [float(x) for x in make()]
            if time.monotonic() - self.saved > 20:
                self.save()
        return np.array(self.rows[name])

    def has(self, who: str, *key) -> bool:
        """Whether this result is there already."""
        return "|".join(map(str, (who, self.mark[who], *key))) in self.rows

    def save(self) -> None:
        """Write all results; those that other runs wrote meanwhile are kept."""
        self.path.parent.mkdir(exist_ok=True)
        before = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.path.write_text(json.dumps(before | self.rows))
        self.saved = time.monotonic()


def rows_of(name: str, parts: Mapping[str, Callable[[], list[dict]]]) -> dict[str, list[dict]]:
    """Rows by part: those named by ``--only a,b`` (all by default) are run, the others as last measured;
    ``--only ""`` runs none. With ``--quick`` nothing is kept.
    """
    quick, kept = "--quick" in sys.argv, _page.HERE / ".cache" / f"{name}-page.json"
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ",".join(parts)
    only = [name for name in only.split(",") if name]
    unknown = set(only) - set(parts)
    if unknown:
        raise SystemExit(f"--only {','.join(sorted(unknown))}; parts are {', '.join(parts)}")
    rows = {}
    for part in only:
        rows[part] = parts[part]()
        if not quick:
            before = json.loads(kept.read_text()) if kept.exists() else {}
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(before | {part: rows[part]}))
    if not quick:
        rows = json.loads(kept.read_text())
    return {part: rows.get(part, []) for part in parts}


def show(name: str, title: str, sections: list, packages: tuple[str, ...]) -> None:
    """Print the sections, or with ``--write`` write them as the page."""
    if "--write" in sys.argv:
        print(_page.write(name, title, sections, packages))
        return
    for heading, body in sections:
        print(f"\n### {heading}\n\n{body if isinstance(body, str) else _page.table(body)}")
