"""Readings: labelled copies of what was read, stories told of them, pictures as data."""

from importlib import import_module

_HOMES = {"Reading": "reading", "certify": "reading", "Score": "story", "Story": "story"}
__all__ = ["Reading", "Score", "Story", "certify"]


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
