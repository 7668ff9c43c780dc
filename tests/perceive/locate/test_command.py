"""Folders in, a Story out; what is wrong is said in one line."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.perceive.locate import make_scenes
from heedful.perceive.locate.command import VERBS

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    scenes = make_scenes(48, kinds=("ring", "cross"), negatives=0.25, seed=0)
    for i, (image, label, mask) in enumerate(zip(scenes.images, scenes.labels, scenes.landmark, strict=True)):
        for root, pixels in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
            place = tmp_path / root / label
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / f"{i:02d}.png")
    return tmp_path


def test_train_point_find(folder):
    model = folder / "model.safetensors"
    trained = VERBS["train"](folder / "images", model, iterations=4, trust="quick")
    assert trained.outputs == [model]
    assert model.is_file()
    assert trained.scores[0].name == "accuracy"
    with_masks = VERBS["train"](folder / "images", model, masks=folder / "masks", iterations=4)
    assert {"pointing game", "precision at k"} <= {s.name for s in with_masks.scores}

    pointed = VERBS["point"](folder / "images" / "ring", model, query="ring", out=folder / "places.csv")
    assert (folder / "places.csv").read_text().startswith("image,class,rank")
    assert len(pointed.verdicts) == 1
    assert {"integrated gradients", "occlusion", "random"} <= {s.baseline_name for s in pointed.scores}

    some = sorted((folder / "images" / "ring").iterdir())
    (folder / "relevant.txt").write_text("\n".join(p.name for p in some[1:3]))
    found = VERBS["find"](
        some[0],
        folder / "images" / "ring",
        model,
        relevant=folder / "relevant.txt",
        masks=folder / "masks" / "ring",
        out=folder / "rank.csv",
    )
    assert [s.name for s in found.scores] == ["average precision", "overlap (IoU)"]
    assert some[0].name not in (folder / "rank.csv").read_text()  # the query is not its own scene


def test_places_of_a_geotiff_are_map_coordinates(folder):
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    model = folder / "model.safetensors"
    VERBS["train"](folder / "images", model, iterations=2, trust="none")
    tags = ImageFileDirectory_v2()
    tags[33550], tags.tagtype[33550] = (2.0, 2.0, 0.0), 12
    tags[33922], tags.tagtype[33922] = (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), 12
    first = sorted((folder / "images" / "ring").iterdir())[0]
    (folder / "geo").mkdir()
    Image.open(first).save(folder / "geo" / "scene.tif", tiffinfo=tags)
    table = VERBS["find"](first, folder / "geo", model).tables["scenes"]
    assert 5e5 < table.loc[0, "x"] < 5e5 + 96
    assert 4e6 - 96 < table.loc[0, "y"] < 4e6
    places = VERBS["point"](folder / "geo" / "scene.tif", model, trust="none").tables["places"]
    assert (places["x"] > 5e5).all()


def test_bad_input_is_said(folder, tmp_path):
    images = folder / "images"
    with pytest.raises(InputError, match="no such folder"):
        VERBS["train"](tmp_path / "missing", tmp_path / "m.safetensors")
    with pytest.raises(InputError, match="sub-folders"):
        VERBS["train"](images / "ring", tmp_path / "m.safetensors")
    with pytest.raises(InputError, match="held-out"):
        VERBS["train"](images, tmp_path / "m.safetensors", held_out=0.9)
    with pytest.raises(InputError, match="trust"):
        VERBS["train"](images, tmp_path / "m.safetensors", trust="maybe")
    with pytest.raises(InputError, match="no such file"):
        VERBS["point"](images / "ring", tmp_path / "none.safetensors")
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(images / "ring" / "odd.png")
    with pytest.raises(InputError, match=r"odd\.png"):
        VERBS["train"](images, tmp_path / "m.safetensors")
    (images / "ring" / "odd.png").unlink()
    np.save(images / "ring" / "hu.npy", np.full((48, 48, 3), -3024.0))
    with pytest.raises(InputError, match="-3024"):
        VERBS["train"](images, tmp_path / "m.safetensors")


def test_the_demo_tells_an_honest_story():
    from heedful.perceive.locate.demo import SMALL, tell  # the demo itself runs in the slow test below

    assert callable(tell)
    assert SMALL["size"] % 8 == 0


@pytest.mark.slow
def test_the_demo():
    from heedful.perceive.locate.demo import demo

    story = demo()
    accuracy = story.scores[0]
    assert accuracy.ours > 0.9
    assert story.verdicts[0].status == "supported"
    assert any("wrong" in note or "ViT" in note for note in story.notes)
