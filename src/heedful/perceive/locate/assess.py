"""Every map beside every other, on the same images: the table that the study prints."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...trust.stability import mean_interval
from . import measures
from .rivals import centre_prior, integrated_gradients, occlusion
from .scenes import NONE, Scenes
from .tokens import truth_patches

# How many passes each map costs per image: forward passes, a backward counted as two.
PASSES = {
    "contributions": "1",
    "weights x values": "1",
    "weights": "1",
    "attention": "1",
    "rollout": "1",
    "class activation": "1",
    "integrated gradients": "24",
    "absolute gradients": "24",
    "centre prior": "0",
    "random": "0",
}


def all_maps(model, images, queries: np.ndarray, *, seed: int = 0) -> dict[str, np.ndarray]:
    """The model's own maps, occlusion, integrated gradients, the centre prior and noise, each (N, P)."""
    import torch

    x = model.prepare(images)
    numbers = torch.from_numpy(np.searchsorted(model.classes_, queries))
    found = dict(model.maps(images, queries))
    found["occlusion"] = occlusion(model.net_, x, numbers, patch=model.patch).numpy()
    signed, absolute = integrated_gradients(model.net_, x, numbers, patch=model.patch)
    found["integrated gradients"], found["absolute gradients"] = signed.numpy(), absolute.numpy()
    rows, cols = x.shape[2] // model.patch, x.shape[3] // model.patch
    found["centre prior"] = np.tile(centre_prior(rows, cols), (len(x), 1))
    found["random"] = np.random.default_rng(seed).random((len(x), rows * cols))
    return found


def assess(model, scenes: Scenes, *, seed: int = 0, rounds: int = 999) -> tuple[pd.DataFrame, dict]:
    """All measures of all maps on scenes whose landmark is known.

    Measured on the images that the model classifies rightly (a map of a wrong answer points elsewhere); on
    the others pointing is given on its own. Scenes without a landmark are left out.

    Parameters
    ----------
    model : PatchClassifier
    scenes : Scenes
        Held-out scenes with masks.
    seed, rounds : int
        Of the permutation test and the random map.

    Returns
    -------
    table : DataFrame
        One row per map: passes, pointing, p@k, p@5, mass on landmark and on distractors (where any are
        marked), deletion (mean probability left over 1..5 blanked patches, and accuracy after 5),
        permutation p of the mass.
    facts : dict
        ``accuracy``, ``n``, ``n_right``, ``k`` (mean landmark patches), ``chance`` (its share of the area),
        ``pointing_wrong``, per map ``values``: the per-image measures, for paired comparisons, and
        ``classes``: per class the images, the accuracy, and the first map's pointing and p@k.
    """
    scenes = scenes[scenes.labels != NONE]
    predicted = model.predict(scenes.images)
    right = predicted == scenes.labels
    truth = truth_patches(scenes.landmark, model.patch)
    right &= truth.any(1)
    wrong = ~right & truth.any(1)
    facts = {
        "accuracy": float((predicted == scenes.labels).mean()),
        "n": len(scenes),
        "n_right": int(right.sum()),
        "values": {},
    }
    good = scenes[right]
    t, d = truth[right], truth_patches(good.distractors, model.patch) & ~truth[right]
    facts["k"], facts["chance"] = float(t.sum(1).mean()), measures.chance(t)
    numbers = np.searchsorted(model.classes_, good.labels)
    rows = []
    for name, maps in all_maps(model, good.images, good.labels, seed=seed).items():
        gone = measures.deletion(model, good.images, numbers, maps)
        each = {
            "pointing": measures.pointing(maps, t),
            "p@k": measures.precision_at_k(maps, t),
            "p@5": measures.precision_at_k(maps, t, 5),
            "mass on landmark": measures.mass_on(maps, t),
            "mass on distractors": measures.mass_on(maps, d),
            "overlap": measures.overlap(maps, t),
            "deletion": gone["probability"],
            "correct after 5": gone["correct"],
        }
        if not d.any():  # none is marked: a column of zeros would read as a merit
            del each["mass on distractors"]
        facts["values"][name] = each
        passes = PASSES.get(name, str(1 + maps.shape[1]))
        rows.append(
            {
                "map": name,
                "passes": passes,
                **{k: float(np.mean(v)) for k, v in each.items()},
                "p": measures.permutation_p(maps, t, rounds=rounds, seed=seed),
            }
        )
    if wrong.any():
        maps = model.maps(scenes.images[wrong], predicted[wrong])
        first = next(iter(maps))
        facts["pointing_wrong"] = float(measures.pointing(maps[first], truth[wrong]).mean())
    first = next(iter(facts["values"].values()))
    facts["classes"] = pd.DataFrame(
        [
            {
                "class": str(c),
                "images": int((scenes.labels == c).sum()),
                "accuracy": float((predicted == c)[scenes.labels == c].mean()),
                **{k: _mean(first[k][good.labels == c]) for k in ("pointing", "p@k", "overlap")},
            }
            for c in np.unique(scenes.labels)
        ]
    )
    return pd.DataFrame(rows).set_index("map"), facts


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def ruin(model, images, queries: np.ndarray, *, seed: int = 0) -> tuple[pd.DataFrame, dict]:
    """What blanking each map's top patches does to the class: the comparison that needs no known landmark.

    Returns
    -------
    table : DataFrame
        One row per map: passes, deletion (mean probability left over 1..5 blanked), accuracy after 5.
    values : dict of str to (N,) array
        The deletion of each image, per map.
    """
    numbers = np.searchsorted(model.classes_, queries)
    rows, values = [], {}
    for name, maps in all_maps(model, images, queries, seed=seed).items():
        gone = measures.deletion(model, images, numbers, maps)
        values[name] = gone["probability"]
        rows.append(
            {
                "map": name,
                "passes": PASSES.get(name, str(1 + maps.shape[1])),
                "deletion": float(gone["probability"].mean()),
                "correct after 5": float(gone["correct"].mean()),
            }
        )
    return pd.DataFrame(rows).set_index("map"), values


def gap(facts_values: dict, ours: str, theirs: str, measure: str) -> tuple[float, float]:
    """95 % interval, over images, of our measure less theirs."""
    difference = np.asarray(facts_values[ours][measure], float) - np.asarray(
        facts_values[theirs][measure], float
    )
    return mean_interval(difference)
