"""Patients' irregular events with forgetting: risk, and a half-life for each code, learned, in days."""

from importlib import import_module

_HOMES = {
    "History": "model",
    "Histories": "tokens",
    "histories": "tokens",
    "generated": "synthetic",
}
__all__ = ["Histories", "History", "generated", "histories"]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
