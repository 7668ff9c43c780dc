"""What the verbs do: folders in, a Story out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.image import list_images, read_image
from ...files.limits import read_text
from ...reading.story import Score, Story
from ...trust import examine
from ...writing import write_atomic
from . import measures, pictures
from .assess import assess, ruin
from .claims import removal_claim
from .demo import tell
from .folders import cut, read_classes, read_mask, stack, stratified
from .model import PatchClassifier
from .reading import locate
from .retrieval import find
from .scenes import Scenes
from .tokens import patch_centres, truth_patches

MANY = 1024  # patches beyond which one pass per patch is too many


def train_story(
    images, model, *, masks, negative, method, patch, views, held_out, iterations, seed, trust
) -> Story:
    """Train on a folder of class folders; see ``heedful locate train``."""
    check_trust(trust)
    if not 0.05 <= held_out <= 0.5:
        raise InputError(f"--held-out {held_out}; a share in [0.05, 0.5] was expected")
    pixels, labels, paths, notes = read_classes(images, patch)
    held = stratified(labels, held_out, seed)
    classifier = PatchClassifier(
        method=method,
        patch=patch,
        negative=negative,
        views=views,
        iterations=iterations,
        polish=round(0.4 * iterations),
        seed=seed,
    ).fit(pixels[~held], labels[~held])
    written = classifier.save(model)
    test = held & (labels != negative)
    if not test.any():
        raise InputError("no image with a landmark was held out", path=images, remedy="raise --held-out")
    data = (
        f"{images}: {len(labels)} images of {pixels.shape[1]} x {pixels.shape[2]} px, "
        f"{', '.join(classifier.classes_)}; {int(held.sum())} held out, seed {seed}"
    )
    if masks is not None and method == "tied":
        truth = np.stack([read_mask(masks, images, path, pixels.shape[1:3]) for path in paths[test]])
        scenes = Scenes(pixels[test], labels[test], truth, np.zeros_like(truth))
        table, facts = assess(classifier, scenes, seed=seed)
        story = tell(classifier, scenes, table, facts, seed=seed, data=data, notes=notes)
        story.outputs = [written]
        return story
    predicted = classifier.predict(pixels[test])
    majority = (
        max((labels[~held] == c).sum() for c in classifier.classes_) / (labels[~held] != negative).sum()
    )
    scores = [
        Score(
            "accuracy",
            float((predicted == labels[test]).mean()),
            float(majority),
            "the commonest class",
            interval=_shift(measures.bootstrap(predicted == labels[test], seed=seed), -float(majority)),
        )
    ]
    story = pointed(
        classifier,
        pixels[test][:48],
        predicted[:48],
        [p.name for p in paths[test][:48]],
        [None] * 48,
        seed=seed,
        trust=trust,
        data=data,
        notes=notes,
    )
    story.scores = [*scores, *story.scores]
    story.outputs = [written]
    return story


def point_story(image, model, *, query, top, out, seed, trust) -> Story:
    """Point at a class in one image or a folder of them; see ``heedful locate point``."""
    check_trust(trust)
    classifier = PatchClassifier.load(model)
    paths = list_images(image) if Path(image).is_dir() else [Path(image)]
    found, notes = [read_image(p) for p in paths], []
    pixels = stack([cut(p, classifier.patch, notes) for p in found], paths)
    queries = np.full(len(pixels), query) if query is not None else classifier.predict(pixels)
    classifier.indices(
        queries, np.zeros((len(pixels), len(classifier.classes_)))
    )  # an unknown class is said now
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


def find_story(query, scenes, model, *, top, relevant, masks, out) -> Story:
    """Rank a folder of scenes; see ``heedful locate find``."""
    import pandas as pd

    classifier = PatchClassifier.load(model)
    notes: list[str] = []
    one = cut(read_image(query), classifier.patch, notes)
    paths = [p for p in list_images(scenes) if p.resolve() != Path(query).resolve()]
    if not paths:
        raise InputError("holds no scene besides the query image", path=scenes)
    found = [read_image(p) for p in paths]
    pixels = [cut(p, classifier.patch, notes) for p in found]
    scores, places, maps, probabilities = np.zeros(len(paths)), np.zeros((len(paths), 2)), {}, {}
    for shape in sorted({c.shape for c in pixels}):  # scenes of one size are read together
        rows = [i for i, c in enumerate(pixels) if c.shape == shape]
        result = find(one, np.stack([pixels[i] for i in rows]), model=classifier)
        probabilities = result.query
        for n, i in enumerate(rows):
            scores[i], maps[i] = result.scores[n], result.maps[n]
            grid = (shape[0] // classifier.patch, shape[1] // classifier.patch)
            centres = patch_centres(*grid, classifier.patch, found[i].transform)
            places[i] = centres[int(result.maps[n].argmax())]
    order = np.argsort(-scores, kind="stable")
    table = pd.DataFrame(
        [
            {
                "rank": n + 1,
                "scene": paths[i].name,
                "score": scores[i],
                "x": places[i, 0],
                "y": places[i, 1],
                "in": "map units" if found[i].transform else "px",
            }
            for n, i in enumerate(order)
        ]
    )
    best, sure = max(probabilities.items(), key=lambda item: item[1])
    story = Story(
        study="locate",
        title="Locate: scenes that show the query's landmark",
        data=f"{len(paths)} scenes from {scenes}; query {query}",
        headline=f"The query is read as {best} ({sure:.0%}); it is seen most in {paths[order[0]].name} "
        f"(score {scores[order[0]]:.2f}) at x {places[order[0], 0]:g}, y {places[order[0], 1]:g}.",
        tables={"scenes": table.head(top)},
        notes=notes,
    )
    if relevant is not None:
        named = {line.strip() for line in read_text(relevant).splitlines() if line.strip()}
        unknown = named - {p.name for p in paths}
        if unknown:
            raise InputError(f"names {sorted(unknown)[0]!r}, which is not among the scenes", path=relevant)
        shows = np.array([p.name in named for p in paths])
        story.scores = [
            Score(
                "average precision", measures.average_precision(scores, shows), float(shows.mean()), "chance"
            )
        ]
        if masks is not None:
            each = []
            for i in np.flatnonzero(shows):
                truth = truth_patches(
                    read_mask(masks, scenes, paths[i], pixels[i].shape[:2])[None], classifier.patch
                )
                if truth.any():
                    each.append(measures.overlap(maps[i][None], truth)[0])
            story.scores.append(
                Score(
                    "overlap (IoU)",
                    float(np.mean(each)),
                    float(truth.mean() / (2 - truth.mean())),
                    "chance by area",
                )
            )
    story.pictures = [
        pictures.heat(
            f"{n + 1}. {paths[i].name}",
            pixels[i],
            maps[i].reshape(pixels[i].shape[0] // classifier.patch, -1),
            patch=classifier.patch,
            caption=f"score {scores[i]:.2f}",
        )
        for n, i in enumerate(order[:4])
    ]
    if out is not None:
        story.outputs = [write_atomic(out, table.to_csv(index=False))]
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
            "probability left, top 5 blanked",
            float(table.loc[ours, "deletion"]),
            float(table.loc[rival, "deletion"]),
            rival,
            False,
            measures.bootstrap(values[ours] - values[rival], seed=seed),
        )
        for rival in ("integrated gradients", "occlusion", "random")
        if len(table)
    ]
    verdicts = []
    if trust != "none" and classifier.method == "tied" and passes <= MANY:
        verdicts = [examine(removal_claim(classifier, pixels, queries), level=trust, seed=seed)]
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


def check_trust(trust: str) -> None:
    if trust not in ("none", "quick", "full"):
        raise InputError(f"--trust {trust}; none, quick or full was expected")


def _shift(interval, by):
    return interval[0] + by, interval[1] + by
