"""Protein structures: PDB and mmCIF (plain or gzip), read and written through gemmi."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, MissingExtra
from .limits import check_readable

_WATER = {"HOH", "DOD", "WAT"}


def _gemmi():
    try:
        import gemmi
    except ImportError as error:
        raise MissingExtra("gemmi", "files") from error
    return gemmi


@dataclass(frozen=True)
class Structure:
    """One protein chain of a structure's first model, and what lies around it.

    Parameters
    ----------
    chain : str
        The author's chain name.
    sequence : str (R,)
        One letter for each residue that has coordinates; 'X' where no parent amino acid is known.
    labels : tuple of str (R,)
        Author's number with insertion code: '57', '188A'.
    cb : float array (R, 3)
        C-beta in angstrom (C-alpha for glycine and where C-beta is missing).
    atoms, atom_residue : float array (A, 3), int array (A,)
        Heavy atoms of the chain in angstrom, and the residue of each.
    ligands : dict of str to float array (n, 3)
        Heavy atoms of every non-polymer residue of the file that is not water, by 'NAME chain:number'.
    sites : dict of str to tuple of str
        Residue labels of this chain in each SITE record.
    notes : tuple of str
    """

    chain: str
    sequence: str
    labels: tuple[str, ...]
    cb: np.ndarray
    atoms: np.ndarray
    atom_residue: np.ndarray
    ligands: dict[str, np.ndarray]
    sites: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def index(self, labels) -> np.ndarray:
        """Positions of residues by author's label ('57', 'H57', '188A'); an unknown one is refused."""
        place = {label: i for i, label in enumerate(self.labels)}
        found = []
        for label in labels:
            name = str(label).strip()
            letter = name[0].upper() if name[:1].isalpha() else ""
            bare = name[1:] if letter else name
            bare = bare[:-1] + bare[-1:].upper()
            if bare not in place:
                raise InputError(
                    f"chain {self.chain} has no residue {name!r} with coordinates",
                    remedy=f"it runs from {self.labels[0]} to {self.labels[-1]}",
                )
            if letter and self.sequence[place[bare]] != letter:
                raise InputError(
                    f"residue {bare} of chain {self.chain} is {self.sequence[place[bare]]}, not {letter}",
                    remedy="check the numbering: it must be the structure's own",
                )
            found.append(place[bare])
        return np.array(found, int)

    def cb_distances(self) -> np.ndarray:
        """Distances between C-betas, (R, R), in angstrom."""
        return np.linalg.norm(self.cb[:, None] - self.cb[None], axis=-1)

    def residue_distances(self) -> np.ndarray:
        """Least distances between heavy atoms of two residues, (R, R), in angstrom; 0 on the diagonal."""
        from scipy.spatial.distance import cdist

        first = np.flatnonzero(np.r_[True, np.diff(self.atom_residue) > 0])
        rows = [
            np.minimum.reduceat(cdist(self.atoms[self.atom_residue == r], self.atoms).min(0), first)
            for r in range(len(self.labels))
        ]
        return np.array(rows)

    def distance_to(self, points: np.ndarray) -> np.ndarray:
        """Least distance of each residue's heavy atoms to any of ``points`` (n, 3): (R,), in angstrom."""
        from scipy.spatial import cKDTree

        near = cKDTree(np.asarray(points, float)).query(self.atoms)[0]
        least = np.full(len(self.labels), np.inf)
        np.minimum.at(least, self.atom_residue, near)
        return least


def read_structure(path: str | Path, chain: str | None = None) -> Structure:
    """Read one chain of a PDB or mmCIF file.

    Parameters
    ----------
    path : str or Path
        ``.pdb``, ``.ent``, ``.cif``, ``.mmcif``, each also with ``.gz``.
    chain : str, optional
        The author's chain name; the longest protein chain if not given (said in ``notes``).

    Raises
    ------
    InputError
        No such chain (those present are named), no protein, or a file that cannot be parsed.
    """
    gemmi = _gemmi()
    path = check_readable(path)
    try:
        entry = gemmi.read_structure(str(path))
    except (ValueError, RuntimeError, IndexError, UnicodeDecodeError) as error:
        raise InputError(f"not a PDB or mmCIF file ({str(error)[:120]})", path=path) from error
    if len(entry) == 0 or len(entry[0]) == 0:
        raise InputError("holds no atoms", path=path, remedy="give a PDB or mmCIF file with coordinates")
    notes = []
    if len(entry) > 1:
        notes.append(f"{len(entry)} models in the file: the first was read")
    entry.setup_entities()
    entry.remove_alternative_conformations()
    entry.remove_hydrogens()
    model = entry[0]
    polymers = {c.name: c.get_polymer() for c in model}
    lengths = {name: sum(_letter(gemmi, r) != "" for r in polymer) for name, polymer in polymers.items()}
    proteins = {name: n for name, n in lengths.items() if n > 0}
    if not proteins:
        raise InputError("holds no protein chain", path=path, where=f"chains {', '.join(lengths)}")
    if chain is None:
        chain = max(proteins, key=proteins.__getitem__)
        if len(proteins) > 1:
            said = ", ".join(f"{n} ({k})" for n, k in proteins.items())
            notes.append(f"chain {chain} taken, the longest of {said} residues")
    elif chain not in proteins:
        raise InputError(
            f"has no protein chain {chain!r}",
            path=path,
            remedy=f"the protein chains are {', '.join(proteins)}",
        )
    letters, labels, cb, atoms, owner, no_cb, odd = [], [], [], [], [], 0, 0
    for residue in polymers[chain]:
        letter = _letter(gemmi, residue)
        by_name = {a.name: a for a in residue}
        if letter == "" or "CA" not in by_name:
            odd += 1
            continue
        no_cb += letter != "G" and "CB" not in by_name
        best = by_name.get("CB", by_name["CA"]) if letter != "G" else by_name["CA"]
        for a in residue:
            atoms.append(a.pos.tolist())
            owner.append(len(letters))
        letters.append(letter)
        labels.append(f"{residue.seqid.num}{residue.seqid.icode}".strip())
        cb.append(best.pos.tolist())
    if not letters:
        raise InputError(f"chain {chain} has no residue with a C-alpha", path=path)
    if odd:
        notes.append(f"{odd} residue(s) of chain {chain} without a C-alpha or an amino-acid name left out")
    if no_cb:
        notes.append(f"{no_cb} residue(s) without C-beta: C-alpha used")
    if len(set(labels)) != len(labels):
        twice = next(x for x in labels if labels.count(x) > 1)
        raise InputError(f"residue {twice} occurs twice in chain {chain}", path=path)
    ligands = {}
    for c in model:
        for residue in c.get_ligands():
            if residue.name not in _WATER:
                key = f"{residue.name} {c.name}:{residue.seqid.num}{residue.seqid.icode}".strip()
                ligands[key] = np.array([a.pos.tolist() for a in residue])
    return Structure(
        chain,
        "".join(letters),
        tuple(labels),
        np.array(cb),
        np.array(atoms),
        np.array(owner),
        ligands,
        _sites(path, chain, gemmi),
        tuple(notes),
    )


def _letter(gemmi, residue) -> str:
    """The one-letter code, upper case for a modified residue's parent too; '' for what is no amino acid."""
    info = gemmi.find_tabulated_residue(residue.name)
    if not info.is_amino_acid():
        return ""
    code = info.one_letter_code.strip().upper()
    return code if code in "ACDEFGHIKLMNPQRSTVWY" and code else "X"


def _sites(path: Path, chain: str, gemmi) -> dict[str, tuple[str, ...]]:
    """SITE records of a PDB file, or _struct_site_gen of an mmCIF file, for one chain."""
    import gzip

    opener = gzip.open if path.suffix == ".gz" else open
    found: dict[str, list[str]] = {}
    if any(s in (".cif", ".mmcif") for s in path.suffixes):
        block = gemmi.cif.read(str(path)).sole_block()
        table = block.find(
            "_struct_site_gen.",
            ["site_id", "auth_asym_id", "auth_seq_id", "auth_comp_id", "?pdbx_auth_ins_code"],
        )
        for row in table:
            if row.str(1) == chain and gemmi.find_tabulated_residue(row.str(3)).is_amino_acid():
                code = row.str(4) if row.has(4) and row.str(4) not in ("?", ".", "") else ""
                found.setdefault(row.str(0), []).append(row.str(2) + code)
    else:
        with opener(path, "rt", errors="replace") as lines:
            for line in lines:
                if not line.startswith("SITE  "):
                    continue
                name = line[11:14].strip()
                for start in range(18, 62, 11):
                    cell = line[start : start + 10].ljust(10)
                    if (
                        cell.strip()
                        and cell[4] == chain
                        and gemmi.find_tabulated_residue(cell[:3].strip()).is_amino_acid()
                    ):
                        found.setdefault(name, []).append((cell[5:9] + cell[9]).strip())
    return {name: tuple(labels) for name, labels in found.items()}


def align_sequences(query: str, target: str) -> tuple[np.ndarray, float]:
    """Global alignment of two protein sequences by dynamic programming (BLOSUM62, affine gaps).

    Parameters
    ----------
    query, target : str
        One-letter codes, no gaps.

    Returns
    -------
    pairs : int array (M, 2)
        Matched positions (query, target), in order.
    identity : float
        Fraction of matched pairs whose letters agree.

    Examples
    --------
    >>> pairs, identity = align_sequences("ACDEFGHIK", "DEFGHI")
    >>> pairs[:, 0].tolist(), identity
    ([2, 3, 4, 5, 6, 7], 1.0)
    """
    result = _aligned(query, target)
    pairs, i, j, number = [], 0, 0, ""
    for letter in result.cigar_str():
        if letter.isdigit():
            number += letter
            continue
        n, number = int(number), ""
        if letter == "M":
            pairs += [(i + t, j + t) for t in range(n)]
        # I: letters of the query that the target lacks; D: the other way round
        i += n * (letter in "MI")
        j += n * (letter in "MD")
    pairs = np.array(pairs, int).reshape(-1, 2)
    same = [query[a] == target[b] for a, b in pairs]
    return pairs, float(np.mean(same)) if same else 0.0


def alignment_z(query: str, target: str, *, shuffles: int = 20, seed: int = 0) -> float:
    """How many standard deviations two sequences align better than shuffles of the second do.

    Related proteins give 8 and more, unrelated ones -3 to 3.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list(target))
    null = [_aligned(query, "".join(rng.permutation(letters))).score for _ in range(shuffles)]
    return float((_aligned(query, target).score - np.mean(null)) / (np.std(null) + 1e-9))


def _aligned(query: str, target: str):
    """gemmi's affine-gap alignment of one-letter sequences, BLOSUM62."""
    gemmi = _gemmi()
    three = [gemmi.expand_one_letter_sequence(s, gemmi.ResidueKind.AA) for s in (query, target)]
    return gemmi.align_string_sequences(*three, [], gemmi.AlignmentScoring("b"))


def write_bfactors(source: str | Path, target: str | Path, chain: str, values: dict[str, float]) -> Path:
    """Write ``source`` as mmCIF with one value per residue of ``chain`` in the B-factor column, 0 elsewhere.

    Parameters
    ----------
    values : dict of str to float
        By author's label ('57', '188A').
    """
    from ..writing import write_atomic

    gemmi = _gemmi()
    entry = gemmi.read_structure(str(check_readable(source)))
    entry.setup_entities()
    for model in entry:
        for c in model:
            for residue in c:
                label = f"{residue.seqid.num}{residue.seqid.icode}".strip()
                value = values.get(label, 0.0) if c.name == chain else 0.0
                for atom in residue:
                    atom.b_iso = float(value)
    write_atomic(Path(target), entry.make_mmcif_document().as_string())
    return Path(target)
