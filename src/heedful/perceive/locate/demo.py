"""The study in ten seconds: a small net, scenes on scikit-learn's photographs, planted truth."""

from __future__ import annotations

import numpy as np

from ...reading.story import Score, Story
from . import pictures
from .assess import assess, gap
from .claims import judge, landmark_claim
from .model import PatchClassifier
from .reading import locate
from .retrieval import mean_average_precision
from .scenes import make_scenes
from .tokens import truth_patches

SMALL = {"size": 32, "radius": (4.5, 6.5), "kinds": ("ring", "cross")}


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Train, point, check: two landmark kinds among distractors.

    Parameters
    ----------
    seed : int
        Of the scenes and the training.
    quick : bool
        A small net on 1200 scenes of 32 px and two kinds; else 8000 scenes of 48 px, four kinds and the
        full net (some CPU minutes), with the plain ViT beside it.

    Returns
    -------
    Story

    Examples
    --------
    >>> from heedful.perceive.locate.demo import demo
    >>> demo.__name__
    'demo'
    """
    size = SMALL if quick else {}
    train = make_scenes(1200 if quick else 8000, negatives=0.22, seed=seed, **size)
    test = make_scenes(120 if quick else 400, split="test", seed=seed, **size)
    settings = (
        {"channels": (8, 16, 32, 32, 32), "iterations": 350, "polish": 0, "lr": 4e-3, "taught": 120}
        if quick
        else {}
    )
    model = PatchClassifier(seed=seed, **settings).fit(train.images, train.labels)
    table, facts = assess(model, test, seed=seed, rounds=199)
    notes = [
        f"Each map is judged on the {facts['n_right']} of {facts['n']} test scenes classified rightly.",
        f"Chance p@k is {facts['chance']:.2f}, the centre prior's {table.loc['centre prior', 'p@k']:.2f}.",
        "Absolute integrated gradients and occlusion take 24 and "
        f"{table.loc['occlusion', 'passes']} passes an image, the reading takes one.",
    ]
    wrong = facts["n"] - facts["n_right"]
    if wrong >= 5 and "pointing_wrong" in facts:
        notes.append(
            f"On the {wrong} scenes classified wrongly the map points at the landmark in "
            f"{facts['pointing_wrong']:.0%}: a wrong answer's map is no evidence."
        )
    plain_table = None
    if quick:
        notes.append(
            "The plain ViT (method='plain') needs more steps than a demonstration has; see docs/locate.md."
        )
    else:
        plain = PatchClassifier(method="plain", seed=seed).fit(train.images, train.labels)
        plain_table, plain_facts = assess(plain, test, seed=seed, rounds=199)
        plain_accuracy = plain_facts["accuracy"]
        notes.append(
            f"Plain ViT: accuracy {plain_accuracy:.3f}, class-token attention pointing "
            f"{plain_table.loc['attention', 'pointing']:.2f}, p@k {plain_table.loc['attention', 'p@k']:.2f}."
        )
    return tell(
        model,
        test,
        table,
        facts,
        seed=seed,
        notes=notes,
        plain_table=plain_table,
        data=f"{len(train)} training and {len(test)} test scenes of {test.images.shape[1]} px, seed {seed}: "
        f"{len(model.classes_)} landmark kinds, 2 to 4 distractors, procedural grounds and the two "
        "photographs that scikit-learn ships (left part for training, right part for testing)",
    )


def tell(
    model,
    test,
    table,
    facts,
    *,
    seed: int,
    data: str,
    notes=(),
    plain_table=None,
    trust: str = "quick",
    names=None,
) -> Story:
    """The story of a model that was assessed on scenes with known landmarks."""
    own = table.index[0]  # the model's own map: contributions, or the class token's attention
    values, right = facts["values"], model.predict(test.images) == test.labels
    good = test[right]
    called = None if names is None else list(np.asarray(names)[right][:24])
    truth = truth_patches(good.landmark, model.patch)
    verdicts = []
    if trust != "none" and model.method == "tied":
        claim = landmark_claim(model, good.images, good.labels, truth, most=16)
        verdicts = [judge(claim, level=trust, seed=seed, draws=499)]
    reading = locate(good.images[:24], model=model, names=called)
    n = max(1, min(20, len(test) // 4))  # queries are not among the scenes
    asked, scenes = test[:n], test[n:]
    found = {}
    if len(model.classes_) > 1 and np.isin(asked.labels, scenes.labels).any():
        found = mean_average_precision(
            model, asked.images, asked.labels, scenes.images, scenes.labels, scenes.landmark
        )
    ours, scores = table.loc[own], []
    if len(model.classes_) > 1:
        scores.append(Score("accuracy", facts["accuracy"], 1 / len(model.classes_), "chance"))
    for measure, name, higher in (
        ("pointing", "pointing game", True),
        ("p@k", "precision at k", True),
        ("deletion", "probability left, 1 to 5 blanked", False),
    ):
        for rival in ("integrated gradients", "absolute gradients", "occlusion"):
            scores.append(
                Score(
                    name,
                    float(ours[measure]),
                    float(table.loc[rival, measure]),
                    rival,
                    higher,
                    gap(values, own, rival, measure),
                )
            )
    if found:
        rival = "mAP of the mean token" if "mAP of the mean token" in found else "chance"
        rival_name = "chance" if rival == "chance" else "cosine of the mean token"
        scores.append(Score("mAP of retrieval", found["mAP"], found[rival], rival_name))
    grids = reading.grid()
    pics = [
        pictures.heat(
            f"{good.labels[i]}: where its evidence lies" + (f" ({called[i]})" if called else ""),
            good.images[i],
            grids[i],
            patch=model.patch,
            landmark=good.landmark[i],
            distractors=good.distractors[i],
            caption=reading.certificate,
            verdict=verdicts[0] if verdicts and i == 0 else None,
        )
        for i in _one_of_each(good.labels[:24])
    ]
    pics.append(pictures.compared("Precision at k", table, "p@k", caption="one pass against many"))
    if "mass on distractors" in table:
        pics.append(
            pictures.compared("Mass on distractors", table, "mass on distractors", caption="lower is better")
        )
    classes = facts["classes"]
    tables = {"maps": table.reset_index(), "classes": classes, "places": reading.table(3)}
    astray = classes[(classes["pointing"] < 0.5) & (classes["images"] >= 5)]
    notes = [
        *notes,
        *(
            f"{row['class']}: named rightly in {row['accuracy']:.0%}, pointed at in {row['pointing']:.0%} "
            "of these: it is told by something else than its landmark, and its places are no evidence."
            for _, row in astray.iterrows()
        ),
    ]
    if plain_table is not None:
        tables["plain ViT"] = plain_table.reset_index()
    return Story(
        study="locate",
        title="Locate: a class query that points",
        data=data,
        headline=f"One forward pass points at the landmark in {ours['pointing']:.0%} of scenes; "
        f"{ours['p@k']:.0%} of its top k patches are the landmark's (integrated gradients, 8 backward "
        f"passes: {table.loc['integrated gradients', 'p@k']:.0%} signed, "
        f"{table.loc['absolute gradients', 'p@k']:.0%} absolute)."
        + (f" Retrieval: mAP {found['mAP']:.2f}, overlap {found['overlap']:.2f}." if found else ""),
        scores=scores,
        verdicts=verdicts,
        pictures=pics,
        tables=tables,
        notes=list(notes),
        reading=reading,
    )


def _one_of_each(labels, most: int = 4) -> list[int]:
    """The first image of each class, and more of them up to three."""
    first = sorted(int(np.flatnonzero(labels == c)[0]) for c in np.unique(labels))
    more = [i for i in range(len(labels)) if i not in first]
    return (first + more[: max(0, 3 - len(first))])[:most]
