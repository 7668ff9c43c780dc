"""What the verbs do: folders in, a Story out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import InputError
from ...files.image import list_images, read_image
from ...reading.story import Score, Story
from ...trust.stability import mean_interval
from ...writing import write_atomic
from . import pictures
from .assess import assess, ruin
from .claims import judge, removal_claim
from .demo import tell
from .folders import cut, read_classes, read_mask, stack, stratified
from .model import PatchClassifier
from .reading import locate
from .scenes import Scenes
from .tokens import truth_patches

MANY = 1024  # patches beyond which one pass per patch is too many


def train_story(
    images,
    model,
    *,
    masks,
    negative,
    method,
    patch,
    views,
    held_out,
    iterations,
    seed,
    trust,
    labels=None,
    full_scale=1.0,
) -> Story:
    """Train on a folder of images whose classes are known; see ``heedful locate train``."""
    check_trust(trust)
    if not 0.05 <= held_out <= 0.5:
        raise InputError(f"--held-out {held_out}; a share in [0.05, 0.5] was expected")
    if not (full_scale > 0 and np.isfinite(full_scale)):
        raise InputError(f"--full-scale {full_scale}; a positive number was expected")
    classifier = PatchClassifier(
        method=method,
        patch=patch,
        negative=negative,
        views=views,
        iterations=iterations,
        polish=round(0.4 * iterations),
        seed=seed,
    )
    classifier.check_parameters()
    check_place(model)
    read = read_classes(images, patch, listed=labels, full_scale=full_scale)
    held = stratified(read.labels, held_out, seed, read.first)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(held & (read.labels != negative)))
    if not len(rows):
        raise InputError("no image with a landmark was held out", path=images, remedy="raise --held-out")
    size = read.pixels.shape[1:3]
    truth = None  # read before the training: a mask that does not fit should not cost minutes
    if masks is not None:
        truth = np.stack([read_mask(masks, images, read.paths[i], size, read.whole[i]) for i in rows])
    classifier.fit(read.pixels[~held], read.labels[~held])
    classifier.full_scale_ = float(full_scale)
    written = classifier.save(model)
    data = (
        f"{images}: {len(read.labels)} images of {size[0]} x {size[1]} px, "
        f"{', '.join(classifier.classes_)}; {int(held.sum())} held out, seed {seed}"
    )
    # classes often number their files alike: the folder's name tells them apart
    names = [
        p.relative_to(images).as_posix() if p.is_relative_to(images) else str(p) for p in read.paths[rows]
    ]
    test = Held(read.pixels[rows], read.labels[rows], names, truth)
    notes = list(read.notes)
    if not classifier.negatives_:
        notes.append(
            f"No image is labelled {negative!r}: the model cannot tell absence, and counts whatever stands "
            "beside a class as its evidence."
        )
    predicted = classifier.predict(test.pixels)
    story = _measured(classifier, test, predicted, seed=seed, trust=trust, data=data, notes=notes)
    own: list[Score] = []
    if story is None:
        few = slice(0, 48)
        story = pointed(
            classifier,
            test.pixels[few],
            predicted[few],
            test.names[few],
            [None] * 48,
            seed=seed,
            trust=trust,
            data=data,
            notes=notes,
        )
        own = _accuracy(classifier, predicted, test.labels, read.labels[~held], seed)
    own += _presence(classifier, test.pixels, read.pixels[held & (read.labels == negative)])
    story.scores = [*own, *story.scores]
    story.outputs = [written]
    return story


class Held(NamedTuple):
    """Images held out: pixels, classes, file names, and masks (N, H, W) where there are any."""

    pixels: np.ndarray
    labels: np.ndarray
    names: list[str]
    truth: np.ndarray | None


def _measured(classifier, test: Held, predicted, *, seed, trust, data, notes) -> Story | None:
    """The story of maps beside the masks; None where there is nothing to measure, which is noted."""
    if test.truth is None:
        return None
    marked = truth_patches(test.truth, classifier.patch).any(1)
    if not marked.all():
        notes.append(
            f"The masks of {int((~marked).sum())} of {len(marked)} held-out images cover no patch by more "
            "than a tenth: left out of the measures of maps."
        )
    if not (marked & (predicted == test.labels)).any():
        notes.append("No held-out image with a mask is classified rightly: no map was measured.")
        return None
    scenes = Scenes(test.pixels, test.labels, test.truth, np.zeros_like(test.truth))
    table, facts = assess(classifier, scenes, seed=seed)
    return tell(
        classifier,
        scenes,
        table,
        facts,
        seed=seed,
        data=data,
        notes=notes,
        trust=trust,
        names=test.names,
    )


def _accuracy(classifier, predicted, labels, trained, seed) -> list[Score]:
    """Accuracy beside always naming the commonest class; nothing where there is one class alone."""
    if len(classifier.classes_) < 2:
        return []
    commonest = max(classifier.classes_, key=lambda c: (trained == c).sum())
    hit, rival = predicted == labels, labels == commonest
    interval = mean_interval(hit.astype(float) - rival, seed=seed)
    return [Score("accuracy", float(hit.mean()), float(rival.mean()), "the commonest class",
                  interval=interval)]  # fmt: skip


def _presence(classifier, shown, empty) -> list[Score]:
    """How well images with a landmark are told from those without one: area under the ROC curve."""
    if not len(empty):
        return []
    from sklearn.metrics import roc_auc_score

    p = np.concatenate([classifier.present(shown), classifier.present(empty)])
    truth = np.repeat([1, 0], [len(shown), len(empty)])
    return [Score("landmark told from none, AUC", float(roc_auc_score(truth, p)), 0.5, "chance")]


def point_story(image, model, *, query, top, out, seed, trust) -> Story:
    """Point at a class in one image or a folder of them; see ``heedful locate point``."""
    check_trust(trust)
    check_top(top)
    check_place(out)
    classifier = PatchClassifier.load(model)
    paths = list_images(image) if Path(image).is_dir() else [Path(image)]
    found, notes = [read_image(p) for p in paths], []
    scale = getattr(classifier, "full_scale_", 1.0)
    pixels = stack([cut(p, classifier.patch, notes, scale, classifier.bands_) for p in found], paths)
    queries = np.full(len(pixels), query) if query is not None else classifier.predict(pixels)
    classifier.indices(
        queries, np.zeros((len(pixels), len(classifier.classes_)))
    )  # an unknown class is said now
    notes += unseen(classifier, pixels, [p.name for p in paths])
    story = pointed(
        classifier,
        pixels,
        queries,
        [p.name for p in paths],
        [p.transform for p in found],
        seed=seed,
        trust=trust,
        data=f"{len(pixels)} images from {image}",
        notes=notes,
        top=top,
    )
    if out is not None:
        story.outputs = [write_atomic(out, story.tables["places"].to_csv(index=False))]
    return story


def pointed(classifier, pixels, queries, names, transforms, *, seed, trust, data, notes, top=5) -> Story:
    """The story of maps whose truth is not known: deletion beside its rivals, and the removal claim."""
    import pandas as pd

    reading = locate(pixels, queries, model=classifier, names=names)
    places = reading.table(top)
    for i, transform in enumerate(transforms[: len(pixels)]):
        if transform is not None:
            rows = places["image"] == names[i]
            a, b, c, d, e, f = transform
            x, y = places.loc[rows, "x"].copy(), places.loc[rows, "y"].copy()
            places.loc[rows, "x"], places.loc[rows, "y"] = a * x + b * y + c, d * x + e * y + f
    passes = reading.data.sizes["patch"]
    if passes > MANY:
        notes = [
            *notes,
            f"Occlusion would take {passes} passes an image: rivals and the claim were left out.",
        ]
    table, values = ruin(classifier, pixels, queries, seed=seed) if passes <= MANY else (pd.DataFrame(), {})
    ours = table.index[0] if len(table) else None
    scores = [
        Score(
            "probability left, 1 to 5 blanked",
            float(table.loc[ours, "deletion"]),
            float(table.loc[rival, "deletion"]),
            rival,
            False,
            mean_interval(values[ours] - values[rival], seed=seed),
        )
        for rival in ("integrated gradients", "occlusion", "random")
        if len(table)
    ]
    verdicts = []
    if trust != "none" and classifier.method == "tied" and passes <= MANY:
        verdicts = [judge(removal_claim(classifier, pixels, queries), level=trust, seed=seed)]
    first = places[places["rank"] == 1]
    grids = reading.grid()
    return Story(
        study="locate",
        title="Locate: where the class is seen",
        data=data,
        headline="; ".join(
            f"{row['image']}: {row['class']} at x {row['x']:g}, y {row['y']:g}"
            for _, row in first.head(3).iterrows()
        )
        + (" ..." if len(first) > 3 else ""),
        scores=scores,
        verdicts=verdicts,
        notes=list(notes),
        reading=reading,
        pictures=[
            pictures.heat(
                f"{names[i]}: {queries[i]}",
                pixels[i],
                grids[i],
                patch=classifier.patch,
                caption=reading.certificate,
            )
            for i in range(min(4, len(pixels)))
        ],
        tables={"places": places, "maps": pd.DataFrame(table).reset_index()},
    )


def unseen(classifier, pixels, names) -> list[str]:
    """A sentence that names the images in which the model sees no landmark at all."""
    if not getattr(classifier, "negatives_", 0):
        return []
    absent = [n for n, p in zip(names, classifier.present(pixels), strict=True) if p < 0.5]
    if not absent:
        return []
    listed = ", ".join(absent[:5]) + (" ..." if len(absent) > 5 else "")
    return [
        f"In {len(absent)} of {len(names)} images more speaks for no landmark than for one ({listed}): "
        "their places say where one would be looked for, not that it is there."
    ]


def check_place(path) -> None:
    """Refuse what could not be written in the end, before any work is done."""
    if path is None:
        return
    if not Path(path).parent.is_dir():
        raise InputError(
            f"the folder {Path(path).parent} does not exist", path=path, remedy="create it first"
        )
    if Path(path).is_dir():
        raise InputError("is a folder, the name of a file was expected", path=path)


def check_top(top: int) -> None:
    if top < 1:
        raise InputError(f"--top {top}; at least 1 was expected")


def check_trust(trust: str) -> None:
    if trust not in ("none", "quick", "full"):
        raise InputError(f"--trust {trust}; none, quick or full was expected")
