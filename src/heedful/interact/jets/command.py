"""`heedful jets INPUT`: train a tagger on labelled jets, score others, say what it attends to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...reading.story import Story

FEWEST = 20  # jets of a class in each part
HELP = "Collider jets: particles that attend to their neighbours, and what tells two kinds apart"


def jets(
    jets_file: Annotated[
        Path, typer.Argument(help="ROOT, Parquet or .npz with jets' particles and labels", metavar="INPUT")
    ],
    test: Annotated[
        Path | None, typer.Option(help="Held-out jets; else a third of INPUT is held out")
    ] = None,
    tree: Annotated[str | None, typer.Option(help="Tree of a ROOT file that holds several")] = None,
    unit: Annotated[str, typer.Option(help="GeV or MeV")] = "GeV",
    signal: Annotated[
        int | None, typer.Option(help="Label of the signal (default: the higher of two)")
    ] = None,
    background: Annotated[int | None, typer.Option(help="Label of the background")] = None,
    method: Annotated[str, typer.Option(help="hybrid, particles or plain")] = "hybrid",
    k: Annotated[int, typer.Option(help="Neighbours of the locality mask", min=1)] = 16,
    epochs: Annotated[int, typer.Option(help="Passes over the training jets", min=1)] = 14,
    members: Annotated[int, typer.Option(help="Networks averaged", min=1)] = 3,
    controls: Annotated[str, typer.Option(help="quick, or full: the mask controls are trained too")] = "full",
    most: Annotated[int | None, typer.Option(help="Jets read at most", min=1)] = None,
    model: Annotated[Path | None, typer.Option(help="Where to keep the tagger (.safetensors)")] = None,
    out: Annotated[Path | None, typer.Option(help="Scores and attention: .root or .parquet")] = None,
    trust: Annotated[str, typer.Option(help="none, quick or full")] = "quick",
    seed: Annotated[int, typer.Option(help="Of every random draw")] = 0,
) -> Story:
    """Train on labelled jets and print every control beside the result."""
    import numpy as np

    from ...errors import InputError
    from ...files.jets import read_jets, write_scores
    from .demo import tell
    from .model import JetTagger
    from .reading import attention

    if controls not in ("quick", "full"):
        raise InputError(f"controls {controls!r}; 'quick' or 'full' was expected")
    if out is not None and out.suffix not in (".root", ".parquet"):  # before the training, not after it
        raise InputError(f"suffix {out.suffix!r}", path=out, remedy="choose .root or .parquet")
    sample = two_classes(read_jets(jets_file, tree=tree, unit=unit, most=most), signal, background)
    if test is not None:
        train, held = (
            sample,
            two_classes(read_jets(test, tree=tree, unit=unit, most=most), signal, background),
        )
    else:
        held_out = np.random.default_rng([seed, 3]).random(len(sample)) < 1 / 3
        train, held = sample.take(~held_out), sample.take(held_out)
    for part, what in ((train, "to learn from"), (held, "held out")):
        enough(part, what)
    tagger = JetTagger(method=method, k=k, epochs=epochs, members=members, seed=seed).fit(train)
    outputs = [tagger.save(model)] if model else []
    if out is not None:
        weight, _, hard = attention(tagger, held)
        scores = tagger.decision_function(held)
        outputs.append(write_scores(out, hard, {"heedful_score": scores, "heedful_attention": weight}))
    where = test.name if test else "a third held out at random"
    return tell(
        tagger,
        train,
        held,
        title=f"Jets of {jets_file.name}",
        seed=seed,
        mask=controls == "full",
        level=trust,
        data=f"{jets_file.name}: {len(train)} jets to learn from, {len(held)} held out ({where}); "
        f"{train.counts.mean():.0f} particles a jet",
        outputs=outputs,
        notes=[
            f"label {tagger.classes_[1]} is signal, {tagger.classes_[0]} is background",
            f"the {tagger.most} hardest particles of a jet are attended to",
        ],
    )


def enough(sample, what: str) -> None:
    """Refuse a part with fewer jets of a class than trees and their early stopping need."""
    import numpy as np

    from ...errors import InputError

    labels, counts = np.unique(sample.label, return_counts=True)
    if len(labels) < 2 or counts.min() < FEWEST:
        said = ", ".join(f"{n} of label {x}" for x, n in zip(labels, counts, strict=True)) or "none"
        raise InputError(
            f"the jets {what} are too few: {said}", remedy=f"at least {FEWEST} of each class are needed"
        )


def two_classes(sample, signal: int | None, background: int | None):
    """The jets of two labels; the two lowest where none are named and there are just two."""
    import numpy as np

    from ...errors import InputError

    if sample.label is None:
        raise InputError(
            "the jets have no labels", remedy="a branch named label, or one label_... for each class"
        )
    present = np.unique(sample.label)
    named = [x for x in (background, signal) if x is not None]
    missing = [x for x in named if x not in present]
    if missing:
        raise InputError(f"no jets of label {missing[0]}", remedy=f"the file has {present.tolist()}")
    if not named and len(present) != 2:
        raise InputError(
            f"labels {present.tolist()}; two were expected", remedy="choose with --signal and --background"
        )
    if len(named) == 1:
        rest = [x for x in present if x != named[0]]
        if len(rest) != 1:
            raise InputError(
                f"labels {present.tolist()}", remedy="choose both with --signal and --background"
            )
        named.append(rest[0])
    kept = sample.take(np.isin(sample.label, named or present))
    if signal is not None and background is not None and signal < background:
        # the tagger calls the higher label signal
        from dataclasses import replace

        kept = replace(kept, label=(kept.label == signal).astype(int))
    return kept


VERBS = {"": jets}
