"""What a map of importance is compared with: many passes, gradients, a ViT's attention, and chance."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...attention import Stack, Weights
from .nets import PlainViT

CHUNK = 128


def blank(x: Tensor, patches: Tensor, *, patch: int) -> Tensor:
    """Images with the marked patches replaced by the image's mean colour.

    Parameters
    ----------
    x : (B, bands, H, W)
    patches : (B, P) bool
    patch : int
        Side of a patch, px.
    """
    rows, cols = x.shape[2] // patch, x.shape[3] // patch
    mask = patches.view(-1, 1, rows, cols).to(x.dtype)
    mask = mask.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return x * (1 - mask) + x.mean((2, 3), keepdim=True) * mask


def occlusion(net: nn.Module, x: Tensor, classes: Tensor, *, patch: int) -> Tensor:
    """Leave one patch out: the logit's drop for each (B, P); P + 1 forward passes.

    Source: M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
    """
    total = (x.shape[2] // patch) * (x.shape[3] // patch)
    out = x.new_zeros(len(x), total)
    for rows in torch.arange(len(x)).split(CHUNK):
        part, c = x[rows], classes[rows]
        here = torch.arange(len(rows))
        with torch.no_grad():
            whole = net(part)[here, c]
            for j in range(total):
                one = F.one_hot(torch.full((len(rows),), j), total).bool()
                out[rows, j] = whole - net(blank(part, one, patch=patch))[here, c]
    return out


def integrated_gradients(net: nn.Module, x: Tensor, classes: Tensor, *, patch: int, steps: int = 8):
    """Gradients along the straight path from the image's mean colour: (signed, absolute), each (B, P).

    ``signed`` sums the attributions of a patch's pixels (they add up to the logit's difference);
    ``absolute`` sums their absolute values, which points better and adds up to nothing.

    Source: M. Sundararajan, A. Taly, Q. Yan, "Axiomatic attribution for deep networks", ICML 2017;
    midpoint rule.
    """
    signed, absolute = [], []
    for rows in torch.arange(len(x)).split(CHUNK):
        part, c, here = x[rows], classes[rows], torch.arange(len(rows))
        base = part.mean((2, 3), keepdim=True).expand_as(part)
        total = torch.zeros_like(part)
        for step in range(steps):
            point = (base + (part - base) * ((step + 0.5) / steps)).detach().requires_grad_()
            total += torch.autograd.grad(net(point)[here, c].sum(), point)[0]
        pixels = total / steps * (part - base)
        for kept, values in ((signed, pixels), (absolute, pixels.abs())):
            kept.append((F.avg_pool2d(values.sum(1, keepdim=True), patch) * patch**2).flatten(1))
    return torch.cat(signed), torch.cat(absolute)


def class_token(net: PlainViT, x: Tensor) -> dict[str, Tensor]:
    """A ViT's class token, read plainly: {"attention", "rollout"}, each (B, P).

    ``attention``: the last layer's weights of the class token, mean over heads. ``rollout``: half identity,
    half attention, multiplied through the layers (S. Abnar, W. Zuidema, ACL 2020).
    """
    found: dict[str, list[Tensor]] = {"attention": [], "rollout": []}
    with torch.no_grad():
        for part in x.split(CHUNK):
            record: list = []
            net(part, record)
            layers = [Weights(q, k) for q, k, _ in record]
            first = torch.zeros(layers[0].shape[-1])
            first[0] = 1.0
            found["attention"].append(layers[-1].rows([0]).mean(1)[:, 0, 1:])
            found["rollout"].append((Stack(layers).T @ first)[:, 1:])
    return {name: torch.cat(parts) for name, parts in found.items()}


def centre_prior(rows: int, cols: int) -> np.ndarray:
    """A Gaussian in the middle, of a quarter of the sides: what pointing without looking would get, (P,)."""
    y = (np.arange(rows) + 0.5) / rows - 0.5
    x = (np.arange(cols) + 0.5) / cols - 0.5
    return np.exp(-0.5 * (y[:, None] ** 2 + x**2) / 0.25**2).ravel()
