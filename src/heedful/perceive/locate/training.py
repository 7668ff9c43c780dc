"""What the two networks are trained on: losses for ``heedful.learn.fit``."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...learn import fit
from .nets import CELL, TiedRead
from .rivals import integrated_gradients, occlusion

BATCH = 64
TAUGHT = 1000 * 36 * 48 * 48  # at most so many occluded pixels: large images teach with fewer of them


class Lesson(nn.Module):
    """Cross-entropy over the landmark classes and one constant 0 for "none", on augmented images.

    Token dropout: after the first tenth of the steps each 8-px patch of an image is hidden from the read with
    a probability drawn, per image, uniformly from (0, 2 * drop). The read then cannot live on one patch.
    """

    def __init__(self, net: nn.Module, *, patch: int, drop: float, views: str, steps: int):
        super().__init__()
        self.net, self.patch, self.drop, self.views = net, patch, drop, views
        self.begin = steps // 10
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        x = to_unit(images)
        if self.training:
            tied = isinstance(self.net, TiedRead)
            x = augment(x, self.views) if tied else augment_each(x, self.views, shift=self.patch - 2)
        if isinstance(self.net, TiedRead):
            keep = self._keep(x) if self.training and int(self.step) >= self.begin and self.drop > 0 else None
            logits = self.net.classify(self.net.tokens(x), keep)[0]
        else:
            logits = self.net(x)
        if self.training:
            self.step += 1
        logits = torch.cat([logits, logits.new_zeros(len(logits), 1)], 1)
        return F.cross_entropy(logits, labels, label_smoothing=0.05 if self.training else 0.0)

    def _keep(self, x: Tensor) -> Tensor:
        rows, cols, each = x.shape[2] // self.patch, x.shape[3] // self.patch, self.patch // CELL
        hidden = torch.rand(len(x), 1, 1) * 2 * self.drop
        keep = torch.rand(len(x), rows, cols) >= hidden
        keep[~keep.flatten(1).any(1)] = True  # never an empty read
        return keep.repeat_interleave(each, 1).repeat_interleave(each, 2).to(x.device)


def to_unit(images: Tensor) -> Tensor:
    """(B, H, W, bands) uint8 or float in [0, 1] to (B, bands, H, W) float32 in [0, 1]."""
    x = images.permute(0, 3, 1, 2)
    x = x.float() / 255 if images.dtype == torch.uint8 else x.float()
    return x.contiguous(memory_format=torch.channels_last)


def augment(x: Tensor, views: str) -> Tensor:
    """One turn and mirror for the batch; a gain and an offset per image (``views="none"``: those alone)."""
    if views == "overhead":
        turns = int(torch.randint(4, ())) if x.shape[2] == x.shape[3] else 2 * int(torch.randint(2, ()))
        x = torch.rot90(x, turns, (2, 3))
    if views in ("overhead", "mirror") and torch.rand(()) < 0.5:
        x = x.flip(3)
    gain = 1 + 0.3 * (torch.rand(len(x), 1, 1, 1) - 0.5)
    offset = 0.1 * (torch.rand(len(x), x.shape[1], 1, 1) - 0.5)
    return (x * gain.to(x.device) + offset.to(x.device)).contiguous(memory_format=torch.channels_last)


def augment_each(x: Tensor, views: str, *, shift: int) -> Tensor:
    """A turn, a mirror and a shift (mirrored at the border) of each image by itself; a gain and an offset.

    What a network that is not local by its making has to learn from more views of the same images.
    """
    n, _, h, w = x.shape
    turned = torch.randint(8, (n,))
    if views == "none":
        turned, shift = torch.zeros_like(turned), 0
    elif views == "mirror":
        turned = turned // 4 * 4
    elif h != w:
        turned = turned // 2 * 2  # half turns alone
    out = x.clone()
    for k in range(1, 8):
        some = turned == k
        if some.any():
            view = torch.rot90(x[some], k % 4, (2, 3))
            out[some] = view.flip(3) if k >= 4 else view
    shift = min(shift, h - 1, w - 1)
    wide = F.pad(out, (shift,) * 4, mode="reflect")
    down, across = torch.randint(2 * shift + 1, (2, n, 1, 1, 1))
    row = (down + torch.arange(h)[:, None])[:, 0][:, None]
    col = (across + torch.arange(w))[:, 0][:, None]
    out = wide[torch.arange(n)[:, None, None, None], torch.arange(x.shape[1])[:, None, None], row, col]
    return augment(out, "none")


def train(net, images, labels, *, patch, drop, views, iterations, lr, seed, checkpoint=None):
    """Train a network to classify; returns the loop's record."""
    epochs = max(1, round(iterations * BATCH / len(images)))
    steps = epochs * -(-len(images) // BATCH)
    lesson = Lesson(net, patch=patch, drop=drop, views=views, steps=steps)
    record = fit(
        lesson,
        lambda module, x, y: module.loss(x, y),
        (images, labels),
        epochs=epochs,
        batch_size=BATCH,
        lr=lr,
        weight_decay=0.02,
        optimiser=None if isinstance(net, TiedRead) else partial(_optimiser, lr=lr),
        clip=None if isinstance(net, TiedRead) else 1.0,
        schedule="cosine",
        validation=0,
        patience=None,
        seed=seed,
        checkpoint=checkpoint,
        text="training",
    )
    net.eval()
    return record


def _optimiser(parameters, lr: float):
    """AdamW as vision transformers are trained: decay on matrices alone, a short memory of the variance."""
    decayed = [p for p in parameters if p.ndim > 1 and len(p) > 1]  # neither norms, offsets nor positions
    rest = [p for p in parameters if p.ndim <= 1 or len(p) == 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))


def teach_source(
    net: TiedRead, images: Tensor, labels: Tensor, *, patch: int, seed: int, teacher: str, taught: int = 1000
):
    """Fit the source read, everything else frozen, to what leaving patches out does to the logit.

    The teacher is the leave-one-out map of training images (the drop of the true class's logit when a patch
    is replaced by the image's mean, 0 where it does not drop), the absolute integrated gradients, or the mean
    of both, each with sum one. The read's contributions, handed on and summed over patches, are fitted to it
    by cross-entropy, so that one forward pass says what many would have. Returns the number of images used.
    """
    n_patches = images.shape[1] * images.shape[2] // patch**2
    budget = max(16, min(taught, TAUGHT // (n_patches * images.shape[1] * images.shape[2])))
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:budget]
    x, y = to_unit(images[chosen]), labels[chosen]
    net.eval()
    maps = []
    if teacher in ("occlusion", "both"):
        maps.append(occlusion(net, x, y, patch=patch).clamp_min(0))
    if teacher in ("gradients", "both"):
        maps.append(integrated_gradients(net, x, y, patch=patch)[1])
    target = sum(m / m.sum(1, keepdim=True).clamp_min(1e-6) for m in maps) / len(maps)
    with torch.no_grad():
        tokens = torch.cat([net.tokens(part) for part in x.split(BATCH)])
        _, e, a = net.classify(tokens)
        c = (a * e)[torch.arange(len(y)), y][:, None].clamp_min(0)
        c = c / c.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)

    def loss(source, c, tokens, target):
        landed = per_patch(source(c, tokens), patch)[:, 0]
        return -(target * (landed + 1e-5).log()).sum(1).mean()

    rounds = min(60, max(1, round(0.6 * taught) * BATCH // len(c)))
    fit(
        net.source,
        loss,
        (c, tokens, target),
        epochs=rounds,
        batch_size=BATCH,
        lr=3e-3,
        weight_decay=1e-3,
        schedule="cosine",
        validation=0,
        patience=None,
        seed=seed,
        text="teaching the source read",
    )
    net.eval()
    return len(chosen)


def per_patch(cells: Tensor, patch: int) -> Tensor:
    """Sums over the cells of each patch: (B, C, h, w) to (B, C, P)."""
    each = patch // CELL
    return (F.avg_pool2d(cells, each) * each**2).flatten(2)
