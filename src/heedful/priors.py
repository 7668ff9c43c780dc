"""Field knowledge as priors on the scores: ``from heedful import priors; priors.Decay(...)``."""

from .attention import (
    Bias,
    Causal,
    Decay,
    Gate,
    Gaussian,
    Graph,
    Mask,
    Nearest,
    Prior,
    Relative,
    Segments,
    Support,
    Window,
    Within,
)

__all__ = [
    "Bias",
    "Causal",
    "Decay",
    "Gate",
    "Gaussian",
    "Graph",
    "Mask",
    "Nearest",
    "Prior",
    "Relative",
    "Segments",
    "Support",
    "Window",
    "Within",
]
