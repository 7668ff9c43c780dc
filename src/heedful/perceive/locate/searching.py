"""`heedful locate find`: a query image and a folder of scenes in, a Story out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.image import list_images, read_image
from ...files.limits import read_text
from ...reading.story import Score, Story
from ...writing import write_atomic
from . import measures, pictures
from .folders import cut, read_mask
from .model import PatchClassifier
from .retrieval import find
from .sessions import check_place, check_top
from .tokens import patch_centres, truth_patches


def find_story(query, scenes, model, *, top, relevant, masks, out) -> Story:
    """Rank a folder of scenes; see ``heedful locate find``."""
    import pandas as pd

    check_top(top)
    check_place(out)
    if masks is not None and relevant is None:
        raise InputError("--masks needs --relevant", remedy="name the scenes that do show the landmark")
    classifier = PatchClassifier.load(model)
    notes: list[str] = []
    scale = getattr(classifier, "full_scale_", 1.0)
    one = cut(read_image(query), classifier.patch, notes, scale, classifier.bands_)
    paths = [p for p in list_images(scenes) if p.resolve() != Path(query).resolve()]
    if not paths:
        raise InputError("holds no scene besides the query image", path=scenes)
    found = [read_image(p) for p in paths]
    pixels = [cut(p, classifier.patch, notes, scale, classifier.bands_) for p in found]
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
    if getattr(classifier, "negatives_", 0):
        seen = float(classifier.present(one[None])[0])
        if seen < 0.5:
            notes.append(
                f"In the query image more speaks for no landmark than for one (probability {seen:.0%})."
            )
        below = int((scores < 0).sum())
        if below:
            notes.append(f"{below} of {len(scores)} scenes score below 0: more speaks against than for it.")
    outlined: dict[int, np.ndarray] = {}
    if relevant is not None:
        named = {line.strip() for line in read_text(relevant).splitlines() if line.strip()}
        if not named:
            raise InputError("names no scene", path=relevant)
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
                mask = read_mask(masks, scenes, paths[i], pixels[i].shape[:2], found[i].pixels.shape[:2])
                outlined[i] = mask
                truth = truth_patches(mask[None], classifier.patch)
                if truth.any():  # by chance a share a of the area gives a / (2 - a)
                    area = truth.mean()
                    each.append((measures.overlap(maps[i][None], truth)[0], area / (2 - area)))
            if each:
                ours, chance = np.mean(each, 0)
                story.scores.append(Score("overlap (IoU)", float(ours), float(chance), "chance by area"))
            else:
                notes.append("No mask of a relevant scene covers a patch by more than a tenth: no overlap.")
    story.pictures = [
        pictures.heat(
            f"{n + 1}. {paths[i].name}",
            pixels[i],
            maps[i].reshape(pixels[i].shape[0] // classifier.patch, -1),
            patch=classifier.patch,
            landmark=outlined.get(i),
            caption=f"score {scores[i]:.2f}",
        )
        for n, i in enumerate(order[:4])
    ]
    if out is not None:
        story.outputs = [write_atomic(out, table.to_csv(index=False))]
    return story
