"""The core: attention weights as a lazy linear operator, its priors, its reads."""

from . import reads
from .adjoint import Adjoint
from .attend import Attention, Stack, attend
from .neighbours import Nearest, Within
from .prior import Prior, Support
from .priors import Bias, Decay, Gate, Gaussian, Mask, Relative
from .reads import (
    Columns,
    Contribution,
    EffectiveKeys,
    Entropy,
    Lag,
    LogPartition,
    Mass,
    Moments,
    Quantile,
    Read,
    Reads,
    Rows,
    TopK,
)
from .state import State
from .supports import Causal, Graph, Segments, Window
from .target import TargetKeys
from .temperature import ScoreVariance, kkt_residual, score_variance
from .weights import Weights

__all__ = [
    "Adjoint",
    "Attention",
    "Bias",
    "Causal",
    "Columns",
    "Contribution",
    "Decay",
    "EffectiveKeys",
    "Entropy",
    "Gate",
    "Gaussian",
    "Graph",
    "Lag",
    "LogPartition",
    "Mask",
    "Mass",
    "Moments",
    "Nearest",
    "Prior",
    "Quantile",
    "Read",
    "Reads",
    "Relative",
    "Rows",
    "ScoreVariance",
    "Segments",
    "Stack",
    "State",
    "Support",
    "TargetKeys",
    "TopK",
    "Weights",
    "Window",
    "Within",
    "attend",
    "kkt_residual",
    "reads",
    "score_variance",
]
