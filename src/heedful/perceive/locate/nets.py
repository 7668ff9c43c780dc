"""The two networks: a local stem with a tied read, and a small ViT with a class token."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELL = 4  # pixels per cell: the stem halves twice
SEEN = 27  # pixels that a cell's token has seen, a side


class Heard(NamedTuple):
    """What one forward pass gives: logits (B, C); the rest (B, C, h, w) per class and cell."""

    logits: Tensor
    evidence: Tensor
    weights: Tensor
    contributions: Tensor
    landed: Tensor  # contributions where their evidence lies; the same sum


class Scale(nn.Module):
    """Bands to mean 0 and spread 1 of the training images: a fixed affine map, kept with the weights."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32)[:, None, None].clone())
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32)[:, None, None].clone())

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class LocalStem(nn.Module):
    """Convolutions whose output cells see 27 x 27 px each: (B, bands, H, W) to (B, d, H/4, W/4).

    Nothing else mixes cells: no position embedding, no pooling, no statistics of the image. Batch
    normalisation is, once trained, a fixed affine map per channel, so it keeps the cells apart; it is what
    makes the stem learn within a thousand steps.
    """

    STRIDES = (2, 1, 2, 1, 1)

    def __init__(self, bands: int = 3, channels=(24, 32, 64, 64, 64)):
        super().__init__()
        layers: list[nn.Module] = []
        for width, stride in zip(channels, self.STRIDES, strict=True):
            layers += [nn.Conv2d(bands, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.GELU()]
            bands = width
        self.layers = nn.Sequential(*layers)
        self.width = bands

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class SourceRead(nn.Module):
    """Where in its field of view a cell's evidence lies: a local read whose weights sum to one.

    Cell ``j`` hands its contribution on to the cells within ``reach`` in each direction, with weights
    ``softmax_m(r_m(t_j))`` over those inside the image. Sums over cells, hence logits, are kept exactly.
    """

    def __init__(self, width: int, reach: int = 2):
        super().__init__()
        self.reach, self.side = reach, 2 * reach + 1
        self.hidden = nn.Conv2d(width, width, 1)
        self.offsets = nn.Conv2d(width, self.side**2, 1)
        nn.init.zeros_(self.offsets.weight)
        # untrained, it is the binomial-like spread of the field of view itself
        line = torch.tensor([-0.5 * (o / 0.8) ** 2 for o in range(-reach, reach + 1)])
        self.offsets.bias.data = (line[:, None] + line).flatten()

    def shares(self, tokens: Tensor) -> Tensor:
        """(B, side^2, h w): what each cell hands to its neighbours, row by row of the neighbourhood."""
        b, _, h, w = tokens.shape
        inside = F.unfold(tokens.new_ones(1, 1, h, w), self.side, padding=self.reach) > 0
        scores = self.offsets(F.gelu(self.hidden(tokens))).view(b, -1, h * w)
        return scores.masked_fill(~inside, -math.inf).softmax(1)

    def forward(self, contributions: Tensor, tokens: Tensor) -> Tensor:
        b, k, h, w = contributions.shape
        given = contributions.reshape(b, k, 1, h * w) * self.shares(tokens)[:, None]
        return F.fold(given.flatten(1, 2), (h, w), self.side, padding=self.reach)


class TiedRead(nn.Module):
    """A class query whose score and value are one number, so that weight cannot sit where evidence does not.

    ``e_jc = w_c . t_j + b_c``; ``a_jc = softmax_j(e_jc / temperature)``;
    ``logit_c = sum_j a_jc e_jc + bias_c``.
    """

    def __init__(
        self,
        classes: int,
        bands: int,
        *,
        mean,
        std,
        channels=(24, 32, 64, 64, 64),
        temperature: float = 1.0,
        reach: int = 2,
    ):
        super().__init__()
        self.scale = Scale(mean, std)
        self.stem = LocalStem(bands, channels)
        self.evidence = nn.Conv2d(self.stem.width, classes, 1)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.source = SourceRead(self.stem.width, reach)
        self.temperature = temperature

    def tokens(self, x: Tensor) -> Tensor:
        return self.stem(self.scale(x))

    def classify(self, tokens: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, C), evidence and weights (B, C, h, w); ``keep`` (B, h, w) bool: cells to be read."""
        e = self.evidence(tokens)
        s = e / self.temperature
        if keep is not None:
            s = s.masked_fill(~keep[:, None], -1e4)
        a = s.flatten(2).softmax(-1).view_as(s)
        return (a * e).sum((2, 3)) + self.bias, e, a

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.tokens(x))[0]

    def hear(self, x: Tensor) -> Heard:
        """The logits and everything that they are made of, in the same forward pass."""
        tokens = self.tokens(x)
        logits, e, a = self.classify(tokens)
        return Heard(logits, e, a, a * e, self.source(a * e, tokens))


class PlainViT(nn.Module):
    """A small pre-norm ViT with a class token, as in Dosovitskiy et al. (2021): the idea unrefined.

    A hybrid, as that paper calls it: its patches are embedded by convolutions with batch normalisation, two
    per halving of the sides (27 px seen by a token of 8 px, as the tied read's cells see), which learn from
    thousands of images where one linear map per patch needs millions (Xiao et al., NeurIPS 2021). Positions
    are sinusoidal and learned ones, added.
    """

    def __init__(
        self,
        classes: int,
        bands: int,
        size: tuple[int, int],
        *,
        mean,
        std,
        patch: int = 8,
        channels=(24, 32, 64, 64, 64),
        depth: int = 3,
        heads: int = 4,
    ):
        super().__init__()
        rows, cols, width = size[0] // patch, size[1] // patch, channels[-1]
        self.patch, self.heads = patch, heads
        self.scale = Scale(mean, std)
        layers: list[nn.Module] = []
        halvings = (patch & -patch).bit_length() - 1  # the power of two in the patch's side
        plan = [*zip(channels[:4], (2, 1, 2, 1), strict=True), *[(width, 2)] * (halvings - 2)]
        for wide, stride in plan:
            layers += [nn.Conv2d(bands, wide, 3, stride, 1, bias=False), nn.BatchNorm2d(wide), nn.GELU()]
            bands = wide
        rest = patch >> halvings
        self.embed = nn.Sequential(*layers, nn.Conv2d(bands, width, rest, rest))
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, rows * cols + 1, width) * 0.02)
        waves = torch.cat([torch.zeros(1, width), _waves(rows, cols, width)])
        self.register_buffer("waves", waves[None], persistent=False)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(width),
                    "qkv": nn.Linear(width, 3 * width),
                    "out": nn.Linear(width, width),
                    "norm2": nn.LayerNorm(width),
                    "up": nn.Linear(width, 4 * width),
                    "down": nn.Linear(4 * width, width),
                }
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor, record: list | None = None) -> Tensor:
        """Logits (B, C); ``record`` receives each layer's (q, k, v), each (B, heads, 1 + N, d)."""
        t = self.embed(self.scale(x)).flatten(2).transpose(1, 2)
        t = torch.cat([self.cls.expand(len(t), -1, -1), t], 1) + self.position + self.waves
        for block in self.blocks:
            b, n, d = t.shape
            q, k, v = block["qkv"](block["norm1"](t)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            if record is not None:
                record.append((q, k, v))
            t = t + block["out"](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))
            t = t + block["down"](F.gelu(block["up"](block["norm2"](t))))
        return self.head(self.norm(t[:, 0]))


def _waves(rows: int, cols: int, width: int) -> Tensor:
    """Sines and cosines of row and column at width / 4 frequencies, (rows cols, width)."""
    frequency = 100.0 ** -(torch.arange(width // 4) / (width // 4))
    row, col = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    phases = [place.flatten()[:, None] * frequency for place in (row, col)]
    return torch.cat([wave for phase in phases for wave in (phase.sin(), phase.cos())], 1)
