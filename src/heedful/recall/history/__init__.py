"""Patients' irregular events with forgetting: risk, and a half-life for each code, learned, in days."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "model": ["History"],
        "synthetic": ["generated"],
        "tokens": ["Histories", "histories"],
    },
)
