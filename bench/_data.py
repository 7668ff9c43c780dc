"""Where benchmark data lies: `data.toml` is the manifest, `$HEEDFUL_DATA` the folder; nothing is invented."""

from __future__ import annotations

import hashlib
import os
import tomllib
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE / ".cache"


def locate(name: str) -> Path | None:
    """The file or folder of an entry of `data.toml`, or None (said on stdout) where it cannot be had.

    Looked up under `$HEEDFUL_DATA` first; else fetched from the entry's `url`, if it has one, and kept
    only if its sha256 agrees.
    """
    entry = tomllib.loads((HERE / "data.toml").read_text()).get(name)
    if entry is None:
        raise KeyError(f"bench/data.toml has no entry [{name}]")
    for root in (os.environ.get("HEEDFUL_DATA"), CACHE):
        if root and (path := Path(root) / entry["file"]).exists():
            if path.is_file() and "sha256" in entry and _digest(path) != entry["sha256"]:
                print(f"skipped {name}: {path.name} does not have the checksum that data.toml states")
                return None
            return path
    if "url" not in entry:
        print(f"skipped {name}: not under $HEEDFUL_DATA, and data.toml gives no address")
        return None
    target = CACHE / entry["file"]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        with urllib.request.urlopen(entry["url"], timeout=60) as source:
            partial.write_bytes(source.read())
    except OSError as error:
        print(f"skipped {name}: not under $HEEDFUL_DATA and not fetched ({error})")
        return None
    if _digest(partial) != entry.get("sha256"):
        partial.unlink()
        print(f"skipped {name}: what was fetched does not have the checksum that data.toml states")
        return None
    partial.replace(target)
    return target


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
