"""Alignment readers against hand-written files and every kind of damage."""

import gzip

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.alignment import GAP, parse_alignment, read_alignment

STOCKHOLM = """# STOCKHOLM 1.0
#=GF ID test
one/1-4   AC-
two/1-4   ACD

one/1-4   DE
#=GC RF   xx
two/1-4   .E
//
"""


def test_fasta_wrapped_lines_and_windows_ends():
    a = parse_alignment(">one two\r\nAC\r\n-D\r\n>three\r\nAC\r\nED\r\n")
    assert a.shape == (2, 4)
    assert a.sequence(0) == "AC-D"
    assert a.names == ("one two", "three")


def test_a3m_drops_and_counts_insertions():
    a = parse_alignment(">q\nACDE\n>b\nAC-xyE\n>c\n..ACDE\n")
    assert a.sequence(1) == "AC-E"
    assert a.sequence(2) == "ACDE"
    assert "2 inserted letters" in a.notes[0]


def test_stockholm_blocks_are_joined():
    a = parse_alignment(STOCKHOLM)
    assert a.names == ("one/1-4", "two/1-4")
    assert a.sequence(0) == "AC-DE"
    assert a.sequence(1) == "ACD-E"


def test_stockholm_cut_short():
    with pytest.raises(InputError, match="ends without '//'"):
        parse_alignment(STOCKHOLM.replace("//", ""))


def test_lower_case_fasta_is_no_a3m():
    a = parse_alignment(">a\nacde\n>b\nacdf\n")
    assert a.sequence(1) == "ACDF"
    assert "upper case" in a.notes[0]


def test_gzip_is_told_by_content(tmp_path):
    path = tmp_path / "a.fasta"
    path.write_bytes(gzip.compress(b">a\nACD\n>b\nACE\n"))
    assert read_alignment(path).shape == (2, 3)


def test_damaged_gzip(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b">a\nACD\n>b\nACE\n" * 100)[:40])
    with pytest.raises(InputError, match="damaged gzip"):
        read_alignment(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (">a\nACD\n>b\nAC\n", "sequence 2.*2 columns, the first sequence has 3"),
        (">a\nACD\n", "holds 1 sequence"),
        (">a\n>b\nACD\n", "has a header and no letters"),
        (">a\nAC1\n>b\nACD\n", "'1' is no amino-acid letter"),
        ("CLUSTAL W\n", "neither '>'"),
        ("", "neither '>'"),
        (">a\nACGTACGT\n>b\nACGAACGA\n", "nucleotides"),
        ("# STOCKHOLM 1.0\none AC D\n//\n", "line 2.*3 words"),
    ],
)
def test_bad_text(text, said):
    with pytest.raises(InputError, match=said):
        parse_alignment(text)


def test_unknown_letters_are_gaps_and_counted():
    a = parse_alignment(">a\nAXDE\n>b\nABDU\n")
    assert (a.codes == GAP).sum() == 3
    assert "3 unknown letters" in a.notes[0]


def test_thinned_drops_repeats_and_gappy_rows():
    a = parse_alignment(">a\nACDE\n>b\nACDE\n>c\n---E\n>d\nACDF\n")
    thin, lost = a.thinned(0.5)
    assert thin.names == ("a", "d")
    assert lost == 2


def test_find_by_field_and_ambiguity():
    a = parse_alignment(">gi|1|pdb|3TGI|E\nACDE\n>x y\nACDF\n>z y\nACDW\n")
    assert a.find("3TGI") == 0
    assert a.find("x") == 1
    with pytest.raises(InputError, match="2 sequences are called 'y'"):
        a.find("y")
    with pytest.raises(InputError, match="no sequence is called"):
        a.find("nobody")


def test_codes_cover_the_alphabet():
    a = parse_alignment(">a\nACDEFGHIKLMNPQRSTVWY-\n>b\nACDEFGHIKLMNPQRSTVWYA\n")
    assert np.array_equal(a.codes[0], np.arange(21))
