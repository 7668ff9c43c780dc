"""Locate: a class query that points, and can be checked."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "measures": ["precision_at_k", "pointing", "mass_on"],
        "model": ["PatchClassifier"],
        "reading": ["locate", "Located"],
        "retrieval": ["find", "Found"],
        "scenes": ["make_scenes", "Scenes"],
    },
)
