"""Readings: labelled copies of what was read, stories told of them, pictures as data."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "reading": ["Reading", "certify"],
        "story": ["Score", "Story"],
    },
)
