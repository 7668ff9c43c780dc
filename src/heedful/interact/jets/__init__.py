"""Jets: particles that attend to their neighbours, and a query that reads the whole jet."""

from __future__ import annotations

from importlib import import_module

_WHERE = {
    "JetTagger": "model",
    "toy_jets": "plant",
    "features": "substructure",
    "subjets": "substructure",
    "nearest": "tokens",
    "constituents": "tokens",
    "read_tagger": "reading",
    "subjet_mass": "reading",
    "demo": "demo",
}
__all__ = [
    "JetTagger",
    "constituents",
    "demo",
    "features",
    "nearest",
    "read_tagger",
    "subjet_mass",
    "subjets",
    "toy_jets",
]


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
