"""Jet readers: the branch names users have, ragged and padded arrays, and every kind of bad input."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.jets import make_sample, read_jets, write_scores

PT = [50.0, 30.0, 20.0, 9.0]
ETA = [0.1, 0.2, -0.3, 1.0]
PHI = [0.5, 0.6, -3.1, 3.0]
ENERGY = [60.0, 40.0, 25.0, 15.0]
OFFSETS = [0, 2, 2, 3, 4]


@pytest.fixture
def sample():
    return make_sample(PT, ETA, PHI, ENERGY, OFFSETS, charge=[1, 0, -1, 0], label=[0, 1, 0, 1])


def test_ragged_with_empty_and_single_jets(sample):
    assert len(sample) == 4
    assert sample.counts.tolist() == [2, 0, 1, 1]
    assert sample.owner.tolist() == [0, 0, 2, 3]
    assert sample.notes == ("1 jets without a particle kept",)


def test_take_and_hardest(sample):
    part = sample.take([3, 0, 1])
    assert part.pt.tolist() == [9.0, 50.0, 30.0]
    assert part.label.tolist() == [1, 0, 1]
    assert sample.take(np.array([True, False, False, False])).counts.tolist() == [2]
    soft = make_sample([1, 5, 3], [0, 0, 0], [0, 0, 0], [1, 5, 3], [0, 3]).hardest(2)
    assert soft.pt.tolist() == [5.0, 3.0]


def test_npz_with_offsets_and_padded(sample, tmp_path):
    rows = np.stack([PT, ETA, PHI, ENERGY], 1)
    np.savez(tmp_path / "a.npz", particles=rows, offsets=OFFSETS, label=[0, 1, 0, 1])
    flat = read_jets(tmp_path / "a.npz")
    block = np.zeros((4, 3, 4))
    for jet in range(4):
        part = rows[OFFSETS[jet] : OFFSETS[jet + 1]]
        block[jet, : len(part)] = part
    np.savez(tmp_path / "b.npz", particles=block)
    padded = read_jets(tmp_path / "b.npz")
    for s in (flat, padded):
        np.testing.assert_allclose(s.pt, sample.pt)
        assert s.offsets.tolist() == OFFSETS
    assert len(read_jets(tmp_path / "a.npz", most=2)) == 2


@pytest.mark.parametrize("suffix", [".root", ".parquet"])
def test_scores_are_written_and_read_back(sample, tmp_path, suffix):
    path = write_scores(tmp_path / f"out{suffix}", sample, {"score": np.arange(4.0), "attention": sample.pt})
    again = read_jets(path)
    np.testing.assert_array_equal(again.pt, sample.pt)
    np.testing.assert_array_equal(again.label, sample.label)
    assert again.offsets.tolist() == OFFSETS


def root(path, **trees):
    uproot = pytest.importorskip("uproot")
    with uproot.recreate(path) as file:
        for name, data in trees.items():
            file[name] = data
    return path


def ragged(values):
    import awkward as ak

    return ak.unflatten(np.asarray(values, np.float32), np.diff(OFFSETS))


def test_jetclass_names(sample, tmp_path):
    p = sample.momenta()
    path = root(tmp_path / "j.root", tree={
        "part_px": ragged(p[:, 0]), "part_py": ragged(p[:, 1]), "part_pz": ragged(p[:, 2]),
        "part_energy": ragged(p[:, 3]), "part_charge": ragged([1, 0, -1, 0]), "jet_pt": np.ones(4),
        "label_QCD": np.array([1, 0, 1, 0]), "label_Tbqq": np.array([0, 1, 0, 1]),
    })  # fmt: skip
    got = read_jets(path)
    np.testing.assert_allclose(got.pt, sample.pt, rtol=1e-5)
    np.testing.assert_allclose(got.eta, sample.eta, atol=1e-5)
    assert set(got.label_names) == {"QCD", "Tbqq"}
    assert [got.label_names[x] for x in got.label] == ["QCD", "Tbqq", "QCD", "Tbqq"]


def test_weaver_names_without_energy_and_charge(sample, tmp_path):
    path = root(tmp_path / "w.root", Events={
        "pfcand_pt": ragged(PT), "pfcand_eta": ragged(ETA), "pfcand_phi": ragged(PHI),
        "is_signal_new": np.array([0, 1, 0, 1]),
    })  # fmt: skip
    got = read_jets(path)
    np.testing.assert_allclose(got.energy, sample.pt * np.cosh(sample.eta), rtol=1e-5)
    assert any("massless" in note for note in got.notes)
    assert any("no charges" in note for note in got.notes)


def test_several_trees_must_be_named(tmp_path):
    data = {"part_pt": ragged(PT), "part_eta": ragged(ETA), "part_phi": ragged(PHI)}
    path = root(tmp_path / "two.root", one=data, two=data)
    with pytest.raises(InputError, match="holds 2 trees"):
        read_jets(path)
    assert len(read_jets(path, tree="two")) == 4
    with pytest.raises(InputError, match="no tree 'three'"):
        read_jets(path, tree="three")


def test_labels_must_be_one_of_each(tmp_path):
    path = root(tmp_path / "l.root", tree={
        "part_pt": ragged(PT), "part_eta": ragged(ETA), "part_phi": ragged(PHI),
        "label_a": np.array([1, 1, 0, 0]), "label_b": np.array([1, 0, 1, 0]),
    })  # fmt: skip
    with pytest.raises(InputError, match="2 jets have no or several"):
        read_jets(path)


def test_phi_out_of_range_is_wrapped_and_counted():
    s = make_sample([1, 1], [0, 0], [4.0, 1.0], [1, 1], [0, 2])
    assert s.phi[0] == pytest.approx(4.0 - 2 * np.pi)
    assert s.notes == ("1 of 2 azimuths outside [-pi, pi) wrapped",)


def test_particles_without_pt_are_left_out_and_counted():
    s = make_sample(
        [1, 0, 2, 0], [0] * 4, [0] * 4, [1, 1, 2, 1], [0, 2, 4], charge=[1, 2, 3, 4], prong=[0, 1, 2, 3]
    )
    assert s.counts.tolist() == [1, 1]
    assert s.charge.tolist() == [1.0, 3.0]
    assert s.prong.tolist() == [0, 2]
    assert "2 of 4 particles" in s.notes[0]


def test_mev_is_asked_about_and_converted():
    with pytest.raises(InputError, match="unit='MeV'"):
        make_sample([500e3, 60e3], [0, 0], [0, 0], [500e3, 60e3], [0, 2])
    s = make_sample([500e3, 60e3], [0, 0], [0, 0], [500e3, 60e3], [0, 2], unit="MeV")
    assert s.pt.tolist() == [500.0, 60.0]


@pytest.mark.parametrize(("change", "said"), [
    ({"pt": [np.nan, 1]}, "1 particles have a pt"), ({"energy": [-1, 1]}, "negative energy"),
    ({"offsets": [0, 1]}, "must rise from 0 to 2"), ({"offsets": [0, 2, 1, 2]}, "must rise"),
    ({"eta": [99, 0]}, "eta. > 10"), ({"label": [0, 1, 1]}, "3 labels for 1 jets"),
    ({"unit": "TeV"}, "unit 'TeV'"),
    ({"phi": [0.0]}, "equal numbers"),
])  # fmt: skip
def test_bad_numbers(change, said):
    good = {"pt": [1, 1], "eta": [0, 0], "phi": [0, 0], "energy": [1, 1], "offsets": [0, 2]}
    with pytest.raises(InputError, match=said):
        make_sample(**{**good, **change})


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.root", b"root but not really", "cannot be read as ROOT"),
    ("a.npz", b"PK nonsense", "not a NumPy archive"),
    ("a.parquet", b"PAR1 nonsense", "cannot be read"), ("a.txt", b"x", "suffix '.txt'"),
])  # fmt: skip
def test_not_what_the_suffix_says(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        read_jets(tmp_path / name)


def test_pickled_arrays_are_not_loaded(tmp_path):
    np.savez(tmp_path / "p.npz", particles=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="plain arrays"):
        read_jets(tmp_path / "p.npz")


def test_npz_without_what_is_needed(tmp_path):
    np.savez(tmp_path / "x.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="no array 'particles'"):
        read_jets(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", particles=np.ones((3, 4)))
    with pytest.raises(InputError, match="without 'offsets'"):
        read_jets(tmp_path / "y.npz")
    np.savez(tmp_path / "z.npz", particles=np.ones((3, 3)))
    with pytest.raises(InputError, match="shape"):
        read_jets(tmp_path / "z.npz")


def test_a_list_of_records_is_a_branch_for_each_field(tmp_path, sample):
    import awkward as ak

    fields = ("pt", "eta", "phi", "energy")
    records = ak.zip({name: ak.unflatten(getattr(sample, name), sample.counts) for name in fields})
    words = ["qcd", "top", "qcd", "top"]
    for name in ("particles", "pfcand", "jet_constituents"):
        path = tmp_path / f"{name}.parquet"
        ak.to_parquet(ak.zip({name: records, "label": words}, depth_limit=1), path)
        got = read_jets(path)
        assert got.pt.tolist() == sample.pt.tolist()
        assert got.counts.tolist() == sample.counts.tolist()
        assert got.label.tolist() == [0, 1, 0, 1]
        assert got.label_names == ("qcd", "top")


@pytest.mark.parametrize(
    ("label", "word"),
    [([[0, 1]] * 4, "labels of shape"), ([0, 1, 0.5, 1], "no whole numbers"), ([0, 1, np.nan, 1], "whole")],
)
def test_labels_that_are_none(label, word):
    with pytest.raises(InputError, match=word):
        make_sample(PT, ETA, PHI, ENERGY, OFFSETS, label=label)
