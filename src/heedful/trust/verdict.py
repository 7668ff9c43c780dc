"""What came of examining a claim, in words a referee accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
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
        Curves, tables and all draws behind it; not in its repr, which would be thousands of numbers.
    p_from : str
        Where p comes from: draws counted, all shifts, a fitted tail.
    blocks : str
        Why the claim cannot be judged without this test, or ''.
    caution : str
        What may make it too easy, or ''; said in the verdict.
    """

    name: str
    passed: bool | None
    effect: float
    interval: tuple[float, float] | None
    p: float | None
    n: int
    compared_with: str
    says: str
    detail: dict[str, Any] = field(default_factory=dict, repr=False)
    p_from: str = ""
    blocks: str = ""
    caution: str = ""

    __test__ = False  # not a test case for pytest


@dataclass(frozen=True)
class Verdict:
    """A claim's status with its figures: never a number without what it was compared with.

    Parameters
    ----------
    name : str
        The claim in words.
    status : "supported", "not supported" or "not testable"
    effect, interval, p, n, compared_with
        Of the decisive test. From :func:`examine`: the mass on the claimed keys above its null.
    tests : tuple of Test
    caution : str
        What must be assumed.
    reason : str
        Why, where it is not supported or not testable.
    measure : str
        What the effect is a difference in: "mass", "out-of-fold AUROC".
    unit : str
        Of the effect, written after the figure.
    origin : float, optional
        What the effect is measured from; the sentence then gives the value itself, ``origin + effect``
        (an AUROC of .83), and not the difference (+.33).
    items : str
        What n counts: "pixels", "patients".
    p_from : str
        Where p comes from, said where it is not counted over draws.
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
    measure: str = "mass"
    unit: str = ""
    origin: float | None = None
    items: str = ""
    p_from: str = ""

    def sentence(self) -> str:
        """The verdict in one or two sentences.

        Examples
        --------
        >>> Verdict("spring matters", "not testable", 0.0, None, None, 2, "", reason="2 queries").sentence()
        'spring matters: not testable, 2 queries.'
        >>> Verdict("texture matters", "supported", 0.33, None, 0.002, 80, "shuffled outcomes",
        ...         measure="AUROC", origin=0.5, items="patients").sentence()
        'texture matters: supported; AUROC 0.830 against shuffled outcomes, p = 0.0020, n = 80 patients.'
        """
        if self.status == "not testable":
            return f"{self.name}: not testable, {self.reason}."
        figures = ""
        if math.isfinite(self.effect):  # a claim may be tested by a p alone
            figures = f"{self.measure} {self._figure(self.effect)}"
            if self.interval is not None:
                figures += f" [{', '.join(map(self._figure, self.interval))}]"
            figures += f"{' ' * bool(self.unit)}{self.unit} "
        figures += f"against {self.compared_with}"
        if self.p is not None:
            figures += f", p = {_p(self.p)}"
            if "fitted" in self.p_from:
                figures += f" ({self.p_from})"
        text = f"{self.name}: {self.status}; {figures}, n = {self.n}{' ' * bool(self.items)}{self.items}"
        if self.reason:
            text += f"; {self.reason}"
        return text + (f" ({self.caution})." if self.caution else ".")

    def _figure(self, x: float) -> str:
        return f"{x:+.3f}" if self.origin is None else f"{self.origin + x:.3f}"

    def under(self, test: Test, **changes: Any) -> Verdict:
        """The verdict where one more null must be met: the larger p, and no support that one of them denies.

        Parameters
        ----------
        test : Test
            With a p, and whether it passed.
        **changes
            Other fields of the verdict: ``compared_with``, ``caution``.

        Examples
        --------
        >>> v = Verdict("texture matters", "supported", 0.2, None, 0.001, 80, "exchanged keys")
        >>> moved = Test("moved map", False, 0.0, None, 0.4, 999, "moved maps", "40% of moves give as much")
        >>> v.under(moved).status, v.under(moved).p
        ('not supported', 0.4)
        """
        status, reason = self.status, self.reason
        if not test.passed:
            status, reason = "not supported", "; ".join(filter(None, (reason, f"{test.name}: {test.says}")))
        ps = [p for p in (self.p, test.p) if p is not None]
        p = max(ps) if ps else None
        return replace(self, status=status, reason=reason, p=p, tests=(*self.tests, test), **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the report."""
        return {
            "name": self.name, "status": self.status, "effect": _number(self.effect),
            "interval": _ends(self.interval), "p": self.p, "n": self.n, "compared_with": self.compared_with,
            "measure": self.measure, "unit": self.unit, "p_from": self.p_from, "caution": self.caution,
            "reason": self.reason, "sentence": self.sentence(),
            "tests": [
                {"name": t.name, "passed": t.passed, "effect": _number(t.effect),
                 "interval": _ends(t.interval), "p": t.p, "n": t.n, "compared_with": t.compared_with,
                 "says": t.says, "p_from": t.p_from, "blocks": t.blocks}
                for t in self.tests
            ],
        }  # fmt: skip


def _p(p: float) -> str:
    if p < 1e-4:
        return f"{p:.1e}"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def _number(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None


def _ends(interval: tuple[float, float] | None) -> list[float | None] | None:
    return None if interval is None else [_number(x) for x in interval]
