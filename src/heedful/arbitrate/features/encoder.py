"""A small image encoder: learned features from images and masks, trained on patients who are not in the
study."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...errors import InputError


class Encoder:
    """Three convolutions on images averaged over `shrink` x `shrink` pixels; `width` features per image.

    Train it on patients who are not in the table that is analysed: features of the patients it was
    trained on know their outcome.

    Parameters
    ----------
    width : int
        Features per image.
    shrink : int
        Averaging before the first layer, pixels.
    epochs, seed : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> e = Encoder(width=4, epochs=1).fit(rng.standard_normal((40, 32, 32)), np.arange(40) % 2)
    >>> e.transform(rng.standard_normal((3, 32, 32))).shape
    (3, 4)
    """

    def __init__(self, *, width: int = 8, shrink: int = 4, epochs: int = 30, seed: int = 0):
        self.width, self.shrink, self.epochs, self.seed = width, shrink, epochs, seed

    def _prepare(self, images: np.ndarray, masks: np.ndarray | None):
        import torch

        sizes = {np.shape(i) for i in images}
        if len(sizes) > 1:
            raise InputError(
                "images of several sizes: " + ", ".join(" x ".join(map(str, s)) for s in sorted(sizes)[:3]),
                remedy="crop or resample all to one size around the lesion",
            )
        x = np.asarray(images, np.float32)
        if x.ndim != 3:
            raise InputError(
                f"images have shape {x.shape}, (n, rows, columns) was expected",
                remedy="cut one slice or projection per patient",
            )
        if masks is not None:
            if np.shape(masks) != x.shape:
                raise InputError(f"masks have shape {np.shape(masks)}, images {x.shape}")
            x = np.where(masks, x, 0.0).astype(np.float32)
        if min(x.shape[1:]) < self.shrink:
            raise InputError(f"{x.shape[1]} x {x.shape[2]} pixels are fewer than shrink={self.shrink}")
        lost = ~np.isfinite(x).all((1, 2))
        if lost.any():
            raise InputError(
                f"{int(lost.sum())} images hold NaN or infinite pixels, the first is image {lost.argmax()}",
                remedy="mask them out, or set them to the background",
            )
        t = torch.from_numpy(x)[:, None]
        return torch.nn.functional.avg_pool2d(t, self.shrink) if self.shrink > 1 else t

    def fit(self, images: np.ndarray, y: np.ndarray, masks: np.ndarray | None = None) -> Encoder:
        """images (n, H, W), y (n,) of two classes, masks bool (n, H, W): outside is set to 0."""
        import torch
        from torch import nn

        x, y = self._prepare(images, masks), np.asarray(y)
        if len(y) != len(x) or len(np.unique(y)) != 2:
            raise InputError(
                f"{len(x)} images and {len(y)} outcomes of {len(np.unique(y))} kinds; one of two for each "
                "was expected"
            )
        y = y == np.unique(y)[1]
        self.centre, self.spread = float(x.mean()), float(x.std()) + 1e-6
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.body = nn.Sequential(
                nn.Conv2d(1, 12, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(12, 16, 3, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(4),
                nn.Flatten(),
                nn.Linear(256, self.width),
            )
            self.head = nn.Linear(self.width, 1)
        target = torch.from_numpy(np.asarray(y, np.float32))
        weights = [*self.body.parameters(), *self.head.parameters()]
        optimiser = torch.optim.AdamW(weights, 3e-3, weight_decay=1e-2)
        draw = torch.Generator().manual_seed(self.seed)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(x), generator=draw).split(32):
                z = self.head(torch.relu(self.body((x[rows] - self.centre) / self.spread)))[:, 0]
                loss = nn.functional.binary_cross_entropy_with_logits(z, target[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        return self

    def transform(self, images: np.ndarray, masks: np.ndarray | None = None) -> pd.DataFrame:
        """Features (n, width)."""
        import torch

        if not hasattr(self, "body"):
            raise InputError("this encoder is not fitted", remedy="fit it on other patients first")
        with torch.no_grad():
            f = self.body((self._prepare(images, masks) - self.centre) / self.spread).numpy()
        return pd.DataFrame(f.astype(float), columns=[f"learned{i}" for i in range(f.shape[1])])
