"""Trust: a reading is a claim, a claim gets a verdict."""

import lazy_loader as lazy

# Eager: the function shares its module's name, and the function must win.
from .examine import examine  # noqa: F401 -- named in __all__ below

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "alternatives": ["compare"],
        "claim": ["Claim"],
        "examine": ["examine"],
        "identify": ["mass_interval"],
        "nulls": ["Null"],
        "refits": ["Refit"],
        "verdict": ["Test", "Verdict"],
    },
)
