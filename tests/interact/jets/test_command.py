"""`jets INPUT` on toy jets in a file: controls beside the score, a written file that reads back."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.jets import read_jets
from heedful.interact.jets import toy_jets
from heedful.interact.jets.command import jets


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
    assert 20 < len(read_jets(tmp_path / "scored.parquet")) < 90


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
