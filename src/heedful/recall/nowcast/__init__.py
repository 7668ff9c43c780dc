"""Nowcast: the probability of recession now, and which past observations moved it."""

from __future__ import annotations

from importlib import import_module

_WHERE = {
    "Nowcast": "model", "Chronology": "labels", "Indicator": "indicators",
    "Tokens": "tokens", "tokenise": "tokens", "backtest": "backtesting", "Backtest": "backtesting",
    "explain": "reading", "Narrative": "reading", "macrodata": "demo",
}
__all__ = [
    "Backtest", "Chronology", "Indicator", "Narrative", "Nowcast", "Tokens", "backtest",
    "explain", "macrodata", "tokenise",
]


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
