"""`residues contacts` on a planted family's file: the story says what was found and writes what was asked."""

import pytest

from heedful.errors import InputError
from heedful.files.alignment import LETTERS
from heedful.interact.residues import planted_family
from heedful.interact.residues.command import contacts


@pytest.fixture
def family(tmp_path):
    planted = planted_family(seed=2, length=30, sequences=200)
    path = tmp_path / "family.fasta"
    rows = ("".join(LETTERS[c] for c in row) for row in planted.codes)
    path.write_text("".join(f">s{n}\n{row}\n" for n, row in enumerate(rows)))
    return planted, path


def test_contacts_from_a_file(family, tmp_path):
    planted, path = family
    story = contacts(path, out=[tmp_path / "pairs.csv"], trust="none")
    assert story.study == "residues"
    assert story.verdicts == []
    assert story.outputs == [tmp_path / "pairs.csv"]
    first = story.tables["best pairs"].iloc[0]
    assert planted.contacts[first["column_1"] - 1, first["column_2"] - 1]
    assert story.reading.certificate.startswith("checked")
    assert any("half of the sequences against" in note for note in story.notes)
    bare = contacts(path, neighbours=0, trust="none")
    assert not any("half of the sequences against" in note for note in bare.notes)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"separation": 500}, "leaves no pair among 30 residues"),
        ({"out": ["pairs.doc"]}, "suffix '.doc'"),
        ({"out": ["pairs.cxc"]}, "names residues of a structure"),
        ({"method": "deep"}, "method 'deep'"),
        ({"query": "nobody"}, "no sequence is called 'nobody'"),
    ],
)
def test_refusals(family, tmp_path, settings, word):
    if "out" in settings:
        settings = {"out": [tmp_path / name for name in settings["out"]]}
    with pytest.raises(InputError, match=word):
        contacts(family[1], **settings)
