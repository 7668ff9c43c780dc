"""Jets: particles that attend to their neighbours, and a query that reads the whole jet."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "model": ["JetTagger"],
        "plant": ["toy_jets"],
        "reading": ["read_tagger", "subjet_mass"],
        "substructure": ["features", "subjets"],
        "tokens": ["nearest", "constituents"],
    },
)
