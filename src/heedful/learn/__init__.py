"""Learning: one estimator base, one training loop, one small solver, one progress bar.

=====================  =========================================================================
`Estimator`            the scikit-learn base of every study: checks, ``save`` and ``load``
`fit`                  trains any torch module: early stopping, checkpoint, resume
`lbfgs`                small convex or low-dimensional fits, with bounds and Wald intervals
`progress`             a bar on the standard error stream, silent when fast or not a terminal
`seeded`               a block whose random numbers depend on one seed alone
`save_tensors`         arrays and a JSON record in one safetensors file (`load_tensors` reads it)
=====================  =========================================================================
"""

from __future__ import annotations

from importlib import import_module

# Eager on purpose: the function shares its module's name, and costs nothing until a bar is drawn.
from .progress import progress

_HOMES = {
    "Estimator": "estimator", "fit": "fitting", "Fit": "fitting", "lbfgs": "small", "LbfgsFit": "small",
    "save_tensors": "storing", "load_tensors": "storing",
    "Rows": "rows", "seeded": "fitting",
}
__all__ = [
    "Estimator", "Fit", "LbfgsFit", "Rows", "fit", "lbfgs", "load_tensors", "progress", "save_tensors",
    "seeded",
]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
