"""Holes in CT, filled from what is visible: HU, an interval, and the sources of every voxel.

`Inpainter().fit_predict(hu, hidden)` -> ``Filling`` with ``hu``, ``low``, ``high`` and ``parts``;
`read_scan`, `write_scan` and `read_labels` (``heedful.files.scan``) keep a scan's geometry and number type.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "filling": ["Filling"],
        "fsr": ["frequency_selective"],
        "holes": ["phantom"],
        "mix": ["experts"],
        "model": ["Inpainter"],
        "reading": ["question", "shares"],
        "trained": ["Corrector"],
    },
)
