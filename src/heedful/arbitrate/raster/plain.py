"""The literal idea, kept to be looked at: the optical pixel asks, radar pixels answer, one softmax.

Three things go wrong, and `failures` shows each on planted truth: with one radar key per pixel the
softmax is 1
everywhere, whatever was learned; with an optical key beside the radar's the weights are an arbitration,
but one
learned from the damage in the training set, and on damage it never saw they may point the wrong way; and
nothing marks the pixels without data, which are read as values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from .experts import softmax
from .plant import corrupt
from .tokens import Scaler, Scene, kind_of


def neighbours(x: np.ndarray, size: int) -> np.ndarray:
    """The size x size pixels around each pixel: (B, H, W) -> (H, W, size^2, B), edges reflected."""
    r = size // 2
    pad = np.pad(x, ((0, 0), (r, r), (r, r)), mode="reflect") if r else x
    h, w = x.shape[1:]
    parts = [pad[:, i : i + h, j : j + w] for i in range(size) for j in range(size)]
    return np.moveaxis(np.stack(parts), 1, -1).transpose(1, 2, 0, 3)


@dataclass
class PlainFusion:
    """softmax(q(optical) . k(key) / sqrt(d)) over radar keys (and, optionally, the optical pixel's own
    key)."""

    net: Any
    scalers: dict[str, Scaler]
    names: tuple[str, str]
    size: int
    own_key: bool

    def predict(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (H, W, C) and weights (H, W, keys); the optical key comes last, if there is
        one."""
        import torch

        o, s = _tokens(scene, self.scalers, self.names, self.size)
        with torch.no_grad():
            z, w = self.net(
                torch.from_numpy(o.reshape(-1, o.shape[-1])), torch.from_numpy(s.reshape(-1, *s.shape[-2:]))
            )
        h, v = scene.shape
        return softmax(z.double().numpy()).reshape(h, v, -1), w.numpy().reshape(h, v, -1)


def _tokens(scene: Scene, scalers, names, size):
    z = {n: np.nan_to_num(scalers[n](scene.sources[n])[0], nan=0.0) for n in names}
    return np.moveaxis(z[names[0]], 0, -1).astype(np.float32), neighbours(z[names[1]], size).astype(
        np.float32
    )


def fit_plain(
    scenes: Sequence[Scene],
    names: Sequence[str],
    size: int,
    *,
    own_key: bool = True,
    seed: int = 0,
    augment: Sequence[str] = ("cloud", "interference"),
    steps: int = 250,
) -> tuple[PlainFusion, np.ndarray]:
    """Train on clean scenes and copies with the given corruptions.

    Returns
    -------
    model : PlainFusion, classes : array
    """
    import torch
    from torch import nn

    optical = next((n for n in names if kind_of(n) == "optical"), names[0])
    radar = next((n for n in names if n != optical), None)
    if radar is None:
        raise InputError("the plain method needs an optical and a radar source")
    pair = (optical, radar)
    scalers = {
        n: Scaler.fit(
            np.concatenate(
                [np.moveaxis(s.sources[n][0], 0, -1).reshape(-1, s.sources[n].shape[1]) for s in scenes]
            )
        )
        for n in pair
    }
    classes = np.unique(np.concatenate([s.labels[s.labels >= 0] for s in scenes]))
    o, k, y = [], [], []
    for i, s in enumerate(scenes):
        for copy in [s, *[corrupt(s, name, seed + i)[0] for name in augment]]:
            a, b = _tokens(copy, scalers, pair, size)
            known = copy.labels[0] >= 0
            o.append(a[known])
            k.append(b[known])
            y.append(np.searchsorted(classes, copy.labels[0][known]))
    o, k, y = (
        torch.from_numpy(np.concatenate(o)),
        torch.from_numpy(np.concatenate(k)),
        torch.from_numpy(np.concatenate(y)),
    )

    class Net(nn.Module):
        def __init__(self, d: int = 16):
            super().__init__()
            mlp = lambda a, b: nn.Sequential(nn.Linear(a, 32), nn.ReLU(), nn.Linear(32, b))  # noqa: E731
            self.q, self.k, self.v = mlp(o.shape[1], d), mlp(k.shape[2], d), mlp(k.shape[2], 32)
            self.ko, self.vo = (mlp(o.shape[1], d), mlp(o.shape[1], 32)) if own_key else (None, None)
            self.mix = nn.Linear(32, len(classes))
            self.direct = None if own_key else nn.Linear(o.shape[1], len(classes))

        def forward(self, a, b):
            keys, values = self.k(b), self.v(b)
            if self.ko is not None:
                keys = torch.cat([keys, self.ko(a)[:, None]], 1)
                values = torch.cat([values, self.vo(a)[:, None]], 1)
            w = ((keys @ self.q(a)[:, :, None])[..., 0] / keys.shape[-1] ** 0.5).softmax(-1)
            z = self.mix((w[..., None] * values).sum(1))
            return (z if self.direct is None else z + self.direct(a)), w

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Net()
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        i = torch.randint(len(y), (1024,), generator=draw)
        loss = nn.functional.cross_entropy(net(o[i], k[i])[0], y[i])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return PlainFusion(net.eval(), scalers, pair, size, own_key), classes


def failures(train: Scene, test: Scene, *, seed: int = 0) -> dict[str, float]:
    """What the literal idea's weights say where the answer is known.

    Returns
    -------
    dict
        `spread of the weights, one radar key`: largest |w - 1| with one key per pixel; `AUROC of the radar's
        weight: cloud (trained)`, and the same for no-data left as 0 and shadow, which were not trained.
    """
    from sklearn.metrics import roc_auc_score

    one, _ = fit_plain([train], train.names, 1, own_key=False, seed=seed, steps=10)
    out = {"spread of the weights, one radar key": float(np.abs(one.predict(test)[1] - 1).max())}
    both, _ = fit_plain([train], train.names, 3, seed=seed)
    for name, said in (("cloud", "trained"), ("no-data as 0", "never seen"), ("shadow", "never seen")):
        bad, masks = corrupt(test, name, seed)
        optical = both.predict(bad)[1][..., -1]
        mask = masks[both.names[0]]
        out[f"AUROC of the radar's weight: {name} ({said})"] = float(
            roc_auc_score(mask.ravel(), -optical.ravel())
        )
    return out
