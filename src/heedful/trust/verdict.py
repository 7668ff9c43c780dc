"""What came of examining a claim, in words a referee accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["supported", "not supported", "not testable"]


@dataclass(frozen=True)
class Test:
    """One test of a claim.

    Parameters
    ----------
    name : str
        "null", "mask null", "knock-out", ...
    passed : bool or None
        None where the test could not be made, or informs without deciding.
    effect : float
        In the unit that ``compared_with`` and ``says`` name.
    interval : (float, float) or None
        95 %.
    p : float or None
    n : int
        Items (queries, draws, seeds) it rests on.
    compared_with : str
    says : str
        One sentence with the figures.
    detail : dict
        Curves and tables behind it.
    """

    name: str
    passed: bool | None
    effect: float
    interval: tuple[float, float] | None
    p: float | None
    n: int
    compared_with: str
    says: str
    detail: dict[str, Any] = field(default_factory=dict)

    __test__ = False  # not a test case for pytest


@dataclass(frozen=True)
class Verdict:
    """A claim's status with its figures: never a number without what it was compared with.

    Attributes
    ----------
    status : "supported", "not supported" or "not testable"
    effect, interval, p, n, compared_with
        Of the decisive test: the mass on the claimed keys above its null.
    tests : tuple of Test
    """

    name: str
    status: Status
    effect: float
    interval: tuple[float, float] | None
    p: float | None
    n: int
    compared_with: str
    tests: tuple[Test, ...] = ()
    caution: str = ""
    reason: str = ""

    def sentence(self) -> str:
        """The verdict in one or two sentences.

        Examples
        --------
        >>> Verdict("spring matters", "not testable", 0.0, None, None, 2, "", reason="2 queries").sentence()
        'spring matters: not testable, 2 queries.'
        """
        if self.status == "not testable":
            return f"{self.name}: not testable, {self.reason}."
        figures = f"mass {self.effect:+.3f}"
        if self.interval is not None:
            figures += f" [{self.interval[0]:+.3f}, {self.interval[1]:+.3f}]"
        figures += f" against {self.compared_with}"
        if self.p is not None:
            figures += f", p = {_p(self.p)}"
        text = f"{self.name}: {self.status}; {figures}, n = {self.n}"
        if self.reason:
            text += f"; {self.reason}"
        return text + (f" ({self.caution})." if self.caution else ".")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the report."""
        return {
            "name": self.name, "status": self.status, "effect": _number(self.effect),
            "interval": None if self.interval is None else [_number(x) for x in self.interval],
            "p": self.p, "n": self.n, "compared_with": self.compared_with, "sentence": self.sentence(),
            "tests": [
                {"name": t.name, "passed": t.passed, "effect": _number(t.effect),
                 "interval": None if t.interval is None else [_number(x) for x in t.interval],
                 "p": t.p, "n": t.n, "compared_with": t.compared_with, "says": t.says}
                for t in self.tests
            ],
        }  # fmt: skip


def _p(p: float) -> str:
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def _number(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None
