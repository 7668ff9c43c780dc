"""Trust: a reading is a claim, a claim gets a verdict."""

from importlib import import_module

_HOMES = {
    "Claim": "claim",
    "Null": "nulls",
    "Refit": "refits",
    "Test": "verdict",
    "Verdict": "verdict",
    "compare": "alternatives",
    "examine": "examine",
    "mass_interval": "identify",
}
__all__ = ["Claim", "Null", "Refit", "Test", "Verdict", "compare", "examine", "mass_interval"]


# `examine` names both the function and its module: bound here, so that the function wins
from .examine import examine  # noqa: E402


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
