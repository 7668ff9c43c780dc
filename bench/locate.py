"""Locate: does one forward pass point at the landmark as well as many passes do? Floors over three seeds.

`python -m bench.locate [--write] [--seeds 3] [--rival-seeds 2] [--models FOLDER]`: trains each model (two
CPU minutes; the ViT up to ten), or takes it from the folder where an earlier run left it. Rivals: a vision
transformer with a class token (`method="plain"`), and a small convolutional network with global pooling and
its class activation map, on the same images.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from heedful.perceive.locate import PatchClassifier, make_scenes
from heedful.perceive.locate.assess import assess
from heedful.perceive.locate.measures import overlap
from heedful.perceive.locate.retrieval import mean_average_precision
from heedful.perceive.locate.tokens import truth_patches
from heedful.trust.stability import mean_interval

from . import _locate_kinds, _page
from ._locate_cnn import PooledClassifier

SCENES, NEGATIVES, TESTS = 8000, 0.22, 300
RIVALS = {"plain": "ViT", "cnn": "CNN"}
SETTINGS = {
    "tied": {},
    "plain": {"method": "plain"},  # settings of the rivals were chosen on seeds 7 and 8 too
    "cnn": {"method": "plain", "iterations": 4000, "lr": 4e-3},
}
UNSETTLED = 0.7  # training loss (smoothed labels; .3 to .4 where a network names its training images)
TEST_SEED = 21  # nothing was chosen on these scenes; recipes were compared on seeds 7 and 8


TRIED = """On developer scenes (seeds 7 and 8, two stems; probability left after 1 to 5 blanked): the read
.330 and .325, signed integrated gradients .325 and .322, occlusion .322 and .311. Other teachers of the
source read, first stem: leave-one-out .332 (with absolute gradients .328), leave-one-out of the log-
probability .332, signed gradients with leave-one-out .329, the order of a greedy deletion .337. A source
read that also asks the receiving cell's token: .328 and .323; reaching 28 px instead of 20: .328 and .323.
Leave-one-out computed from the read's own algebra: .329 and .323, at p@k .923 for .931. All within .003 of
the read as it stands; none passes integrated gradients, and none was taken."""


CARE = f"""\
Scenes are ours (seeded, `make_scenes`); test grounds are procedural, or cut from the right side of
scikit-learn's two photographs, whose left side was trained on. Recipes were compared on test seeds 7 and
8 (the warm restart was added when one of three seeds stayed at accuracy .913 there); the figures are of
seeds {TEST_SEED} to {TEST_SEED + 2}, looked at once. Accuracy counts landmarks only. The deletion curve
blanks with the mean colour. Absolute gradients do not add up to the logit; contributions and signed
gradients do. Maps of different networks are judged on the images that each classifies rightly.

The ViT is a hybrid: the tied network's own kind of convolutions (27 px seen) embed its patches, three
pre-norm blocks of 64 channels and 4 heads follow, sinusoidal and learned positions; AdamW with weight
decay .05 on matrices, gradients cut at norm 1, 5 % warm-up and cosine, 4000 steps at up to 1e-3; every image
turned, mirrored and shifted by itself. The CNN is six convolutions with batch normalisation, global pooling
and a class activation map (here the same as Grad-CAM), 4000 steps at up to 4e-3, the ViT's augmentation: its
map is as coarse as its last cells, 8 px. Both stay at chance for a while before they learn: at 2000 steps
and 2e-3 one of two ViTs, at 1400 steps and 2e-3 both CNNs never left it. The settings are those with which
both of two networks each (trained on seeds 7 and 8) named .975 to .995 of the developer scenes; more steps
(10,000) made the ViT .99. A rival whose training loss is still above .7 at the end is trained again with
twice the steps (both CNNs were: with 4000 steps they named half of the test scenes).

The other landmarks (stars, arrows, chequers, in clutter of random colours, some striped; `_locate_kinds`)
show what a user's own images may bring: where a class can be told by what the others are not, the network
learns that, every map on it points astray (arrows: named in nine of ten, pointed at in four), and
`heedful locate train --masks` says so by class. Landmarks cut by the border are a harder question. Of two
landmarks the read often takes one: its softmax is after the best cells, not after all of them."""


def model(method: str, seed: int, folder: Path | None) -> tuple[PatchClassifier, float]:
    """The trained model and the CPU seconds its training took (kept beside it in a text file)."""
    path = folder / f"{method}-{seed}.safetensors" if folder else None
    kind = PooledClassifier if method == "cnn" else PatchClassifier
    if path and path.exists():
        return kind.load(path), float(path.with_suffix(".seconds").read_text())
    train = make_scenes(SCENES, negatives=NEGATIVES, seed=seed)
    start = time.process_time()
    fitted = kind(seed=seed, **SETTINGS[method]).fit(train.images, train.labels)
    if method in RIVALS and fitted.losses_[-1] > UNSETTLED:  # what anyone would do who saw that curve
        longer = SETTINGS[method] | {"iterations": 2 * fitted.iterations}
        fitted = kind(seed=seed, **longer).fit(train.images, train.labels)
    seconds = time.process_time() - start
    if path:
        folder.mkdir(parents=True, exist_ok=True)
        fitted.save(path)
        path.with_suffix(".seconds").write_text(f"{seconds:.1f}")
    return fitted, seconds


def measured(method: str, seed: int, folder: Path | None):
    """One model on the test scenes: (table of maps, facts, CPU seconds of its training)."""
    test = make_scenes(TESTS, split="test", seed=TEST_SEED)
    asked = make_scenes(40, split="test", seed=TEST_SEED + 1)
    cluttered = make_scenes(TESTS, split="test", negatives=0.5, seed=TEST_SEED + 2)
    fitted, seconds = model(method, seed, folder)
    table, facts = assess(fitted, test, seed=seed)
    given = asked.images, asked.labels, cluttered.images, cluttered.labels
    if method == "cnn":
        truth = truth_patches(cluttered.landmark, fitted.patch)
        facts["retrieval"] = fitted.retrieval(*given, truth, overlap)
    else:
        facts["retrieval"] = mean_average_precision(fitted, *given, cluttered.landmark)
    print(f"{method} {seed}: {seconds:.0f} CPU s, accuracy {facts['accuracy']:.3f}", file=sys.stderr)
    print(table.round(3).to_string(), file=sys.stderr, flush=True)
    return table, facts, seconds


def measure(seeds: int, folder: Path | None, rival_seeds: int = 2):
    """Per method and seed: (table, facts, seconds)."""
    return {
        (method, seed): measured(method, seed, folder)
        for method in ("tied", "plain", "cnn")
        for seed in range(seeds if method == "tied" else rival_seeds)
    }


def means(found, method: str) -> list[dict]:
    """One row per map: mean over seeds."""
    tables = [table for (m, _), (table, *_) in found.items() if m == method]
    if not tables:
        return [{"map": "not run"}]
    columns = [c for c in tables[0].columns if c not in ("passes", "p", "overlap")]
    return [
        {
            "map": name,
            "passes per image": tables[0].loc[name, "passes"],
            **{c: f"{np.mean([t.loc[name, c] for t in tables]):.3f}" for c in columns},
            "permutation p": f"<= {max(t.loc[name, 'p'] for t in tables):.3f}",
        }
        for name in tables[0].index
    ]


def paired(found, rival: str, measure: str) -> tuple[float, float, float]:
    """Ours less the rival's on the same images, all seeds: mean and 95 % interval over images."""
    gap = np.concatenate(
        [
            np.asarray(facts["values"]["contributions"][measure], float)
            - np.asarray(facts["values"][rival][measure], float)
            for (method, _), (_, facts, _) in found.items()
            if method == "tied"
        ]
    )
    return (float(gap.mean()), *mean_interval(gap))


def rows(found) -> list[dict]:
    """Floors and goals beside what was measured."""
    tied = [found[key] for key in found if key[0] == "tied"]
    seeds = len(tied)

    def per_seed(get) -> str:
        values = [get(*t) for t in tied]
        return f"{np.mean(values):.3f} ({', '.join(f'{v:.3f}' for v in values)})"

    def of_rivals(get) -> str:
        said = []
        for method, name in RIVALS.items():
            values = [get(*found[key]) for key in found if key[0] == method]
            listed = f" ({', '.join(f'{v:.3f}' for v in values)})" if len(values) > 1 else ""
            said.append(f"{name} {np.mean(values):.3f}{listed}" if values else f"{name} not run")
        return "; ".join(said)

    def own_maps(column) -> str:
        said = []
        for method, name in RIVALS.items():
            tables = [found[key][0] for key in found if key[0] == method]
            if tables:
                first = tables[0].index[0]
                value = np.mean([t.loc[first, column] for t in tables])
                said.append(f"{name}'s {first} {value:.3f}")
        return "".join(f"; {text}" for text in said)

    def of(name, column):
        return f"{np.mean([t[0].loc[name, column] for t in tied]):.3f}"

    out = [
        {
            "work": "accuracy",
            "ours": per_seed(lambda t, f, s: f["accuracy"]),
            "theirs": of_rivals(lambda t, f, s: f["accuracy"]),
            "anchor": "floor .93, goal .97",
            "note": f"{seeds} seeds, {TESTS} scenes each",
        },
    ]
    for column, anchor in (
        ("pointing", "floor .93"),
        ("p@k", "floor .75, goal: integrated gradients' or more"),
    ):
        out.append(
            {
                "work": column,
                "ours": per_seed(lambda t, f, s, c=column: t.loc["contributions", c]),
                "theirs": f"integrated gradients {of('integrated gradients', column)} signed, "
                f"{of('absolute gradients', column)} absolute; occlusion {of('occlusion', column)}; on their "
                f"own networks{own_maps(column).replace(';', ':', 1)}",
                "anchor": anchor,
                "note": "one forward pass against 8 backward passes and 37 forward passes",
            }
        )
    for rival in ("integrated gradients", "absolute gradients", "occlusion"):
        gap, low, high = paired(found, rival, "p@k")
        out.append(
            {
                "work": f"p@k less that of {rival}",
                "ours": f"{gap:+.3f}",
                "theirs": "0",
                "anchor": "goal: >= 0",
                "note": f"paired over images and seeds, 95 % [{low:+.3f}, {high:+.3f}]",
            }
        )
    for column, word in (
        ("deletion", "probability left, mean over 1..5 blanked"),
        ("correct after 5", "accuracy after 5 blanked"),
    ):
        out.append(
            {
                "work": f"deletion: {word}",
                "ours": per_seed(lambda t, f, s, c=column: t.loc["contributions", c]),
                "theirs": f"integrated gradients {of('integrated gradients', column)} signed, "
                f"{of('absolute gradients', column)} absolute; occlusion {of('occlusion', column)}",
                "anchor": "floor: <= integrated gradients'; goal: < occlusion's",
                "note": "lower is better",
            }
        )
        for rival in ("integrated gradients", "absolute gradients", "occlusion"):
            gap, low, high = paired(found, rival, column)
            out.append(
                {
                    "work": f"{word}: less that of {rival}",
                    "ours": f"{gap:+.4f}",
                    "theirs": "0",
                    "anchor": "<= 0",
                    "note": f"paired, 95 % [{low:+.4f}, {high:+.4f}]",
                }
            )
    for column, word in (("mAP", "retrieval: mAP"), ("overlap", "retrieval: overlap (IoU)")):
        theirs = of_rivals(lambda t, f, s, c=column: f["retrieval"][c])
        if column == "mAP":
            pooled = [facts["retrieval"]["mAP of the mean token"] for _, facts, _ in tied]
            theirs += f"; cosine of mean tokens {np.mean(pooled):.3f}"
        out.append(
            {
                "work": word,
                "ours": per_seed(lambda t, f, s, c=column: f["retrieval"][c]),
                "theirs": theirs,
                "anchor": "",
                "note": f"40 queries, {TESTS} scenes, half show no landmark; chance "
                f"{tied[0][1]['retrieval']['chance']:.2f}",
            }
        )
    out.append(
        {
            "work": "training, CPU seconds",
            "ours": per_seed(lambda t, f, s: s),
            "theirs": of_rivals(lambda t, f, s: s),
            "anchor": "about 160",
            "note": "one thread, machine shared: an indication",
        }
    )
    return out


def run(out=print, *, seeds: int = 3, rival_seeds: int = 2, models: Path | None = None) -> list[dict]:
    """The floor table; ``out`` prints."""
    table = rows(measure(seeds, models, rival_seeds))
    out(_page.table(table))
    return table


def write(found, kinds) -> None:
    """The page of RESULTS.md's chapter; ``kinds`` is what `_locate_kinds.rows` gives."""
    count = {m: len([1 for method, _ in found if method == m]) for m in RIVALS}
    _page.write(
        "locate",
        "Locate: a class query that points",
        [
            ("Floors and goals", rows(found)),
            (
                "Every map on the tied network, mean over seeds, images classified rightly",
                means(found, "tied"),
            ),
            (f"Every map on the ViT, {count['plain']} seeds, likewise", means(found, "plain")),
            (f"Every map on the small CNN, {count['cnn']} seeds, likewise", means(found, "cnn")),
            ("Other landmarks and clutter: the default recipe on 1920 images of 64 px, one seed", kinds[0]),
            ("The same, as trained on: every map (150 images), and the read by class", kinds[1]),
            ("Read with care", CARE),
            ("What was tried for the deletion curve", TRIED),
        ],
        packages=("torch", "numpy", "scikit-learn"),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rival-seeds", type=int, default=2)
    parser.add_argument("--models", type=Path)
    options = parser.parse_args()
    own = options.models / "kinds.safetensors" if options.models else None
    found = measure(options.seeds, options.models, options.rival_seeds)
    print(_page.table(rows(found)))
    if options.write:
        write(found, _locate_kinds.rows(_locate_kinds.fitted(own)))
