"""heedful inpaint: fill what a mask hides in a CT scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...reading.story import Story

HELP = "Fill holes in a CT (DICOM series, NIfTI, NRRD): HU, an interval, and the sources of every voxel."


def inpaint(
    scan: Annotated[
        Path, typer.Argument(help="Folder of a DICOM series, a DICOM file, .nii, .nii.gz or .nrrd.")
    ],
    mask: Annotated[
        Path, typer.Option(help="What is to be filled: not zero; on the scan's grid; DICOM SEG also.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Filled scan, in the scan's own format; a new folder for a DICOM series."),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Learn mix and interval on this scan, by re-hiding (slower).")
    ] = False,
    tissue: Annotated[
        Path | None, typer.Option(help="Label map on the same grid: shares of the sources by tissue.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Write every filled voxel, its interval and its sources here (CSV).")
    ] = None,
    method: Annotated[
        str, typer.Option(help="mix; trained; attention; plain: one softmax over patches, read directly.")
    ] = "mix",
    weights: Annotated[
        Path | None, typer.Option(help="Use this correction, learned before, within slices (trained).")
    ] = None,
    learn: Annotated[
        Path | None, typer.Option(help="Learn a correction on whole slices, write it here, and use it.")
    ] = None,
    whole: Annotated[
        list[Path] | None,
        typer.Option(help="Scan without damage to learn from, repeatable; else this scan's whole slices."),
    ] = None,
    in_plane: Annotated[
        bool, typer.Option("--in-plane", help="Do not use the slices above and below.")
    ] = False,
    level: Annotated[
        float, typer.Option(help="Coverage of the interval; other than .9 needs --calibrate.")
    ] = 0.9,
    trust: Annotated[
        str, typer.Option(help="Tests of what the reading asserts: none, quick or full.")
    ] = "quick",
    seed: Annotated[int, typer.Option(help="Seed of everything drawn.")] = 0,
) -> Story:
    """Fill the hidden voxels; the visible ones come out bit-identical."""
    import numpy as np

    from ...errors import InputError
    from ...files.scan import check_out, read_labels, read_scan, write_scan
    from ...reading.story import Story
    from ...writing import write_atomic
    from . import claims, pictures, reading, scans
    from .model import MIXED, Inpainter
    from .trained import Corrector

    if trust not in ("none", "quick", "full"):
        raise InputError(f"--trust {trust}; one of none, quick, full")
    for target in (out, table, learn):
        if target is not None and target.exists():
            raise InputError(
                "exists already; nothing is overwritten", path=target, remedy="choose another name"
            )
        if target is not None and not target.parent.is_dir():
            raise InputError(
                f"the folder {target.parent} does not exist", path=target, remedy="create it first"
            )
    if (learn is not None and weights is not None) or (whole and learn is None):
        raise InputError("--learn makes what --weights reads, and --whole says from what", remedy="give one")
    method = "trained" if method == "mix" and (learn or weights) else method
    corrector = Corrector.load(weights) if weights else Corrector(seed=seed) if learn else None
    estimator = Inpainter(method, calibrate, level, in_plane=in_plane, seed=seed, weights=corrector)
    estimator.check_params()
    volume = read_scan(scan)
    if out is not None:
        check_out(volume, out)
    labels, mask_notes = read_labels(mask, volume)
    notes = [*volume.notes, *mask_notes]
    try:
        found = scans.ready(volume, labels)
    except InputError as error:
        raise InputError(error.what, path=error.path or mask, remedy=error.remedy) from None
    notes += found.notes
    regions = None
    if tissue is not None:
        regions, more = read_labels(tissue, volume, what="tissue map")
        regions = regions.transpose(found.order)
        notes += more
    hu, hidden = found.hu, found.hidden
    outputs = []
    if learn is not None:
        outputs.append(_learn(corrector, learn, found, volume, [read_scan(path) for path in whole or []]))
    try:
        filling = _with_progress(estimator, found, calibrate)
    except InputError as error:
        raise InputError(
            error.what, path=error.path or scan, where=error.where, remedy=error.remedy
        ) from None
    if corrector is not None:
        notes += scans.told_of(corrector, volume, any(part.route == "slice" for part in filling.parts))
    if out is not None:
        stored, more = scans.fill_values(volume, found, filling.hu)
        notes += more
        said = f"{int(hidden.sum())} masked voxels filled by heedful inpaint (method {method})"
        outputs.append(write_scan(volume, stored, out, description=said))
    if table is not None:
        outputs.append(write_atomic(table, filling.table(axes=found.axes).to_csv(index=False)))
    with_sources = [part for part in filling.parts if part.sources is not None]
    chief = max(with_sources, key=lambda part: part.hidden.sum(), default=None)
    asked = None if chief is None else reading.question(filling, chief, regions, seed=seed)
    judged = [] if asked is None else claims.verdicts(asked, level=trust, seed=seed)
    shown = sorted({p.z for p in filling.parts}, key=lambda z: -hidden[z].sum())[:3]
    drawn = []
    for z in shown:
        drawn.append(
            pictures.filled_slice(
                filling, z, tissue=regions, seed=seed, verdict=judged[0] if judged and z == chief.z else None
            )
        )
        drawn.append(pictures.before_after(hu, filling, z))
    drawn += [pictures.mixture(p) for p in filling.parts if p.route == "slice" and method in MIXED][:3]
    tables = {"slices": _summary(filling)}
    if regions is not None and with_sources:
        tables["sources by tissue"] = reading.shares(filling, regions)
        drawn.append(pictures.tissue_shares(tables["sources by tissue"]))
    width = (filling.high - filling.low)[hidden]
    slices = int(hidden.any((1, 2)).sum())
    routes = {part.route for part in filling.parts}
    told = {"volume": "from the slices above and below", "slice": "within their slice"}
    if method in MIXED:
        notes += scans.shares_told(filling)
    return Story(
        study="inpaint",
        title="Holes in CT, filled from what is visible",
        data=f"{scan.name}: {volume.format}, {' x '.join(map(str, volume.stored.shape[::-1]))} voxels of "
        f"{' x '.join(f'{s:.3g}' for s in volume.spacing)} mm",
        headline=f"{int(hidden.sum())} voxels in {slices} slice{'s' * (slices > 1)} filled "
        f"{' and '.join(told[r] for r in sorted(routes))}; its "
        f"{level:.0%} interval is {np.median(width):.0f} HU "
        f"wide (median){'' if calibrate else ', not calibrated on this scan'}.",
        scores=_scores(filling),
        verdicts=judged,
        pictures=drawn,
        tables=tables,
        notes=[
            *notes,
            *filling.notes,
            "A fill is a guess from what is around it, no measurement.",
        ],
        reading=None if asked is None else reading.read(filling, asked, chief),
        outputs=outputs,
    )


def _learn(corrector, path, found, volume, others):
    """Fit the correction on whole scans, or on this one's whole slices, and write it."""
    from ...errors import InputError
    from ...learn import progress
    from . import scans

    if others:
        none = [scans.ready(other, 0 * other.stored.astype("i1")) for other in others]
        volumes, spacing = [other.hu for other in none], float(others[0].spacing[0])
    else:
        volumes, spacing = [found.hu[~found.hidden.any((1, 2))]], float(volume.spacing[0])
        if not len(volumes[0]):
            raise InputError(
                "every slice is damaged; nothing is whole to learn from",
                path=volume.path,
                remedy="give scans without damage (--whole)",
            )
    ticks = progress(range(min(corrector.slices, sum(map(len, volumes)))), "hiding holes in whole slices")
    rounds = iter(ticks)
    try:
        corrector.fit(volumes, spacing=spacing, progress=lambda: next(rounds, None))
    finally:
        ticks.close()
    return corrector.save(path)


def _scores(filling):
    """Ours beside today's at the re-hidden places: once for each slice and route."""
    from ...reading.story import Score

    told = {}
    for part in filling.parts:
        cal = part.calibration
        if cal.pixels and cal.peer == cal.peer:
            what = f"RMS error at re-hidden places, slice {part.z} (HU)"
            told[part.z, part.route] = Score(what, cal.mixed, cal.peer, cal.peer_name, higher_is_better=False)
    return list(told.values())


def _with_progress(estimator, found, calibrate):
    from ...learn import progress

    slices = int(found.hidden.any((1, 2)).sum())
    steps = slices * (2 + estimator.rehidings if calibrate else 1)
    ticks = progress(range(steps), "re-hiding and filling" if calibrate else "filling")
    rounds = iter(ticks)
    try:
        return estimator.fit_predict(
            found.hu, found.hidden, progress=lambda: next(rounds, None), heights=found.heights
        )
    finally:
        ticks.close()


def _summary(filling):
    import pandas as pd

    rows = []
    for part in filling.parts:
        effective = float("nan") if part.sources is None else float(part.sources.read(1)[2].mean())
        rows.append(
            {
                "slice": part.z,
                "filled from": part.route,
                "voxels": int(part.hidden.sum()),
                "mean HU": float(part.value.mean()),
                "mean width (HU)": float((part.high - part.low).mean()),
                "effective sources": effective,
                "attention's share": part.share,
                "re-hidden voxels": part.calibration.pixels,
            }
        )
    return pd.DataFrame(rows)


VERBS = {"": inpaint}
