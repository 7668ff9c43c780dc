"""How long the camps last: the exact two-camp map, a camp-level map for any network, and the spectral gap.

Opinions stay in their convex hull, so every softmax weight is bounded below and on a network in which
everyone can reach everyone consensus is the only attractor: camps are metastable, and a picture of camps
without their lifetime is a statement about the step budget. In float64 camps further apart than about
sqrt(72 tau) do not move at all (the weight drops below the rounding of an opinion), so the lifetime is
taken from a reduced map,
never from waiting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ...files.graphs import Network
from . import measures

LEAP = 0.01  # largest change of an exponent |m_c - m_d|^2 / 2 tau within one leap
MAX_LEAPS = 200_000
MAX_CAMPS = 400


@dataclass(frozen=True)
class Lifetime:
    """How long the picture lasts.

    Parameters
    ----------
    log10_steps : float
        Log10 of the steps until ``ends``; inf where the camps are permanent, nan where it is not known.
    gap : float
        Spectral gap 1 - lambda_2 of the camp-level attention: the slowest rate, per step.
    camps : int
        Camps of at least 1 % at the start of the count.
    closed : int
        Closed listening classes of the network: more than one means that disagreement is permanent by
        structure.
    ends : str
        "merge" (two camps within sqrt(tau)), "half" (variance halved), "structure", "consensus" (there
        already).
    """

    log10_steps: float
    gap: float
    camps: int
    closed: int
    ends: str

    def sentence(self) -> str:
        """One sentence for a report."""
        if self.ends == "consensus":
            return "There is one camp of at least 1 %: consensus, strays apart."
        if self.ends == "structure":
            return (
                f"The {self.camps} camps are permanent: the network has {self.closed} groups that listen "
                f"to nobody "
                "outside, or somebody who never moves."
            )
        if math.isnan(self.log10_steps):
            return f"The lifetime of the {self.camps} camps is not known."
        what = "two of them merge" if self.ends == "merge" else "the variance has halved"
        size = f"10^{self.log10_steps:.1f}" if self.log10_steps > 4 else f"{10**self.log10_steps:.0f}"
        return f"The {self.camps} camps are metastable: {what} after about {size} steps."


def two_camp_map(m: float, tau: float) -> float:
    """Exact image of two equal camps at +-m on the complete graph: m tanh(m^2 / tau).

    Examples
    --------
    >>> round(two_camp_map(1.0, 0.5), 6)
    0.964028
    """
    return m * math.tanh(m * m / tau)


def two_camp_lifetime(m: float, tau: float) -> float:
    """Log10 of the steps until two equal camps at +-m have half their variance, on the complete graph.

    The same leaping map as `camp_lifetime`; grows as exp(2 m^2 / tau).

    Examples
    --------
    >>> round(10 ** two_camp_lifetime(1.0, 0.2))
    616
    """
    return camp_lifetime(np.array([[-m], [m]]), np.ones((2, 2)), tau, until="half")[0]


def gaussian_factor(variance: float, tau: float) -> float:
    """What one attention step multiplies the variance of Gaussian opinions by: (s^2 / (s^2 + tau))^2."""
    return (variance / (variance + tau)) ** 2


def variance_to_tau(before: float, after: float) -> float:
    """The tau at which Gaussian opinions of variance ``before`` have ``after`` one step on; the inverse of
    the factor.
    """
    if not 0 < after < before:
        raise InputError("the variance must fall, and stay above 0")
    return before * (math.sqrt(before / after) - 1.0)


def closed_classes(network: Network | None) -> int:
    """How many groups listen to nobody outside themselves; one means that consensus is the only attractor."""
    if network is None:
        return 1
    from scipy.sparse.csgraph import connected_components

    k, label = connected_components(network.matrix(), directed=True, connection="strong")
    rows = label[network.rows]
    leaves = np.zeros(k, bool)
    leaves[rows[rows != label[network.indices]]] = True
    return int((~leaves).sum())


def lifetime(
    opinions,
    tau: float,
    network: Network | None = None,
    *,
    self_weight: float = 1.0,
    held=None,
    until: str = "first",
) -> Lifetime:
    """Lifetime of the camps of a state under attention at temperature tau.

    Parameters
    ----------
    opinions : (N,) or (N, d)
        A state whose camps have formed (a run's last opinions).
    tau : float
    network : Network, optional
        None is the complete graph.
    self_weight : float
    held : (N,) bool, optional
        Nodes that hold on to an anchor: disagreement between them is permanent.
    until : {"first", "merge", "half"}

    Returns
    -------
    Lifetime

    Notes
    -----
    People outside any camp of 1 % go to the nearest one. Each camp is taken at its mean, its members
    weighted by the stationary distribution of listening within the camp, and the map of the camps is
    followed in leaps during which no exponent changes by more than 1 %.
    """
    x = np.asarray(opinions, dtype=np.float64).reshape(len(opinions), -1)
    label = measures.camps(x, math.sqrt(tau))
    sizes = np.bincount(label)
    seen = measures.count_camps(label)
    closed = closed_classes(network)
    if len(sizes) == 1 or seen == 1:  # those outside a single camp are strays, no camp of their own
        return Lifetime(math.nan, math.nan, seen, closed, "consensus")
    if held is not None and np.any(held):
        return Lifetime(math.inf, 0.0, seen, closed, "structure")
    if network is not None and closed > 1:
        return Lifetime(math.inf, 0.0, seen, closed, "structure")
    label = _gather(x, label, seen)
    sizes = np.bincount(label)
    if len(sizes) > MAX_CAMPS:
        return Lifetime(math.nan, math.nan, seen, closed, "merge")
    centres, counts, weight = _reduce(x, label, network, self_weight)
    gap = camp_gap(centres, counts, tau, weight)
    steps, ends = camp_lifetime(centres, counts, tau, until=until, weight=weight, share=sizes)
    return Lifetime(steps, gap, seen, closed, ends)


def _gather(x, label, seen):
    """Strays (camps below 1 %, ranked last) go to the nearest camp: a stray that joins is no merger."""
    centres = np.stack([x[label == c].mean(0) for c in range(seen)])
    stray = np.flatnonzero(label >= seen)
    out = label.copy()
    for a in range(0, len(stray), 10_000):
        part = stray[a : a + 10_000]
        out[part] = np.argmin(((x[part, None] - centres[None]) ** 2).sum(-1), axis=1)
    return out


def _reduce(x, label, network, self_weight):
    """Camp centres (K, d), member-to-camp edge counts (M, K), and each member's (weight, camp) rows of
    listening.
    """
    k = int(label.max()) + 1
    if network is None:
        sizes = np.bincount(label).astype(float)
        centres = np.stack([np.bincount(label, x[:, a]) for a in range(x.shape[1])], 1) / sizes[:, None]
        counts = np.tile(sizes, (k, 1))
        counts[np.arange(k), np.arange(k)] += self_weight - 1.0
        return centres, counts, None
    from scipy import sparse

    A = network.matrix() + self_weight * sparse.identity(network.size)
    member = sparse.csr_matrix((np.ones(len(label)), (np.arange(len(label)), label)), shape=(len(label), k))
    counts = np.asarray((A @ member).todense())
    weight = np.zeros(len(label))
    for c in range(k):
        inside = np.flatnonzero(label == c)
        weight[inside] = _stationary(A[inside][:, inside])
    centres = np.asarray(member.T @ (weight[:, None] * x))
    return centres, counts, (weight, label)


def _stationary(A) -> np.ndarray:
    """Left Perron vector of the row-normalised within-camp listening, by lazy power iteration."""
    from scipy import sparse

    total = np.asarray(A.sum(1)).ravel()
    P = sparse.diags(1.0 / np.where(total > 0, total, 1.0)) @ A
    v = np.full(A.shape[0], 1.0 / A.shape[0])
    for _ in range(5000):
        new = 0.5 * (v + P.T @ v)
        if np.abs(new - v).sum() < 1e-12:
            break
        v = new
    return new / new.sum()


def camp_rates(centres, counts, tau, weight=None) -> np.ndarray:
    """(K, K) off-diagonal weights of listening from camp c to camp d, to full relative accuracy however
    small.
    """
    square = ((centres[:, None] - centres[None]) ** 2).sum(-1)
    e = np.exp(-square / (2 * tau))
    if weight is None:
        q = counts * e
        q /= q.sum(1, keepdims=True)
    else:
        share, label = weight
        rows = counts * e[label]
        total = rows.sum(1, keepdims=True)
        rows = np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)
        q = np.zeros_like(e)
        np.add.at(q, label, share[:, None] * rows)
    np.fill_diagonal(q, 0.0)
    return q


def camp_gap(centres, counts, tau, weight=None) -> float:
    """Spectral gap of the camp-level chain; 0.0 where it lies below the smallest float64."""
    q = camp_rates(centres, counts, tau, weight)
    top = q.max()
    if top == 0.0:
        return 0.0
    if len(q) == 2:
        return float(q[0, 1] + q[1, 0])
    generator = q / top
    np.fill_diagonal(generator, -generator.sum(1))
    values = np.sort(-np.linalg.eigvals(generator).real)
    return float(max(values[1], 0.0) * top)


def camp_lifetime(centres, counts, tau, *, until="first", weight=None, share=None) -> tuple[float, str]:
    """Follow the camp-level map until it ends: (log10 steps, "merge" or "half").

    A leap of k steps moves the centres by k times the displacement at the leap's middle; k = 1 is the exact
    map.
    """
    m = np.array(centres, dtype=np.float64)
    share = np.ones(len(m)) if share is None else np.asarray(share, dtype=np.float64)
    share = share / share.sum()

    def spread(at):
        return float((share[:, None] * (at - share @ at) ** 2).sum())

    def nearest(at):
        square = ((at[:, None] - at[None]) ** 2).sum(-1)
        np.fill_diagonal(square, np.inf)
        return math.sqrt(square.min())

    def drift(at):
        q = camp_rates(at, counts, tau, weight)
        return np.einsum("cd,cda->ca", q, at[None] - at[:, None])

    start, done = spread(m), 0.0
    reach = 2 * math.sqrt(((m - m.mean(0)) ** 2).sum(1).max())
    for _ in range(MAX_LEAPS):
        if until != "merge" and spread(m) <= 0.5 * start:
            return math.log10(max(done, 1.0)), "half"
        if until != "half" and nearest(m) <= math.sqrt(tau):
            return math.log10(max(done, 1.0)), "merge"
        move = drift(m)
        fastest = np.abs(move).max()
        if fastest == 0.0:  # below the smallest float64: the log of the leading rate instead
            return _log_estimate(m, tau), "merge"
        leap = max(1.0, math.floor(LEAP * tau / reach / fastest)) if fastest < 1e300 else 1.0
        if leap >= 16:  # shorter ones gain nothing on the exact map
            half = drift(m + 0.5 * leap * move)
            m = m + leap * half
        else:
            m, leap = m + move, 1.0
        done += leap
    return math.nan, "merge"


def _log_estimate(m, tau) -> float:
    """Log10 of exp(d^2 / 2 tau) for the nearest camps: the leading exponential alone."""
    square = ((m[:, None] - m[None]) ** 2).sum(-1)
    np.fill_diagonal(square, np.inf)
    return float(square.min() / (2 * tau) / math.log(10))
