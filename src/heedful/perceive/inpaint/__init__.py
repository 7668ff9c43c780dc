"""Holes in CT, filled from what is visible: HU, an interval, and the sources of every voxel.

`Inpainter().fit_predict(hu, hidden)` -> ``Filling`` with ``hu``, ``low``, ``high`` and ``parts``;
`read_scan`, `write_scan` and `read_labels` (``heedful.files.scan``) keep a scan's geometry and number type.
"""

from importlib import import_module

_HOMES = {
    "Filling": "model",
    "Inpainter": "model",
    "demo": "demo",
    "experts": "mix",
    "frequency_selective": "fsr",
    "phantom": "holes",
    "question": "reading",
    "shares": "reading",
}
__all__ = [
    "Filling",
    "Inpainter",
    "demo",
    "experts",
    "frequency_selective",
    "phantom",
    "question",
    "shares",
]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
