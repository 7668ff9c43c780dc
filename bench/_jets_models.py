"""Networks that `bench.jets` trains beside ours, and ours with features computed once."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from heedful.interact.jets import JetTagger


class EdgeConv(torch.nn.Module):
    """Two edge convolutions over 8 nearest neighbours and a mean: ParticleNet's idea at this size.

    Qu and Gouskos, Phys. Rev. D 101 (2020) 056019; the first block takes neighbours in (eta, phi), the
    second in its own features.
    """

    def __init__(self, k: int = 8):
        super().__init__()
        self.k = k
        self.steps = torch.nn.ModuleList()
        for inner, outer in ((8, 32), (32, 64)):
            layers, width = [], 2 * inner
            for _ in range(2):
                layers += [torch.nn.Linear(width, outer), torch.nn.LayerNorm(outer), torch.nn.ReLU()]
                width = outer
            self.steps.append(torch.nn.Sequential(*layers))
        self.skip = torch.nn.ModuleList([torch.nn.Linear(8, 32), torch.nn.Linear(32, 64)])
        self.head = torch.nn.Sequential(
            torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(64, 1)
        )

    def forward(self, x, p, f, offsets):
        counts = offsets.diff()
        real = torch.arange(int(counts.max()))[None] < counts[:, None]
        h = torch.zeros(*real.shape, 8)
        h[real] = x
        place = h[..., 2:4]
        for step, skip in zip(self.steps, self.skip, strict=True):
            gap = torch.cdist(place, place).masked_fill(~real[:, None, :], 1e6)
            gap.diagonal(dim1=1, dim2=2).fill_(1e9)
            k = min(self.k, h.shape[1] - 1)
            near, index = gap.topk(k, largest=False)
            picked = torch.gather(
                h[:, None].expand(-1, h.shape[1], -1, -1), 2, index[..., None].expand(-1, -1, -1, h.shape[-1])
            )
            own = h[:, :, None].expand_as(picked)
            message = step(torch.cat([own, picked - own], -1)) * (near < 1e5)[..., None]
            h = torch.relu(skip(h) + message.mean(2)) * real[..., None]
            place = h
        return self.head(h.sum(1) / counts.clamp_min(1)[:, None])[:, 0]


class Tagger(JetTagger):
    """JetTagger that looks up substructure features computed before: they are the same for every training."""

    known: ClassVar[dict[int, np.ndarray]] = {}

    def _raw_features(self, X):
        return self.known[id(X)] if self.n_features_ and id(X) in self.known else super()._raw_features(X)


class EdgeConvTagger(Tagger):
    """`EdgeConv` trained exactly as our taggers are: same columns, optimiser, epochs, augmentation."""

    def _net(self, seed):
        from heedful.learn import seeded

        with seeded(seed):
            return EdgeConv()
