"""What is said of a state of opinion: variance, Esteban-Ray polarisation, bimodality, camps, echo-chamber
index.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...files.graphs import Network

ALPHA = 1.3  # Esteban and Ray's identification exponent; they admit 0 < alpha <= 1.6
MINOR = 0.01  # a camp holds at least this share of the people


def variance(opinions: np.ndarray) -> float:
    """Total variance of the opinions (N,) or (N, d), in squared opinion units."""
    return float(np.var(opinions, axis=0).sum())


def camps(opinions: np.ndarray, width: float) -> np.ndarray:
    """Camp of everyone: groups that no gap wider than ``width`` divides (single linkage).

    Parameters
    ----------
    opinions : (N,) or (N, d)
    width : float
        sqrt(tau) for attention (the reach of its kernel), epsilon for bounded confidence.

    Returns
    -------
    (N,) int
        Labels 0, 1, ... by falling size.

    Examples
    --------
    >>> camps(np.array([-1.0, -0.98, 0.9, 1.0, 1.1]), width=0.2)
    array([1, 1, 0, 0, 0])
    """
    x = np.asarray(opinions, dtype=np.float64)
    x = x.reshape(len(x), -1)
    if x.shape[1] == 1:
        order = np.argsort(x[:, 0], kind="stable")
        label = np.empty(len(x), np.int64)
        label[order] = np.concatenate([[0], np.cumsum(np.diff(x[order, 0]) > width)])
    else:
        from scipy import sparse, spatial

        # opinions closer than a twentieth of the width count as one point, so that tight camps cost nothing
        point, label = np.unique(np.round(x / (width / 20)), axis=0, return_inverse=True)
        pairs = spatial.cKDTree(point).query_pairs(20.0, output_type="ndarray")
        near = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(point),) * 2)
        label = sparse.csgraph.connected_components(near, directed=False)[1][label.reshape(-1)]
    sizes = np.bincount(label)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[label]


def count_camps(label: np.ndarray, least: float = MINOR) -> int:
    """How many camps hold at least the share ``least`` of the people."""
    return int((np.bincount(label) >= least * len(label)).sum())


def esteban_ray(opinions: np.ndarray, label: np.ndarray, span: float = 2.0) -> float:
    """Esteban-Ray polarisation of the camps: 1 for two equal camps at the two ends of ``span``, 0 for
    consensus.

    ``K sum_cd p_c^(1 + alpha) p_d |m_c - m_d|``, alpha = 1.3 (Esteban and Ray 1994, Econometrica 62, 819).

    Examples
    --------
    >>> round(esteban_ray(np.array([-1.0, 1.0]), np.array([0, 1])), 6)
    1.0
    """
    x = np.asarray(opinions, dtype=np.float64).reshape(len(opinions), -1)
    share = np.bincount(label) / len(label)
    centre = np.stack([np.bincount(label, x[:, k]) for k in range(x.shape[1])], 1) / (share * len(x))[:, None]
    power = share ** (1 + ALPHA)
    total = 0.0
    if x.shape[1] == 1:  # sum_d p_d |m_c - m_d| by prefix sums: no pairs, however many camps
        order = np.argsort(centre[:, 0], kind="stable")
        m, p = centre[order, 0], share[order]
        below, mass = np.cumsum(p) - p, np.cumsum(p * m) - p * m
        above = 1.0 - below - p
        far = m * below - mass + ((p * m).sum() - mass - p * m) - m * above
        total = float(power[order] @ far)
    else:
        for a in range(0, len(share), 1000):
            gap = np.sqrt(((centre[a : a + 1000, None] - centre[None]) ** 2).sum(-1))
            total += float(power[a : a + 1000] @ gap @ share)
    return max(total, 0.0) / (span * 0.5 ** (1 + ALPHA))


def bimodality(opinions: np.ndarray) -> float:
    """Sarle's bimodality coefficient (skewness^2 + 1) / kurtosis along the widest axis; 5/9 for a flat
    distribution, 1 for two points.

    NaN where the opinions agree to rounding.
    """
    x = np.asarray(opinions, dtype=np.float64).reshape(len(opinions), -1)
    x = x[:, np.argmax(x.var(0))]
    z = x - x.mean()
    square = np.mean(z**2)
    if square <= (1e-12 * max(1.0, np.abs(x).max())) ** 2:
        return float("nan")
    return float((np.mean(z**3) ** 2 / square**3 + 1) / (np.mean(z**4) / square**2))


def assortativity(opinions: np.ndarray, mean: np.ndarray, square: np.ndarray) -> float:
    """Correlation between a listener's opinion and the opinions heard, weighted by attention (Newman's r,
    directed).

    Parameters
    ----------
    opinions : (N,) or (N, d)
    mean : same shape
        Attention-weighted mean opinion heard, ``P @ x``.
    square : same shape
        ``P @ x**2``.
    """
    x, h, q = (np.asarray(a, dtype=np.float64).reshape(len(opinions), -1) for a in (opinions, mean, square))
    xc = x - x.mean(0)
    heard_variance = (q.mean(0) - h.mean(0) ** 2).sum()
    spread = np.sqrt((xc**2).mean(0).sum() * max(heard_variance, 0.0))
    if spread <= 1e-24 * max(1.0, float(np.abs(x).max()) ** 2):
        return float("nan")
    return float((xc * (h - h.mean(0))).mean(0).sum() / spread)


@dataclass(frozen=True)
class EchoChamber:
    """Echo-chamber index: assortativity of the attention matrix beside its null.

    Parameters
    ----------
    index : float
        ``observed - null mean``.
    observed : float
        Assortativity of the attention.
    prior : float
        Assortativity of the network alone, attention uniform (tau = infinity).
    null_mean, null_sd : float
        Over degree-preserving rewirings, attention recomputed on each.
    p : float
        Share of rewirings (plus one) at or above the observed value.
    rewirings : int
    """

    index: float
    observed: float
    prior: float
    null_mean: float
    null_sd: float
    p: float
    rewirings: int


def rewire(network: Network, *, seed: int, rounds: int = 12) -> Network:
    """The network with its edges swapped at random, everyone's number of listeners and listened kept exactly.

    Double edge swaps, half of the edges proposed at once: (a, b), (c, d) -> (a, d), (c, b), refused where
    that would make a self loop or a repeated edge. A symmetric network stays symmetric. Weights stay with the
    listener.
    """
    rng = np.random.default_rng(seed)
    n, rows, cols = network.size, network.rows.astype(np.int64), network.indices.astype(np.int64)
    symmetric = is_symmetric(network)
    if symmetric:
        upper = rows < cols
        rows, cols = rows[upper], cols[upper]
    weights = None if network.weights is None else (network.weights[upper] if symmetric else network.weights)
    for _ in range(rounds):
        m = len(rows)
        order = rng.permutation(m)
        one, two = order[: m // 2], order[m // 2 : 2 * (m // 2)]
        a, b, c, d = rows[one], cols[one], rows[two], cols[two]
        if symmetric:
            flip = rng.random(len(two)) < 0.5
            c, d = np.where(flip, d, c), np.where(flip, c, d)
        new = np.stack([_key(a, d, n, symmetric), _key(c, b, n, symmetric)])
        # looked up in order: a million lookups in random order miss the cache a million times
        present, place = np.sort(_key(rows, cols, n, symmetric)), np.argsort(new, axis=None)
        sought = new.ravel()[place]
        twice = np.zeros(len(sought) + 1, bool)
        twice[1:-1] = sought[1:] == sought[:-1]
        at = np.minimum(np.searchsorted(present, sought), m - 1)
        bad = np.empty(len(sought), bool)
        bad[place] = (present[at] == sought) | twice[1:] | twice[:-1]
        bad = bad.reshape(new.shape)
        accept = ~bad.any(0) & (a != d) & (c != b)
        cols[one[accept]] = d[accept]
        rows[two[accept]], cols[two[accept]] = c[accept], b[accept]
    if symmetric:
        rows, cols = np.concatenate([rows, cols]), np.concatenate([cols, rows])
        weights = None if weights is None else np.concatenate([weights, weights])
    order = np.lexsort((cols, rows))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
    return Network(
        indptr,
        cols[order].astype(network.indices.dtype),
        None if weights is None else weights[order],
        network.labels,
        network.attributes,
    )


def is_symmetric(network: Network) -> bool:
    """Whether whoever listens is listened to in return, with the same weight."""
    A = network.matrix()
    return abs(A - A.T).nnz == 0


def _key(a, b, n, symmetric):
    return np.minimum(a, b) * n + np.maximum(a, b) if symmetric else a * n + b
