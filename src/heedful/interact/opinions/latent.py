"""Latent opinions: the slow modes of the network itself."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...files.graphs import Network

CLIP = 4.0  # standard deviations: a leaf of the network is not an extremist


def spectral_opinions(network: Network, dims: int = 1) -> np.ndarray:
    """Opinions (N, dims) that neighbours share: eigenvectors 2.. of the degree-regularised adjacency, unit
    variance.

    The degrees are raised by half their mean (Chaudhuri, Chung and Tsiatas 2012), so that weakly tied nodes
    do not take an axis for themselves. The sign of an axis means nothing. Directions and weights are
    dropped: a pair counts once.
    """
    from scipy import sparse
    from scipy.sparse.linalg import eigsh

    n = network.size
    if not 1 <= dims < n - 1:
        raise InputError(
            f"{dims} latent axes for {n} nodes", remedy="at least 1, and fewer than the nodes less 1"
        )
    A = network.matrix()
    S = ((A + A.T) > 0).astype(np.float64)
    degree = np.asarray(S.sum(1)).ravel()
    scale = 1.0 / np.sqrt(degree + 0.5 * degree.mean())
    L = sparse.diags(scale) @ S @ sparse.diags(scale)
    if n <= 400 or dims + 1 > n // 4:
        values, vectors = np.linalg.eigh(L.toarray())
    else:
        start = np.random.default_rng(0).standard_normal(n)
        values, vectors = eigsh(L, k=dims + 1, which="LA", v0=start)
    order = np.argsort(-values)[1 : dims + 1]
    x = vectors[:, order] * scale[:, None]
    x = x - x.mean(0)
    x /= x.std(0)
    return np.clip(x, -CLIP, CLIP)
