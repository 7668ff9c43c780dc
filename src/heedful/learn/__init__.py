"""Learning: one estimator base, one training loop, one small solver, one progress bar.

=====================  =========================================================================
`Estimator`            the scikit-learn base of every study: checks, ``save`` and ``load``
`fit`                  trains any torch module: early stopping, checkpoint, resume
`lbfgs`                small convex or low-dimensional fits, with bounds and Wald intervals
`progress`             a bar on the standard error stream, silent when fast or not a terminal
`seeded`               a block whose random numbers depend on one seed alone
`save_tensors`         arrays and a JSON record in one safetensors file (`load_tensors` reads it)
=====================  =========================================================================
"""

import lazy_loader as lazy

# Eager: the function shares its module's name, and the function must win; it costs nothing until drawn.
from .progress import progress  # noqa: F401 -- named in __all__ below

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "estimator": ["Estimator"],
        "fitting": ["fit", "Fit", "seeded"],
        "progress": ["progress"],
        "rows": ["Rows"],
        "small": ["lbfgs", "LbfgsFit"],
        "storing": ["save_tensors", "load_tensors"],
    },
)
