"""`residues contacts` on a planted family's file: the story says what was found and writes what was asked."""

from heedful.files.alignment import LETTERS
from heedful.interact.residues import planted_family
from heedful.interact.residues.command import contacts


def test_contacts_from_a_file(tmp_path):
    planted = planted_family(seed=2, length=30, sequences=200)
    path = tmp_path / "family.fasta"
    rows = ("".join(LETTERS[c] for c in row) for row in planted.codes)
    path.write_text("".join(f">s{n}\n{row}\n" for n, row in enumerate(rows)))
    story = contacts(path, out=[tmp_path / "pairs.csv"], trust="none")
    assert story.study == "residues"
    assert story.verdicts == []
    assert story.outputs == [tmp_path / "pairs.csv"]
    first = story.tables["best pairs"].iloc[0]
    assert planted.contacts[first["column_1"] - 1, first["column_2"] - 1]
    assert story.reading.certificate.startswith("checked")
