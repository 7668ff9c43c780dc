"""Mapping by sequence, and every output format, on a small structure built here."""

from dataclasses import replace

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.alignment import LETTERS, Alignment
from heedful.files.structure import Structure, read_structure
from heedful.interact.residues import SiteContacts, planted_family, prepare
from heedful.interact.residues.outputs import contact_table, probabilities, write_contacts, write_sites
from heedful.interact.residues.sites import choose_site, site_table


@pytest.fixture(scope="module")
def planted():
    return planted_family(seed=5, length=40, sequences=300)


@pytest.fixture(scope="module")
def chain(planted):
    """The first sequence's structure: numbered from 101, residue 110 as 109A, residues 5 and 6 missing."""
    keep = np.array([i for i in range(40) if i not in (4, 5)])
    labels = [str(101 + i) if i != 9 else "109A" for i in range(40)]
    xyz = planted.positions[keep]
    letters = "".join(LETTERS[c] for c in planted.codes[0])
    return Structure("A", "".join(letters[i] for i in keep), tuple(labels[i] for i in keep), xyz, xyz,
                     np.arange(38), {"LIG A:1": xyz[[3]] + 1.0}, {"CAT": ("101", "109A")})  # fmt: skip


@pytest.fixture(scope="module")
def family(planted, chain):
    names = tuple(f"s{n}" for n in range(300))
    return prepare(Alignment(planted.codes, names), chain)


def test_mapping_skips_missing_residues_and_keeps_insertion_codes(family):
    assert family.columns.tolist() == [i for i in range(40) if i not in (4, 5)]
    assert family.labels[7].endswith("109A")
    assert "38 of 38" in family.notes[-1]


def test_numbers_are_never_compared(planted, chain):
    numbers = tuple(str(900 - i) for i in range(38))
    renumbered = replace(chain, labels=numbers, ligands={}, sites={})
    names = tuple(f"s{n}" for n in range(300))
    again = prepare(Alignment(planted.codes, names), renumbered)
    assert again.columns.tolist() == [i for i in range(40) if i not in (4, 5)]


def test_wrong_chain(planted, chain):
    rng = np.random.default_rng(0)
    other = "".join(rng.permutation(list(chain.sequence)))
    wrong = Structure("B", other, chain.labels, chain.cb, chain.atoms, chain.atom_residue, {}, {},
                      ("chain B taken, the longest of B (38), A (12) residues",))  # fmt: skip
    names = tuple(f"s{n}" for n in range(300))
    with pytest.raises(InputError, match=r"chain B does not belong.*the longest of B \(38\), A"):
        prepare(Alignment(planted.codes, names), wrong)


def test_columns_without_a_structure(planted):
    codes = planted.codes.copy()
    codes[:, 7] = 20
    codes[0, 7] = 3
    codes[0, 8] = 20
    family = prepare(Alignment(codes, tuple(f"s{n}" for n in range(300))))
    assert family.length == 39
    assert family.labels[7] == "c9"
    assert any("1 columns with more than 50% gaps" in note for note in family.notes)
    named = prepare(Alignment(codes, tuple(f"s{n}" for n in range(300))), query="s0")
    assert named.labels[7].endswith("8")
    assert 8 not in named.columns.tolist()


def test_too_few_sequences(planted):
    with pytest.raises(InputError, match="sequences remain"):
        prepare(Alignment(planted.codes[:5], tuple("abcde")))


def test_contact_files(family, tmp_path):
    model = SiteContacts().fit(family.codes)
    pairs = model.ranked()[:20]
    frame = contact_table(model.scores_, pairs, family)
    assert (frame["separation"] >= 6).all()
    assert frame["score"].is_monotonic_decreasing
    for name in ("c.csv", "c.rr", "c.cxc", "c.pml"):
        assert write_contacts(tmp_path / name, model.scores_, pairs, family).stat().st_size > 200
    lines = (tmp_path / "c.rr").read_text().splitlines()
    assert lines[0] == "PFRMAT RR"
    assert lines[-1] == "END"
    row = next(line.split() for line in lines if line[0].isdigit())
    assert row[2:4] == ["0", "8"]
    assert 0 < float(row[4]) <= 1
    assert "/A:109A@CA" in write_contacts(
        tmp_path / "all.cxc", model.scores_, model.ranked(), family).read_text()  # fmt: skip
    with pytest.raises(InputError, match=r"suffix .\.txt"):
        write_contacts(tmp_path / "c.txt", model.scores_, pairs, family)


def test_probabilities_keep_the_order():
    scores = np.random.default_rng(0).normal(size=(20, 20))
    scores = scores + scores.T
    i, j = np.triu_indices(20, 6)
    assert np.array_equal(np.argsort(probabilities(scores)[i, j]), np.argsort(scores[i, j]))


def test_site_by_ligand_record_and_residues(family, chain, tmp_path):
    by_ligand, _ = choose_site(family, ligand="LIG")
    assert by_ligand[3]
    by_record, said = choose_site(family, record="CAT")
    assert np.flatnonzero(by_record).tolist() == [0, 7]
    assert said == "SITE CAT"
    by_name, _ = choose_site(family, residues="101, 109a")
    assert (by_name == by_record).all()
    for wrong in ({}, {"ligand": "LIG", "record": "CAT"}, {"ligand": "XYZ"}, {"record": "AC1"}):
        with pytest.raises(InputError):
            choose_site(family, **wrong)
    frame = site_table(family, SiteContacts().fit(family.codes), by_record, draws=20)
    assert frame["distance"].min() == 0
    assert write_sites(tmp_path / "s.csv", frame, family, tmp_path).exists()


def test_site_as_bfactors(planted, tmp_path):
    letters = [LETTERS[c] for c in planted.codes[0]]
    import gemmi

    three = gemmi.expand_one_letter_sequence("".join(letters), gemmi.ResidueKind.AA)
    text = "".join(
        f"ATOM  {n + 1:5d}  CA  {name} A{n + 1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C\n"
        for n, (name, (x, y, z)) in enumerate(zip(three, planted.positions, strict=True)))  # fmt: skip
    path = tmp_path / "p.pdb"
    path.write_text(text + "TER\nEND\n")
    family = prepare(Alignment(planted.codes, tuple(f"s{n}" for n in range(300))), read_structure(path))
    members, _ = choose_site(family, residues="10,11,12")
    frame = site_table(family, SiteContacts().fit(family.codes), members, draws=20)
    out = write_sites(tmp_path / "p.cif", frame, family, path)
    found = [r[0].b_iso for r in gemmi.read_structure(str(out))[0]["A"]]
    assert max(found) == pytest.approx(100, abs=0.01)
    assert int(np.argmax(found)) == frame["attention"].idxmax()
