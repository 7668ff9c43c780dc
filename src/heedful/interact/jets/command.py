"""`heedful jets INPUT`: train a tagger, say what it attends to; `heedful jets predict MODEL INPUT`."""

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
    score: Annotated[
        Path | None, typer.Option(help="Jets to score, with labels or without: --out has these then")
    ] = None,
    tree: Annotated[str | None, typer.Option(help="Tree of a ROOT file that holds several")] = None,
    unit: Annotated[str, typer.Option(help="GeV or MeV")] = "GeV",
    signal: Annotated[
        str | None, typer.Option(help="Class of the signal, by name or number (default: the higher of two)")
    ] = None,
    background: Annotated[str | None, typer.Option(help="Class of the background, likewise")] = None,
    method: Annotated[str, typer.Option(help="hybrid, particles or plain")] = "hybrid",
    k: Annotated[int, typer.Option(help="Neighbours of the locality mask", min=1)] = 16,
    epochs: Annotated[int, typer.Option(help="Passes over the training jets", min=1)] = 14,
    members: Annotated[int, typer.Option(help="Networks averaged", min=1)] = 3,
    controls: Annotated[str, typer.Option(help="quick, or full: the mask controls are trained too")] = "full",
    most: Annotated[int | None, typer.Option(help="Jets read at most", min=1)] = None,
    model: Annotated[
        Path | None, typer.Option(help="Where to keep the tagger (.safetensors), for `jets predict`")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Held-out jets with score and attention: .root or .parquet")
    ] = None,
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
    _writable(out)
    if score is not None and out is None:
        raise InputError(
            f"scores of {score.name} have nowhere to go", remedy="add --out FILE.root or .parquet"
        )
    wanted = None if score is None else read_jets(score, tree=tree, unit=unit)
    whole = read_jets(jets_file, tree=tree, unit=unit, most=most)
    train = two_classes(whole, signal, background)
    if test is not None:
        whole = read_jets(test, tree=tree, unit=unit, most=most)
        held = two_classes(whole, signal, background)
        if held.label_names != train.label_names:
            raise InputError(
                f"its classes are {', '.join(held.label_names) or 'numbers'}, those of {jets_file.name} "
                f"{', '.join(train.label_names) or 'numbers'}",
                path=test,
                remedy="give both files the same label branches",
            )
        held_rows = np.flatnonzero(np.isin(whole.label, pair_of(whole, signal, background)))
    else:
        held_out = np.random.default_rng([seed, 3]).random(len(train)) < 1 / 3
        held_rows = np.flatnonzero(np.isin(whole.label, pair_of(whole, signal, background)))[held_out]
        train, held = train.take(~held_out), train.take(held_out)
    for part, what in ((train, "to learn from"), (held, "held out")):
        enough(part, what)
    tagger = JetTagger(method=method, k=k, epochs=epochs, members=members, seed=seed).fit(train)
    tagger.class_names_ = [
        called(train, label) for label in tagger.classes_
    ]  # so that `predict` can say them
    outputs = [tagger.save(model)] if model else []
    written = []
    if out is not None:
        chosen, whose = held, "the held-out jets"
        if wanted is not None:
            chosen, whose, held_rows = wanted, f"the jets of {score.name}", np.arange(len(wanted))
            written += [f"{score.name}: {note}" for note in wanted.notes]
        weight, _, hard = attention(tagger, chosen)
        columns = {"heedful_score": tagger.decision_function(chosen), "heedful_attention": weight}
        outputs.append(write_scores(out, hard, columns | {"heedful_jet": held_rows}))
        written.append(f"{out.name} has {whose}; heedful_jet is their row in the file, from 0")
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
            "signal is {1}, background is {0}".format(*(called(train, c) for c in tagger.classes_)),
            f"the {tagger.most} hardest particles of a jet are attended to",
            *written,
        ],
    )


def predict(
    model: Annotated[Path, typer.Argument(help="A tagger written by `jets INPUT --model`")],
    jets_file: Annotated[
        Path,
        typer.Argument(
            help="ROOT, Parquet or .npz with jets' particles; labels may be there", metavar="INPUT"
        ),
    ],
    tree: Annotated[str | None, typer.Option(help="Tree of a ROOT file that holds several")] = None,
    unit: Annotated[str, typer.Option(help="GeV or MeV")] = "GeV",
    most: Annotated[int | None, typer.Option(help="Jets read at most", min=1)] = None,
    out: Annotated[Path | None, typer.Option(help="Jets with score and attention: .root or .parquet")] = None,
    seed: Annotated[int, typer.Option(help="Of the intervals")] = 0,
) -> Story:
    """Score jets with a tagger that was kept; nothing is trained."""
    import numpy as np
    import pandas as pd

    from ...files.jets import read_jets, write_scores
    from .controls import auroc
    from .model import JetTagger
    from .pictures import tagger_pictures
    from .reading import attention, read_tagger, subjet_mass

    _writable(out)
    tagger = JetTagger.load(model)
    background, signal = getattr(tagger, "class_names_", [f"label {c}" for c in tagger.classes_])
    sample = read_jets(jets_file, tree=tree, unit=unit, most=most)
    score = tagger.decision_function(sample)
    weight, on_features, hard = attention(tagger, sample)
    said = f"{int((score > 0).sum())} of {len(score)} jets are called signal ({signal}; score above 0)."
    notes = [f"signal is {signal}, background is {background}, as in training", *sample.notes]
    tables = {"attention on subjets": subjet_mass(hard, weight, seed=seed, draws=200)}
    if sample.label is None:
        notes.append("the jets have no labels: how well they are told apart is not known")
    else:
        names = np.array([called(sample, label) for label in sample.label])
        groups = pd.DataFrame({"class": names, "score": score}).groupby("class")["score"]
        by_class = groups.agg(jets="size", median_score="median", called_signal=lambda s: (s > 0).mean())
        tables = {"scores by class": by_class.reset_index(), **tables}
        y, known = names == signal, np.isin(names, (background, signal))
        if 0 < y.sum() < known.sum():
            y, s = y[known], score[known]
            rng = np.random.default_rng(seed)
            draws = [auroc(y[i], s[i]) for i in rng.integers(0, len(y), (500, len(y)))]
            low, high = np.nanquantile(draws, [0.025, 0.975])
            notes.append(
                "the AUROC holds for jets that the tagger was not trained on; whether these are is not known"
            )
            said += f" AUROC of {signal} against {background}: {auroc(y, s):.4f} [{low:.4f}, {high:.4f}]."
        else:
            notes.append(f"no AUROC: the file's classes are {', '.join(sorted(set(names)))}")
    outputs = []
    if out is not None:
        columns = {"heedful_score": score, "heedful_attention": weight, "heedful_jet": np.arange(len(sample))}
        outputs.append(write_scores(out, hard, columns))
    return Story(
        study="jets",
        title=f"Jets of {jets_file.name}, scored",
        data=f"{jets_file.name}: {len(sample)} jets, {sample.counts.mean():.0f} particles a jet; "
        f"tagger of {model.name}",
        headline=said,
        tables=tables,
        pictures=tagger_pictures(None, {}, hard, weight, on_features, tables["attention on subjets"]),
        notes=notes,
        reading=read_tagger(tagger, sample),
        outputs=outputs,
    )


def _writable(out: Path | None) -> None:
    """Refuse before the work a file that could not be written after it."""
    from ...errors import InputError

    if out is not None and out.suffix not in (".root", ".parquet"):
        raise InputError(f"suffix {out.suffix!r}", path=out, remedy="choose .root or .parquet")


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


def two_classes(sample, signal: int | str | None, background: int | str | None):
    """The jets of two classes, the signal's label the higher; those of the file where it has just two."""
    import numpy as np

    low, high = pair_of(sample, signal, background)
    kept = sample.take(np.isin(sample.label, (low, high)))
    if high < low:
        # the tagger calls the higher label signal
        from dataclasses import replace

        names = (called(sample, low), called(sample, high))
        kept = replace(kept, label=(kept.label == high).astype(int), label_names=names)
    return kept


def pair_of(sample, signal: int | str | None, background: int | str | None) -> tuple[int, int]:
    """Labels of background and signal."""
    import numpy as np

    from ...errors import InputError

    if sample.label is None:
        raise InputError(
            "the jets have no labels", remedy="a branch named label, or one label_... for each class"
        )
    present = np.unique(sample.label).tolist()
    said = ", ".join(called(sample, x) for x in present)
    low, high = (_number(sample, wanted, said) for wanted in (background, signal))
    for found in (low, high):
        if found is not None and found not in present:
            raise InputError(f"no jets of {called(sample, found)}", remedy=f"the file has {said}")
    rest = [x for x in present if x not in (low, high)]
    if low is None and high is None and len(rest) == 2:
        return rest[0], rest[1]
    if (low is None) != (high is None) and len(rest) == 1:
        return (rest[0], high) if low is None else (low, rest[0])
    if low is None or high is None or low == high:
        raise InputError(
            f"classes {said or 'none'}; two were expected", remedy="choose with --signal and --background"
        )
    return low, high


def called(sample, label: int) -> str:
    """A class as its file calls it."""
    names = sample.label_names
    return names[label] if 0 <= label < len(names) else f"label {label}"


def _number(sample, wanted: int | str | None, said: str) -> int | None:
    """The label of a class given by its name or its number."""
    from ...errors import InputError

    if wanted is None or isinstance(wanted, int):
        return wanted
    name = wanted.removeprefix("label_")
    if name in sample.label_names:
        return sample.label_names.index(name)
    try:
        return int(wanted)
    except ValueError:
        raise InputError(f"no class is called {wanted!r}", remedy=f"the file has {said}") from None


VERBS = {"": jets, "predict": predict}
