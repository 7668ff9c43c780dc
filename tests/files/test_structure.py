"""Structure reader on small hand-written PDB and mmCIF files."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.structure import align_sequences, read_structure, write_bfactors


def atom(n, name, residue, chain, number, xyz, code=" ", record="ATOM", alt=" ", element=None):
    x, y, z = xyz
    return (
        f"{record:<6}{n:5d} {' ' + name:<4}{alt}{residue:>3} {chain}{number:4d}{code}   "
        f"{x:8.3f}{y:8.3f}{z:8.3f}"
        f"  1.00 10.00          {element or name[0]:>2}\n"
    )


def small_pdb():
    lines = ["SITE     1 CAT  2 ALA A   1  GLY A   2A\n"]
    n = 1
    for number, code, residue, x in [
        (1, " ", "ALA", 0.0),
        (2, " ", "SER", 3.8),
        (2, "A", "GLY", 7.6),
        (4, " ", "MSE", 11.4),
    ]:
        for name, dy in [("N", -1.0), ("CA", 0.0), ("C", 1.0)] + ([("CB", 1.5)] if residue != "GLY" else []):
            lines.append(
                atom(
                    n,
                    name,
                    residue,
                    "A",
                    number,
                    (x, dy, 0.0),
                    code,
                    "HETATM" if residue == "MSE" else "ATOM",
                )
            )
            n += 1
    lines.append("TER\n")
    for number, x in [(1, 0.0), (2, 3.8)]:
        lines.append(atom(n, "CA", "LYS", "B", number, (x, 20.0, 0.0)))
        n += 1
    lines.append("TER\n")
    lines.append(atom(n, "C1", "LIG", "A", 90, (0.0, 3.0, 0.0), record="HETATM"))
    lines.append(atom(n + 1, "O", "HOH", "A", 91, (0.0, 3.0, 1.0), record="HETATM"))
    return "".join([*lines, "END\n"])


@pytest.fixture
def pdb(tmp_path):
    path = tmp_path / "small.pdb"
    path.write_text(small_pdb())
    return path


def test_chain_labels_and_insertion_codes(pdb):
    s = read_structure(pdb)
    assert s.chain == "A"
    assert s.sequence == "ASGM"
    assert s.labels == ("1", "2", "2A", "4")
    assert any("longest" in note for note in s.notes)
    assert list(s.ligands) == ["LIG A:90"]
    assert s.sites == {"CAT": ("1", "2A")}


def test_cb_is_ca_for_glycine(pdb):
    s = read_structure(pdb)
    assert s.cb[2].tolist() == [7.6, 0.0, 0.0]
    assert s.cb[0].tolist() == [0.0, 1.5, 0.0]
    assert s.cb_distances()[0, 1] == pytest.approx(3.8, abs=1e-3)


def test_missing_cb_is_said(pdb):
    assert any("C-alpha used" in note for note in read_structure(pdb, "B").notes)


def test_index_checks_letters(pdb):
    s = read_structure(pdb)
    assert s.index(["A1", "2a", "G2A"]).tolist() == [0, 2, 2]
    with pytest.raises(InputError, match="is A, not H"):
        s.index(["H1"])
    with pytest.raises(InputError, match="no residue '3'"):
        s.index(["3"])


def test_wrong_chain_names_those_present(pdb):
    with pytest.raises(InputError, match="the protein chains are A, B"):
        read_structure(pdb, "Q")


@pytest.mark.parametrize("text", ["not a structure\n", "HEADER x\nEND\n"])
def test_not_a_structure(tmp_path, text):
    path = tmp_path / "x.pdb"
    path.write_text(text)
    with pytest.raises(InputError):
        read_structure(path)


def test_distance_to_ligand(pdb):
    s = read_structure(pdb)
    near = s.distance_to(s.ligands["LIG A:90"])
    assert near[0] == pytest.approx(1.5, abs=1e-3)
    assert near.argmin() == 0


def test_bfactors_round_trip_as_mmcif(pdb, tmp_path):
    out = write_bfactors(pdb, tmp_path / "b.cif", "A", {"1": 12.5, "2A": 3.0})
    import gemmi

    again = gemmi.read_structure(str(out))
    found = {f"{r.seqid.num}{r.seqid.icode}".strip(): r[0].b_iso for r in again[0]["A"].get_polymer()}
    assert found["1"] == 12.5
    assert found["2A"] == 3.0
    assert found["4"] == 0.0
    assert read_structure(out, "A").labels == ("1", "2", "2A", "4")


def test_alignment_of_sequences():
    pairs, identity = align_sequences("MKTAYIAKQR", "KTAYIWKQR")
    assert np.array_equal(pairs[:, 0] - pairs[:, 1], np.ones(9))
    assert identity == pytest.approx(8 / 9)
