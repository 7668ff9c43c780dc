"""`heedful features TABLE`: radiomics features by source, a gate per patient, a null."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ...reading.story import Story

HELP = "Handcrafted and learned features: which source to believe, per patient, or that there is no signal."


def run(
    table: Annotated[
        Path, typer.Argument(help="CSV (plain or gzip): one row per patient, pyradiomics columns.")
    ],
    learned: Annotated[
        Path | None,
        typer.Option(help="CSV of learned features: matched by patient, or rows in the table's order."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Outcome column (two values).")] = None,
    identifier: Annotated[str | None, typer.Option("--id", help="Patient column.")] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="Column that says what kind of patient this is.")
    ] = None,
    raise_: Annotated[
        list[str] | None, typer.Option("--gate", help="SOURCE=LOGWEIGHT raises or lowers one.")
    ] = None,
    permutations: Annotated[int, typer.Option(help="Label permutations of the null.")] = 499,
    out: Annotated[
        Path | None, typer.Option(help="CSV of each patient's held-out answer and weights.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Where the fitted arbiter goes (.safetensors).")] = None,
    trust: Annotated[str, typer.Option(help="Test what the weights claim: none, quick or full.")] = "quick",
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> Story:
    """Fit and score by 5-fold cross-validation over patients, beside ridge and forest; contributions are
    those of patients who were held out, weights along a context those of the fit on all."""
    import numpy as np
    import pandas as pd
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold

    from ...errors import InputError
    from ...files.radiomics import read_radiomics
    from ...learn import progress
    from ...reading.story import Score
    from ...writing import write_atomic
    from .answer import FOREST, JOINT, FeatureAnswer
    from .claims import claims, sentence, signal_table
    from .demo import auroc_interval
    from .model import FeatureArbiter
    from .pictures import along_context, by_source, patient, sources
    from .tokens import matching

    context = list(context or [])
    t = read_radiomics(table, target=target, identifier=identifier, keep=context)
    if t.y is None:
        raise InputError("no outcome column was found", path=table, remedy="name it: --target COLUMN")
    notes = list(t.notes)
    more = None
    if learned is not None:
        other = read_radiomics(learned, identifier=identifier)
        try:
            rows, how = matching(t.groups, other.groups, named=identifier is not None)
        except InputError as error:
            raise InputError(error.what, path=learned, remedy=error.remedy) from None
        more = other.X.drop(columns=[target], errors="ignore").iloc[rows].reset_index(drop=True)
        notes += [how] * bool(how)
    notes += _suspect(t, context)
    missing = int(t.X.isna().sum().sum())
    if missing:
        notes.append(f"{missing} empty cells were read as the column's middle")
    asked = _gates(raise_ or [])
    make = lambda p: FeatureArbiter(context=context, gate=asked, permutations=p, seed=seed)  # noqa: E731
    arbiter = make(permutations).fit(t.X, t.y, t.groups, learned=more)

    scored = {k: np.zeros(len(t.y)) for k in ("arbiter", JOINT, FOREST)}
    held, said = (np.zeros((len(t.y), len(arbiter.keys_))) for _ in range(2))
    part = np.zeros((len(t.y), len(arbiter.sources_)))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(t.X, t.y, t.groups)
    for train, test in progress(list(folds), "cross-validation"):
        cut = lambda f, i: None if f is None else f.iloc[i]  # noqa: E731
        a = make(min(permutations, 99)).fit(
            t.X.iloc[train], t.y[train], t.groups[train], learned=cut(more, train), check=False
        )
        answer = a.arbitrate(t.X.iloc[test], learned=cut(more, test))
        scored["arbiter"][test], held[test] = answer.z, answer.weights
        said[test], part[test] = answer.opinions, answer.by_source
        for k in (JOINT, FOREST):
            scored[k][test] = answer.opinions[:, answer.keys.index(k)]
    auc = {k: float(roc_auc_score(t.y, v)) for k, v in scored.items()}
    answer = arbiter.arbitrate(t.X, learned=more)
    signal = arbiter.signal_ is None or arbiter.signal_.any
    verdicts = [] if trust == "none" else claims(arbiter, len(set(t.groups)))
    outputs = []
    if out is not None:
        kept = pd.DataFrame({"patient": t.groups, "outcome": t.y, "held-out log-odds": scored["arbiter"]})
        kept = kept.join(pd.DataFrame(held, columns=[f"weight {k}" for k in arbiter.keys_]))
        outputs.append(write_atomic(out, kept.to_csv(index=False)))
    if model is not None:
        outputs.append(arbiter.save(model))
    pictures = [sources(arbiter)]
    if signal:
        alone = FeatureAnswer(scored["arbiter"], held, said, answer.keys, part, np.empty((len(t.y), 0)))
        pictures += [by_source(alone), patient(alone, 0, str(t.groups[0]))]
        pictures += [
            along_context(arbiter, answer, t.X[c].to_numpy(), c)
            for c in context
            if arbiter.context_p_ is not None and arbiter.context_p_ <= 0.05
        ]
    return Story(
        study="features",
        title=f"Which features to believe: {Path(table).name}",
        data=f"{len(t.y)} rows of {len(set(t.groups))} patients, {t.X.shape[1]} features in "
        f"{len(arbiter.sources_)} sources, {int(t.y.sum())} with outcome {t.classes[1]!r}",
        headline=sentence(arbiter) + f" Held-out AUROC {auc['arbiter']:.2f}.",
        scores=[
            Score(
                "AUROC, 5-fold over patients",
                auc["arbiter"],
                auc[k],
                said,
                interval=auroc_interval(t.y, scored["arbiter"], scored[k], seed=seed, groups=t.groups),
            )
            for k, said in ((JOINT, "ridge on everything"), (FOREST, "random forest on everything"))
        ],
        verdicts=verdicts,
        pictures=pictures,
        tables={"sources": signal_table(arbiter)},
        notes=notes,
        outputs=outputs,
    )


def _suspect(t, context: list[str]) -> list[str]:
    """What a reader has to know of the columns and rows before believing any figure."""
    from .tokens import tell_apart

    notes = []
    others = [c for c in t.X if c not in t.features and c not in context]
    if others and t.features:
        notes.append(
            f"columns without pyradiomics names that were taken as features ({len(others)}): "
            + ", ".join(others[:4])
            + (" ..." if len(others) > 4 else "")
        )
    found = tell_apart(t.X, t.y)
    if found:
        notes.append(
            f"{', '.join(found[:4])} alone separates the outcomes without one exception: was it known before "
            "the outcome? Else no figure here means anything"
        )
    same = t.X.duplicated(keep=False) & ~t.X.assign(patient=t.groups).duplicated(keep=False)
    if same.any():
        notes.append(
            f"{int(same.sum())} rows are equal to another patient's in every feature: one patient under "
            "two names would be on both sides of a split"
        )
    both = len(set(t.groups[t.y == 0]) & set(t.groups[t.y == 1]))
    if both:
        notes.append(
            f"{both} patients have rows of either outcome: shuffles exchange the outcomes of patients with "
            "as many rows, and those of a patient's own rows"
        )
    return notes


def _gates(texts: list[str]) -> dict[str, float]:
    from ...errors import InputError

    out = {}
    for text in texts:
        name, sep, value = text.rpartition("=")
        try:
            out[name] = float(value)
        except ValueError:
            sep = ""
        if not sep or not name:
            raise InputError(
                f"--gate {text!r}: SOURCE=LOGWEIGHT was expected", remedy="for example 'MR shape=-1'"
            )
    return out


VERBS: dict[str, Callable[..., Story]] = {"": run}
