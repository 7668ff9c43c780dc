"""Reading: labels, frames, files, the certificate."""

import io

import numpy as np
import pytest
import torch

from heedful import InputError, Reading, Weights, reads


def example(dtype=np.float32, **options):
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, n, 4)).astype(dtype) for n in (6, 9, 9))
    wanted = [
        reads.TopK(3),
        reads.Entropy(),
        reads.EffectiveKeys(2),
        reads.Mass([0, 0, 0, 1, 1, 1, -1, -1, -1]),
        reads.Moments(np.arange(9.0)),
        reads.Columns(),
        reads.Lag([-3, 0, 3], np.arange(6.0), np.arange(9.0)),
        reads.Contribution(v, k=2),
    ]
    _, r = Weights(q, k).read(v, wanted)
    names = [f"key {j}" for j in range(9)]
    return Reading(r, keys=names, groups=["left", "right"], title="example", **options), r


def test_labels_and_frame():
    reading, r = example()
    data = reading.to_xarray()
    assert data["mass"].dims == ("head", "query", "group")
    assert list(data["group_name"].values) == ["left", "right", "outside"]
    frame = reading.to_pandas()
    assert list(frame.columns) == ["head", "query", "rank", "key", "weight"]
    assert len(frame) == 2 * 6 * 3
    assert np.isclose(frame["weight"].iloc[0], r.topk.weight[0, 0, 0])
    assert "key " in frame["key"].iloc[0]


def test_the_certificate_holds_and_notices_a_wrong_number():
    reading, r = example()
    error, rows = reading.checked
    assert rows == 6
    assert error < 1e-5
    wrong = r.topk.weight.copy()
    wrong += 0.1
    r.values[next(x for x in r if x.name == "topk")] = type(r.topk)(wrong, r.topk.index)
    assert Reading(r).checked[0] > 0.05


def test_save_and_load(tmp_path):
    reading, _ = example()
    path = reading.save(tmp_path / "a.nc")
    back = Reading.load(path)
    assert back.checked == reading.checked
    assert back.title == "example"
    for name in reading.data.data_vars:
        assert np.allclose(back.data[name].values, reading.data[name].values), name
    assert list(back.data["key_name"].values) == list(reading.data["key_name"].values)
    assert back.to_pandas().equals(reading.to_pandas()) or len(back.to_pandas()) == len(reading.to_pandas())
    (tmp_path / "b.nc").write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"b\.nc"):
        Reading.load(tmp_path / "b.nc")
    with pytest.raises(InputError, match="no such file"):
        Reading.load(tmp_path / "c.nc")


def test_gradients_are_cut_and_wrong_names_are_said():
    q = torch.randn(3, 2, requires_grad=True)
    _, r = Weights(q, q).read(None, [reads.TopK(1)])
    assert isinstance(Reading(r).data["top_weight"].values, np.ndarray)
    with pytest.raises(InputError, match="2 names for 3 keys"):
        Reading(r, keys=["a", "b"])


def test_summary_and_pictures():
    from rich.console import Console

    reading, _ = example()
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(reading.summary())
    text = console.export_text()
    assert "checked:" in text
    assert "key " in text
    kinds = [p.kind for p in reading.pictures()]
    assert kinds == ["tokens", "bars"]
