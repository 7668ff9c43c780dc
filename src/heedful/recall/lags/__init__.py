"""Causal lag discovery: which series drives which, with what delay, tested.

`LagScan(max_lag).fit(panel)` -> ``links``, ``p_matrix``, ``val_matrix``, ``graph``; index [i, j, tau] means
that i at t - tau drives j at t.
"""

from importlib import import_module

_HOMES = {
    "LagScan": "model",
    "Panel": "tokens",
    "panel": "tokens",
    "planted": "synthetic",
    "Planted": "synthetic",
    "PlainAttention": "plain",
}
__all__ = ["LagScan", "Panel", "PlainAttention", "Planted", "panel", "planted"]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
