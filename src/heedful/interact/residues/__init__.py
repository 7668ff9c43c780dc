"""Residues: proteins, far apart in sequence, near in the fold."""

from __future__ import annotations

from importlib import import_module

_WHERE = {
    "SiteContacts": "model",
    "precisions": "precision",
    "site_weights": "model",
    "SiteAttention": "site",
    "rank_residues": "site",
    "Family": "tokens",
    "prepare": "tokens",
    "conservation": "tokens",
    "PlantedFamily": "plant",
    "planted_family": "plant",
    "planted_sites": "plant",
    "demo": "demo",
}
__all__ = [
    "Family",
    "PlantedFamily",
    "SiteAttention",
    "SiteContacts",
    "conservation",
    "demo",
    "planted_family",
    "planted_sites",
    "precisions",
    "prepare",
    "rank_residues",
    "site_weights",
]


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
