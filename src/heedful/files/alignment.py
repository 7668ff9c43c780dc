"""Sequence alignments: aligned FASTA, A3M and Stockholm, plain or gzip, to a matrix of letters."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from .limits import check_array, read_text

LETTERS = "ACDEFGHIKLMNPQRSTVWY-"
GAP = 20
_UNKNOWN = "XBZJUO*?"
_ROWS = 2_000_000


def _code_table() -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    for code, letter in enumerate(LETTERS):
        table[ord(letter)] = code
        table[ord(letter.lower())] = code
    for letter in _UNKNOWN + _UNKNOWN.lower():
        table[ord(letter)] = GAP
    table[ord(".")] = GAP
    return table


_CODES = _code_table()


@dataclass(frozen=True)
class Alignment:
    """Aligned protein sequences.

    Parameters
    ----------
    codes : uint8 array (N, L)
        Index into ``LETTERS``; 20 is the gap (unknown letters count as gaps).
    names : tuple of str (N,)
        The headers as written.
    notes : tuple of str
        What was dropped or replaced on reading, with counts.

    Examples
    --------
    >>> a = parse_alignment(">one\\nAC-D\\n>two\\nACXE\\n")
    >>> a.codes.shape, a.sequence(0), a.notes
    ((2, 4), 'AC-D', ('1 unknown letter (X) read as a gap',))
    """

    codes: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(number of sequences, number of columns)."""
        return self.codes.shape

    def sequence(self, row: int) -> str:
        """One row as text, gaps as '-'."""
        return "".join(LETTERS[c] for c in self.codes[row])

    def find(self, name: str) -> int:
        """The row whose header is ``name`` or has it as its first word or a '|' field; else an InputError."""
        for test in (
            lambda header: header == name,
            lambda header: header.split()[:1] == [name],
            lambda header: name in header.replace("|", " ").replace("_", " ").split(),
        ):
            rows = [i for i, header in enumerate(self.names) if test(header)]
            if len(rows) == 1:
                return rows[0]
            if rows:
                raise InputError(f"{len(rows)} sequences are called {name!r}", remedy="give the whole header")
        raise InputError(f"no sequence is called {name!r}", remedy=f"the first one is {self.names[0]!r}")

    def columns(self, keep: np.ndarray) -> Alignment:
        """The same sequences, only the columns ``keep`` (indices or booleans)."""
        return Alignment(np.ascontiguousarray(self.codes[:, keep]), self.names, self.notes)

    def thinned(self, max_gaps: float) -> tuple[Alignment, int]:
        """Without repeated rows and rows with more than ``max_gaps`` (share) gaps; and how many went."""
        keep = (self.codes == GAP).mean(1) <= max_gaps
        _, first = np.unique(self.codes, axis=0, return_index=True)
        once = np.zeros(len(keep), bool)
        once[first] = True
        keep &= once
        return (
            Alignment(
                self.codes[keep], tuple(n for n, k in zip(self.names, keep, strict=True) if k), self.notes
            ),
            int((~keep).sum()),
        )


def read_alignment(path: str | Path) -> Alignment:
    """Read an alignment; the format is told by its content, not by its name.

    Parameters
    ----------
    path : str or Path
        Aligned FASTA, A3M (lower-case insertions are dropped, and counted) or Stockholm; gzip or plain.

    Returns
    -------
    Alignment

    Raises
    ------
    InputError
        Where rows have different lengths, a letter is no amino acid, a file holds fewer than two
        sequences, or it is none of the three formats.
    """
    return parse_alignment(read_text(path), path=path)


def parse_alignment(text: str, *, path: str | Path | None = None) -> Alignment:
    """An alignment from text in one of the three formats: see `read_alignment`."""
    stripped = text.lstrip()
    if stripped.startswith("# STOCKHOLM"):
        names, rows = _stockholm(text, path)
    elif stripped.startswith(">"):
        names, rows = _fasta(text, path)
    else:
        first = stripped[:30].splitlines()[0] if stripped else ""
        raise InputError(
            f"starts with {first!r}: neither '>' (FASTA, A3M) nor '# STOCKHOLM'",
            path=path,
            remedy="give an aligned FASTA, A3M or Stockholm file",
        )
    if len(rows) < 2:
        raise InputError(f"holds {len(rows)} sequence(s); an alignment needs two or more", path=path)
    if len(rows) > _ROWS:
        raise InputError(
            f"holds {len(rows)} sequences, at most {_ROWS} are read",
            path=path,
            remedy="filter it by identity first",
        )
    rows, notes = _match_columns(rows, names, path)
    check_array((len(rows), len(rows[0])), 1, path=path, what="the alignment")
    codes = _CODES[np.frombuffer("".join(rows).encode("latin-1", "replace"), np.uint8)].reshape(len(rows), -1)
    if (codes == 255).any():
        row, column = (int(x) for x in np.argwhere(codes == 255)[0])
        raise InputError(
            f"{rows[row][column]!r} is no amino-acid letter",
            path=path,
            where=f"sequence {names[row][:60]!r}, column {column + 1}",
            remedy="this study reads protein alignments",
        )
    counts = {letter: n for letter in _UNKNOWN if (n := sum(r.upper().count(letter) for r in rows))}
    if counts:
        n = sum(counts.values())
        notes.append(f"{n} unknown letter{'s' * (n > 1)} ({', '.join(counts)}) read as a gap")
    used = np.unique(codes)
    if {LETTERS[c] for c in used} == {"-"}:
        raise InputError("holds gaps alone, no amino acid", path=path)
    if len(used) <= 6 and {LETTERS[c] for c in used} <= set("ACGTN-"):
        raise InputError(
            "holds only A, C, G, T: nucleotides, not amino acids", path=path, remedy="translate it first"
        )
    return Alignment(codes, tuple(names), tuple(notes))


def _fasta(text: str, path) -> tuple[list[str], list[str]]:
    names: list[str] = []
    rows: list[str] = []
    for number, block in enumerate(text.lstrip().split("\n>")):
        header, _, body = block.partition("\n")
        name = header[1:].strip() if number == 0 else header.strip()
        sequence = "".join(line for line in body.split() if not line.startswith("#"))
        if not sequence:
            raise InputError(
                "has a header and no letters", path=path, where=f"sequence {number + 1} ({name[:60]!r})"
            )
        names.append(name)
        rows.append(sequence)
    return names, rows


def _stockholm(text: str, path) -> tuple[list[str], list[str]]:
    parts: OrderedDict[str, list[str]] = OrderedDict()
    ended = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("//"):
            ended = True
            break
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        if len(words) != 2:
            raise InputError(
                f"{len(words)} words, a name and a sequence were expected", path=path, where=f"line {number}"
            )
        parts.setdefault(words[0], []).append(words[1])
    if not ended:
        raise InputError(
            "ends without '//'", path=path, remedy="the file may have been cut short; get it again"
        )
    return list(parts), ["".join(pieces) for pieces in parts.values()]


def _match_columns(rows: list[str], names: list[str], path) -> tuple[list[str], list[str]]:
    """Rows of equal length: as they are, or without insertions (lower-case letters and dots)."""
    notes: list[str] = []
    lower = any(any(c.islower() for c in row) for row in rows)
    if lower or any("." in row for row in rows):
        drop = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyz.")
        kept = [row.translate(drop) for row in rows]
        # a plain FASTA written in lower case loses everything (or becomes ragged) here: then it is no A3M
        if len({len(k) for k in kept}) == 1 and len(kept[0]) > 0:
            letters = sum(c.islower() for row in rows for c in row)
            if letters:
                notes.append(f"{letters} inserted letters (lower case) dropped, as A3M and Pfam mean them")
            return kept, notes
    lengths = np.array([len(row) for row in rows])
    if (lengths != lengths[0]).any():
        odd = int(np.flatnonzero(lengths != lengths[0])[0])
        raise InputError(
            f"{lengths[odd]} columns, the first sequence has {lengths[0]}",
            path=path,
            where=f"sequence {odd + 1} ({names[odd][:60]!r})",
            remedy="the rows must be aligned to one length"
            + (" once insertions are dropped" if lower else ""),
        )
    if lower:
        notes.append("lower-case letters read as upper case (dropping them would leave no alignment)")
    return rows, notes
