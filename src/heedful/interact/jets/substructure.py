"""What physicists compute inside a jet: kT subjets, N-subjettiness, energy correlations, groomed mass.

Written for many jets at once: every step of the clustering is done for all jets of a block together.
"""

from __future__ import annotations

import numpy as np

from ...files.jets import JetSample

RADIUS = 0.8
BLOCK = 256
NAMES = (
    "ln mass",
    "mass / pT",
    "ln n",
    "tau1",
    "tau21",
    "tau32",
    "tau43",
    "C2",
    "D2",
    "ln groomed mass",
    "ln least pair mass",
    "least pair mass / mass",
    "sqrt d12 / mass",
    "sqrt d23 / mass",
    "hardest subjet z",
    "softest subjet z",
    "girth",
    "angularity 1/2",
    "pT dispersion",
    "ln pT",
)


def padded(sample: JetSample, most: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Four-momenta (n, P, 4) px, py, pz, E of the hardest particles, zero padded; which are real (n, P)."""
    hard = sample.hardest(most)
    width = max(int(hard.counts.max(initial=0)), 1)
    p4 = np.zeros((len(hard), width, 4))
    real = np.arange(width)[None] < hard.counts[:, None]
    p4[real] = hard.momenta()
    return p4, real


def coordinates(p4: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pt, rapidity-like eta and phi of four-momenta (..., 4); eta 0 where pt is 0."""
    pt = np.hypot(p4[..., 0], p4[..., 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.where(pt > 0, np.arcsinh(p4[..., 2] / np.where(pt > 0, pt, 1.0)), 0.0)
    return pt, eta, np.arctan2(p4[..., 1], p4[..., 0])


def mass(p4: np.ndarray) -> np.ndarray:
    """Invariant mass, 0 where rounding makes its square negative."""
    square = p4[..., 3] ** 2 - (p4[..., :3] ** 2).sum(-1)
    return np.sqrt(np.maximum(square, 0.0))


def wrap(phi: np.ndarray) -> np.ndarray:
    """Into [-pi, pi)."""
    return (phi + np.pi) % (2 * np.pi) - np.pi


def distances_squared(eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """(Delta eta)^2 + (Delta phi)^2 of all pairs, phi periodic: (..., P, P)."""
    return (eta[..., :, None] - eta[..., None, :]) ** 2 + wrap(phi[..., :, None] - phi[..., None, :]) ** 2


class History:
    """A sequential recombination of a block of jets.

    Parameters
    ----------
    p4 : (B, P, 4), real : (B, P)
    power : {1, 0}
        1 is kT, 0 is Cambridge/Aachen.
    stages : sequence of int
        Numbers of remaining pseudojets at which to keep a copy.

    Attributes
    ----------
    at : dict of int to (B, stage, 4)
        The pseudojets at each stage, zero where a jet had fewer particles.
    member : dict of int to (B, P) int
        Which of them each particle is in; -1 for padding.
    split : dict of int to (B,)
        The distance (GeV^2 for kT) at which n + 1 became n pseudojets: d12 is ``split[1]``.
    child : (B, P, 2) int, node : (B, 2P, 4)
        The tree: node P + s is the s-th merger, of the two nodes ``child[:, s]``.
    merges : (B,) int
    """

    def __init__(self, p4: np.ndarray, real: np.ndarray, *, power: int = 1, stages=(1, 2, 3, 4)):
        blocks, width = real.shape
        momentum = p4.copy()
        alive = real.copy()
        node_of = np.tile(np.arange(width), (blocks, 1))
        group = np.where(real, np.arange(width)[None], -1)
        self.node = np.zeros((blocks, 2 * width, 4))
        self.node[:, :width] = p4
        self.child = np.full((blocks, width, 2), -1)
        self.merges = np.maximum(real.sum(1) - 1, 0)
        self.at, self.member, self.split = {}, {}, {n: np.zeros(blocks) for n in stages}
        pt, eta, phi = coordinates(momentum)
        scale = pt**2 if power else np.ones_like(pt)
        d = np.minimum(scale[:, :, None], scale[:, None, :]) * distances_squared(eta, phi)
        d[~(alive[:, :, None] & alive[:, None, :])] = np.inf
        d[:, np.arange(width), np.arange(width)] = np.inf
        left = alive.sum(1)
        for s in range(width):
            for n in stages:
                if n not in self.at:
                    self._record(n, left, momentum, alive, group)
            moving = np.flatnonzero(left > 1)
            if not len(moving):
                break
            flat = d[moving].reshape(len(moving), -1)
            best = flat.argmin(1)
            a, b = best // width, best % width
            step = flat[np.arange(len(moving)), best]
            for n in stages:
                now = left[moving] == n + 1
                self.split[n][moving[now]] = step[now]
            momentum[moving, a] += momentum[moving, b]
            alive[moving, b] = False
            self.child[moving, s, 0], self.child[moving, s, 1] = node_of[moving, a], node_of[moving, b]
            self.node[moving, width + s] = momentum[moving, a]
            node_of[moving, a] = width + s
            rows = group[moving]
            group[moving] = np.where(rows == b[:, None], a[:, None], rows)
            pt[moving, a], eta[moving, a], phi[moving, a] = coordinates(momentum[moving, a])
            if power:
                scale[moving, a] = pt[moving, a] ** 2
            gap = (eta[moving, a][:, None] - eta[moving]) ** 2 + wrap(
                phi[moving, a][:, None] - phi[moving]
            ) ** 2
            new = np.minimum(scale[moving, a][:, None], scale[moving]) * gap
            new[~alive[moving]] = np.inf
            new[np.arange(len(moving)), a] = np.inf
            d[moving, a] = new
            d[moving, :, a] = new
            d[moving, b] = np.inf
            d[moving, :, b] = np.inf
            left[moving] -= 1
            for n in stages:
                self._record(n, left, momentum, alive, group, jets=moving)
        self.width = width

    def _record(self, n, left, momentum, alive, group, jets=None):
        """Keep the pseudojets of those jets that now have n (or, at the start, at most n)."""
        first = n not in self.at
        if first:
            self.at[n] = np.zeros((len(left), n, 4))
            self.member[n] = np.full(group.shape, -1)
        chosen = np.flatnonzero(left <= n) if first else jets[left[jets] == n]
        if not len(chosen):
            return
        order = np.argsort(~alive[chosen], axis=1, kind="stable")[:, :n]
        some = np.take_along_axis(alive[chosen], order, 1)
        self.at[n][chosen, : order.shape[1]] = (
            np.take_along_axis(momentum[chosen], order[..., None], 1) * some[..., None]
        )
        label = np.full((len(chosen), alive.shape[1] + 1), -1)
        np.put_along_axis(label, np.where(some, order, alive.shape[1]), np.arange(order.shape[1])[None], 1)
        label[:, -1] = -1
        rows = group[chosen]
        self.member[n][chosen] = np.take_along_axis(label, np.where(rows < 0, alive.shape[1], rows), 1)

    def groomed(self, cut: float = 0.1) -> np.ndarray:
        """Four-momenta after soft drop with beta = 0: the softer branch goes until it holds ``cut`` of pT."""
        out = self.node[:, 0].copy()
        for jet in np.flatnonzero(self.merges > 0):
            at = self.width + self.merges[jet] - 1
            while at >= self.width:
                a, b = self.child[jet, at - self.width]
                pa, pb = (np.hypot(*self.node[jet, x, :2]) for x in (a, b))
                if min(pa, pb) > cut * (pa + pb):
                    break
                at = a if pa >= pb else b
            out[jet] = self.node[jet, at]
        return out


def subjets(sample: JetSample, count: int = 3, most: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Exclusive kT subjets: four-momenta (n, count, 4); each particle's subjet (M,), -1 beyond ``most``."""
    hard = sample.hardest(most)
    out = np.zeros((len(sample), count, 4))
    label = np.full(len(hard.pt), -1)
    for low in range(0, len(sample), BLOCK):
        part = hard.take(np.arange(low, min(low + BLOCK, len(sample))))
        p4, real = padded(part, most)
        history = History(p4, real, stages=(count,))
        out[low : low + BLOCK] = history.at[count]
        label[hard.offsets[low] : hard.offsets[low] + real.sum()] = history.member[count][real]
    full = np.full(len(sample.pt), -1)
    order = np.lexsort((-sample.pt, sample.owner))
    rank = np.arange(len(order)) - np.repeat(sample.offsets[:-1], sample.counts)
    full[order[rank < most]] = label
    return out, full


def features(sample: JetSample, most: int = 64) -> np.ndarray:
    """The twenty features of ``NAMES``, (n, 20); 0 where a jet has too few particles for one.

    Parameters
    ----------
    sample : JetSample
    most : int
        Only the hardest particles are used.

    References
    ----------
    Thaler and Van Tilburg, JHEP 03 (2011) 015 (N-subjettiness, here with exclusive kT axes); Larkoski et
    al., JHEP 06 (2013) 108 and JHEP 12 (2014) 009 (C2, D2); Larkoski et al., JHEP 05 (2014) 146 (soft drop).
    """
    rows = [
        _block(*padded(sample.take(np.arange(low, min(low + BLOCK, len(sample)))), most))
        for low in range(0, len(sample), BLOCK)
    ]
    return np.concatenate(rows) if rows else np.zeros((0, len(NAMES)))


def _ratio(a, b):
    return np.divide(a, b, out=np.zeros_like(a), where=b > 1e-12)


def _block(p4: np.ndarray, real: np.ndarray) -> np.ndarray:
    tree = History(p4, real)
    jet = p4.sum(1)
    jet_pt, jet_eta, jet_phi = coordinates(jet)
    m = mass(jet)
    pt, eta, phi = coordinates(p4)
    z = _ratio(pt, np.broadcast_to(pt.sum(1, keepdims=True), pt.shape))
    tau = []
    for n in (1, 2, 3, 4):
        axis_pt, axis_eta, axis_phi = coordinates(tree.at[n])
        gap = np.sqrt(
            (eta[..., None] - axis_eta[:, None]) ** 2 + wrap(phi[..., None] - axis_phi[:, None]) ** 2
        )
        gap = np.where(axis_pt[:, None] > 0, gap, np.inf).min(-1)
        tau.append((z * np.where(real, gap, 0.0)).sum(1) / RADIUS)
    r = np.sqrt(distances_squared(eta, phi))
    link = np.sqrt(z[:, :, None] * z[:, None, :]) * r  # the trace of its cube is the three-point correlation
    e2 = (z[:, :, None] * z[:, None, :] * r).sum((1, 2)) / 2
    e3 = np.einsum("bij,bji->b", link @ link, link) / 6
    three = tree.at[3]
    pairs = np.stack([mass(three[:, a] + three[:, b]) for a, b in ((0, 1), (0, 2), (1, 2))], 1)
    least = pairs.min(1)
    share = np.sort(
        _ratio(np.hypot(three[..., 0], three[..., 1]), np.broadcast_to(jet_pt[:, None], three.shape[:2])),
        axis=1,
    )
    away = np.sqrt((eta - jet_eta[:, None]) ** 2 + wrap(phi - jet_phi[:, None]) ** 2)
    away = np.where(real, away, 0.0)
    groomed = mass(History(p4, real, power=0, stages=(1,)).groomed())
    enough = real.sum(1) >= 3
    return np.stack(
        [
            np.log(m + 1.0),
            _ratio(m, jet_pt),
            np.log(real.sum(1) + 1.0),
            tau[0],
            _ratio(tau[1], tau[0]),
            _ratio(tau[2], tau[1]),
            _ratio(tau[3], tau[2]),
            _ratio(e3, e2**2),
            _ratio(e3, e2**3),
            np.log(groomed + 1.0),
            np.log(least * enough + 1.0),
            _ratio(least * enough, m),
            _ratio(np.sqrt(tree.split[1]), m),
            _ratio(np.sqrt(tree.split[2]), m),
            share[:, 2],
            share[:, 0],
            (z * away).sum(1),
            (z * np.sqrt(away / RADIUS)).sum(1),
            np.sqrt((z**2).sum(1)),
            np.log(jet_pt + 1.0),
        ],
        1,
    )
