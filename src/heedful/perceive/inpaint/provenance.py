"""Where every filled voxel's attention went: read from ``Weights``, one row per voxel or tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .patches import Asked


@dataclass(frozen=True)
class Sources:
    """Sources of P filled voxels.

    Parameters
    ----------
    row, score : arrays
        Row of each voxel in ``score`` (R, M), the logits of its candidates: the pixels of a tile share a row.
    at : int array, shape (P, M, 2)
        Row and column of each candidate in the voxel's own slice, best first.
    value : array, shape (P, M)
        What each candidate adds: its HU, or in a volume the residual that the neighbouring slices leave.
    """

    row: np.ndarray
    score: np.ndarray
    at: np.ndarray
    value: np.ndarray

    def weights(self, rows=None):
        """The weights of all rows (or of these) as one lazy operator, batched over rows: (R, 1, M)."""
        from ...attention import Mask, Weights

        score = self.score if rows is None else self.score[rows]
        live = np.isfinite(score)
        keys = np.where(live, score, 0.0)[:, :, None]
        priors = [] if live.all() else [Mask(live[:, None, :])]
        return Weights(np.ones((len(keys), 1, 1)), keys, priors, scale=1.0)

    def read(self, top: int = 8):
        """The ``top`` sources of each voxel.

        Parameters
        ----------
        top : int

        Returns
        -------
        at : int array, shape (P, top, 2)
        weight : array, shape (P, top)
        effective : array, shape (P,)
            exp(entropy): how many sources a voxel has in effect.
        """
        from ...attention import EffectiveKeys, TopK

        top = min(top, self.score.shape[1])
        _, r = self.weights().read(None, [TopK(top), EffectiveKeys()])
        weight, index = (np.asarray(part)[self.row, 0] for part in r.topk)
        at = np.take_along_axis(self.at, index[:, :, None], 1)
        return np.where(weight[:, :, None] > 0, at, -1), weight, np.asarray(r.effective_keys)[self.row, 0]

    def shares(self, labels):
        """Share of each voxel's weights that falls on each tissue: ``W @ onehot(label of the source)``.

        Parameters
        ----------
        labels : int array, shape (H, W)
            The tissue map of the slice.

        Returns
        -------
        share : array, shape (P, L)
            Rows sum to 1.
        labels : int array, shape (L,)
        """
        present = np.unique(labels)
        H, W = labels.shape
        r, c = np.clip(self.at[..., 0], 0, H - 1), np.clip(self.at[..., 1], 0, W - 1)
        own = labels[r, c]  # (P, M)
        share = np.empty((len(self.row), len(present)))
        for start in range(0, len(self.row), 4096):
            part = slice(start, start + 4096)
            onehot = (own[part, :, None] == present).astype(float)
            share[part] = (self.weights(self.row[part]) @ onehot)[:, 0]
        return share, present


def of_patches(asked: Asked, image, hidden) -> Sources:
    """Sources of the hidden pixels of a slice that was filled by attention over patches, in row order."""
    at = np.argwhere(hidden)
    row = asked.owner[hidden]
    source = asked.source[row] + (at - asked.tiles.corner[row])[:, None, :]
    H, W = hidden.shape
    value = image[np.clip(source[..., 0], 0, H - 1), np.clip(source[..., 1], 0, W - 1)]
    return Sources(row, asked.score, source, value)


def of_neighbours(done) -> Sources:
    """Sources of the voxels of a region that was filled from neighbouring slices (``volume.Filled``)."""
    return Sources(np.arange(len(done.fill)), done.score, done.source, done.value)
