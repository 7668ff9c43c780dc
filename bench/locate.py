"""Locate: does one forward pass point at the landmark as well as many passes do? Floors over three seeds.

`python -m bench.locate [--write] [--seeds 3] [--plain-seeds 1] [--models FOLDER]`: trains each model (one or
two CPU minutes), or takes it from the folder where an earlier run left it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from heedful.perceive.locate import PatchClassifier, make_scenes
from heedful.perceive.locate.assess import assess
from heedful.perceive.locate.measures import bootstrap
from heedful.perceive.locate.retrieval import mean_average_precision

from . import _page

SCENES, NEGATIVES, TESTS = 8000, 0.22, 300
TEST_SEED = 21  # nothing was chosen on these scenes; recipes were compared on seeds 7 and 8


TRIED = """On developer scenes (seeds 7 and 8, two stems; probability left after 1 to 5 blanked): the read
.330 and .325, signed integrated gradients .325 and .322, occlusion .322 and .311. Other teachers of the
source read, first stem: leave-one-out .332 (with absolute gradients .328), leave-one-out of the log-
probability .332, signed gradients with leave-one-out .329, the order of a greedy deletion .337. A source
read that also asks the receiving cell's token: .328 and .323; reaching 28 px instead of 20: .328 and .323.
Leave-one-out computed from the read's own algebra: .329 and .323, at p@k .923 for .931. All within .003 of
the read as it stands; none passes integrated gradients, and none was taken."""


def model(method: str, seed: int, folder: Path | None) -> tuple[PatchClassifier, float]:
    """The trained model and the CPU seconds its training took (kept beside it in a text file)."""
    path = folder / f"{method}-{seed}.safetensors" if folder else None
    if path and path.exists():
        return PatchClassifier.load(path), float(path.with_suffix(".seconds").read_text())
    train = make_scenes(SCENES, negatives=NEGATIVES, seed=seed)
    start = time.process_time()
    fitted = PatchClassifier(method=method, seed=seed).fit(train.images, train.labels)
    seconds = time.process_time() - start
    if path:
        folder.mkdir(parents=True, exist_ok=True)
        fitted.save(path)
        path.with_suffix(".seconds").write_text(f"{seconds:.1f}")
    return fitted, seconds


def measure(seeds: int, folder: Path | None, plain_seeds: int = 1):
    """Per method and seed: (table, facts, seconds)."""
    test = make_scenes(TESTS, split="test", seed=TEST_SEED)
    asked = make_scenes(40, split="test", seed=TEST_SEED + 1)
    cluttered = make_scenes(TESTS, split="test", negatives=0.5, seed=TEST_SEED + 2)
    found = {}
    for method in ("tied", "plain"):
        for seed in range(seeds if method == "tied" else plain_seeds):
            fitted, seconds = model(method, seed, folder)
            found[method, seed] = (*assess(fitted, test, seed=seed), seconds)
            found[method, seed][1]["retrieval"] = mean_average_precision(
                fitted, asked.images, asked.labels, cluttered.images, cluttered.labels, cluttered.landmark
            )
            table, facts, _ = found[method, seed]
            print(f"{method} {seed}: {seconds:.0f} CPU s, accuracy {facts['accuracy']:.3f}", file=sys.stderr)
            print(table.round(3).to_string(), file=sys.stderr, flush=True)
    return found


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
    return (float(gap.mean()), *bootstrap(gap))


def rows(found) -> list[dict]:
    """Floors and goals beside what was measured."""
    tied = [found[key] for key in found if key[0] == "tied"]
    seeds = len(tied)

    def per_seed(get) -> str:
        values = [get(*t) for t in tied]
        return f"{np.mean(values):.3f} ({', '.join(f'{v:.3f}' for v in values)})"

    def of_plain(get) -> str:
        values = [get(*found[key]) for key in found if key[0] == "plain"]
        return f"plain ViT {np.mean(values):.3f}" if values else "plain ViT not run"

    def of(name, column):
        return f"{np.mean([t[0].loc[name, column] for t in tied]):.3f}"

    out = [
        {
            "work": "accuracy",
            "ours": per_seed(lambda t, f, s: f["accuracy"]),
            "theirs": of_plain(lambda t, f, s: f["accuracy"]),
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
                f"{of('absolute gradients', column)} absolute; occlusion {of('occlusion', column)}",
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
        theirs = of_plain(lambda t, f, s, c=column: f["retrieval"][c])
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
            "theirs": of_plain(lambda t, f, s: s),
            "anchor": "about 160",
            "note": "one thread, machine shared: an indication",
        }
    )
    return out


def run(out=print, *, seeds: int = 3, plain_seeds: int = 1, models: Path | None = None) -> list[dict]:
    """The floor table; ``out`` prints."""
    table = rows(measure(seeds, models, plain_seeds))
    out(_page.table(table))
    return table


def write(found) -> None:
    """The page of RESULTS.md's chapter."""
    seeds = sorted({seed for method, seed in found if method == "plain"})
    _page.write(
        "locate",
        "Locate: a class query that points",
        [
            ("Floors and goals", rows(found)),
            (
                "Every map on the tied network, mean over seeds, images classified rightly",
                means(found, "tied"),
            ),
            (f"Every map on the plain ViT with a class token, seed {seeds}, likewise", means(found, "plain")),
            (
                "Read with care",
                "Scenes are ours (seeded, `make_scenes`); test grounds are procedural, or cut from the right "
                "side of scikit-learn's two photographs, whose left side was trained on. Recipes were "
                "compared on test seeds 7 and 8 (the warm restart was added when one of three seeds stayed "
                f"at accuracy .913 there); the figures are of seeds {TEST_SEED} to {TEST_SEED + 2}, looked "
                "at once. Accuracy counts landmarks only. The deletion curve blanks with the mean colour. "
                "Absolute gradients do not add up to the logit; contributions and signed gradients do. The "
                "plain ViT had the tied network's images and four times its steps, and is not trained to its "
                "end: read it as what the same two or three CPU minutes buy.",
            ),
            ("What was tried for the deletion curve", TRIED),
        ],
        packages=("torch", "numpy", "scikit-learn"),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plain-seeds", type=int, default=1)
    parser.add_argument("--models", type=Path)
    options = parser.parse_args()
    found = measure(options.seeds, options.models, options.plain_seeds)
    print(_page.table(rows(found)))
    if options.write:
        write(found)
