"""Planted truth: a fold, a family that drifted under its contacts, and a site with functional residues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP = 3.8  # angstrom between consecutive C-alphas


@dataclass(frozen=True)
class PlantedFamily:
    """A fold and sequences sampled under its contacts.

    Parameters
    ----------
    codes : uint8 (N, L)
    positions : (L, 3) angstrom
    contacts : bool (L, L)
        Pairs below 8 angstrom.
    """

    codes: np.ndarray
    positions: np.ndarray
    contacts: np.ndarray


def compact_walk(length: int, rng: np.random.Generator) -> np.ndarray:
    """A compact self-avoiding chain of C-alphas 3.8 angstrom apart, (length, 3), in angstrom.

    Each step is drawn from 30 directions: none nearer than 3.8 angstrom to the chain so far, those nearer
    to its centre preferred.
    """
    radius = 2.2 * length**0.38 + 3.0
    while True:
        chain = [np.zeros(3)]
        while len(chain) < length:
            turns = rng.normal(size=(30, 3))
            steps = chain[-1] + STEP * turns / np.linalg.norm(turns, axis=1, keepdims=True)
            gap = np.linalg.norm(steps[:, None] - np.array(chain)[None], axis=-1)
            free = (gap[:, :-1] > STEP).all(1) if len(chain) > 1 else np.ones(len(steps), bool)
            if not free.any():
                break
            pull = -np.linalg.norm(steps - np.mean(chain, 0), axis=1) / radius * 4.0
            odds = np.where(free, np.exp(pull - pull.max()), 0.0)
            chain.append(steps[rng.choice(30, p=odds / odds.sum())])
        if len(chain) == length:
            return np.array(chain) - np.mean(chain, 0)


def planted_family(
    *,
    seed: int = 0,
    length: int = 60,
    sequences: int = 1000,
    coupling: float = 1.6,
    partners: int = 2,
    sweeps: int = 12,
) -> PlantedFamily:
    """Sequences sampled by Gibbs sweeps from a Potts model whose couplings sit on a planted fold's contacts.

    Parameters
    ----------
    seed : int
    length, sequences : int
    coupling : float
        Energy, in units of temperature, gained by a pair of letters that match.
    partners : int
        Long-range contacts (|i - j| >= 6) that are coupled, for each residue, at most.
    sweeps : int

    Examples
    --------
    >>> family = planted_family(seed=0, length=30, sequences=50)
    >>> family.codes.shape, bool(family.contacts[0, 1])
    ((50, 30), True)
    """
    rng = np.random.default_rng(seed)
    positions = compact_walk(length, rng)
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    contacts = distance < 8.0
    np.fill_diagonal(contacts, False)
    i, j = np.nonzero(np.triu(contacts, 6))
    taken = np.zeros(length, int)
    pairs = []
    for p in rng.permutation(len(i)):
        if taken[i[p]] < partners and taken[j[p]] < partners:
            taken[[i[p], j[p]]] += 1
            pairs.append((i[p], j[p]))
    neighbours: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(length)]
    for a, b in pairs:
        match = rng.permutation(20)
        energy = np.zeros((20, 20))
        energy[np.arange(20), match] = coupling * 2
        energy += coupling * 0.3 * rng.normal(size=(20, 20))
        neighbours[a].append((b, energy))
        neighbours[b].append((a, energy.T))
    field = rng.normal(size=(length, 20)) * 0.7
    codes = rng.integers(0, 20, size=(sequences, length))
    for _ in range(sweeps):
        for site in rng.permutation(length):
            logits = np.tile(field[site], (sequences, 1))
            for other, energy in neighbours[site]:
                logits += energy[:, codes[:, other]].T
            codes[:, site] = np.argmax(logits + rng.gumbel(size=logits.shape), 1)
    return PlantedFamily(codes.astype(np.uint8), positions, contacts)


@dataclass(frozen=True)
class SiteProtein:
    """One protein with a known binding site, and what was measured along it.

    Parameters
    ----------
    features : (L, D)
        What each residue looks like (key side).
    distance : (L,)
        To the nearest residue of the site, angstrom; 0 on the site.
    values : (L,)
        A property of each residue.
    response : (L,)
        What was measured at each residue: near the site it follows the functional residues' values.
    functional, site : bool (L,)
        The planted truth, and the site's residues.
    """

    features: np.ndarray
    distance: np.ndarray
    values: np.ndarray
    response: np.ndarray
    functional: np.ndarray
    site: np.ndarray

    @property
    def separation(self) -> np.ndarray:
        """Least |i - j| of each residue to a residue of the site, (L,)."""
        return np.abs(np.subtract.outer(np.arange(len(self.site)), np.flatnonzero(self.site))).min(1)


def planted_sites(
    *,
    seed: int = 0,
    proteins: int = 60,
    length: int = 120,
    features: int = 8,
    contrast: float = 3.0,
    reach: float = 6.0,
    noise: float = 0.3,
) -> list[SiteProtein]:
    """Folds of one planted family of mechanisms: functional residues steer what is measured near the site.

    A residue at distance d of the site responds with ``g mean(values of the functional residues) +
    (1 - g) mean(all values) + noise``, ``g = exp(-d^2 / 2 reach^2)``. Eight functional residues lie
    anywhere in the chain, four of them at |i - j| >= 24 of the site where the chain allows. They differ
    from others by ``contrast`` standard deviations along one direction of the features, the same in all
    proteins and for every ``seed``, so that a model can be held to proteins it has not seen.

    Examples
    --------
    >>> protein = planted_sites(seed=0, proteins=1)[0]
    >>> int(protein.functional.sum()), protein.features.shape
    (8, (120, 8))
    """
    direction = np.random.default_rng(20_11).normal(size=features)
    direction /= np.linalg.norm(direction)
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(proteins):
        positions = compact_walk(length, rng)
        distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        site = np.zeros(length, bool)
        site[np.argsort(distance[rng.integers(length)])[:4]] = True
        to_site = distance[:, site].min(1)
        apart = np.abs(np.subtract.outer(np.arange(length), np.flatnonzero(site))).min(1)
        functional = np.zeros(length, bool)
        far, near = np.flatnonzero(apart >= 24), np.flatnonzero((apart < 24) & ~site)
        long = rng.choice(far, min(4, len(far)), replace=False)
        functional[long] = True
        functional[rng.choice(near, 8 - len(long), replace=False)] = True
        x = rng.normal(size=(length, features)) + contrast * functional[:, None] * direction
        values = rng.normal(size=length)
        strength = np.exp(-0.5 * (to_site / reach) ** 2)
        response = (
            strength * values[functional].mean()
            + (1 - strength) * values.mean()
            + noise * rng.normal(size=length)
        )
        out.append(SiteProtein(x, to_site, values, response, functional, site))
    return out
