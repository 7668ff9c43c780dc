"""heedful lags: causal lags of a panel of series."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...reading.story import Story

HELP = "Which series drives which, and with what delay: a panel of time series (CSV, Parquet)."


def lags(
    panel: Annotated[
        Path, typer.Argument(help="CSV, TSV or Parquet: a row is a time, a column is a series.")
    ],
    max_lag: Annotated[int, typer.Option(help="Largest lag looked for, in rows of the clock.")] = 6,
    alpha: Annotated[
        float, typer.Option(help="False discovery rate among links of different series.")
    ] = 0.05,
    time: Annotated[
        str, typer.Option(help="Name of the time column (found by itself where it holds dates).")
    ] = "",
    columns: Annotated[str, typer.Option(help="Series to use, separated by commas; all by default.")] = "",
    products: Annotated[bool, typer.Option(help="Also look for products of two drivers.")] = True,
    variance: Annotated[
        bool, typer.Option(help="Also look for links that change a series' variance.")
    ] = True,
    method: Annotated[
        str, typer.Option(help="scan, or plain: the literal attention, read and not tested.")
    ] = "scan",
    near_unit_root: Annotated[
        str,
        typer.Option(help="Links between series near a unit root: both (values and news), or keep (values)."),
    ] = "both",
    trust: Annotated[
        str, typer.Option(help="Tests of what the reading asserts: none, quick or full.")
    ] = "quick",
    seed: Annotated[int, typer.Option(help="Seed of everything drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the links found here (CSV).")] = None,
) -> Story:
    """Links of a panel, tested, each with its delay and an interval of it."""
    from functools import partial

    from ...errors import InputError
    from ...files.series import read_series
    from ...learn import progress
    from ...reading.story import Score, Story
    from ...writing import write_atomic
    from .model import LagScan
    from .peers import granger_f
    from .tokens import panel as as_panel

    if trust not in ("none", "quick", "full"):
        raise InputError(f"--trust {trust}; one of none, quick, full")
    frame = read_series(
        panel, time=time or None, columns=[c.strip() for c in columns.split(",")] if columns else None
    )
    try:
        scan = LagScan(
            max_lag,
            alpha,
            products=products,
            variance=variance,
            near_unit_root=near_unit_root,
            method=method,
            seed=seed,
        ).fit(as_panel(frame, first_row=2), progress=partial(progress, text="targets"))
    except InputError as error:
        if error.path is None:
            raise InputError(error.what, path=panel, where=error.where, remedy=error.remedy) from None
        raise
    data = f"{panel.name}: {len(scan.panel_.values)} times, {len(scan.names)} series"
    if method == "plain":
        return _plain(scan, data)
    import numpy as np

    from .claims import verdicts
    from .pictures import all_pictures
    from .reading import read
    from .select import benjamini_hochberg

    off = ~np.eye(len(scan.names), dtype=bool)
    linear = int(benjamini_hochberg(granger_f(scan.panel_.values, max_lag)[off][:, 1:], alpha).sum())
    judged = verdicts(scan, level=trust, seed=seed)
    outputs = []
    if out is not None:
        write_atomic(out, scan.links.to_csv(index=False).encode())
        outputs.append(out)
    further = {
        "products": scan.products_found,
        "links to a variance": scan.variance_links,
        "together within a step": scan.together,
    }
    surest = "; ".join(
        f"{r.source} → {r.target} after {r.low}" + (f" to {r.high}" if r.high > r.low else "")
        for r in scan.links.head(5).itertuples()
    )
    return Story(
        study="lags",
        title="Which series drives which, and when",
        data=data,
        headline=(
            f"{len(scan.links)} links at a false discovery rate of {alpha:g}: {surest}."
            if surest
            else f"No link between different series at a false discovery rate of {alpha:g}."
        ),
        scores=[Score("links found", len(scan.links), linear, "linear Granger test (VAR), same rate")],
        verdicts=judged,
        pictures=all_pictures(scan, judged[0] if judged else None),
        tables={"links": scan.links, "own past": scan.self_links}
        | {name: table for name, table in further.items() if len(table)},
        notes=[
            *scan.notes,
            *(f"Nothing found: {name}." for name, table in further.items() if not len(table)),
            "More links found is not better: the two methods test different things.",
            "A hidden common driver makes links that are not there, here as in every method of this kind.",
            "Under strong autocorrelation read the lag interval (low, high), not the lag.",
        ],
        reading=read(scan) if len(scan.links) else None,
        outputs=outputs,
    )


def _plain(scan, data: str) -> Story:
    import numpy as np
    import pandas as pd

    from ...reading.story import Story

    weight, part = scan.plain_.weight, scan.plain_.contribution
    rows = [
        {
            "source": scan.names[i],
            "target": scan.names[j],
            "lag by weight": int(weight[i, j].argmax()) + 1,
            "weight": float(weight[i, j].max()),
            "lag by contribution": int(part[i, j].argmax()) + 1,
            "contribution": float(part[i, j].max()),
        }
        for i, j in np.ndindex(weight.shape[:2])
        if i != j
    ]
    table = pd.DataFrame(rows).sort_values("contribution", ascending=False, ignore_index=True)
    first = table.iloc[0]
    return Story(
        study="lags",
        title="The literal attention over lags",
        data=data,
        headline=f"The largest contribution: {first['source']} → {first['target']} at lag "
        f"{first['lag by contribution']}. A ranking; nothing was tested.",
        tables={"ranking": table},
        notes=[*scan.notes, "One trained softmax, read directly: no p-values."],
    )


VERBS = {"": lags}
