"""The source arbiter beside each source alone, the stack, and the stack trained with the same planted damage.

Draws are cached under bench/.cache/raster, one file each: `--only held:0 all:1 pairs:2 fuel tile`
computes some, `--write` writes the page from what is there and says what is missing.
"""

from __future__ import annotations

import argparse

from . import _raster_page
from ._raster_draws import DRAWS, compute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    jobs = args.only or [
        *(f"held:{d}" for d in range(DRAWS)),
        *(f"pairs:{d}" for d in range(DRAWS)),
        "fuel",
        "tile",
        *(f"all:{d}" for d in range(DRAWS)),
    ]
    if not args.write:
        for job in jobs:
            compute(job)
        return
    print(_raster_page.page())


if __name__ == "__main__":
    main()
