"""Parts of a bench page that may run one at a time: the rows of each are kept, the page holds them all."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping

from . import _page


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
