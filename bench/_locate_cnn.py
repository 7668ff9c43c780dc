"""The network that a practitioner would take: a small convolutional one with a class activation map.

Six convolutions with batch normalisation down to one cell per 8-px patch (field of view 43 px), global
average pooling and a linear layer. With these Grad-CAM is the class activation map: the mean of the
gradients over cells is the linear layer's row divided by the number of cells.

Sources: B. Zhou et al., "Learning deep features for discriminative localization", CVPR 2016 (class activation
maps); R. Selvaraju et al., "Grad-CAM", ICCV 2017.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from heedful.perceive.locate import PatchClassifier
from heedful.perceive.locate.nets import Scale
from heedful.perceive.locate.retrieval import average_precision


class PooledCNN(nn.Module):
    """Convolutions, global average pooling, a linear layer."""

    def __init__(self, classes: int, bands: int, *, mean, std, widths=(24, 32, 64, 64, 64, 64)):
        super().__init__()
        self.scale = Scale(mean, std)
        layers: list[nn.Module] = []
        for width, stride in zip(widths, (2, 1, 2, 1, 2, 1), strict=True):
            layers += [nn.Conv2d(bands, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            bands = width
        self.stem = nn.Sequential(*layers)
        self.head = nn.Linear(bands, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.stem(self.scale(x)).mean((2, 3)))

    def activation_map(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, P): what each cell adds to each logit, times the number of cells; negative parts cut."""
        cells = self.stem(self.scale(x)).flatten(2)
        return (self.head.weight @ cells).clamp_min(0)


class PooledClassifier(PatchClassifier):
    """The same estimator around the convolutional network; patches are 8 px, the side of its cells."""

    def _build(self) -> nn.Module:
        widths = (*self.channels, *self.channels[-1:])
        net = PooledCNN(len(self.classes_), self.bands_, mean=self.mean_, std=self.std_, widths=widths)
        return net.to(memory_format=torch.channels_last)

    def _stages(self) -> list[tuple[int, float]]:
        return [(self.iterations, self.lr)]

    def maps(self, X, queries=None) -> dict[str, np.ndarray]:
        """The class activation map of the class asked for, one forward pass."""
        x = self.prepare(X)
        with torch.no_grad():
            every = torch.cat([self.net_.activation_map(part) for part in x.split(128)])
        chosen = self.indices(queries, self.decision_function(X))
        return {"class activation": every[torch.arange(len(x)), chosen].numpy()}

    def retrieval(self, queries, query_labels, scenes, labels, landmark, overlap) -> dict[str, float]:
        """Scenes ranked by their logits, mixed by the query's probabilities; the map of the query's class."""
        p, scores = self.predict_proba(queries), self.decision_function(scenes)
        relevant = np.asarray(labels) == np.asarray(query_labels)[:, None]
        ranked = scores @ p.T
        each = []
        for i, r in enumerate(relevant):
            rows = r & landmark.any(1)
            if rows.any():
                named = np.repeat(self.classes_[p[i].argmax()], rows.sum())
                maps = self.maps(scenes[rows], named)["class activation"]
                each.append(overlap(maps, landmark[rows]).mean())
        return {
            "mAP": float(np.mean([average_precision(ranked[:, i], r) for i, r in enumerate(relevant)])),
            "chance": float(relevant.mean()),
            "overlap": float(np.mean(each)),
        }
