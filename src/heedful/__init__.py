"""Attention that can be read, and trusted.

One noun, :class:`Weights`: softmax attention weights as a lazy, differentiable, row-stochastic linear
operator that is never built. Field knowledge enters as :mod:`~heedful.priors`, questions as
:mod:`~heedful.reads`, :func:`examine` tests what a reading claims, :mod:`~heedful.watch` reads existing
models, and ten studies stand in ``perceive``, ``arbitrate``, ``interact`` and ``recall``.
"""

from importlib import import_module as _import_module

__version__ = "0.1.0"

_HOME = {
    "Attention": "attention",
    "Stack": "attention",
    "State": "attention",
    "TargetKeys": "attention",
    "Weights": "attention",
    "attend": "attention",
    "Reading": "reading",
    "Claim": "trust",
    "examine": "trust",
    "InputError": "errors",
}
_MODULES = {
    "priors": "priors",
    "reads": "reads",
    "watch": "watch",
    "testing": "testing",
    "inpaint": "perceive.inpaint",
    "locate": "perceive.locate",
    "raster": "arbitrate.raster",
    "features": "arbitrate.features",
    "opinions": "interact.opinions",
    "jets": "interact.jets",
    "residues": "interact.residues",
    "history": "recall.history",
    "nowcast": "recall.nowcast",
    "lags": "recall.lags",
}

__all__ = [*_HOME, *_MODULES]  # noqa: PLE0604 -- strings, from the two tables


def __getattr__(name):
    if name in _HOME:
        return getattr(_import_module(f".{_HOME[name]}", __name__), name)
    if name in _MODULES:
        return _import_module(f".{_MODULES[name]}", __name__)
    raise AttributeError(f"module 'heedful' has no attribute {name!r}")


def __dir__():
    return __all__
