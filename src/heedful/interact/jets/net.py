"""The network: local attention between particles where asked for, and one query for the whole jet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...attention import Bias, Mask, Segments, Weights
from .tokens import keep_near, keep_random, pair_physics


class FeedForward(nn.Module):
    """Pre-norm width -> 2 width -> width with a residual."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class LocalAttention(nn.Module):
    """Particles attend to those a mask allows, with a bias from pair physics; then a feed-forward block.

    Besides values, every particle receives the first and second moments of its neighbours' positions
    relative to its own, which are linear in the weights.
    """

    def __init__(self, width: int, heads: int, dropout: float, uniform: bool):
        super().__init__()
        self.heads, self.uniform = heads, uniform
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.pair = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, heads))
        self.out = nn.Linear(width + 5 * heads, width)
        self.forward_block = FeedForward(width, dropout)

    def weights(self, h: Tensor, pair: Tensor, keep: Tensor) -> tuple[Weights, Tensor]:
        """The block's attention, and its values (B, heads, P, d)."""
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in self.qkv(self.norm(h)).chunk(3, -1)
        )
        priors = [Mask(keep[:, None])]
        if self.uniform:
            q = q * 0
        else:
            priors.append(Bias(self.pair(pair).permute(0, 3, 1, 2)))
        return Weights(q, k, priors), v

    def forward(self, h: Tensor, place: Tensor, pair: Tensor, keep: Tensor) -> Tensor:
        w, v = self.weights(h, pair, keep)
        x, y = place.unbind(-1)
        spots = torch.stack([x, y, x * x, x * y, y * y], -1)[:, None].expand(-1, self.heads, -1, -1)
        got = w @ torch.cat([v, spots], -1)
        v, (mx, my, xx, xy, yy) = got[..., : v.shape[-1]], got[..., v.shape[-1] :].unbind(-1)
        x, y = x[:, None], y[:, None]
        # the same moments about the particle itself, by expanding the square
        about = torch.stack(
            [mx - x, my - y, xx - 2 * x * mx + x * x, xy - x * my - y * mx + x * y, yy - 2 * y * my + y * y],
            -1,
        )
        joined = torch.cat([v, about * 3.0], -1).transpose(1, 2).flatten(2)
        return self.forward_block(h + self.out(joined))


class ClassRead(nn.Module):
    """One learned query for each jet, over its constituents and its substructure features.

    Parameters
    ----------
    features : int
        Number of substructure features; 0 for none.
    layers : int
        Local attention layers before the query.
    mask : {"nearest", "random", "full"}
        Of the local layers.
    k : int
        Neighbours besides itself.
    uniform : bool
        The control: all scores 0, so that weights are what the mask alone gives.
    """

    def __init__(
        self,
        features: int,
        *,
        layers: int = 0,
        mask: str = "nearest",
        k: int = 16,
        width: int = 32,
        heads: int = 4,
        uniform: bool = False,
        dropout: float = 0.1,
        seed: int = 0,
    ):
        super().__init__()
        self.features, self.mask, self.k, self.heads, self.uniform = features, mask, k, heads, uniform
        self.draw = torch.Generator().manual_seed(seed + 7919)
        self.embed = nn.Sequential(nn.Linear(8, width), nn.GELU(), nn.Linear(width, width))
        self.local = nn.ModuleList([LocalAttention(width, heads, dropout, uniform) for _ in range(layers)])
        self.blocks = nn.ModuleList([FeedForward(width, dropout) for _ in range(2)])
        self.asked = nn.Parameter(torch.randn(width) * 0.1)
        if features:
            self.slope = nn.Parameter(torch.randn(features, width) * 0.3)
            self.offset = nn.Parameter(torch.randn(features, width) * 0.1)
            self.from_features = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))
        self.query_norm, self.token_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.kv, self.read_out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )
        self.head = nn.Sequential(
            nn.LayerNorm(3 * width),
            nn.Linear(3 * width, width),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(width, 1),
        )
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)

    def particles(self, x: Tensor, p: Tensor, offsets: Tensor) -> Tensor:
        """Embedded constituents (M, width), after the local layers."""
        h = self.embed(x)
        if self.local and len(x):
            counts = offsets.diff()
            width = max(int(counts.max()), 1)
            real = torch.arange(width)[None] < counts[:, None]
            block = torch.zeros(len(counts), width, h.shape[1], dtype=h.dtype)
            block[real] = h
            four = torch.zeros(len(counts), width, 4, dtype=p.dtype)
            four[real] = p
            keep = self.allowed(four, real)
            pair = pair_physics(four)
            place = torch.zeros(len(counts), width, 2, dtype=x.dtype)
            place[real] = x[:, 2:4] / 3.0
            for layer in self.local:
                block = layer(block, place, pair, keep)
            h = block[real]
        for layer in self.blocks:
            h = layer(h)
        return h

    def allowed(self, four: Tensor, real: Tensor) -> Tensor:
        """The mask of a padded block, (B, P, P)."""
        if self.mask == "nearest":
            return keep_near(four, real, self.k)
        if self.mask == "random":
            return keep_random((*real.shape, real.shape[-1]), real, self.k, self.draw)
        return real[:, None, :] & real[:, :, None]

    def tokens(self, h: Tensor, f: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Constituents, then feature tokens, jet after jet: (T, width), and where each jet begins."""
        jets = len(offsets) - 1
        if not self.features:
            return h, offsets
        extra = (f[:, :, None] * self.slope + self.offset).flatten(0, 1)
        own = torch.repeat_interleave(torch.arange(jets), offsets.diff())
        order = torch.argsort(
            torch.cat([own, torch.arange(jets).repeat_interleave(self.features)]), stable=True
        )
        return torch.cat([h, extra])[order], offsets + torch.arange(jets + 1) * self.features

    def weights(
        self, x: Tensor, p: Tensor, f: Tensor, offsets: Tensor
    ) -> tuple[Weights, Tensor, Tensor, Tensor, Tensor]:
        """``Weights`` (heads, jets, T) of a jet's query, values, queries (jets, width), h, token offsets."""
        h = self.particles(x, p, offsets)
        tokens, starts = self.tokens(h, f, offsets)
        asked = self.asked.expand(len(offsets) - 1, -1)
        if self.features:
            asked = asked + self.from_features(f)
        query = self.query_norm(asked)
        q = self.q(query).unflatten(-1, (self.heads, -1)).transpose(0, 1)
        k, v = (
            y.unflatten(-1, (self.heads, -1)).transpose(0, 1)
            for y in self.kv(self.token_norm(tokens)).chunk(2, -1)
        )
        if self.uniform:
            q = q * 0
        return Weights(q, k, [Segments(torch.arange(len(offsets)), starts)]), v, query, h, starts

    def forward(self, x: Tensor, p: Tensor, f: Tensor, offsets: Tensor) -> Tensor:
        """Logits (B,), for constituents (M, 8), their pt, eta, phi, E (M, 4), features (B, F) and offsets."""
        w, v, query, h, _ = self.weights(x, p, f, offsets)
        read = query + self.read_out((w @ v).transpose(0, 1).flatten(1))
        jets = len(offsets) - 1
        own = torch.repeat_interleave(torch.arange(jets), offsets.diff())
        z = torch.exp((x[:, :1] - 1) * 3) - 1e-4
        total = torch.zeros(jets, h.shape[1], dtype=h.dtype)
        mean = total.index_add(0, own, h) / offsets.diff().clamp_min(1)[:, None]
        hard = total.index_add(0, own, h * z)
        return self.head(torch.cat([read, mean, hard], -1))[:, 0]


def turned(x: Tensor, offsets: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Constituents with (d_eta, d_phi) of each jet rotated and reflected at random."""
    jets = len(offsets) - 1
    angle = torch.rand(jets, generator=generator) * 2 * np.pi
    flip = torch.where(torch.rand(jets, generator=generator) < 0.5, -1.0, 1.0)
    own = torch.repeat_interleave(torch.arange(jets), offsets.diff())
    c, s, r = torch.cos(angle)[own], torch.sin(angle)[own], flip[own]
    out = x.clone()
    out[:, 2] = c * x[:, 2] - s * x[:, 3]
    out[:, 3] = r * (s * x[:, 2] + c * x[:, 3])
    return out
