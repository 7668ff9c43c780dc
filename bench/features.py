"""Radiomics tables: the feature arbiter beside ridge, LASSO, forest and LightGBM, on the same splits.

`python -m bench.features [--only TABLE ...] [--parts PART ...]` computes, `--write` puts the page together.
"""

from __future__ import annotations

import argparse

from . import _features_page, _features_parts
from ._features_tables import TABLES, score_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--parts", nargs="*")
    args = parser.parse_args()
    if args.write:
        _features_page.page(args.write)
        return
    for name in args.only if args.only is not None else ([] if args.parts else TABLES):
        score_table(name)
    parts = _features_parts.PARTS
    for name in args.parts if args.parts is not None else ([] if args.only else parts):
        _features_parts.cached(name, parts[name])


if __name__ == "__main__":
    main()
