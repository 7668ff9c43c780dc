"""Opinions: echo chambers, polarisation and consensus on a network, and the temperature of listening from
data.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "diagram": ["phases", "echo_chamber"],
        "dynamics": ["Dynamics", "Run", "simulate"],
        "heldout": ["compare"],
        "metastable": ["Lifetime", "lifetime", "two_camp_lifetime", "gaussian_factor"],
        "model": ["TauEstimator"],
        "reading": ["listening", "read_listening"],
        "synthetic": ["listening_network"],
    },
)
