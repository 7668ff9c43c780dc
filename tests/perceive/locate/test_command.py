"""Folders in, a Story out; what is wrong is said in one line."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.perceive.locate import PatchClassifier, make_scenes
from heedful.perceive.locate.command import VERBS
from heedful.perceive.locate.folders import read_classes, read_mask, stratified

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
    relevant = [p.name for p in some[1:3]]
    for picture in found.pictures:
        assert bool(picture.outlines) == (picture.title.split()[-1] in relevant)
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


def test_masks_of_another_size_are_refused_before_the_training(folder):
    def put(name, change):
        for path in sorted((folder / "masks").rglob("*.png")):
            place = folder / name / path.relative_to(folder / "masks")
            place.parent.mkdir(parents=True, exist_ok=True)
            change(Image.open(path)).save(place)
        return folder / name

    model = folder / "m.safetensors"
    twice = put("twice", lambda mask: mask.resize((96, 96)))
    with pytest.raises(InputError, match="mask of 96 x 96 px, its image has 48 x 48"):
        VERBS["train"](folder / "images", model, masks=twice, iterations=3)
    assert not model.exists()
    empty = put("empty", lambda mask: mask.point(lambda v: 0))
    story = VERBS["train"](folder / "images", model, masks=empty, iterations=3, trust="none")
    assert any("no map was measured" in note for note in story.notes)


def test_a_mask_is_found_by_its_whole_name(tmp_path):
    for name, value in (("a.png", 255), ("a.b.png", 0), ("c[1].png", 255)):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / name)
    for name, shown in (("a.jpg", True), ("a.b.jpg", False), ("c[1].jpg", True)):
        assert read_mask(tmp_path, tmp_path, tmp_path / name, (8, 8)).all() == shown


def test_a_jpeg_mask_is_as_large_as_what_was_drawn(tmp_path):
    drawn = np.zeros((48, 48), bool)
    drawn[13:29, 11:30] = True
    Image.fromarray(drawn.astype(np.uint8) * 255).save(tmp_path / "a.jpg", quality=60)
    assert (np.asarray(Image.open(tmp_path / "a.jpg")) > 0).sum() > drawn.sum() + 20  # it rings
    assert np.array_equal(read_mask(tmp_path, tmp_path, tmp_path / "a.png", (48, 48)), drawn)


def test_files_of_one_name_are_told_apart_by_their_class(folder):
    for kind in ("ring", "cross", "none"):
        for i, path in enumerate(sorted((folder / "images" / kind).iterdir())):
            path.rename(path.with_name(f"{i}-.png"))
    told = VERBS["train"](folder / "images", folder / "m.safetensors", iterations=2, trust="none")
    names = set(told.tables["places"]["image"])
    assert len(names) == len(told.tables["places"]) // told.tables["places"]["rank"].max()
    assert {name.split("/")[0] for name in names} == {"ring", "cross"}


@pytest.mark.parametrize("side", [8, 16])
def test_images_of_a_patch_or_four_are_measured(folder, side):
    for root in ("images", "masks"):
        for path in (folder / root).rglob("*.png"):
            Image.open(path).resize((side, side)).save(path)
    told = VERBS["train"](folder / "images", folder / "m.safetensors", masks=folder / "masks", iterations=2)
    assert told.scores


def test_what_cannot_be_asked_of_a_model(folder):
    model, images = folder / "m.safetensors", folder / "images"
    with pytest.raises(InputError, match="does not exist"):
        VERBS["train"](images, folder / "nowhere" / "m.safetensors", iterations=2)
    with pytest.raises(InputError, match="is a folder"):
        VERBS["train"](images, folder / "masks", iterations=2)
    story = VERBS["train"](images, model, iterations=2, trust="none", negative="empty")
    assert any("cannot tell absence" in note for note in story.notes)
    one = sorted((images / "ring").iterdir())[0]
    with pytest.raises(InputError, match="--top 0"):
        VERBS["point"](one, model, top=0)
    with pytest.raises(InputError, match="--masks needs --relevant"):
        VERBS["find"](one, images / "ring", model, masks=folder / "masks")
    (folder / "relevant.txt").write_text("\n")
    with pytest.raises(InputError, match="names no scene"):
        VERBS["find"](one, images / "ring", model, relevant=folder / "relevant.txt")
    for verb, given in (("point", (one,)), ("find", (one, images / "ring"))):
        with pytest.raises(InputError, match="does not exist"):  # before anything is read
            VERBS[verb](*given, folder / "none.safetensors", out=folder / "nowhere" / "a.csv")
    Image.open(one).resize((7, 30)).save(folder / "small.png")
    with pytest.raises(InputError, match=r"small\.png: an image of 30 x 7 px"):
        VERBS["point"](folder / "small.png", model)
    Image.open(one).convert("L").save(folder / "grey.png")
    with pytest.raises(InputError, match=r"grey\.png: has 1 bands, the model was trained on 3"):
        VERBS["point"](folder / "grey.png", model)


def test_files_and_classes_by_list(folder):
    flat = folder / "flat"
    flat.mkdir()
    lines = []
    for path in sorted((folder / "images").rglob("*.png")):
        path.rename(flat / path.name)
        lines.append(f"{path.name},{path.parent.name}")
    listed, model = folder / "labels.csv", folder / "m.safetensors"

    def train(*more):
        listed.write_text("\n".join(["File,Class", *lines, *more]))
        return VERBS["train"](flat, model, labels=listed, iterations=3, trust="none")

    story = train(lines[0])
    assert "cross, ring" in story.data
    assert any("labels.csv that repeat an earlier one: 1" in note for note in story.notes)
    with pytest.raises(InputError, match=r"names lost\.png.*line 50|line 50.*names lost\.png"):
        train("lost.png,ring")
    with pytest.raises(InputError, match="here and"):
        train(lines[0].rsplit(",")[0] + ",castle")
    with pytest.raises(InputError, match="no file or no class"):
        train("lost.png")
    listed.write_text("a;b\n1;2")
    with pytest.raises(InputError, match="file and class were expected"):
        VERBS["train"](flat, model, labels=listed)


def test_copies_stay_on_one_side_and_in_one_class(folder):
    images = folder / "images"
    first = sorted((images / "ring").iterdir())[0]
    (images / "ring" / "copy.png").write_bytes(first.read_bytes())
    read = read_classes(images, 8)
    assert any("Copies of other images: 1" in note for note in read.notes)
    pair = np.flatnonzero([p.name in ("copy.png", first.name) for p in read.paths])
    for seed in range(20):
        held = stratified(read.labels, 0.3, seed, read.first)
        assert held[pair[0]] == held[pair[1]]
    (images / "cross" / "copy.png").write_bytes(first.read_bytes())
    with pytest.raises(InputError, match="same picture"):
        read_classes(images, 8)


def test_sixteen_bits_are_divided_by_the_full_scale_that_the_model_keeps(folder):
    for path in sorted((folder / "images").rglob("*.png")):
        grey = np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 16
        Image.fromarray(grey).save(path.with_suffix(".tif"))
        path.unlink()
    images, model = folder / "images", folder / "m.safetensors"
    with pytest.raises(InputError, match="--full-scale"):
        VERBS["train"](images, model, iterations=2)
    with pytest.raises(InputError, match="expected"):
        VERBS["train"](images, model, iterations=2, full_scale=-1.0)
    VERBS["train"](images, model, iterations=2, full_scale=4095, trust="none")
    assert PatchClassifier.load(model).full_scale_ == 4095
    VERBS["point"](images / "ring", model, trust="none")
    some = sorted((images / "ring").iterdir())
    VERBS["find"](some[0], images / "ring", model)


def test_one_class_against_none_is_judged_by_presence(folder):
    for path in sorted((folder / "images" / "cross").iterdir()):
        path.unlink()
    (folder / "images" / "cross").rmdir()
    story = VERBS["train"](
        folder / "images", folder / "m.safetensors", masks=folder / "masks", iterations=4, trust="none"
    )
    names = [s.name for s in story.scores]
    assert names[0] == "landmark told from none, AUC"
    assert "accuracy" not in names
    assert "mAP of retrieval" not in names
    assert 0 < next(s.ours for s in story.scores if "blanked" in s.name) < 1


def test_the_plain_method_is_measured_against_the_masks_too(folder):
    story = VERBS["train"](
        folder / "images", folder / "m.safetensors", masks=folder / "masks", iterations=3, method="plain",
        held_out=0.5,
    )  # fmt: skip
    assert story.tables["maps"]["map"].tolist()[0] == "attention"
    assert "precision at k" in [s.name for s in story.scores]


def test_an_image_without_landmark_is_named(folder, monkeypatch):
    model = folder / "m.safetensors"
    VERBS["train"](folder / "images", model, iterations=2, trust="none")
    monkeypatch.setattr(PatchClassifier, "present", lambda self, x: np.full(len(x), 0.1))
    story = VERBS["point"](folder / "images" / "none", model, trust="none")
    assert any("more speaks for no landmark" in note for note in story.notes)


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
