"""From an alignment, and a structure where there is one, to residues: letters, labels, distances."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError
from ...files.alignment import GAP, LETTERS, Alignment
from ...files.structure import Structure, align_sequences, alignment_z

MIN_Z = 6.0  # standard deviations above shuffled sequences


@dataclass(frozen=True)
class Family:
    """Aligned sequences restricted to the residues one asks about.

    Parameters
    ----------
    codes : uint8 (N, L)
        One row per sequence, no repeated row.
    columns : int (L,)
        Column of each residue in the alignment as read, from 0.
    labels : tuple of str (L,)
        'H57' where a structure or a query row names it, else 'c12' (column 12, from 1).
    distances : float (L, L), optional
        Between C-betas, angstrom.
    structure, residue : optional
        The chain, and the position in it of each of the L residues.
    notes : tuple of str
    """

    codes: np.ndarray
    columns: np.ndarray
    labels: tuple[str, ...]
    distances: np.ndarray | None = None
    structure: Structure | None = None
    residue: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def length(self) -> int:
        """Number of residues, L."""
        return self.codes.shape[1]


def prepare(
    alignment: Alignment,
    structure: Structure | None = None,
    *,
    query: str | None = None,
    column_gaps: float = 0.5,
    row_gaps: float = 0.3,
    max_sequences: int = 20_000,
    seed: int = 0,
) -> Family:
    """Choose the residues and the sequences.

    With a structure, the row of the alignment that is most like the chain is aligned to the chain's
    sequence, letter by letter; the residues are those of the chain that have a column. Residue numbers
    are never compared. Without one, the residues are the letters of ``query``, or of the first row if it
    has no gap (an A3M), or else the columns with at most ``column_gaps`` gaps.

    Parameters
    ----------
    alignment : Alignment
    structure : Structure, optional
    query : str, optional
        Header (or its first word) of the row that stands for the protein.
    column_gaps, row_gaps : float
        Largest share of gaps in a column (no query) and in a sequence over the chosen columns.
    max_sequences : int
        More are drawn from at random, which is said in ``notes``.
    seed : int

    Returns
    -------
    Family

    Raises
    ------
    InputError
        If the best row aligns to the chain less than 6 standard deviations better than to its shuffled
        letters, or fewer than 10 residues or 10 sequences remain.
    """
    notes = list(alignment.notes)
    residue = distances = None
    if structure is not None:
        notes += structure.notes
        row = alignment.find(query) if query is not None else most_alike(alignment, structure.sequence)
        letters = np.flatnonzero(alignment.codes[row] != GAP)
        pairs, identity = align_sequences(alignment.sequence(row).replace("-", ""), structure.sequence)
        z = alignment_z(alignment.sequence(row).replace("-", ""), structure.sequence, seed=seed)
        if z < MIN_Z:
            raise InputError(
                f"chain {structure.chain} does not belong to this alignment: its best row "
                f"({alignment.names[row][:40]!r}) aligns no better than shuffled letters do "
                f"({identity:.0%} identical, z = {z:.1f})",
                remedy="; ".join(["choose another chain, or another structure", *structure.notes]),
            )
        columns, residue = letters[pairs[:, 0]], pairs[:, 1]
        labels = tuple(structure.sequence[r] + structure.labels[r] for r in residue)
        distances = structure.cb_distances()[np.ix_(residue, residue)]
        notes.append(
            f"chain {structure.chain} mapped through {alignment.names[row][:40]!r}: {len(pairs)} of "
            f"{len(structure.sequence)} residues, {identity:.0%} identical"
        )
    else:
        row = alignment.find(query) if query is not None else 0
        own = np.flatnonzero(alignment.codes[row] != GAP)
        if query is not None or len(own) == alignment.shape[1]:
            columns = own
            labels = tuple(f"{LETTERS[alignment.codes[row, c]]}{n}" for n, c in enumerate(own, start=1))
        else:
            columns = np.flatnonzero((alignment.codes == GAP).mean(0) <= column_gaps)
            labels = tuple(f"c{c + 1}" for c in columns)
            if len(columns) < alignment.shape[1]:
                notes.append(
                    f"{alignment.shape[1] - len(columns)} columns with more than {column_gaps:.0%} gaps "
                    "left out (no query row was named)"
                )
    if len(columns) < 10:
        raise InputError(
            f"{len(columns)} residues remain, 10 are needed", remedy="name a query row, or allow more gaps"
        )
    thin, lost = alignment.columns(columns).thinned(row_gaps)
    if lost:
        notes.append(f"{lost} sequences left out (repeated, or more than {row_gaps:.0%} gaps)")
    codes = thin.codes
    if len(codes) > max_sequences:
        chosen = np.sort(np.random.default_rng(seed).choice(len(codes), max_sequences, replace=False))
        notes.append(f"{max_sequences} of {len(codes)} sequences drawn at random (seed {seed})")
        codes = codes[chosen]
    if len(codes) < 10:
        raise InputError(
            f"{len(codes)} different sequences remain, 10 are needed",
            remedy="give a deeper alignment, or allow more gaps in a row (--row-gaps)",
        )
    return Family(codes, np.asarray(columns), labels, distances, structure, residue, tuple(notes))


def most_alike(alignment: Alignment, sequence: str) -> int:
    """The row most like ``sequence``: by shared words of four letters, then by aligning the best twenty."""
    words = {sequence[i : i + 4] for i in range(len(sequence) - 3)}
    shared = np.empty(len(alignment.names))
    for row in range(len(shared)):
        own = alignment.sequence(row).replace("-", "")
        shared[row] = sum(own[i : i + 4] in words for i in range(len(own) - 3))
    best, best_same = 0, -1.0
    for row in np.argsort(-shared, kind="stable")[:20]:
        own = alignment.sequence(int(row)).replace("-", "")
        if not own:
            continue
        pairs, identity = align_sequences(own, sequence)
        if (same := identity * len(pairs)) > best_same:
            best, best_same = int(row), same
    return best


def conservation(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Relative entropy of each column's letters against the family's own composition, in nats, times its
    share of letters (1 - gaps): (L,). Capra and Singh 2007 give the measure.
    """
    share = weights / weights.sum()
    counts = np.stack([((codes == a) * share[:, None]).sum(0) for a in range(GAP)], 1)  # (L, 20)
    filled = counts.sum(1)
    ground = counts.sum(0) / counts.sum()
    letters = (counts + 0.05 * ground) / (filled[:, None] + 0.05)
    return filled * (letters * np.log(letters / np.maximum(ground, 1e-9) + 1e-300)).sum(1)
