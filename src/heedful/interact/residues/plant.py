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


def planted_family(*, seed: int = 0, length: int = 60, sequences: int = 1000, coupling: float = 1.6,
                   partners: int = 2, sweeps: int = 12) -> PlantedFamily:
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
