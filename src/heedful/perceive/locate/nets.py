"""The two networks: a local stem with a tied read, and a small ViT with a class token."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELL = 4  # pixels per cell: the stem halves twice


class Heard(NamedTuple):
    """What one forward pass gives: logits (B, C), and per cell (B, C, h, w) the evidence and its weight."""

    logits: Tensor
    evidence: Tensor
    weights: Tensor
    spread: Tensor  # contributions where their evidence lies; sums to the logits less the bias


class LocalStem(nn.Module):
    """Convolutions whose every output cell sees 27 x 27 px and nothing else: (B, 3, H, W) to (B, d, H/4, W/4).

    Nothing mixes cells beyond that: no position embedding, no pooling, no statistics of the whole image
    (``BatchNorm`` at test time is a fixed affine map per channel).
    """

    def __init__(self, channels=(24, 32, 64, 64, 64), strides=(2, 1, 2, 1, 1), bands: int = 3, norm: bool = True):
        super().__init__()
        layers: list[nn.Module] = []
        for width, stride in zip(channels, strides, strict=True):
            layers.append(nn.Conv2d(bands, width, 3, stride, 1, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.GELU())
            bands = width
        self.layers = nn.Sequential(*layers)
        self.width = bands

    def forward(self, x: Tensor) -> Tensor:
        return self.layers((x - 0.4) / 0.25)


class TiedRead(nn.Module):
    """A class query whose score and value are one number, so that weight cannot sit where evidence does not.

    ``e_jc = w_c . t_j + b_c``; ``a_jc = softmax_j(e_jc / temperature)``; ``logit_c = sum_j a_jc e_jc + bias_c``.
    A cell's evidence comes from all the 27 px that it sees. ``source`` is a second, local read that says
    from where: each cell hands its contribution on to the ``reach``-neighbourhood with weights that sum to
    one, so the sum of contributions, and with it the logit, is kept exactly.
    """

    def __init__(self, classes: int, stem: LocalStem, temperature: float = 1.0, reach: int = 2):
        super().__init__()
        self.stem = stem
        self.evidence = nn.Conv2d(stem.width, classes, 1)
        self.bias = nn.Parameter(torch.zeros(classes))
        self.source = nn.Conv2d(stem.width, (2 * reach + 1) ** 2, 1)
        nn.init.zeros_(self.source.weight)
        line = torch.tensor([-0.5 * (o / 0.8) ** 2 for o in range(-reach, reach + 1)])
        self.source.bias.data = (line[:, None] + line).flatten()
        self.temperature, self.reach = temperature, reach

    def tokens(self, x: Tensor) -> Tensor:
        return self.stem(x)

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Heard:
        """``keep`` (B, h, w) bool: cells that the read may use."""
        return self.read(self.stem(x), keep)

    def read(self, tokens: Tensor, keep: Tensor | None = None) -> Heard:
        tokens = tokens.float()
        e = self.evidence(tokens)
        s = e / self.temperature
        if keep is not None:
            s = s.masked_fill(~keep[:, None], -1e4)
        a = s.flatten(2).softmax(-1).view_as(s)
        c = a * e
        return Heard(c.sum((2, 3)) + self.bias, e, a, self.hand_on(c, tokens))

    def shares(self, tokens: Tensor) -> Tensor:
        """(B, K, h w): to each of the K neighbours in turn, the share that a cell hands on; sums to one."""
        b, _, h, w = tokens.shape
        width = 2 * self.reach + 1
        inside = F.unfold(tokens.new_ones(1, 1, h, w), width, padding=self.reach) > 0
        return self.source(tokens).view(b, -1, h * w).masked_fill(~inside, -math.inf).softmax(1)

    def hand_on(self, c: Tensor, tokens: Tensor) -> Tensor:
        b, k, h, w = c.shape
        given = c.view(b, k, 1, h * w) * self.shares(tokens)[:, None]
        width = 2 * self.reach + 1
        return F.fold(given.flatten(1, 2), (h, w), width, padding=self.reach)


class PlainViT(nn.Module):
    """A small pre-norm ViT with a class token, as in Dosovitskiy et al. (2021): the source idea, unrefined."""

    def __init__(self, classes: int, size: tuple[int, int], patch: int = 8, width: int = 64, depth: int = 3,
                 heads: int = 4, bands: int = 3):
        super().__init__()
        n = (size[0] // patch) * (size[1] // patch)
        self.patch, self.heads = patch, heads
        self.embed = nn.Conv2d(bands, width, patch, patch)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1, n + 1, width) * 0.02)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({
                "norm1": nn.LayerNorm(width), "qkv": nn.Linear(width, 3 * width), "out": nn.Linear(width, width),
                "norm2": nn.LayerNorm(width), "up": nn.Linear(width, 4 * width), "down": nn.Linear(4 * width, width),
            }) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor, record: list | None = None) -> Tensor:
        """Logits (B, C); ``record`` receives each layer's (q, k, v), (B, heads, N + 1, d)."""
        t = self.embed((x - 0.4) / 0.25).flatten(2).transpose(1, 2)
        t = torch.cat([self.cls.expand(len(t), -1, -1), t], 1) + self.position
        for block in self.blocks:
            b, n, d = t.shape
            q, k, v = block["qkv"](block["norm1"](t)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            if record is not None:
                record.append((q, k, v))
            t = t + block["out"](F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))
            t = t + block["down"](F.gelu(block["up"](block["norm2"](t))))
        return self.head(self.norm(t[:, 0]))
