"""Causal lag discovery: which series drives which, with what delay, tested.

`LagScan(max_lag).fit(panel)` -> ``links``, ``p_matrix``, ``val_matrix``, ``graph``; index [i, j, tau] means
that i at t - tau drives j at t.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "model": ["LagScan"],
        "plain": ["PlainAttention"],
        "synthetic": ["planted", "Planted"],
        "tokens": ["Panel", "panel"],
    },
)
