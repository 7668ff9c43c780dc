"""Locate: a class query that points, and can be checked."""

from importlib import import_module

_HOMES = {
    "PatchClassifier": "model",
    "locate": "reading",
    "Located": "reading",
    "find": "retrieval",
    "Found": "retrieval",
    "make_scenes": "scenes",
    "Scenes": "scenes",
    "demo": "demo",
    "precision_at_k": "measures",
    "pointing": "measures",
    "mass_on": "measures",
}
__all__ = [
    "Found",
    "Located",
    "PatchClassifier",
    "Scenes",
    "demo",
    "find",
    "locate",
    "make_scenes",
    "mass_on",
    "pointing",
    "precision_at_k",
]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
