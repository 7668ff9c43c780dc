"""A trained correction of the fill: what the six fills miss, learned on volumes that are whole.

Holes are hidden in intact slices and filled; a small masked-patch transformer learns what the mix leaves
over there. Its **queries are the hole's patches**, its keys and values all patches of the surroundings,
visible and filled; what it says is added, times ``share``, to the mix. What it reads is in units of the
scan's own levels and of the fills' disagreement.

Source: masked patches as queries after K. He et al., "Masked autoencoders are scalable vision learners", CVPR
2022; the correction of a base instead of the image as in K. Zhang et al., "Beyond a Gaussian denoiser", 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from ...attention import Attention
from ...errors import InputError
from ...learn import fitting
from ...learn.estimator import Estimator
from . import holes, mix

CROP, CORE, PATCH = 40, 24, 4  # pixels: what is read, the middle that is corrected, a patch
RIM = (CROP - CORE) // 2
CHANNELS = len(mix.EXPERTS) + 9
CONTRAST = [len(mix.EXPERTS) + i for i in (0, 2, 3)]  # channels that shift together with the contrast
DEPTH, LEVEL = len(mix.EXPERTS) + 1, len(mix.EXPERTS) + 7
JITTER = 0.4  # how much contrast, level and depth are varied in training (logarithms)
COARSEST = 160  # pixels: volumes are also learned from at a half and a third of their size down to this


def channels(image, hidden, fills):
    """What is read of a slice: (15, H, W) numbers of order 1; and the unit of its corrections (H, W), HU.

    For each fill its difference to the mix, then disagreement, depth, slope, spread, bend, neighbourhood,
    nearest visible pixel, level, visibility.
    """
    mixed = mix.shipped() @ np.clip(fills, -1000, 1000)
    full = np.clip(np.where(hidden, 0.0, image), -1000, 1000)
    full[hidden] = mixed
    apart = fills - mixed
    own = np.sqrt((apart**2).mean(0) + 25.0)
    unit = np.full(hidden.shape, np.median(own))
    unit[hidden] = own
    apart_at = np.zeros((len(fills), *hidden.shape))
    apart_at[:, hidden] = apart / own
    mean = ndimage.uniform_filter(full, 7)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(full**2, 7) - mean**2, 1.0))
    slope = ndimage.gaussian_gradient_magnitude(full, 1.0)
    bend = ndimage.laplace(ndimage.gaussian_filter(full, 1.0))
    depth, near = ndimage.distance_transform_edt(hidden, return_indices=True)
    found = [
        np.log(unit / 20),
        np.log1p(depth) - 1,
        np.log(slope / 20 + 0.25),
        np.log(spread / 30 + 0.17),
        bend / unit,
        (mean - full) / unit,
        (full[tuple(near)] - full) / unit,
        full / 300,
        ~hidden,
    ]
    return np.clip(np.concatenate([apart_at, found]), -8, 8).astype(np.float32), unit, mixed


def corners(hidden):
    """Upper left corners of the cores that cover a hole, row by row: (N, 2)."""
    todo, found = hidden.copy(), []
    while todo.any():
        y = int(np.argmax(todo.any(1)))
        x = int(np.argmax(todo[y : y + CORE].any(0)))
        found.append((y, x))
        todo[y : y + CORE, x : x + CORE] = False
    return np.array(found, int).reshape(-1, 2)


def windows(volume, at, rim):
    """Squares of ``CORE`` and a rim around it at the corners, edges continued: (N, ..., side, side)."""
    wide = np.pad(volume, ((0, 0),) * (volume.ndim - 2) + ((rim, rim + CORE),) * 2, mode="edge")
    side = CORE + 2 * rim
    return np.stack([wide[..., y : y + side, x : x + side] for y, x in at])


class PatchCorrector(nn.Module):
    """Channels (B, 15, 40, 40) to corrections of the middle (B, 24, 24), in units of the disagreement."""

    def __init__(self, width: int = 32, heads: int = 4, layers: int = 2, stem: int = 16):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(CHANNELS, stem, 3, padding=1), nn.GELU(), nn.Conv2d(stem, stem, 3, padding=1), nn.GELU()
        )
        across = CROP // PATCH
        self.token = nn.Linear(stem * PATCH**2, width)
        self.place = nn.Parameter(0.02 * torch.randn(across**2, width))
        self.attention = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.before = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.between = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.keys = nn.LayerNorm(width)
        self.forth = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(layers)
        )
        self.back = nn.Linear(width, 8 * PATCH**2)
        self.head = nn.Sequential(
            nn.Conv2d(CHANNELS + stem + 8, 32, 1),
            nn.GELU(),
            nn.Conv2d(32, 16, 1),
            nn.GELU(),
            nn.Conv2d(16, 1, 1),
        )
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)
        grid, rim = torch.arange(across**2).reshape(across, across), RIM // PATCH
        self.register_buffer("middle", grid[rim:-rim, rim:-rim].reshape(-1), persistent=False)

    def forward(self, x, listen=None):
        z = self.stem(x)
        tokens = self.token(nn.functional.pixel_unshuffle(z, PATCH).flatten(2).transpose(1, 2)) + self.place
        q, k = tokens[:, self.middle], self.keys(tokens)
        for ask, before, between, forth in zip(
            self.attention, self.before, self.between, self.forth, strict=True
        ):
            if listen is not None:
                listen.append(ask.weights(before(q), k))
            q = q + ask(before(q), k)
            q = q + forth(between(q))
        across, middle = CORE // PATCH, slice(RIM, RIM + CORE)
        told = self.back(q).transpose(1, 2).unflatten(2, (across, across))
        told = nn.functional.pixel_shuffle(told, PATCH)
        return self.head(torch.cat([x[..., middle, middle], z[..., middle, middle], told], 1))[:, 0]


@dataclass(frozen=True)
class Lesson:
    """One filled hole of a whole slice, cut into windows."""

    inputs: np.ndarray  # (N, 15, 40, 40)
    missing: np.ndarray  # (N, 24, 24), in units of the disagreement
    weight: np.ndarray  # (N, 24, 24)


def lesson(image, hidden, fills) -> Lesson:
    """What the mix misses in a hole whose truth is known: every case counts alike, as decibels do."""
    read, unit, mixed = channels(image, hidden, fills)
    error, says = np.zeros(hidden.shape), np.zeros(hidden.shape)
    error[hidden] = np.clip(image[hidden], -1000, 1000) - mixed
    says[hidden] = np.minimum((unit[hidden] ** 2) / max(np.mean(error[hidden] ** 2), 1.0), 20.0)
    at = corners(hidden)
    covered, own = np.zeros(hidden.shape, bool), np.zeros((len(at), CORE, CORE))
    for n, (y, x) in enumerate(at):  # a pixel counts in the first window that holds it
        spot = (slice(y, y + CORE), slice(x, x + CORE))
        piece = np.where(covered[spot], 0.0, says[spot])
        own[n, : piece.shape[0], : piece.shape[1]] = piece
        covered[spot] = True
    target = np.clip(windows(error / unit, at, 0), -4, 4)
    return Lesson(windows(read, at, RIM), target.astype(np.float32), own.astype(np.float32))


def _loss(net, x, missing, weight):
    """Weighted squares on windows turned, mirrored and shifted in contrast, level and depth, at random."""
    turns, mirrored = int(torch.randint(4, ())), bool(torch.randint(2, ()))
    x, missing, weight = (
        torch.rot90(t.flip(-1) if mirrored else t, turns, (-2, -1)) for t in (x, missing, weight)
    )

    def drawn(scale):
        return scale * torch.randn(len(x), 1, 1)

    x = x.clone()
    x[:, CONTRAST] += drawn(JITTER)[:, None]
    x[:, DEPTH] += drawn(JITTER) * (x[:, DEPTH] > -1)
    x[:, LEVEL] = x[:, LEVEL] * drawn(JITTER).exp() + drawn(0.2 * JITTER)
    return (weight * (net(x) - missing).square()).sum() / weight.sum().clamp(min=1e-6)


class Corrector(Estimator):
    """Learn on whole volumes what the mix of six fills misses, and add it to a fill.

    Parameters
    ----------
    slices : int
        Slices that holes are hidden in, over all volumes.
    epochs, width, heads, layers : int
        Of the transformer.
    share : float
        How much of what it says is added.
    seed : int

    Attributes
    ----------
    weights_ : dict of tensors
    windows_, slices_ : int
        Windows and slices that it was trained on.
    spacing_ : float or None
        Pixel size of the volumes, mm, where it was told.

    Examples
    --------
    >>> from heedful.perceive.inpaint.holes import phantom
    >>> whole = [phantom(seed=s, size=96, slices=2)[0] for s in (1, 2)]
    >>> corrector = Corrector(slices=2, epochs=1).fit(whole)
    >>> truth = phantom(seed=3, size=96)[0]; hidden = np.zeros(truth.shape, bool)
    >>> hidden[0, 40:50, 40:50] = True
    >>> from heedful.perceive.inpaint import Inpainter
    >>> filling = Inpainter(method="trained", weights=corrector).fit_predict(truth, hidden)
    >>> bool((filling.hu == truth)[~hidden].all())
    True
    """

    def __init__(
        self,
        slices: int = 36,
        epochs: int = 6,
        width: int = 32,
        heads: int = 4,
        layers: int = 2,
        share: float = 0.75,
        seed: int = 0,
    ):
        self.slices = slices
        self.epochs = epochs
        self.width = width
        self.heads = heads
        self.layers = layers
        self.share = share
        self.seed = seed

    def fit(self, volumes, y=None, *, spacing: float | None = None, progress=None):
        """Learn from volumes without damage.

        Parameters
        ----------
        volumes : list of arrays, shape (Z, H, W)
            HU. Slices that hold next to nothing but air, or what is not finite, are left out.
        spacing : float, optional
            Pixel size, mm: kept, so that a scan of another size can be told.
        progress : callable, optional
            Called after each slice.
        """
        if not 0 <= self.share <= 1 or self.slices < 1:
            raise InputError(f"share={self.share}, slices={self.slices}; 0 to 1 and at least 1 are expected")
        self.spacing_, self.slices_ = spacing, 0
        found = [piece for image in self._drawn(volumes, progress) for piece in self._lessons(*image)]
        if not found:
            raise InputError("no hole could be hidden in these volumes", remedy="give larger whole slices")
        data = tuple(np.concatenate([getattr(p, n) for p in found]) for n in ("inputs", "missing", "weight"))
        self.windows_ = len(data[0])
        net = self._net()
        fitting.fit(
            net,
            _loss,
            data,
            epochs=self.epochs,
            batch_size=32,
            lr=3e-3,
            weight_decay=0.05,
            schedule="cosine",
            clip=1.0,
            validation=0,
            patience=None,
            seed=self.seed,
            text="learning what the fills miss",
        )
        self.weights_ = {name: t.detach().clone() for name, t in net.state_dict().items()}
        return self

    def correct(self, image, hidden, fills) -> np.ndarray:
        """What is to be added to the mix, HU (P,), already times ``share``.

        Parameters
        ----------
        image : array, shape (H, W)
        hidden : bool array, shape (H, W)
        fills : array, shape (6, P)
            From ``mix.experts``.
        """
        told, _, at, unit = self._told(image, hidden, fills)
        out = np.zeros(hidden.shape)
        for piece, (y, x) in reversed(list(zip(told, at, strict=True))):
            spot = (slice(y, y + CORE), slice(x, x + CORE))
            out[spot] = piece[: out[spot].shape[0], : out[spot].shape[1]]
        return self.share * (out * unit)[hidden]

    def read(self, image, hidden, fills, layer: int = -1):
        """The attention of a layer: which patches of its surroundings a hole's patch asked.

        Returns
        -------
        weights : Weights
            (N, heads, 36, 100): windows, heads, the middle's patches, all patches.
        query_at, key_at : int array, shape (N, 36, 2), (N, 100, 2)
            Row and column of each patch's corner in the slice; keys may lie beyond its edge.
        """
        _, heard, at, _ = self._told(image, hidden, fills)
        across, inner = np.arange(0, CROP, PATCH) - RIM, np.arange(0, CORE, PATCH)
        grids = [np.stack(np.meshgrid(a, a, indexing="ij"), -1).reshape(-1, 2) for a in (inner, across)]
        return heard[layer], *(at[:, None] + grid for grid in grids)

    def _told(self, image, hidden, fills):
        if np.isnan(fills).any():  # attention without a source: the mix's other fills stand in for it
            fills = np.where(np.isnan(fills), mix.combine(fills, mix.shipped()), fills)
        inputs, unit, _ = channels(image, hidden, fills)
        at, heard = corners(hidden), []
        net = self._net()
        net.load_state_dict(self.weights_)
        net.eval()
        with torch.no_grad():
            told = net(torch.from_numpy(windows(inputs, at, RIM)), heard).numpy().astype(float)
        return told, heard, at, unit

    def _net(self):
        with fitting.seeded(self.seed):
            return PatchCorrector(self.width, self.heads, self.layers)

    def _drawn(self, volumes, progress):
        """(image, scale) of the slices that are learned from: evenly from all volumes, and coarser ones."""
        whole = [(v, z) for v in map(np.asarray, volumes) for z in range(len(v)) if _holds_body(v[z])]
        pick = np.unique(np.linspace(0, len(whole) - 1, min(self.slices, len(whole))).astype(int))
        for v, z in (whole[i] for i in pick):
            image, self.slices_ = np.asarray(v[z], float), self.slices_ + 1
            for factor in (1, 2, 3):
                H, W = (n // factor * factor for n in image.shape)
                if factor > 1 and min(H, W) < factor * COARSEST:
                    continue
                coarse = image[:H, :W].reshape(H // factor, factor, W // factor, factor).mean((1, 3))
                yield coarse, 1.0 if factor == 1 and min(image.shape) > 256 else 0.5
            if progress:
                progress()

    def _lessons(self, image, scale):
        rng = np.random.default_rng([self.seed, int(abs(image).sum()) % 2**31])
        for kind in holes.DAMAGE:
            hidden = holes.damage(kind, image, rng, scale)
            if hidden.sum() >= 40 and not hidden.all():
                fills, asked = mix.experts(image, hidden, seed=self.seed)
                if asked is not None:
                    yield lesson(image, hidden, fills)


def _holds_body(image):
    return bool(np.isfinite(image).all() and (image > -500).mean() > 0.05)
