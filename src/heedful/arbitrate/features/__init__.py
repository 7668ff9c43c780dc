"""Handcrafted and learned features of one patient: whom to believe, and whether there is anything to tell.

>>> from heedful.arbitrate.features import sources_of
>>> sources_of(["CT_original_glcm_Contrast", "deep0", "deep1"])
{'CT glcm': ['CT_original_glcm_Contrast'], 'deep': ['deep0', 'deep1']}
"""

from __future__ import annotations

from importlib import import_module

_HOMES = {
    "FeatureArbiter": "model",
    "FeatureAnswer": "answer",
    "Signal": "null",
    "permutation_test": "null",
    "sources_of": "tokens",
    "fit_plain": "plain",
    "lesions": "phantoms",
    "texture_features": "phantoms",
    "Encoder": "encoder",
    "weights_of": "reading",
    "read": "reading",
}
__all__ = [
    "Encoder",
    "FeatureAnswer",
    "FeatureArbiter",
    "Signal",
    "fit_plain",
    "lesions",
    "permutation_test",
    "read",
    "sources_of",
    "texture_features",
    "weights_of",
]


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
