"""Networks with a planted temperature, for tests and the demo."""

from __future__ import annotations

import numpy as np

from ...files.graphs import Network, build


def listening_network(
    n: int, *, tau: float, degree: int, seed: int, opinions=None, popularity_sd: float = 0.5
) -> tuple[Network, np.ndarray]:
    """A network in which everyone chose ``degree`` people by attention at temperature tau.

    Parameters
    ----------
    n, degree : int
    tau : float
    seed : int
    opinions : (N,) or (N, d), optional
        Default: standard normal.
    popularity_sd : float
        Spread of the log popularity, which is drawn independently of opinion.

    Returns
    -------
    Network, opinions (N,)

    Notes
    -----
    The Gumbel trick draws without repetition from the softmax exactly (Plackett-Luce).
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n) if opinions is None else np.asarray(opinions, float)
    wide = x.reshape(n, -1)
    gate = popularity_sd * rng.standard_normal(n)
    target = np.empty((n, degree), np.int64)
    for i in range(n):
        s = -((wide - wide[i]) ** 2).sum(1) / (2 * tau) + gate + rng.gumbel(size=n)
        s[i] = -np.inf
        target[i] = np.argpartition(-s, degree)[:degree]
    source = np.repeat(np.arange(n), degree)
    return build(source, target.ravel(), n, listens="source"), x
