"""What a study tells: one record that the command line prints and the report draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Score:
    """One figure of ours beside the field's baseline on the same split.

    Parameters
    ----------
    name : str
        The measure in the field's words and units, "AUROC" or "PSNR (dB)".
    ours, baseline : float
        The two figures.
    baseline_name : str
        What the field uses today.
    higher_is_better : bool
    interval : (float, float), optional
        95 % interval of ``ours - baseline``, paired where possible.
    """

    name: str
    ours: float
    baseline: float
    baseline_name: str
    higher_is_better: bool = True
    interval: tuple[float, float] | None = None

    @property
    def outcome(self) -> str:
        """'better', 'worse', 'level' where the interval holds 0, or 'no interval' where none is known."""
        if self.interval is None:
            return "no interval"
        if self.interval[0] <= 0.0 <= self.interval[1]:
            return "level"
        return "better" if (self.interval[0] > 0) == self.higher_is_better else "worse"


@dataclass
class Story:
    """A study's result: what was found, on what, beside what, and whether to believe it.

    Parameters
    ----------
    study, title : str
        The study's name ("nowcast") and the report's title.
    data : str
        One line: what the data is, how many, where from.
    headline : str
        The finding, one or two sentences in the field's words and units.
    scores : sequence of Score
        Ours beside the field's baseline; a loss is told as a loss.
    verdicts : sequence
        ``trust.Verdict`` records, one for each claim.
    pictures : sequence
        Pictures as data (``heedful.reading.pictures``).
    tables : dict of str to DataFrame
        The figures a reader may want to take along.
    notes : sequence of str
        Limits, repairs that were counted, baselines that could not be run.
    reading : Reading, optional
        The labelled weights.
    outputs : sequence of Path
        Files that were written.
    """

    study: str
    title: str
    data: str
    headline: str
    scores: Sequence[Score] = ()
    verdicts: Sequence[Any] = ()
    pictures: Sequence[Any] = ()
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: Sequence[str] = ()
    reading: Any = None
    outputs: Sequence[Path] = ()
