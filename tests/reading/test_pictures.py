"""Pictures as data: what is checked, what JSON carries, and that both renderers are given every kind."""

from __future__ import annotations

import base64
import json

import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.reading import pictures as pic
from heedful.reading.pictures.base import clip, pack, quantise, verdict_dict
from heedful.reading.pictures.images import runs, shrink

NAN = float("nan")


def unpack(record):
    if isinstance(record, list):
        return np.array(record, dtype=float)
    return np.frombuffer(base64.b64decode(record["b"]), "<" + record["d"]).reshape(record["s"])


def one_of_each() -> list[pic.Picture]:
    rng = np.random.default_rng(0)
    image = rng.random((12, 16))
    hole = image > 0.7
    names = [f"n{i}" for i in range(6)]
    sources = {
        "pixel": [[1, 2], [3, 4]],
        "source": rng.integers(0, 12, (2, 3, 2)),
        "weight": rng.random((2, 3)),
    }
    return [
        pic.Bars("b", names, rng.standard_normal(6), weights=rng.random(6), low=-np.ones(6), high=np.ones(6)),
        pic.Waterfall("w", ["a", "b"], [0.2, -0.1], start=0.3, end_label="end", unit="%"),
        pic.Timeline(
            "t",
            pd.date_range("2001-01-01", periods=5),
            {"s": [1, NAN, 2, 3, 4]},
            bands={"s": (np.zeros(5), np.ones(5))},
            spans=[("2001-01-02", "2001-01-03", "span")],
            events=[("2001-01-04", "event", 0.2, None)],
            threshold=1.0,
        ),
        pic.Curves("c", [1, 10, 100], {"a": [1, 2, 3], "b": [3, NAN, 1]}, log_x=True, marks=[(10, "ten")]),
        pic.Matrix(
            "m", [[1.0, NAN], [-2.0, 0.5]], ["r1", "r2"], ["c1", "c2"], signed=True, marks=[[1, 0], [0, 1]]
        ),
        pic.Slice(
            "s",
            image,
            overlay=np.where(hole, image, NAN),
            outlines={"hole": hole},
            sources=sources,
            unit="HU",
        ),
        pic.Swipe("sw", image, rng.random((12, 16, 3)), left_label="l", right_label="r", layers={"w": image}),
        pic.Network(
            "n",
            rng.random(6),
            rng.random(6),
            labels=names,
            values=rng.random(6),
            edges=([0, 1], [1, 1], [1, 2]),
            directed=True,
        ),
        pic.Arcs("a", names, [[0, 3], [1, 5]], [0.5, 0.9], marks=[True, False]),
        pic.Tokens(
            "tk", names, names, rng.integers(0, 6, (2, 6, 3)), rng.random((2, 6, 3)), heads=["h0", "h1"]
        ),
        pic.Opinions(
            "o",
            rng.uniform(-1, 1, 20),
            edges=(rng.integers(0, 20, 50), rng.integers(0, 20, 50)),
            tau=0.1,
            steps=4,
        ),
        pic.Table(
            "tb",
            pd.DataFrame({"x": [1.0, NAN], "when": pd.to_datetime(["2001-01-01", None]), "名": ["a", None]}),
        ),
    ]


def test_every_kind_is_listed_once_and_drawn_here():
    assert [type(p) for p in one_of_each()] == list(pic.KINDS)
    assert len({kind.kind for kind in pic.KINDS}) == len(pic.KINDS)


@pytest.mark.parametrize("picture", one_of_each(), ids=lambda p: p.kind)
def test_every_kind_is_json(picture):
    record = json.loads(json.dumps(picture.to_dict(), allow_nan=False))
    assert record["kind"] == picture.kind
    assert record["title"] == picture.title


def test_missing_is_null():
    record = one_of_each()[4].to_dict()
    assert record["values"] == [[1, None], [-2, 0.5]]
    assert one_of_each()[11].to_dict()["rows"] == [[1, "2001-01-01", "a"], [None, None, None]]


@pytest.mark.parametrize(
    "array",
    [
        np.random.default_rng(0).standard_normal((40, 30)),
        np.arange(70_000).reshape(-1, 2),
        np.array([[1.5, NAN]]),
        np.full(300, -3),
        np.zeros(400, bool),
    ],
)
def test_pack_keeps_the_numbers(array):
    np.testing.assert_allclose(unpack(pack(array)), np.asarray(array, float), rtol=1e-4)


def test_quantise_is_within_half_a_step_and_marks_what_is_missing():
    image = np.array([[0.0, 0.3, 1.0, NAN, 2.0]])
    record = quantise(image, 0.0, 1.0)
    codes = unpack(record)[0]
    assert codes[3] == 255
    back = record["low"] + (record["high"] - record["low"]) * codes / 254
    np.testing.assert_allclose(back[:3], image[0, :3], atol=0.5 / 254)
    assert codes[4] == 254


@pytest.mark.parametrize("seed", range(4))
def test_runs_give_the_mask_back(seed):
    mask = np.random.default_rng(seed).random((7, 9)) < 0.4
    out = np.concatenate([np.full(n, i % 2) for i, n in enumerate(runs(mask))])
    np.testing.assert_array_equal(out.reshape(mask.shape), mask)


def test_a_large_image_is_shown_as_means_and_says_so():
    image = np.random.default_rng(0).random((1600, 900))
    picture = pic.Slice(
        "big", image, sources={"pixel": [[1599, 899]], "source": [[[0, 0]]], "weight": [[1.0]]}
    )
    record = picture.to_dict()
    assert record["step"] == 3
    assert record["image"]["s"] == [534, 300]
    np.testing.assert_allclose(shrink(image, 3)[0, 0], image[:3, :3].mean())
    assert record["sources"]["pixel"] == [[1599, 899]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pic.Bars("b", ["a", "b"], [1.0]), r"values has shape \(1,\), expected \(2\)"),
        (lambda: pic.Bars("b", ["a"], ["x"]), "not a number"),
        (lambda: pic.Bars("b", ["a"], [1.0], weights=[1, 2]), "weights has shape"),
        (lambda: pic.Waterfall("w", ["a"], [NAN], start=0, end_label="e"), "a contribution is missing"),
        (lambda: pic.Timeline("t", ["2001-01-01"], {"s": [1, 2]}), "series 's' has shape"),
        (lambda: pic.Timeline("t", ["soon"], {"s": [1]}), "neither numbers nor ISO dates"),
        (lambda: pic.Timeline("t", ["2001-01-01"], {}, spans=[("x", "y", "z")]), "'x' is not a time"),
        (lambda: pic.Curves("c", [0, 1], {"a": [1, 2]}, log_x=True), "not above 0"),
        (lambda: pic.Curves("c", [0, 1], [1, 2]), "series must map names"),
        (lambda: pic.Matrix("m", [[1, 2]], ["r"], ["c"]), r"values has shape \(1, 2\)"),
        (lambda: pic.Slice("s", np.zeros((2, 2)), overlay=np.zeros((2, 3))), "overlay has shape"),
        (
            lambda: pic.Slice(
                "s", np.zeros((2, 3)), sources={"pixel": [[2, 2]], "source": [[[0, 0]]], "weight": [[1]]}
            ),
            "outside the image",
        ),
        (lambda: pic.Slice("s", np.zeros((2, 3)), sources={"pixel": [[0, 0]]}), "sources has"),
        (
            lambda: pic.Swipe("s", np.zeros((2, 2)), np.zeros((3, 2)), left_label="", right_label=""),
            "bring both to one grid",
        ),
        (lambda: pic.Network("n", [0, 1], [0, 1], edges=([0], [2])), "only 2 to point at"),
        (lambda: pic.Network("n", [0, 1], [0, 1], edges=([0], [-1])), "negative place"),
        (lambda: pic.Arcs("a", ["x"], [[0, 1]], [1.0]), "only 1 to point at"),
        (lambda: pic.Tokens("t", ["q"], ["k"], [[1]], [[1.0]]), "only 1 to point at"),
        (lambda: pic.Tokens("t", ["q"], ["k"], [[0.5]], [[1.0]]), "whole numbers"),
        (lambda: pic.Tokens("t", ["q"], ["k"], [[0]], [[1.0]], heads=["a", "b"]), "index has shape"),
        (lambda: pic.Opinions("o", [0.0], tau=0.0, steps=1), "above 0"),
        (lambda: pic.Opinions("o", [0.0, NAN], tau=1.0, steps=1), "missing"),
        (lambda: pic.Opinions("o", [0.0], tau=1.0, steps=0), "at least 1"),
        (lambda: pic.Table("t", [1, 2]), "expected a pandas DataFrame"),
    ],
)
def test_bad_input_is_one_clear_sentence(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_a_picture_is_frozen_and_copies_nothing_back():
    values = np.array([1.0, 2.0])
    bars = pic.Bars("b", ["a", "b"], values)
    with pytest.raises(AttributeError):
        bars.title = "other"
    np.testing.assert_array_equal(values, [1.0, 2.0])


def test_a_long_name_is_cut_and_says_so():
    record = pic.Bars("b", ["x" * 1_000_000], [1.0]).to_dict()
    assert record["labels"][0].endswith("… (1000000 characters)")
    assert len(record["labels"][0]) < 500
    assert clip("short") == "short"


def test_torch_tensors_are_taken():
    torch = pytest.importorskip("torch")
    weight = torch.rand(2, 3, requires_grad=True)
    tokens = pic.Tokens("t", ["a", "b"], ["x", "y", "z"], torch.arange(6).reshape(2, 3) % 3, weight)
    np.testing.assert_allclose(tokens.weight, weight.detach().numpy())


def test_heads_may_be_several_axes():
    rng = np.random.default_rng(0)
    index = rng.integers(-1, 4, (2, 3, 5, 2))
    tokens = pic.Tokens(
        "t",
        list("abcde"),
        list("wxyz"),
        index,
        rng.random(index.shape),
        columns=rng.random((2, 3, 4)),
        heads={"layer": ["1", "2"], "head": ["a", "b", "c"]},
    )
    record = tokens.to_dict()
    assert [axis["axis"] for axis in record["heads"]] == ["layer", "head"]
    np.testing.assert_array_equal(unpack(record["index"]).reshape(index.shape), index)


def test_a_verdict_of_any_class_becomes_data():
    class Verdict:
        status, effect, interval, p, n, name, compared_with = (
            "supported",
            0.12345678,
            (0.1, np.float32(0.2)),
            0.01,
            40,
            "claim",
            "random",
        )
        tests = ({"name": "deletion", "p": 0.01, "interval": (0.1, 0.2)}, "a line")

        def sentence(self):
            return "It holds."

    record = verdict_dict(Verdict())
    assert json.loads(json.dumps(record))["interval"] == [0.1, 0.2]
    assert record["sentence"] == "It holds."
    assert record["effect"] == 0.1235
    assert [test["name"] for test in record["tests"]] == ["deletion", "a line"]
    assert verdict_dict(None) is None


@pytest.mark.parametrize("picture", one_of_each(), ids=lambda p: p.kind)
def test_every_kind_is_drawn_on_paper(picture, tmp_path):
    pytest.importorskip("matplotlib")
    text = picture.save(tmp_path / "p.svg").read_text()
    assert text.lstrip().startswith("<?xml")
    assert picture.save(tmp_path / "again.svg").read_text() == text


def test_a_graph_with_negative_weights_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    for directed in (True, False):
        graph = pic.Network("g", [0, 1], [0, 1], edges=([0, 1], [1, 0], [0.5, -0.7]), directed=directed)
        assert graph.save(tmp_path / "g.svg").exists()


def test_paper_formats_and_refusals(tmp_path):
    pytest.importorskip("matplotlib")
    bars = pic.Bars("$x_1^ and 猫", ["a_{", "</svg>", "\x00", "\ud800"], [1, 2, NAN, -1])
    assert bars.save(tmp_path / "b.pdf").read_bytes().startswith(b"%PDF")
    assert bars.save(tmp_path / "b.png", dark=True).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"\.pdf, \.svg, \.png"):
        bars.save(tmp_path / "b.jpg")
    with pytest.raises(InputError, match="does not exist"):
        bars.save(tmp_path / "nowhere" / "b.svg")


def test_a_matrix_without_cells_is_drawn_empty(tmp_path):
    path = tmp_path / "empty.png"
    pic.Matrix("m", np.zeros((0, 0)), [], []).save(path)
    assert path.stat().st_size > 0
