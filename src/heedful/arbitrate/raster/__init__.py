"""Optical, radar and any other named source of one place: whom to believe, per pixel.

>>> from heedful.arbitrate.raster import SourceArbiter, landscape
>>> scene = landscape(64, seed=0)
>>> sorted(scene.sources)
['optical', 'sar']
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "answer": ["Arbitration"],
        "model": ["SourceArbiter"],
        "plain": ["fit_plain", "failures"],
        "plant": ["corrupt", "KINDS", "RELATED"],
        "reading": ["weights_of", "read"],
        "scenes": ["landscape", "CLASSES"],
        "stressing": ["stress"],
        "tiles": ["predict_files"],
        "tokens": ["Scene"],
    },
)
