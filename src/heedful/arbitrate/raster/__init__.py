"""Optical, radar and any other named source of one place: whom to believe, per pixel.

>>> from heedful.arbitrate.raster import SourceArbiter, landscape
>>> scene = landscape(64, seed=0)
>>> sorted(scene.sources)
['optical', 'sar']
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "SourceArbiter": "model",
    "Arbitration": "answer",
    "Scene": "tokens",
    "landscape": "scenes",
    "CLASSES": "scenes",
    "corrupt": "plant",
    "KINDS": "plant",
    "RELATED": "plant",
    "stress": "stressing",
    "predict_files": "tiles",
    "weights_of": "reading",
    "read": "reading",
    "fit_plain": "plain",
    "failures": "plain",
}
__all__ = [
    "Arbitration",
    "CLASSES",
    "KINDS",
    "RELATED",
    "Scene",
    "SourceArbiter",
    "corrupt",
    "failures",
    "fit_plain",
    "landscape",
    "predict_files",
    "read",
    "stress",
    "weights_of",
]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
