"""`jets INPUT` on toy jets in a file: controls beside the score, a written file that reads back."""

import awkward as ak
import numpy as np
import pytest
import uproot

from heedful.errors import InputError
from heedful.files.jets import read_jets
from heedful.interact.jets import toy_jets
from heedful.interact.jets.command import jets, predict


def test_tagging_from_a_file(tmp_path):
    s = toy_jets(seed=0, jets=150)
    particles = np.stack([s.pt, s.eta, s.phi, s.energy, s.charge], 1)
    np.savez(tmp_path / "toy.npz", particles=particles, offsets=s.offsets, label=s.label)
    story = jets(tmp_path / "toy.npz", epochs=2, members=1, controls="quick", trust="none",
                 out=tmp_path / "scored.parquet", model=tmp_path / "tagger.safetensors")  # fmt: skip
    names = {score.baseline_name for score in story.scores}
    assert {"uniform weights", "bagged BDT x 10", "one BDT", "MLP on features"} <= names
    assert all(score.interval is not None for score in story.scores)
    assert {path.name for path in story.outputs} == {"scored.parquet", "tagger.safetensors"}
    scored = read_jets(tmp_path / "scored.parquet")
    assert 20 < len(scored) < 90
    rows = ak.to_numpy(ak.from_parquet(tmp_path / "scored.parquet")["heedful_jet"])
    assert scored.label.tolist() == s.label[rows].tolist()
    assert np.allclose(scored.pt[scored.offsets[:-1]], np.maximum.reduceat(s.pt, s.offsets[:-1])[rows])


def test_jets_without_labels_are_scored(tmp_path):
    s = toy_jets(seed=0, jets=150)
    particles = np.stack([s.pt, s.eta, s.phi, s.energy], 1)
    np.savez(tmp_path / "toy.npz", particles=particles, offsets=s.offsets, label=s.label)
    np.savez(tmp_path / "new.npz", particles=particles, offsets=s.offsets)
    out = tmp_path / "scored.root"
    settings = {"epochs": 1, "members": 1, "controls": "quick", "trust": "none"}
    story = jets(tmp_path / "toy.npz", score=tmp_path / "new.npz", out=out, **settings)
    assert any("scored.root has the jets of new.npz" in note for note in story.notes)
    scored = read_jets(out)
    assert len(scored) == 150
    assert scored.label is None
    with uproot.open(out) as file:
        found = file["tree"]["heedful_score"].array(library="np")
    assert np.isfinite(found).all()
    assert found[s.label == 1].mean() > found[s.label == 0].mean()
    with pytest.raises(InputError, match="nowhere to go"):
        jets(tmp_path / "toy.npz", score=tmp_path / "new.npz")


def test_a_kept_tagger_scores_files_as_it_did_when_it_was_trained(tmp_path):
    s = toy_jets(seed=0, jets=150)
    particles = np.stack([s.pt, s.eta, s.phi, s.energy], 1)
    three = np.where(np.arange(150) % 10 == 0, 7, s.label)  # a class that the tagger was not shown
    np.savez(tmp_path / "toy.npz", particles=particles, offsets=s.offsets, label=three)
    np.savez(tmp_path / "new.npz", particles=particles, offsets=s.offsets)
    model, settings = tmp_path / "tagger.safetensors", {"epochs": 1, "members": 1, "controls": "quick"}
    jets(tmp_path / "toy.npz", signal="0", background="1", model=model, score=tmp_path / "new.npz",
         out=tmp_path / "a.parquet", trust="none", **settings)  # fmt: skip
    story = predict(model, tmp_path / "new.npz", out=tmp_path / "b.parquet")
    first, then = (ak.from_parquet(tmp_path / f"{name}.parquet") for name in "ab")
    for column in ("heedful_score", "heedful_jet"):
        assert ak.to_numpy(first[column]).tolist() == ak.to_numpy(then[column]).tolist()
    assert "AUROC" not in story.headline and any("no labels" in note for note in story.notes)
    assert "signal is label 0, background is label 1, as in training" in story.notes
    story = predict(model, tmp_path / "toy.npz")
    score, known = ak.to_numpy(then["heedful_score"]), three != 7
    pairs = score[known & (three == 0)][:, None] - score[three == 1][None]
    assert f"AUROC of label 0 against label 1: {(pairs > 0).mean():.4f}" in story.headline
    assert story.tables["scores by class"]["jets"].tolist() == np.bincount(three)[[0, 1, 7]].tolist()
    assert story.outputs == [] and story.pictures


def test_what_is_no_tagger_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        predict(tmp_path / "none.safetensors", tmp_path / "new.npz")
    with pytest.raises(InputError, match="suffix"):
        predict(tmp_path / "none.safetensors", tmp_path / "new.npz", out=tmp_path / "scores.csv")


def test_jets_of_one_particle(tmp_path):
    s = toy_jets(seed=0, jets=150)
    first = np.stack([s.pt, s.eta, s.phi, s.energy], 1)[s.offsets[:-1]]
    np.savez(tmp_path / "ones.npz", particles=first, offsets=np.arange(151), label=s.label)
    story = jets(tmp_path / "ones.npz", epochs=1, members=1, controls="quick")
    assert "No jet has the three particles" in story.headline
    assert story.verdicts == []


def test_the_other_file_must_have_the_same_classes(tmp_path):
    s = toy_jets(seed=0, jets=100)
    fields = {name: ak.unflatten(getattr(s, name), s.counts) for name in ("pt", "eta", "phi", "energy")}
    data = {f"part_{name}": values for name, values in fields.items()}
    for path, first in (("a.parquet", "QCD"), ("b.parquet", "Wqq")):
        labels = {f"label_{first}": s.label == 0, "label_Tbqq": s.label == 1}
        ak.to_parquet(ak.zip(data | labels, depth_limit=1), tmp_path / path)
    with pytest.raises(InputError, match="its classes are Wqq, Tbqq, those of"):
        jets(tmp_path / "a.parquet", test=tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("count", "settings", "word"),
    [
        (20, {}, "are too few: "),
        (120, {"out": "scores.csv"}, "suffix '.csv'"),
        (120, {"controls": "some"}, "controls 'some'"),
        (120, {"signal": 7}, "no jets of label 7"),
    ],
)
def test_refusals_come_before_the_training(tmp_path, count, settings, word):
    s = toy_jets(seed=0, jets=count)
    particles = np.stack([s.pt, s.eta, s.phi, s.energy, s.charge], 1)
    np.savez(tmp_path / "toy.npz", particles=particles, offsets=s.offsets, label=s.label)
    if "out" in settings:
        settings = {"out": tmp_path / settings["out"]}
    with pytest.raises(InputError, match=word):
        jets(tmp_path / "toy.npz", **settings)
