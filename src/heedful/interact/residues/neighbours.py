"""What a pair of sites borrows from the pairs around it in the map, learned from one half against the other.

Contacts come in ladders: where i touches j in a helix or between strands, i + a and j + b do too. How much a
pair (i + a, j + b) says about (i, j) is learned from the alignment alone: the sequences are parted at random,
a map is made of each half, and the weights are those that best predict one half's map from the patch around
each pair of the other's. Signal is common to the halves and sampling noise is not, so no contact is needed
(Lehtinen et al., ICML 2018, call this noise to noise).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NEAREST = 3  # pairs nearer than this in the sequence are left out of the patches: the chain, not the fold
FAR = 6  # and the weights are learned on pairs at least this far apart
RIDGE = 1e-3


def offset_classes(reach: int) -> list[list[tuple[int, int]]]:
    """Offsets (a, b) up to ``reach`` that share one weight: a map is symmetric, a chain reads both ways.

    Examples
    --------
    >>> offset_classes(1)
    [[(-1, -1), (1, 1)], [(-1, 0), (0, -1), (0, 1), (1, 0)], [(-1, 1), (1, -1)], [(0, 0)]]
    """
    classes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a in range(-reach, reach + 1):
        for b in range(-reach, reach + 1):
            key = min((a, b), (b, a), (-a, -b), (-b, -a))
            classes.setdefault(key, []).append((a, b))
    return list(classes.values())


def patches(scores: np.ndarray, reach: int) -> np.ndarray:
    """Mean of the map over each class of offsets around every pair, (L, L, classes); 0 beyond the map."""
    columns = len(scores)
    place = np.arange(columns)
    wide = np.zeros((columns + 2 * reach,) * 2)
    wide[reach : reach + columns, reach : reach + columns] = np.where(
        np.abs(place[:, None] - place) >= NEAREST, scores, 0.0
    )

    def moved(a: int, b: int) -> np.ndarray:
        return wide[reach + a : reach + a + columns, reach + b : reach + b + columns]

    return np.stack([np.mean([moved(a, b) for a, b in c], 0) for c in offset_classes(reach)], -1)


def learn_neighbours(
    codes: np.ndarray,
    make_map: Callable[[np.ndarray], np.ndarray],
    *,
    reach: int = 4,
    splits: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Weights of the offset classes that best predict the map of half the sequences from that of the rest.

    Parameters
    ----------
    codes : (N, L)
    make_map : callable
        Sequences (n, L) to a map (L, L); called twice a split.
    reach : int
        Largest offset along the sequence; 0 gives the weight 1 of a pair itself.
    splits : int
        Random partings, whose normal equations are added.
    seed : int

    Returns
    -------
    (classes,)
        In the order of `offset_classes`, that of the pair itself 1.
    """
    classes, columns = offset_classes(reach), codes.shape[1]
    itself = classes.index([(0, 0)])
    far = np.triu_indices(columns, min(FAR, columns - 1))
    rng = np.random.default_rng(seed)
    square, cross = np.zeros((len(classes),) * 2), np.zeros(len(classes))
    for _ in range(splits):
        half = rng.permutation(len(codes)) < len(codes) // 2
        maps = [unit_spread(make_map(codes[rows]), FAR) for rows in (half, ~half)]
        for seen, told in (maps, maps[::-1]):
            x, y = patches(seen, reach)[far], told[far]
            x = x - x.mean(0)
            square += x.T @ x
            cross += x.T @ (y - y.mean())
    ridge = RIDGE * np.trace(square) / len(classes) * np.eye(len(classes))
    weights = np.linalg.solve(square + ridge, cross)
    if not weights[itself] > 0:  # the halves share nothing: there is nothing to borrow by
        return np.eye(len(classes))[itself]
    return weights / weights[itself]


def borrowed(scores: np.ndarray, weights: np.ndarray, reach: int) -> np.ndarray:
    """The map with every pair's neighbours added by their weights, diagonal 0, (L, L).

    Examples
    --------
    >>> scores = np.zeros((9, 9)); scores[1, 7] = scores[7, 1] = 1.0
    >>> out = borrowed(scores, np.array([0.5, 0.0, 0.0, 1.0]), 1)
    >>> float(out[1, 7]), float(out[2, 8]), float(out[2, 6])
    (1.0, 0.25, 0.0)
    """
    out = patches(scores, reach) @ weights
    out = (out + out.T) / 2
    np.fill_diagonal(out, 0.0)
    return out


def unit_spread(scores: np.ndarray, separation: int = 1) -> np.ndarray:
    """Divided by the standard deviation of its pairs at least ``separation`` apart."""
    spread = scores[np.triu_indices(len(scores), min(separation, len(scores) - 1))].std()
    return scores / spread if spread > 0 else scores
