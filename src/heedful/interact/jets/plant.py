"""Toy jets with planted prongs: a seeded cascade, so that truth is known and no generator is needed."""

from __future__ import annotations

import numpy as np

from ...files.jets import JetSample, make_sample

PION = 0.13957  # GeV


def toy_jets(
    *,
    seed: int = 0,
    jets: int = 1000,
    prongs: tuple[int, int] = (1, 3),
    pt: tuple[float, float] = (500.0, 600.0),
    mean_particles: float = 40.0,
    soft: float = 6.0,
) -> JetSample:
    """Jets of two kinds that differ in their number of prongs.

    Each prong is a cascade: momentum is shared out by repeated splittings at falling angles. Prongs of one
    jet lie as those of a heavy particle's decay, in a random orientation; one prong radiates at wider
    angles, so that masses overlap. Soft particles lie anywhere within R = 0.8.

    Parameters
    ----------
    seed : int
    jets : int
        Half of each kind, in random order.
    prongs : (int, int)
        Of labels 0 and 1.
    pt : (float, float)
        Range of the jets' transverse momentum, GeV.
    mean_particles, soft : float
        Mean numbers of particles from prongs, and of soft ones.

    Returns
    -------
    JetSample
        With ``label``, ``partons`` (the prongs) and ``prong`` (each particle's; -1 soft).

    Examples
    --------
    >>> sample = toy_jets(seed=1, jets=10)
    >>> len(sample), sorted(set(sample.label.tolist()))
    (10, [0, 1])
    """
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(jets) % 2)
    rows, counts = [], []
    partons = np.zeros((jets, max(prongs), 4))
    for jet in range(jets):
        total, eta, phi = rng.uniform(*pt), rng.uniform(-1.5, 1.5), rng.uniform(-np.pi, np.pi)
        n = prongs[label[jet]]
        share = rng.dirichlet(np.full(n, 3.0))
        if n > 1:
            place = rng.normal(size=(n, 2))
            place -= share @ place
            place *= rng.uniform(0.2, 0.45) / np.sqrt(share @ (place**2).sum(1))
        else:
            place = np.zeros((1, 2))
        particles = []
        for p in range(n):
            partons[jet, p] = (
                share[p] * total,
                eta + place[p, 0],
                phi + place[p, 1],
                share[p] * total * np.cosh(eta + place[p, 0]),
            )
            width = rng.uniform(0.1, 0.6) if n == 1 else rng.uniform(0.08, 0.25)
            particles += _cascade(
                rng, share[p] * total, place[p], width, rng.poisson(mean_particles / n) + 1, p
            )
        for _ in range(rng.poisson(soft)):
            r, a = 0.8 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
            particles.append((rng.exponential(1.5) + 0.2, r * np.cos(a), r * np.sin(a), -1))
        counts.append(len(particles))
        rows += [(t, eta + x, phi + y, q) for t, x, y, q in particles]
    t, eta, phi, prong = np.array(rows).T
    energy = np.sqrt((t * np.cosh(eta)) ** 2 + PION**2)
    partons[..., 2] = (partons[..., 2] + np.pi) % (2 * np.pi) - np.pi
    sample = make_sample(
        t,
        eta,
        (phi + np.pi) % (2 * np.pi) - np.pi,
        energy,
        np.concatenate([[0], np.cumsum(counts)]),
        charge=rng.choice([-1, 0, 1], len(t), p=[0.3, 0.4, 0.3]),
        label=label,
        partons=partons,
        prong=prong.astype(int),
    )
    return sample


def _cascade(rng, total, place, width, count, prong) -> list:
    """``count`` particles that share ``total``: one splits, again and again, at falling angles."""
    parts = [(total, float(place[0]), float(place[1]), width)]
    while len(parts) < count:
        chosen = (
            int(np.argmax([t * w for t, _, _, w in parts]))
            if rng.random() < 0.7
            else int(rng.integers(len(parts)))
        )
        t, x, y, w = parts.pop(chosen)
        z = rng.beta(0.8, 1.6)
        angle, size = rng.uniform(0, 2 * np.pi), abs(rng.normal()) * w
        dx, dy = size * np.cos(angle), size * np.sin(angle)
        parts.append((t * z, x + (1 - z) * dx, y + (1 - z) * dy, w * 0.6))
        parts.append((t * (1 - z), x - z * dx, y - z * dy, w * 0.8))
    return [(t, x, y, prong) for t, x, y, _ in parts if t > 0.05]
