"""heedful history: risk from patients' irregular events, with a half-life for each code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...reading.story import Story

HELP = "Risk from patients' irregular events (MEDS, CSV), with a learned half-life for each code."

EVENTS = Annotated[
    Path, typer.Argument(help="Event table: subject_id, time, code, numeric_value (Parquet, CSV).")
]
TRUST = Annotated[str, typer.Option(help="Tests of what the reading asserts: none, quick or full.")]


def fit(
    events: EVENTS,
    labels: Annotated[
        Path,
        typer.Argument(
            help="subject_id, prediction_time, boolean_value or duration,event; others are covariates."
        ),
    ],
    horizon: Annotated[float, typer.Option(help="Days within which the event is to be predicted.")] = 0.0,
    correction: Annotated[
        str, typer.Option(help="Prior sd of the heads, or cv: chosen inside the data.")
    ] = "cv",
    counts: Annotated[bool, typer.Option(help="Also count events that carry numbers.")] = False,
    group: Annotated[str, typer.Option(help="Column of the labels by which rows belong together.")] = "",
    method: Annotated[str, typer.Option(help="heads, or plain: one softmax, read directly.")] = "heads",
    trust: TRUST = "quick",
    seed: Annotated[int, typer.Option(help="Seed of folds and draws.")] = 0,
    model: Annotated[
        Path | None, typer.Option(help="Write the fitted model here, for `history predict`.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the half-lives here (CSV).")] = None,
) -> Story:
    """Fit on labelled prediction times; scores are out of fold, beside Cox on last values."""
    import numpy as np

    from ...errors import InputError
    from ...files.events import read_events
    from ...reading.story import Score, Story
    from ...writing import write_atomic
    from .claims import out_of_fold, outcome_of, paired, verdict
    from .model import History
    from .pictures import calibration, half_lives, patient
    from .reading import read
    from .tokens import histories

    if trust not in ("none", "quick", "full"):
        raise InputError(f"--trust {trust}; one of none, quick, full")
    try:
        strength = correction if correction == "cv" else float(correction)
    except ValueError:
        raise InputError(f"--correction {correction}; a number or cv") from None
    H = histories(read_events(events), labels)
    groups = H.subject
    if group:
        if group not in H.static_names:
            raise InputError(f"the labels have no column {group!r}", path=labels)
        at = H.static_names.index(group)
        groups = H.static[:, at]
        H = H.without_static(at)
    estimator = History(horizon or None, correction=strength, counts=counts, method=method, seed=seed)
    fitted = estimator.fit(H, groups=groups)
    peer = "Cox on last values" if H.duration is not None else "logistic regression on last values"
    scores, verdicts, pictures, notes = [], [], [], list(H.notes)
    if trust != "none":
        guess = out_of_fold(H, estimator, groups, seed=seed)
        whole, interval = paired(
            H, fitted.horizon, guess, groups, draws=2000 if trust == "full" else 300, seed=seed
        )
        scores = [
            Score(
                name,
                float(whole["ours"][k]),
                float(whole["last values"][k]),
                peer,
                higher_is_better=k == 0,
                interval=(float(interval[0][k]), float(interval[1][k])),
            )
            for k, name in enumerate(("AUROC (IPCW)", "Brier score (IPCW)"))
        ]
        verdicts = [verdict(H, whole, interval, peer=peer)]
        pictures.append(calibration(guess["ours"], *outcome_of(H, fitted.horizon)))
    else:
        notes.append("Nothing was held out (--trust none): there is no score.")
    tables, outputs, reading = {"half-lives": fitted.half_lives_}, [], None
    if method == "heads":
        if len(fitted.coefficients_):
            tables["last values and covariates"] = fitted.coefficients_
        row = int(np.argmax(fitted.predict(H) * (np.bincount(H.row, minlength=len(H)) > 0)))
        pictures = [*patient(fitted, H, row), half_lives(fitted), *pictures]
        reading = read(fitted, H, row)
        told = fitted.half_lives_[fitted.half_lives_["told"]]
        words = "; ".join(
            f"{r.code} {r.half_life:.0f} d ({r.low:.0f} to {r.high:.0f})"
            for r in told.reindex(told["coefficient"].abs().sort_values(ascending=False).index)
            .head(3)
            .itertuples()
        )
        headline = (
            f"Half-lives of the codes that move the risk most: {words}."
            if words
            else ("The data tell the half-life of no code.")
        )
    else:
        headline = (
            f"One softmax over all events, half-life {fitted.half_lives_['half_life'][0]:.0f} days, shared."
        )
    if model is not None:
        from .storing import save

        outputs.append(save(fitted, model))
    if out is not None:
        write_atomic(out, fitted.half_lives_.to_csv(index=False).encode())
        outputs.append(out)
    return Story(
        study="history",
        title="Risk from irregular events, with forgetting",
        data=f"{events.name}: {len(H)} predictions for {len(np.unique(H.subject))} patients, {len(H.row)} "
        f"(prediction, event) pairs, {len(H.codes)} codes",
        headline=headline,
        scores=scores,
        verdicts=verdicts,
        pictures=pictures,
        tables=tables,
        notes=notes,
        reading=reading,
        outputs=outputs,
    )


def predict(
    model: Annotated[Path, typer.Argument(help="A model written by `history fit --model`.")],
    events: EVENTS,
    times: Annotated[Path, typer.Argument(help="subject_id, prediction_time and the model's covariates.")],
    out: Annotated[Path | None, typer.Option(help="Write the risks here (CSV).")] = None,
) -> Story:
    """Risk at prediction times, and the timeline of the one at highest risk."""
    import numpy as np
    import pandas as pd

    from ...files.events import read_events
    from ...reading.story import Story
    from ...writing import write_atomic
    from .pictures import patient
    from .reading import read
    from .storing import load
    from .tokens import histories

    fitted = load(model)
    record = read_events(events)
    H = histories(record, times, codes=fitted.codes_)
    risk = fitted.predict(H)
    when = pd.to_datetime(H.time, unit="D").strftime("%Y-%m-%d %H:%M") if record.dated else H.time
    table = pd.DataFrame({"subject_id": H.subject, "prediction_time": when, "risk": risk})
    row = int(np.argmax(risk * (np.bincount(H.row, minlength=len(H)) > 0)))
    outputs = []
    if out is not None:
        write_atomic(out, table.to_csv(index=False).encode())
        outputs.append(out)
    within = f" within {fitted.horizon:g} days" if fitted.horizon else ""
    return Story(
        study="history",
        title="Risk at the times asked for",
        data=f"{events.name}: {len(H)} predictions, {len(H.row)} (prediction, event) pairs",
        headline=f"Highest risk{within}: {risk[row]:.2f}, subject {H.subject[row]}.",
        pictures=patient(fitted, H, row) if (H.row == row).any() else [],
        tables={"risks": table.sort_values("risk", ascending=False, ignore_index=True).head(200)},
        notes=list(H.notes),
        reading=read(fitted, H, row) if (H.row == row).any() else None,
        outputs=outputs,
    )


VERBS = {"fit": fit, "predict": predict}
