"""Residues: proteins, far apart in sequence, near in the fold."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "model": ["SiteContacts", "site_weights"],
        "plant": ["PlantedFamily", "planted_family", "planted_sites"],
        "precision": ["precisions"],
        "site": ["SiteAttention", "rank_residues"],
        "tokens": ["Family", "prepare", "conservation"],
    },
)
