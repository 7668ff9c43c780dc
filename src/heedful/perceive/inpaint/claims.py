"""What a fill's reading asserts: hidden places draw on visible places of their own tissue."""

from __future__ import annotations

import numpy as np

from .reading import Question

CAUTION = "about attention's sources, which make only a part of the fill"
FEWEST = 2  # hidden places of a tissue: with one, nothing varies


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
                    caution=CAUTION,
                    seed=seed,
                )
            )
    return chosen


def verdicts(question: Question, *, level: str = "quick", seed: int = 0, progress=None) -> list:
    """The claims' verdicts; none at level "none"."""
    if level == "none":
        return []
    from ...trust import examine

    return [
        examine(c, level=level, seed=seed, draws=499, progress=progress) for c in claims(question, seed=seed)
    ]
