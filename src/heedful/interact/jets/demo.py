"""Jets with planted prongs: a tagger, all its controls, and what its query attends to."""

from __future__ import annotations

from ...reading.story import Score, Story


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Tell three-prong from one-prong toy jets and print every control beside it.

    Parameters
    ----------
    seed : int
    quick : bool
        Fewer jets and no masks to train.

    Returns
    -------
    Story
    """
    from .model import JetTagger
    from .plant import toy_jets

    train = toy_jets(seed=seed, jets=300 if quick else 4000)
    test = toy_jets(seed=10_000 + seed, jets=300 if quick else 4000)
    tagger = JetTagger(members=1, epochs=6 if quick else 14, seed=seed).fit(train)
    return tell(
        tagger,
        train,
        test,
        title="Jets: which particles, and beside what",
        seed=seed,
        mask=not quick,
        bags=4 if quick else 10,
        data=f"planted: {len(train)} toy jets to learn from, {len(test)} held out, one prong against three "
        f"(seed {seed})",
        notes=["toy jets: a seeded cascade, no physics generator; see docs/jets.md for simulated collisions"],
    )


def tell(
    tagger,
    train,
    test,
    *,
    title: str,
    data: str,
    notes=(),
    seed: int = 0,
    mask: bool = True,
    bags: int = 10,
    level: str = "quick",
    outputs=(),
) -> Story:
    """The story of a fitted tagger: scores beside controls, reading, claim, pictures.

    Parameters
    ----------
    tagger : JetTagger
        Fitted on ``train``.
    train, test : JetSample
    mask : bool
        Whether to train the nearest-mask and random-mask controls as well.
    """
    import pandas as pd

    from .claims import examine_subjets
    from .controls import compare, control_scores, rejection
    from .pictures import tagger_pictures
    from .reading import attention, read_tagger, subjet_mass

    ours = tagger.decision_function(test)
    y = test.label == tagger.classes_[1]
    controls = control_scores(train, test, tagger, seed=seed, mask=mask, bags=bags)
    scores, rows = [], []
    for name, other in controls.items():
        a, b, interval = compare(y, ours, other, seed=seed)
        scores.append(Score("AUROC", a, b, name, interval=interval))
    for name, s in {"ours": ours, **controls}.items():
        keep, passed = rejection(y, s)
        rows.append(
            {
                "model": name,
                "AUROC": compare(y, s, s, draws=1)[0],
                "rejection at 50 %": keep,
                "background jets it rests on": passed,
            }
        )
    weight, on_features, hard = attention(tagger, test)
    table = subjet_mass(hard, weight, seed=seed, draws=200)
    verdicts = examine_subjets(tagger, test, level=level, seed=seed)
    best = max(controls, key=lambda name: compare(y, controls[name], controls[name], draws=1)[0])
    lead = next(s for s in scores if s.baseline_name == best)
    told = {"better": "above", "worse": "below", "level": "level with"}[lead.outcome]
    looks = "No jet has the three particles that subjets take."
    if table["jets"].iloc[0]:
        main = table.iloc[int(table["excess"].abs().argmax())]
        looks = (
            f"The query puts {main['attention']:.0%} of its weight on particles on {main['subjet']}, "
            f"{main['excess']:+.1%} against equal weights."
        )
    return Story(
        study="jets",
        title=title,
        data=data,
        headline=f"AUROC {lead.ours:.4f}, {told} the best control, {best} ({lead.baseline:.4f}; difference "
        f"{lead.ours - lead.baseline:+.4f} [{lead.interval[0]:+.4f}, {lead.interval[1]:+.4f}]). {looks}",
        scores=scores,
        verdicts=verdicts,
        outputs=list(outputs),
        tables={"models": pd.DataFrame(rows), "attention on subjets": table},
        pictures=tagger_pictures(
            y,
            {"ours": ours, **controls},
            hard,
            weight,
            on_features,
            table,
            verdict=verdicts[0] if verdicts else None,
        ),
        notes=[*notes, *test.notes, "rejections that rest on few background jets are noise: see the table"]
        + ([] if mask else ["the nearest-mask and random-mask controls were not trained here (quick)"]),
        reading=read_tagger(tagger, test),
    )
