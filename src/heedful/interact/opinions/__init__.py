"""Opinions: echo chambers, polarisation and consensus on a network, and the temperature of listening from
data.
"""

from __future__ import annotations

from importlib import import_module

_WHERE = {
    "Dynamics": "dynamics",
    "Run": "dynamics",
    "simulate": "dynamics",
    "phases": "diagram",
    "echo_chamber": "diagram",
    "TauEstimator": "model",
    "compare": "heldout",
    "Lifetime": "metastable",
    "lifetime": "metastable",
    "two_camp_lifetime": "metastable",
    "gaussian_factor": "metastable",
    "listening": "reading",
    "read_listening": "reading",
    "listening_network": "synthetic",
}
__all__ = list(_WHERE)


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
