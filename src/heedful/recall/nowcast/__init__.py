"""Nowcast: the probability of recession now, and which past observations moved it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "backtesting": ["backtest", "Backtest"],
        "demo": ["macrodata"],
        "indicators": ["Indicator"],
        "labels": ["Chronology"],
        "model": ["Nowcast"],
        "reading": ["explain", "Narrative"],
        "tokens": ["Tokens", "tokenise"],
    },
)
