"""`heedful raster fit | predict | stress`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ...reading.story import Story

HELP = "Optical, radar and other sources of one place: whom to believe, per pixel."

Sources = Annotated[
    list[str], typer.Option("--source", "-s", help="NAME=FILE, twice or more: optical=s2.tif sar=s1.tif")
]
Reproject = Annotated[
    bool, typer.Option("--reproject", help="Resample every source onto the first one's grid.")
]
Trust = Annotated[str, typer.Option(help="Test what the weights claim: none, quick or full.")]


def _named(sources: list[str]) -> dict[str, Path]:
    from ...errors import InputError

    out: dict[str, Path] = {}
    for text in sources:
        name, sep, path = text.partition("=")
        if not sep or not name or not path:
            raise InputError(
                f"--source {text!r}: NAME=FILE was expected", remedy="for example optical=scene_s2.tif"
            )
        if name in out:
            raise InputError(f"the source {name!r} was named twice", remedy="put its bands into one file")
        out[name] = Path(path)
    return out


def _writable(out: Path, inputs: list[Path]) -> None:
    """Said before the work, not after it: where the answer goes exists, and is none of the inputs."""
    from ...errors import InputError

    if not out.parent.is_dir():
        raise InputError(f"the folder {out.parent} does not exist", path=out, remedy="create it first")
    if out.is_dir():
        raise InputError("is a folder", path=out, remedy="name a file in it")
    if out.exists() and any(p.exists() and out.samefile(p) for p in inputs):
        raise InputError("is one of the inputs", path=out, remedy="write to another file")


def _scene(sources: list[str], reproject: bool, labels: Path | None = None):
    import numpy as np

    from ...files.raster import Raster, RasterStack
    from .tokens import Scene

    notes = []
    with RasterStack(_named(sources), reproject=reproject) as stack:
        data, bands, grid = stack.read(), stack.bands(), stack.grid
        if stack.reprojected:
            notes.append("resampled onto the first source's grid (bilinear): " + ", ".join(stack.reprojected))
    y = None
    if labels is not None:
        with Raster(labels) as r:
            if (how := grid.differs(r.grid)) is not None:
                from ...errors import InputError

                raise InputError(
                    f"the labels are not on the grid of the sources: {how}",
                    path=labels,
                    remedy="reproject them first (nearest neighbour keeps classes whole)",
                )
            y = r.read()[0]
        if np.all(np.isnan(y) | (y == np.round(y))) and len(np.unique(y[np.isfinite(y)])) <= 64:
            y = np.where(np.isfinite(y), y, -1).astype(int)
    return Scene(data, y, bands, grid.transform, grid.crs), notes


def _holes(scene) -> list[str]:
    import numpy as np

    from .tiles import filled

    sources = {n: x[0] for n, x in scene.sources.items()}
    lacking = {n: float((~np.isfinite(x).all(0)).mean()) for n, x in sources.items()}
    return _said(lacking, {n: filled(x) / x[0].size for n, x in sources.items()})


def _said(lacking: dict[str, float], fills: dict) -> list[str]:
    from .tiles import FILLS

    notes = []
    for name, share in lacking.items():
        if share == 1:
            notes.append(f"{name}: no pixel has data: does the file cover this place?")
        elif share:
            notes.append(
                f"{name}: {share:.1%} of pixels have no data; no expert that reads them has weight there"
            )
        for value, found in zip(FILLS, fills[name], strict=True):
            if found > 0.001:
                notes.append(
                    f"{name}: {found:.1%} of pixels are exactly {value:g} in every band and no-data is not "
                    "declared for them; they were read as values (declare it: gdal_edit.py -a_nodata "
                    f"{value:g})"
                )
    return notes


def fit(
    sources: Sources,
    labels: Annotated[
        Path, typer.Option(help="Raster of class codes (negative = unlabelled) or of a quantity.")
    ],
    out: Annotated[Path, typer.Option(help="Where the fitted arbiter goes (.safetensors).")],
    reference: Annotated[str | None, typer.Option(help="Source whose date the answer is for.")] = None,
    neighbourhood: Annotated[int, typer.Option(help="Window side, pixels (odd).")] = 3,
    block: Annotated[int, typer.Option(help="Side of a training block, pixels.")] = 64,
    trees: Annotated[int, typer.Option(help="Trees of each LightGBM expert.")] = 100,
    reproject: Reproject = False,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> Story:
    """Fit on a labelled scene that is taken to be undamaged; a quarter of it is kept for the scores."""
    import numpy as np

    from ...errors import InputError
    from .model import SourceArbiter
    from .stressing import stress
    from .tokens import Scene

    _writable(out, [*_named(sources).values(), labels])
    scene, notes = _scene(sources, reproject, labels)
    h, w = scene.shape
    y = scene.labels[0]
    known = np.isfinite(y) if y.dtype.kind == "f" else y >= 0
    if not known.any():
        raise InputError("no pixel is labelled", path=labels, remedy="class codes are integers from 0 up")
    edge = int(np.searchsorted(np.cumsum(known.sum(1)), 0.75 * known.sum())) + 1
    if edge >= h:
        raise InputError(
            "the labels lie in too few rows: none would be left for the scores",
            path=labels,
            remedy="label a larger area",
        )
    train = scene.window(slice(0, edge), slice(0, w))
    held = scene.window(slice(edge, h), slice(0, w))
    arbiter = SourceArbiter(
        sources=scene.names,
        date_reference=reference,
        neighbourhood=neighbourhood,
        block=block,
        trees=trees,
        seed=seed,
    ).fit(train)
    arbiter.save(out)
    frame = stress(arbiter, Scene(held.sources, held.labels), corruptions=None, seed=seed)
    story = _stress_story(
        frame,
        held,
        [*notes, *_holes(scene), f"fitted on rows 0-{edge - 1}, scored on {edge}-{h - 1}"],
        "An arbiter was fitted",
    )
    story.outputs = [Path(out)]
    if arbiter.classes_ is not None:
        codes = np.unique(y[known])
        share = ", ".join(f"{c} ({(y[known] == c).mean():.1%})" for c in codes[:12])
        story.notes.append(f"labels: {share}" + (f" and {len(codes) - 12} more" if len(codes) > 12 else ""))
        if 255 in codes:
            story.notes.append(
                "label 255 was learned as a class; if it means unlabelled, declare it (gdal_edit.py "
                "-a_nodata 255) and fit again"
            )
        unseen = sorted(set(codes.tolist()) - set(arbiter.classes_.tolist()))
        if unseen:
            story.notes.append(
                f"labelled {', '.join(map(str, unseen))} only from row {edge} on: never trained on, so every "
                "such pixel counts as wrong"
            )
    return story


def predict(
    model: Annotated[Path, typer.Argument(help="An arbiter that `raster fit` wrote.")],
    sources: Sources,
    out: Annotated[Path, typer.Option(help="GeoTIFF to write: class, probability, weights, reliability.")],
    tile: Annotated[int, typer.Option(help="Window side, pixels; memory grows with its square.")] = 512,
    reproject: Reproject = False,
    trust: Trust = "quick",
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> Story:
    """Arbitrate rasters of any size, window by window."""
    import pandas as pd

    from ...files.raster import RasterStack
    from .model import SourceArbiter
    from .pictures import swipe, why
    from .tiles import predict_files
    from .tokens import Scene

    _writable(out, [*_named(sources).values(), model])
    arbiter = SourceArbiter.load(model)
    with RasterStack(_named(sources), reproject=reproject) as stack:
        path, summary = predict_files(arbiter, stack, out, tile=tile)
        g = stack.grid
        rows, columns = (
            slice(max((n - 512) // 2, 0), max((n - 512) // 2, 0) + min(n, 512)) for n in (g.height, g.width)
        )
        scene = Scene(stack.read(rows, columns), None, stack.bands())
        notes = [f"resampled onto the first grid (bilinear): {', '.join(stack.reprojected)}"] * bool(
            stack.reprojected
        )
    answer = arbiter.arbitrate(scene, rate=summary["outlook"], keep=True)
    weight = {k[7:]: v for k, v in summary["mean"].items() if k.startswith("weight ")}
    first = max(weight, key=weight.get)
    verdicts = []
    if trust != "none":
        from .claims import claims

        verdicts = claims(arbiter, scene, level=trust, seed=seed)
    trained = list(arbiter.sources)
    notes += [f"{n} was not trained on: left out" for n in scene.names if n not in trained]
    notes += _said(*({n: summary[k][n] for n in trained} for k in ("lacking", "filled")))
    notes += summary["outlook"].notes()
    if summary["no data"]:
        notes.append(f"{summary['no data']:.1%} of pixels have no data in any source: no answer there")
    mean = {k: v for k, v in summary["mean"].items() if k != "class"}
    tables = {"means": pd.DataFrame({"layer": list(mean), "mean": list(mean.values())})}
    if summary["classes"]:
        share = summary["classes"]
        tables["classes"] = pd.DataFrame({"class": list(share), "share": list(share.values())})
    h, w = scene.shape
    middle = why(answer, h // 2, w // 2, origin=(rows.start, columns.start))
    return Story(
        study="raster",
        title="Whom to believe, per pixel",
        data=f"{', '.join(scene.names)}; {g.height} x {g.width} pixels, {g.crs or 'no coordinate system'}",
        headline="Mean weights: "
        + ", ".join(f"{k} {v:.2f}" for k, v in weight.items())
        + f"; most on {first}.",
        verdicts=verdicts,
        pictures=[swipe(scene, answer, caption="the middle of the scene"), middle],
        tables=tables,
        notes=notes,
        outputs=[path],
    )


def stress(
    model: Annotated[Path, typer.Argument(help="An arbiter that `raster fit` wrote.")],
    sources: Sources,
    labels: Annotated[Path, typer.Option(help="Labels of this scene.")],
    draws: Annotated[int, typer.Option(help="Planting draws that are averaged.")] = 3,
    reproject: Reproject = False,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> Story:
    """Plant thirteen kinds of damage on a labelled scene: do the weights leave what was damaged, and at
    what cost?"""
    from .model import SourceArbiter
    from .stressing import stress as table

    scene, notes = _scene(sources, reproject, labels)
    arbiter = SourceArbiter.load(model)
    return _stress_story(
        table(arbiter, scene, seed=seed, draws=draws), scene, [*notes, *_holes(scene)], "Stress"
    )


def _stress_story(frame, scene, notes: list[str], title: str) -> Story:
    from ...reading.story import Score
    from .pictures import stress_table
    from .stressing import over_kinds

    clean, bad = frame.iloc[0], frame.iloc[1:]
    peers = list(frame.attrs["undamaged"])
    measure = frame.attrs["measure"]
    if len(bad) and (bad["trained"] == "yes").all():
        notes = [*notes, "kin of every kind of damage here was planted in training: see `trained`"]
    if frame.attrs["reference"] is None:
        notes = [
            *notes,
            "no reference was declared: of a wrong date or a shift nobody can say which source it is in; "
            "weights leave the keys that read both, and may go to the source that was moved (declare it: "
            "--reference)",
        ]
    held = int((bad["delta"] >= -0.02).sum())
    return Story(
        study="raster",
        title=f"{title}: planted damage on {scene.shape[0]} x {scene.shape[1]} pixels",
        data=f"{', '.join(scene.names)}; damage planted, so that it is known",
        headline=f"Median AUROC of the weights against the damage: {bad['AUROC weight'].median():.2f}; "
        f"in {held} of {len(bad)} kinds of damage the answer is within .02 of the best of each source alone, "
        "the stack and the hardened stack.",
        scores=[
            *(
                Score(
                    f"{measure}, undamaged",
                    float(clean["arbiter"]),
                    float(clean[k]),
                    k,
                    interval=frame.attrs["undamaged"][k],
                )
                for k in peers
            ),
            *(
                Score(
                    f"{measure} in damaged areas, mean of {len(bad)} kinds",
                    float(bad["arbiter"].mean()),
                    float(bad[k].mean()),
                    k,
                    interval=over_kinds((bad["arbiter"] - bad[k]).to_numpy()),
                )
                for k in peers
                if len(bad)
            ),
        ],
        pictures=[stress_table(frame)],
        tables={"stress": frame},
        notes=notes,
    )


VERBS: dict[str, Callable[..., Story]] = {"fit": fit, "predict": predict, "stress": stress}
