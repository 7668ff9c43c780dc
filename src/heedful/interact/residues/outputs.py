"""Results in the formats that structural biologists read: CSV, CASP RR, ChimeraX, PyMOL, mmCIF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.structure import write_bfactors
from ...writing import write_atomic
from .tokens import Family


def contact_table(scores: np.ndarray, pairs: np.ndarray, family: Family):
    """The ranked pairs as a data frame: labels, alignment columns (from 1), score, distance where known."""
    import pandas as pd

    i, j = pairs[:, 0], pairs[:, 1]
    frame = pd.DataFrame(
        {
            "rank": np.arange(1, len(pairs) + 1),
            "residue_1": [family.labels[a] for a in i],
            "residue_2": [family.labels[b] for b in j],
            "column_1": family.columns[i] + 1,
            "column_2": family.columns[j] + 1,
            "separation": j - i,
            "score": scores[i, j],
        }
    )
    if family.distances is not None:
        frame["distance_A"] = family.distances[i, j].round(2)
        frame["contact"] = family.distances[i, j] < 8.0
    return frame


def probabilities(scores: np.ndarray, separation: int = 6) -> np.ndarray:
    """Scores as numbers in (0, 1) by their robust z-value through a logistic: a ranking, not calibrated."""
    values = scores[np.triu_indices(len(scores), separation)]
    middle = np.median(values)
    spread = 1.4826 * np.median(np.abs(values - middle)) or 1.0
    return 1.0 / (1.0 + np.exp(-((scores - middle) / spread - 4.0)))


def casp_rr(scores: np.ndarray, pairs: np.ndarray, family: Family, name: str = "target") -> str:
    """CASP RR text: residues numbered from 1 along the modelled residues, upper distance 8 A."""
    odds = probabilities(scores)
    lines = [
        "PFRMAT RR",
        f"TARGET {name}",
        "AUTHOR heedful",
        "METHOD site-alphabet attention, APC; the last column ranks, it is not a calibrated probability",
        "MODEL 1",
    ]
    if all(label[0].isalpha() and label[0].isupper() for label in family.labels):
        letters = "".join(label[0] for label in family.labels)
        lines += [letters[s : s + 50] for s in range(0, len(letters), 50)]
    lines += [f"{i + 1} {j + 1} 0 8 {odds[i, j]:.6f}" for i, j in pairs]
    return "\n".join([*lines, "END", ""])


def chimerax(pairs: np.ndarray, family: Family, model: int = 1) -> str:
    """A ChimeraX script (.cxc) that draws the pairs as pseudobonds: blue below 8 A, red above."""
    chain = _needed(family.structure).chain
    lines = [
        "# open the structure first; heedful's ranked pairs as pseudobonds, C-alpha to C-alpha",
        f"cartoon #{model}",
        f"hide #{model} atoms",
    ]
    for i, j in pairs:
        colour = "dodger blue" if family.distances[i, j] < 8.0 else "red"
        a, b = family.labels[i][1:], family.labels[j][1:]
        lines.append(
            f"pbond #{model}/{chain}:{a}@CA #{model}/{chain}:{b}@CA color {colour} radius 0.15 name heedful"
        )
    return "\n".join([*lines, ""])


def pymol(pairs: np.ndarray, family: Family) -> str:
    """The same for PyMOL (.pml)."""
    chain = _needed(family.structure).chain
    lines = ["# load the structure first; heedful's ranked pairs as distances, C-alpha to C-alpha"]
    for n, (i, j) in enumerate(pairs):
        name = f"{'contact' if family.distances[i, j] < 8.0 else 'far'}_{n + 1}"
        a, b = family.labels[i][1:], family.labels[j][1:]
        lines.append(
            f"distance {name}, chain {chain} and resi {a} and name CA, chain {chain} and resi {b} and name CA"
        )
    lines += ["color marine, contact_*", "color red, far_*", "hide labels", ""]
    return "\n".join(lines)


CONTACTS, SITES = (".csv", ".rr", ".cxc", ".pml"), (".csv", ".cif", ".mmcif")


def check_outputs(paths, suffixes: tuple[str, ...], structure) -> None:
    """Refuse a result file that cannot be written, before the work and not after it."""
    for path in paths:
        kind = path.suffix.lower()
        if kind not in suffixes:
            raise InputError(f"suffix {kind!r}", path=path, remedy=f"choose one of {', '.join(suffixes)}")
        if kind in (".cxc", ".pml", ".cif", ".mmcif"):
            _needed(structure)


def write_contacts(path: Path, scores: np.ndarray, pairs: np.ndarray, family: Family) -> Path:
    """Write the ranked pairs; the suffix chooses: .csv, .rr, .cxc, .pml."""
    check_outputs([path], CONTACTS, family.structure)
    kind = path.suffix.lower()
    if kind == ".csv":
        text = contact_table(scores, pairs, family).to_csv(index=False)
    elif kind == ".rr":
        text = casp_rr(scores, pairs, family, path.stem)
    elif kind == ".cxc":
        text = chimerax(pairs, family)
    else:
        text = pymol(pairs, family)
    return write_atomic(path, text)


def write_sites(path: Path, frame, family: Family, source: Path) -> Path:
    """Write the residues of a site's table: .csv, or .cif with 100 x rank of attention as B-factor."""
    check_outputs([path], SITES, family.structure)
    if path.suffix.lower() == ".csv":
        return write_atomic(path, frame.to_csv(index=False))
    values = frame["attention"].rank(pct=True).to_numpy() * 100
    labels = [label[1:] for label in family.labels]
    return write_bfactors(source, path, family.structure.chain, dict(zip(labels, values, strict=True)))


def _needed(structure):
    """The structure, or an InputError where none was given."""
    if structure is None:
        raise InputError(
            "this output names residues of a structure, and none was given",
            remedy="add --structure FILE, or choose .csv or .rr",
        )
    return structure
