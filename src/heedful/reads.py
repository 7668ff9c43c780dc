"""Questions to the weights: ``from heedful import reads; W.read(v, [reads.TopK(8), reads.Entropy()])``."""

from .attention.reads import (
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
    Spread,
    Terms,
    Top,
    TopK,
)

__all__ = [
    "Columns",
    "Contribution",
    "EffectiveKeys",
    "Entropy",
    "Lag",
    "LogPartition",
    "Mass",
    "Moments",
    "Quantile",
    "Read",
    "Reads",
    "Rows",
    "Spread",
    "Terms",
    "Top",
    "TopK",
]
