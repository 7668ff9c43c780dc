"""The study's rooms: peers, claims, model files, command, demo."""

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.recall.history import History, generated, histories
from heedful.recall.history.command import fit, predict
from heedful.recall.history.peers import cox_last, window_table
from heedful.recall.history.storing import load, save
from heedful.recall.history.survival import auroc


@pytest.fixture(scope="module")
def data():
    return generated("mean", n=250, seed=2)


def test_windows_by_a_loop(data):
    H = histories(data.events, data.labels)
    table, C = window_table(H), len(H.codes)
    pick = (H.row == 5) & (H.code == 2)
    assert table[5, 2] == H.value[pick][H.dt[pick].argmin()]
    assert table[5, C + 2] == H.dt[pick].min()
    near = pick & (H.dt <= 180)
    assert table[5, 2 * C + 4 * C + 2] == near.sum()
    assert table[5, 2 * C + 5 * C + 2] == pytest.approx(H.value[near].mean())


def test_without_heads_the_model_is_the_baseline(data):
    H = histories(data.events, data.labels)
    tight = History(correction=1e-4).fit(H).predict(H)
    assert np.corrcoef(tight, cox_last(H, H, None))[0, 1] > 0.9999


def test_a_model_file_predicts_the_same_and_a_broken_one_is_refused(data, tmp_path):
    model = History().fit(data.events, data.labels)
    back = load(save(model, tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(
        back.predict(data.events, data.labels), model.predict(data.events, data.labels)
    )
    pd.testing.assert_frame_equal(back.half_lives_, model.half_lives_)
    (tmp_path / "bad.safetensors").write_bytes(b"not one")
    with pytest.raises(InputError):
        load(tmp_path / "bad.safetensors")


def test_the_commands_tell_stories(data, tmp_path):
    data.events.to_parquet(tmp_path / "e.parquet")
    data.labels.to_csv(tmp_path / "l.csv", index=False)
    story = fit(
        tmp_path / "e.parquet",
        tmp_path / "l.csv",
        correction="3",
        model=tmp_path / "m.safetensors",
        out=tmp_path / "h.csv",
    )
    assert {"AUROC (IPCW)", "Brier score (IPCW)"} == {score.name for score in story.scores}
    assert story.verdicts[0].status in ("supported", "not supported")
    assert all(picture.to_dict() for picture in story.pictures)
    assert len(pd.read_csv(tmp_path / "h.csv")) == 6
    times = data.labels.drop(columns="boolean_value")
    times.to_csv(tmp_path / "t.csv", index=False)
    told = predict(
        tmp_path / "m.safetensors", tmp_path / "e.parquet", tmp_path / "t.csv", out=tmp_path / "r.csv"
    )
    assert len(pd.read_csv(tmp_path / "r.csv")) == 250
    assert "checked" in told.reading.certificate
    with pytest.raises(InputError, match="correction"):
        fit(tmp_path / "e.parquet", tmp_path / "l.csv", correction="strong")


def test_the_demo_runs():
    from heedful.recall.history.demo import demo

    story = demo(seed=1)
    assert story.scores[0].ours > 0.75
    plain = story.tables["one softmax, read directly"]["AUROC"]
    assert plain[1] < plain[0] <= plain[2] + 0.01


def test_auroc_of_a_coin_is_a_half():
    assert auroc(np.zeros(10), np.arange(10) % 2.0) == 0.5


def test_calibration_where_risks_are_all_alike():
    from heedful.recall.history.pictures import calibration

    picture = calibration(np.full(30, 0.2), np.arange(30) % 5 == 0, np.ones(30)).to_dict()
    assert picture
