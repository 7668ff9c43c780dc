"""``heedful locate train | point | find``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HELP = "Find a landmark in cluttered images: a class query that points."


def train(
    images: Annotated[
        Path, typer.Argument(help="A folder with one sub-folder of images per class (or see --labels).")
    ],
    model: Annotated[Path, typer.Option(help="The model file to be written (safetensors).")],
    masks: Annotated[
        Path | None, typer.Option(help="Folder of landmark masks, same layout and names: for p@k, pointing.")
    ] = None,
    negative: Annotated[str, typer.Option(help="The sub-folder of images that show no landmark.")] = "none",
    method: Annotated[str, typer.Option(help="tied or plain (a ViT with a class token).")] = "tied",
    patch: Annotated[int, typer.Option(help="Side of a patch, px; a multiple of 4.")] = 8,
    views: Annotated[str, typer.Option(help="Augmentation: overhead (turns), mirror, or none.")] = "overhead",
    held_out: Annotated[float, typer.Option(help="Share of the images kept for the test.")] = 0.2,
    labels: Annotated[
        Path | None, typer.Option(help="CSV of file and class, for images that lie in no sub-folders.")
    ] = None,
    full_scale: Annotated[
        float, typer.Option(help="What 16-bit or real values are divided by; 8 bits need none.")
    ] = 1.0,
    iterations: Annotated[int, typer.Option(help="Training steps of 64 images.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the split and the training.")] = 0,
    trust: Annotated[str, typer.Option(help="none, quick or full.")] = "quick",
):
    """Train a classifier whose class query points, test it on images held out, write the model."""
    from .sessions import train_story

    return train_story(
        images,
        model,
        masks=masks,
        negative=negative,
        method=method,
        patch=patch,
        views=views,
        held_out=held_out,
        iterations=iterations,
        seed=seed,
        trust=trust,
        labels=labels,
        full_scale=full_scale,
    )


def point(
    image: Annotated[Path, typer.Argument(help="An image (PNG, JPEG, TIFF, .npy), or a folder of them.")],
    model: Annotated[Path, typer.Option(help="A model that `heedful locate train` wrote.")],
    query: Annotated[
        str | None, typer.Option(help="The class to look for; the predicted one by default.")
    ] = None,
    top: Annotated[int, typer.Option(help="Places listed per image.")] = 5,
    out: Annotated[Path | None, typer.Option(help="CSV of the places.")] = None,
    seed: Annotated[int, typer.Option(help="Of the tests.")] = 0,
    trust: Annotated[str, typer.Option(help="none, quick or full.")] = "quick",
):
    """Say where in an image a class is seen, beside occlusion and integrated gradients."""
    from .sessions import point_story

    return point_story(image, model, query=query, top=top, out=out, seed=seed, trust=trust)


def find(
    query: Annotated[Path, typer.Argument(help="The query image.")],
    scenes: Annotated[
        Path, typer.Argument(help="A folder of scenes; GeoTIFFs give places in map coordinates.")
    ],
    model: Annotated[Path, typer.Option(help="A model that `heedful locate train` wrote.")],
    top: Annotated[int, typer.Option(help="Scenes listed.")] = 10,
    relevant: Annotated[
        Path | None, typer.Option(help="Text file naming the scenes that do show it, one a line: prints mAP.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of landmark masks by scene name: overlap.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV of the ranking.")] = None,
):
    """Rank scenes by how much of the query image's landmark they show, and say where."""
    from .searching import find_story

    return find_story(query, scenes, model, top=top, relevant=relevant, masks=masks, out=out)


VERBS = {"train": train, "point": point, "find": find}
