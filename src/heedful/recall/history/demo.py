"""A cohort with planted half-lives: they are found again, and a softmax alone is shown to lose the counts."""

from __future__ import annotations

import pandas as pd

from ...errors import MissingExtra
from ...reading.story import Score, Story
from .claims import paired, verdict
from .model import History
from .peers import cox_last, lightgbm_windows
from .survival import auroc
from .synthetic import generated
from .tokens import histories


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Generated patients whose risk follows forgetting sums; fitted on one cohort, judged on another.

    Parameters
    ----------
    seed : int
    quick : bool
        1,500 patients, else 4,000.

    Returns
    -------
    Story
    """
    from .pictures import half_lives, patient
    from .reading import read

    n = 1500 if quick else 4000
    data, fresh = generated("sum", n=n, seed=10 + 2 * seed), generated("sum", n=n, seed=11 + 2 * seed)
    train, held = histories(data.events, data.labels), histories(fresh.events, fresh.labels)
    model = History().fit(train)
    notes = list(train.notes)
    try:
        theirs, peer = lightgbm_windows(train, held, None, seed=seed), "LightGBM on windows of the history"
    except MissingExtra as error:
        theirs, peer = cox_last(train, held, None), "logistic regression on counts"
        notes.append(f"{error}: the baseline is {peer}")
    guess = {"ours": model.predict(held), "last values": theirs}
    plain = History(method="plain").fit(train).predict(held)
    y = held.outcome
    whole, interval = paired(held, None, guess, draws=200, seed=seed)
    table = model.half_lives_[["code", "readout", "half_life", "low", "high", "told"]].assign(
        planted=[data.half_lives[c] for c in model.half_lives_["code"]]
    )
    row = int(guess["ours"].argmax())
    inside = int(((table["low"] <= table["planted"]) & (table["planted"] <= table["high"])).sum())
    judged = verdict(held, whole, interval, peer=peer)
    return Story(
        study="history",
        title="Risk from irregular events, with forgetting",
        data=f"{n} generated patients, {len(train.row)} events of six codes, half-lives 7 to 1000 days",
        headline=f"{inside} of {len(table)} planted half-lives lie within their 95 % intervals; AUROC on "
        f"fresh patients {whole['ours'][0]:.3f}, {fresh.oracle():.3f} if all were known.",
        scores=[
            Score(
                "AUROC",
                whole["ours"][0],
                whole["last values"][0],
                peer,
                interval=(interval[0][0], interval[1][0]),
            ),
            Score(
                "Brier score",
                whole["ours"][1],
                whole["last values"][1],
                peer,
                higher_is_better=False,
                interval=(interval[0][1], interval[1][1]),
            ),
        ],
        verdicts=[judged],
        pictures=[*patient(model, held, row), half_lives(model)],
        tables={
            "half-lives": table,
            "one softmax, read directly": pd.DataFrame(
                {
                    "read-out": [
                        "sum of forgetting weights",
                        "one softmax over all events",
                        "true probabilities",
                    ],
                    "AUROC": [whole["ours"][0], auroc(plain, y), fresh.oracle()],
                }
            ),
        },
        notes=notes,
        reading=read(model, held, row),
    )
