"""Ours beside the baselines, with an outcome that a handful of recessions can carry."""

from __future__ import annotations

from dataclasses import dataclass

from ...reading.story import Score
from .backtesting import Backtest

FEW = 10  # recessions; on fewer, no lead of ours is told as one
BASELINES = (("logit", "ridge logit"), ("probit", "term-spread probit"))


@dataclass(frozen=True)
class RecessionScore(Score):
    """A score whose evidence is recessions: months of one recession are alike, so these are what counts.

    The interval resamples blocks of two years. Where the test holds fewer than `FEW` recessions, most blocks
    hold none and the draws repeat the same few, so the interval is too narrow to claim a lead by: a
    lead is told as level, a loss as a loss.

    Parameters
    ----------
    recessions : int
        How many began in the test.

    Examples
    --------
    >>> RecessionScore("QPS", 0.11, 0.21, "ridge logit", False, (-0.17, -0.04), recessions=5).outcome
    'level (5 recessions)'
    >>> RecessionScore("QPS", 0.21, 0.11, "ridge logit", False, (0.04, 0.17), recessions=5).outcome
    'worse (5 recessions)'
    >>> RecessionScore("QPS", 0.11, 0.21, "ridge logit", False, (-0.17, -0.04), recessions=12).outcome
    'better'
    """

    recessions: int = 0

    @property
    def outcome(self) -> str:
        """As of any score, but on few recessions 'level (5 recessions)' where it would be 'better'."""
        told = super().outcome
        if self.interval is None or self.recessions >= FEW:
            return told
        return f"{'level' if told == 'better' else told} ({counted(self.recessions)})"


def scores(test: Backtest, seed: int) -> list[Score]:
    """QPS and AUROC beside each baseline that was run, with the bootstrap's intervals."""
    told, onsets = [], len(test.onsets())
    for other, words in BASELINES:
        if other not in test.probability:
            continue
        for name, measure, figure, higher in (("QPS", "qps", test.qps, False),
                                              ("AUROC", "auroc", test.auroc, True)):
            told.append(RecessionScore(name, figure(), figure(other), words, higher,
                                       test.interval(measure, other, seed=seed), recessions=onsets))
    return told


def evidence(recessions: int) -> str:
    """The note on how much the test can show; it says why a lead stands as level in the table."""
    began = f"{counted(recessions)} began in the test"
    if recessions >= FEW:
        return f"{began}; the intervals resample blocks of two years"
    return (f"{began}, fewer than {FEW}: too few to tell good methods apart, so a lead is told as level "
            "even where the interval, which resamples these same few, leaves 0 out")


def counted(recessions: int) -> str:
    """ "1 recession", "5 recessions"."""
    return f"{recessions} recession{'' if recessions == 1 else 's'}"
