"""The literal idea: every source a token, one constant class query, one softmax; kept to be looked at.

The class query is one learned vector: with source tokens as keys the weights can only follow a token's
own content,
not "for this kind of tumour trust texture", unless the kind is written in the tokens themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .tokens import RankGauss


@dataclass
class PlainAttention:
    """softmax over sources of class query . key(token); log-odds from the weighted mean of values."""

    net: Any
    ranks: dict[str, RankGauss]
    axes: dict[str, tuple[np.ndarray, np.ndarray]]

    def tokens(self, x: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Whitened principal components of each source."""
        return [
            ((self.ranks[s](v) - self.axes[s][0]) @ self.axes[s][1]).astype(np.float32) for s, v in x.items()
        ]

    def predict(self, x: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """P(second class) (n,) and weights (n, S)."""
        import torch

        with torch.no_grad():
            z, w = self.net([torch.from_numpy(t) for t in self.tokens(x)])
        return 1 / (1 + np.exp(-z.double().numpy())), w.numpy()


def fit_plain(
    x: Mapping[str, np.ndarray],
    y: np.ndarray,
    *,
    dimensions: int = 8,
    width: int = 16,
    seed: int = 0,
    steps: int = 300,
) -> PlainAttention:
    """Train on raw features of each source (n, p_s) and y (n,)."""
    import torch
    from torch import nn

    ranks = {s: RankGauss().fit(v) for s, v in x.items()}
    axes = {}
    for s, v in x.items():
        t = ranks[s](v)
        mean = t.mean(0)
        _, sv, vt = np.linalg.svd(t - mean, full_matrices=False)
        keep = max(1, min(dimensions, int((sv > 1e-6 * sv[0]).sum())))
        axes[s] = (mean, vt[:keep].T / sv[:keep] * np.sqrt(len(t)))
    made = PlainAttention(None, ranks, axes)
    tokens = [torch.from_numpy(t) for t in made.tokens(x)]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.ModuleList(nn.Linear(t.shape[1], width) for t in tokens)
            self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
            self.query = nn.Parameter(torch.randn(width) * 0.3)
            self.out = nn.Linear(width, 1)

        def forward(self, parts):
            t = torch.stack([torch.tanh(e(p)) for e, p in zip(self.embed, parts, strict=True)], 1)
            w = (self.key(t) @ self.query / width**0.5).softmax(-1)
            return self.out((w[..., None] * self.value(t)).sum(1))[:, 0], w

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Net()
    target = torch.from_numpy(np.asarray(y, np.float32))
    optimiser = torch.optim.AdamW(net.parameters(), 5e-3, weight_decay=3e-2)
    for _ in range(steps):
        loss = nn.functional.binary_cross_entropy_with_logits(net(tokens)[0], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    made.net = net.eval()
    return made
