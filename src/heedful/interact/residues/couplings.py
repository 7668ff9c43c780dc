"""Couplings between alignment columns in closed form: site alphabets, mean field, mutual information.

A pair of columns has a score matrix of one number for each pair of letters. Every column here has its own
projection from 21 letters to m directions (its queries, keys and values), so a pair has an m x m block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError

STATES = 21
GAP = 20


@dataclass(frozen=True)
class Frequencies:
    """Weighted letter counts of an alignment.

    Parameters
    ----------
    single : (L, 21)
        Share of each letter in each column.
    pair : (L, 21, L, 21)
        Joint shares.
    effective : float
        Effective number of sequences (sum of weights).
    """

    single: np.ndarray
    pair: np.ndarray
    effective: float

    def smoothed(self, pseudocount: float) -> Frequencies:
        """Mixed with the flat distribution by a share ``pseudocount``; own blocks stay diagonal."""
        keep, columns = 1.0 - pseudocount, len(self.single)
        single = keep * self.single + pseudocount / STATES
        pair = keep * self.pair + pseudocount / STATES**2
        for i in range(columns):
            pair[i, :, i, :] = np.diag(single[i])
        return Frequencies(single, pair, self.effective)

    def covariance(self) -> np.ndarray:
        """f_ij - f_i f_j, (L, 21, L, 21)."""
        return self.pair - self.single[:, :, None, None] * self.single[None, None]


def sequence_weights(codes: np.ndarray, identity: float = 0.8, block: int = 1024) -> np.ndarray:
    """One over the number of sequences (itself included) that agree in at least ``identity`` of the columns.

    Parameters
    ----------
    codes : uint8 array (N, L)
    identity : float in (0, 1]

    Returns
    -------
    (N,) float64

    Examples
    --------
    >>> sequence_weights(np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 5], [9, 8, 7, 6, 5]], np.uint8))
    array([0.5, 0.5, 1. ])
    """
    n, columns = codes.shape
    onehot = one_hot(codes).reshape(n, -1)
    need = np.ceil(identity * columns - 1e-9)
    near = np.empty(n)
    for start in range(0, n, block):
        near[start : start + block] = (onehot[start : start + block] @ onehot.T >= need - 0.5).sum(1)
    return 1.0 / near


def one_hot(codes: np.ndarray) -> np.ndarray:
    """(N, L) letters to (N, L, 21) float32."""
    return (codes[..., None] == np.arange(STATES, dtype=codes.dtype)).astype(np.float32)


def frequencies(codes: np.ndarray, weights: np.ndarray) -> Frequencies:
    """Weighted single and pair shares of letters: see `Frequencies`."""
    n, columns = codes.shape
    if n < 2 or columns < 2:
        raise InputError(f"an alignment of {n} sequences and {columns} columns says nothing about pairs")
    onehot = one_hot(codes).reshape(n, -1)
    share = (weights / weights.sum()).astype(np.float64)
    pair = onehot * np.sqrt(share)[:, None].astype(np.float32)
    pair = (pair.T @ pair).astype(np.float64).reshape(columns, STATES, columns, STATES)
    single = np.einsum("iaia->ia", pair).copy()
    single /= single.sum(1, keepdims=True)
    return Frequencies(single, pair, float(weights.sum()))


def corrected(scores: np.ndarray) -> np.ndarray:
    """Average product correction: S_ij - mean_i mean_j / mean, diagonal 0 (Dunn et al. 2008)."""
    columns = len(scores)
    scores = scores - np.diag(np.diag(scores))
    mean = scores.sum(1) / (columns - 1)
    whole = mean.mean()
    apc = np.outer(mean, mean) / whole if whole else np.zeros_like(scores)
    out = scores - apc
    np.fill_diagonal(out, 0.0)
    return out


def mutual_information(f: Frequencies, pseudocount: float = 0.0) -> np.ndarray:
    """Mutual information of every pair of columns in nats, (L, L), 21 letters."""
    f = f.smoothed(pseudocount) if pseudocount else f
    columns = len(f.single)
    out = np.zeros((columns, columns))
    for i in range(columns):
        joint = f.pair[i].transpose(1, 0, 2)  # (L, 21, 21)
        apart = f.single[i][None, :, None] * f.single[:, None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            out[i] = np.where(joint > 0, joint * np.log(joint / apart), 0.0).sum((1, 2))
    np.fill_diagonal(out, 0.0)
    return out


def mutual_head(f: Frequencies) -> np.ndarray:
    """Corrected mutual information with one pseudo-observation a letter: the Laplace prior of counts."""
    return corrected(mutual_information(f, STATES / (f.effective + STATES)))


def mean_field(f: Frequencies, pseudocount: float = 0.5) -> np.ndarray:
    """Frobenius norms of mean-field direct couplings, (L, L), not yet APC-corrected (Morcos et al. 2011).

    The control of this study: all 20 x 20 numbers of every pair, from one matrix inverse.
    """
    f = f.smoothed(pseudocount)
    columns = len(f.single)
    covariance = f.covariance()[:, :GAP, :, :GAP].reshape(columns * GAP, columns * GAP)
    couplings = -np.linalg.inv(covariance).reshape(columns, GAP, columns, GAP)
    full = np.zeros((columns, STATES, columns, STATES))
    full[:, :GAP, :, :GAP] = couplings
    full -= full.mean(1, keepdims=True)
    full -= full.mean(3, keepdims=True)
    return np.sqrt((full[:, :GAP, :, :GAP] ** 2).sum((1, 3)))


def site_bases(f: Frequencies, letters: int) -> np.ndarray:
    """Each column's ``letters`` directions that the other columns predict best, (L, 21, letters).

    A canonical-correlation basis: whiten the column's own covariance, then take the leading eigenvectors of
    sum_j B_j B_j^T with B_j = W^T C_ij D_j^(-1/2). ``f`` must be smoothed, or the covariance is singular.
    """
    covariance = f.covariance()
    columns = len(f.single)
    spread = np.sqrt(np.maximum(np.einsum("iaia->ia", covariance), 1e-12))
    bases = np.zeros((columns, STATES, letters))
    for i in range(columns):
        values, vectors = np.linalg.eigh(covariance[i, :, i, :])
        keep = values > 1e-8
        if keep.sum() < letters:
            raise InputError(
                f"column {i + 1} has {keep.sum()} independent letters, {letters} were asked for",
                remedy="ask for fewer letters, or a pseudocount above 0",
            )
        whiten = vectors[:, keep] / np.sqrt(values[keep])
        seen = (whiten.T @ covariance[i].reshape(STATES, -1)).reshape(-1, columns, STATES) / spread
        seen[:, i] = 0.0
        seen = seen.reshape(len(seen), -1)
        bases[i] = whiten @ np.linalg.eigh(seen @ seen.T)[1][:, ::-1][:, :letters]
    return bases


def reduced_couplings(f: Frequencies, bases: np.ndarray) -> np.ndarray:
    """Mean-field couplings between the columns' own letters, (L, m, L, m): minus the inverse covariance."""
    columns, _, m = bases.shape
    covariance = f.covariance()
    small = np.empty((columns, m, columns, m))
    for i in range(columns):
        left = np.tensordot(bases[i], covariance[i], axes=(0, 0))  # (m, L, 21)
        small[i] = np.einsum("ajb,jbc->ajc", left, bases)
    return -np.linalg.inv(small.reshape(columns * m, columns * m)).reshape(columns, m, columns, m)


def block_norms(couplings: np.ndarray, bases: np.ndarray) -> np.ndarray:
    """Frobenius norm of U_i J_ij U_j^T in the zero-sum gauge without the gap row, (L, L).

    By the Gram matrices of the projections, so the 21 x 21 blocks are never formed.
    """
    shown = (bases - bases.mean(1, keepdims=True))[:, :GAP]
    gram = np.einsum("iab,iac->ibc", shown, shown)
    squares = np.einsum("iab,ibjc,jcd,iajd->ij", gram, couplings, gram, couplings, optimize=True)
    return np.sqrt(np.maximum(squares, 0.0))


def site_alphabet(
    f: Frequencies, letters: int = 8, pseudocount: float = 0.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Norms (L, L), couplings (L, m, L, m) and projections (L, 21, m) of a site-alphabet model."""
    smooth = f.smoothed(pseudocount)
    bases = site_bases(smooth, letters)
    couplings = reduced_couplings(smooth, bases)
    return block_norms(couplings, bases), couplings, bases


def parameter_count(columns: int, letters: int) -> tuple[int, int]:
    """Free numbers in a site-alphabet model, and in a Potts model's pair terms (20 x 20 for each pair).

    A projection counts m (20 - m): its m columns sum to zero, and any m x m block of them can be made the
    identity, because the couplings take up the change.
    """
    pairs = columns * (columns - 1) // 2
    free = letters * (STATES - 1 - letters)
    return letters**2 * pairs + free * columns, (STATES - 1) ** 2 * pairs
