"""What a fill's reading asserts: hidden places draw on visible places of their own tissue."""

from __future__ import annotations

import numpy as np

from .reading import Question

CAUTION = "about attention's sources, which make only a part of the fill"
FEWEST = 2  # hidden places of a tissue: with one, nothing varies
DRAWS = 499
LEVEL = 0.05
EXCHANGED = "contents exchanged among all keys, and the tissue map moved as a whole"


def claims(question: Question, *, most: int = 3, seed: int = 0) -> list:
    """One claim for each of the commonest tissues around or under the holes.

    Parameters
    ----------
    question : Question
    most : int
        Claims at most.
    seed : int

    Returns
    -------
    list of Claim
        Tissues with a single hidden place are left out.
        Weight on the windows of the same tissue against windows whose labels are exchanged among all
        candidates, and what the fill's level loses without them.
    """
    from ...trust import Claim

    found, counts = np.unique(question.query_class, return_counts=True)
    chosen = []
    found = found[counts >= FEWEST][np.argsort(-counts[counts >= FEWEST], kind="stable")]
    for tissue in found[:most]:
        same = question.key_class == tissue
        if same.any() and not same.all():
            name = question.names.get(int(tissue), f"label {int(tissue)}")
            chosen.append(
                Claim(
                    question.weights,
                    queries=np.flatnonzero(question.query_class == tissue),
                    keys=np.flatnonzero(same),
                    values=question.key_hu[:, None],
                    name=f"hidden places in {name} draw on {name}",
                    caution=_caution(question),
                    seed=seed,
                )
            )
    return chosen


def _caution(question) -> str:
    return CAUTION if question.share < 1 else ""


def verdicts(question: Question, *, level: str = "quick", seed: int = 0, progress=None) -> list:
    """The claims' verdicts; none at level "none".

    Tissue is of a piece, and near places draw on near places: exchanging labels one by one would support a
    map that has nothing to do with the image. So the map is also moved as a whole (``moved``), and p is the
    larger of the two.
    """
    chosen = [] if level == "none" else claims(question, seed=seed)
    if not chosen:
        return []
    from ...trust import examine

    p = moved(question, seed=seed)
    judged = [examine(c, level=level, seed=seed, draws=DRAWS, progress=progress) for c in chosen]
    return [v if v.status == "not testable" else _held(v, p, _caution(question)) for v in judged]


def moved(question: Question, *, draws: int = DRAWS, seed: int = 0) -> float:
    """p of "hidden places draw on their own tissue" when the tissue map is moved as a whole.

    The map is shifted over the slice (what leaves at one side enters at the other) and mirrored at random,
    under the holes and under the sources alike. What is compared is the weight on sources of a hidden place's
    own tissue, less that tissue's share of the sources, over all hidden places.

    Parameters
    ----------
    question : Question
    draws : int
    seed : int

    Returns
    -------
    float
        (1 + moves that give as much) / (1 + draws).
    """
    rows = np.asarray(question.weights.rows(list(range(len(question.query_at)))))
    present, labels = np.unique(question.labels, return_inverse=True)
    labels = labels.reshape(question.labels.shape)
    shape, rng = np.array(labels.shape), np.random.default_rng(seed)

    def excess(shift, mirrored):
        asking, there = (
            labels[tuple(((np.where(mirrored, -1 - at, at) + shift) % shape).T)]
            for at in (question.query_at, question.key_at)
        )
        area = np.bincount(there, minlength=len(present)) / len(there)
        return ((rows * (asking[:, None] == there)).sum(1) - area[asking]).mean()

    seen = excess(np.zeros(2, int), np.zeros(2, bool))
    found = [excess(rng.integers(shape), rng.integers(2, size=2) > 0) for _ in range(draws)]
    return float((1 + (np.array(found) >= seen - 1e-12).sum()) / (1 + draws))


def _held(verdict, p: float, caution: str):
    """A verdict under the second null as well: the larger p, and no support that the first alone gives."""
    from ...trust.verdict import Test

    says = f"of {DRAWS} moves of the whole tissue map {p:.1%} give as much weight on the own tissue"
    test = Test(
        "moved map", p <= LEVEL, float("nan"), None, p, DRAWS, "the tissue map moved as a whole", says
    )
    return verdict.under(test, compared_with=EXCHANGED, caution=caution)
