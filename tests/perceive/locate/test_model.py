"""The estimator: learns, points, is reproducible, survives a round trip, refuses what it cannot use."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from heedful.errors import InputError
from heedful.perceive.locate import PatchClassifier, Scenes, find, locate, make_scenes
from heedful.perceive.locate.assess import assess
from heedful.perceive.locate.claims import judge, landmark_claim, removal_claim
from heedful.perceive.locate.demo import tell
from heedful.perceive.locate.measures import chance, pointing, precision_at_k
from heedful.perceive.locate.reading import class_weights
from heedful.perceive.locate.retrieval import mean_average_precision
from heedful.perceive.locate.tokens import truth_patches

TINY = {"channels": (4, 4, 8, 8, 8), "iterations": 3, "polish": 0, "taught": 16}


def test_it_learns_and_points_at_what_was_planted(model, test_scenes):
    assert model.score(test_scenes.images, test_scenes.labels) > 0.8
    right = model.predict(test_scenes.images) == test_scenes.labels
    truth = truth_patches(test_scenes.landmark, 8)[right]
    maps = model.maps(test_scenes.images[right], test_scenes.labels[right])["contributions"]
    assert pointing(maps, truth).mean() > 0.7
    assert precision_at_k(maps, truth).mean() > chance(truth) + 0.3


def test_presence_is_told_from_absence(model):
    options = {"size": 32, "radius": (4.5, 6.5), "kinds": ("ring", "cross"), "split": "test", "seed": 5}
    shown = model.present(make_scenes(60, **options).images)
    empty = model.present(make_scenes(60, negatives=1.0, **options).images)
    assert np.median(shown) > np.median(empty) + 0.1


def test_probabilities_and_logits_agree(model, test_scenes):
    p = model.predict_proba(test_scenes.images)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert (model.classes_[p.argmax(1)] == model.predict(test_scenes.images)).all()


def test_save_and_load_give_the_same_bits(model, test_scenes, tmp_path):
    again = PatchClassifier.load(model.save(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(
        again.decision_function(test_scenes.images), model.decision_function(test_scenes.images)
    )
    assert again.get_params() == model.get_params()
    whole = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-50])
    with pytest.raises(InputError):
        PatchClassifier.load(tmp_path / "cut.safetensors")


def test_same_seed_same_bits_and_no_global_state():
    scenes = make_scenes(64, kinds=("ring", "cross"), seed=0)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    a, b = (PatchClassifier(seed=3, **TINY).fit(scenes.images, scenes.labels) for _ in range(2))
    assert all(torch.equal(a.weights_[n], b.weights_[n]) for n in a.weights_)
    assert torch.equal(torch_before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])
    assert clone(a).get_params() == a.get_params()


def test_uint8_and_unit_floats_are_the_same_image(model, test_scenes):
    np.testing.assert_allclose(
        model.decision_function(test_scenes.images[:4]),
        model.decision_function(test_scenes.images[:4].astype(np.float64) / 255),
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (np.zeros((4, 30, 32, 3), np.uint8), ["a", "b"] * 2, "multiples of 8"),
        (np.zeros((4, 32, 32, 3)) + 300, ["a", "b"] * 2, "0..1"),
        (np.full((4, 32, 32, 3), np.nan), ["a", "b"] * 2, "not finite"),
        (np.zeros((4, 32, 32, 3), np.uint8), ["a", "b"], "one label per image"),
        (np.zeros((4, 32, 32, 3), np.uint8), ["a"] * 4, "1 landmark class"),
        (np.zeros((4, 32), np.uint8), ["a", "b"] * 2, "shape"),
        ([np.zeros((32, 32)), np.zeros((32, 40))], ["a", "b"], "different shapes"),
    ],
)
def test_what_it_refuses(X, y, says):
    with pytest.raises(InputError, match=says):
        PatchClassifier(**TINY).fit(X, y)


@pytest.mark.parametrize(
    "bad", [{"method": "vit"}, {"patch": 6}, {"drop": 0.9}, {"views": "x"}, {"teacher": "x"}]
)
def test_bad_parameters(bad):
    with pytest.raises(InputError):
        PatchClassifier(**bad).fit(np.zeros((4, 32, 32, 3), np.uint8), ["a", "b"] * 2)


def test_one_class_against_none_grey_images_any_size():
    scenes = make_scenes(64, kinds=("ring",), negatives=0.5, seed=0)
    fitted = PatchClassifier(**TINY).fit(scenes.images.mean(3) / 255, scenes.labels)
    assert fitted.classes_.tolist() == ["ring"]
    assert fitted.predict(np.zeros((2, 64, 24))).tolist() == ["ring", "ring"]
    with pytest.raises(InputError, match="bands"):
        fitted.predict(scenes.images)


def test_the_reading_is_the_forward_pass(model, test_scenes):
    found = locate(test_scenes.images, model=model)
    assert found.checked[0] < 1e-5
    maps = model.maps(test_scenes.images)
    np.testing.assert_allclose(found.maps(), maps["contributions"], atol=1e-4)
    asked = found.data["asked"].values
    logits = model.decision_function(test_scenes.images)
    total = found.maps().sum(1) + found.data["offset"].values[asked]
    np.testing.assert_allclose(total, logits[np.arange(len(asked)), asked], atol=1e-3)
    tokens = model.net_.tokens(model.prepare(test_scenes.images))
    rows = class_weights(model.net_, tokens).rows([0, 1]).numpy()  # image, class, cell
    b, c, h, w = *rows.shape[:2], *tokens.shape[2:]
    by_patch = rows.reshape(b, c, h // 2, 2, w // 2, 2).sum((3, 5)).reshape(b, c, -1)
    np.testing.assert_allclose(found.data["mass"], by_patch, atol=1e-6)


def test_a_reading_answers_for_the_class_asked_and_in_map_coordinates(model, test_scenes):
    here = locate(test_scenes.images[:3], "ring", model=model, names=["a", "b", "c"])
    there = locate(test_scenes.images[:3], "ring", model=model, transform=(10, 0, 5e5, 0, -10, 4e6))
    assert here.table(1)["class"].tolist() == ["ring"] * 3
    assert here.table(1)["image"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(there.table()["x"], 5e5 + 10 * here.table()["x"])
    np.testing.assert_allclose(there.table()["y"], 4e6 - 10 * here.table()["y"])
    centre_here, centre_there = here.data["moment_mean"].values, there.data["moment_mean"].values
    np.testing.assert_allclose(centre_there[..., 0], 5e5 + 10 * centre_here[..., 0])
    with pytest.raises(InputError, match="no class 'castle'"):
        locate(test_scenes.images[:1], "castle", model=model)
    with pytest.raises(InputError, match="transform"):
        locate(test_scenes.images[:1], model=model, transform=(1, 2, 3))


def test_a_reading_survives_a_file(model, test_scenes, tmp_path):
    found = locate(test_scenes.images[:2], model=model)
    again = type(found).load(found.save(tmp_path / "r.nc"))
    np.testing.assert_array_equal(again.maps(), found.maps())


def test_larger_scenes_are_read_by_the_same_model(model, test_scenes):
    wide = np.concatenate([test_scenes.images[0], test_scenes.images[1]], axis=1)[None]
    assert locate(wide, model=model).grid().shape == (1, 4, 8)


def test_the_plain_reading(plain, test_scenes):
    found = locate(test_scenes.images[:5], model=plain)
    np.testing.assert_allclose(found.maps(), plain.maps(test_scenes.images[:5])["attention"], atol=1e-5)
    with pytest.raises(InputError, match="position embedding"):
        locate(np.zeros((1, 48, 48, 3), np.uint8), model=plain)
    with pytest.raises(InputError, match="exact contributions"):
        plain.hear(test_scenes.images)


def test_find_ranks_scenes_of_the_same_kind_first(model, test_scenes):
    measured = mean_average_precision(
        model,
        test_scenes.images[:12],
        test_scenes.labels[:12],
        test_scenes.images[12:],
        test_scenes.labels[12:],
        test_scenes.landmark[12:],
    )
    assert measured["mAP"] > measured["chance"] + 0.2
    assert measured["overlap"] > 0.2
    found = find(test_scenes.images[0], test_scenes.images, model=model)
    np.testing.assert_array_equal(np.sort(found.order), np.arange(60))
    assert (np.diff(found.scores[found.order]) <= 0).all()
    asked = find(test_scenes.images[0], test_scenes.images[:1], model=model)
    p = model.predict_proba(test_scenes.images[:1])[0]
    if p.max() > 0.999:  # a query that is one class gives that class's logit
        np.testing.assert_allclose(
            asked.scores, model.decision_function(test_scenes.images[:1]).max(), rtol=1e-2
        )


def test_assess_puts_every_map_beside_every_other(model, test_scenes):
    table, facts = assess(model, test_scenes, rounds=49)
    assert {"contributions", "occlusion", "integrated gradients", "centre prior", "random"} <= set(
        table.index
    )
    assert table.loc["random", "p@k"] < table.loc["contributions", "p@k"]
    assert facts["n_right"] <= facts["n"]
    assert table.loc["contributions", "p"] == pytest.approx(0.02)
    classes = facts["classes"].set_index("class")
    assert classes["images"].sum() == facts["n"]
    own, right = facts["values"]["contributions"], classes["images"] * classes["accuracy"]
    assert (classes["p@k"] * right).sum() / right.sum() == pytest.approx(own["p@k"].mean())
    assert "mass on distractors" in table
    unmarked = Scenes(
        test_scenes.images, test_scenes.labels, test_scenes.landmark, 0 * test_scenes.distractors > 0
    )
    assert "mass on distractors" not in assess(model, unmarked[:12], rounds=9)[0]


def test_a_class_told_by_something_else_than_its_landmark_is_named(model, test_scenes):
    astray = test_scenes.landmark.copy()
    rings = test_scenes.labels == "ring"
    astray[rings] = np.roll(astray[rings], (16, 16), (1, 2))  # where the masks say, the map does not point
    scenes = Scenes(test_scenes.images, test_scenes.labels, astray, test_scenes.distractors)
    story = tell(model, scenes, *assess(model, scenes, rounds=9), seed=0, data="", trust="none")
    said = [note for note in story.notes if "no evidence" in note]
    assert len(said) == 1
    assert said[0].startswith("ring:")
    assert story.tables["classes"]["class"].tolist() == ["cross", "ring"]


def test_claims_hold_for_the_trained_and_not_for_the_untrained(model, test_scenes):
    truth = truth_patches(test_scenes.landmark, 8)
    for claim in (
        landmark_claim(model, test_scenes.images, test_scenes.labels, truth, most=16),
        removal_claim(model, test_scenes.images, model.predict(test_scenes.images), most=16),
    ):
        assert judge(claim, draws=199).status == "supported"
    untrained = PatchClassifier(**TINY).fit(test_scenes.images, test_scenes.labels)
    claim = landmark_claim(untrained, test_scenes.images, test_scenes.labels, truth, most=16)
    assert judge(claim, draws=199).status == "not supported"
    with pytest.raises(InputError, match="no image"):
        landmark_claim(model, test_scenes.images, test_scenes.labels, np.zeros_like(truth))


def test_landmarks_of_other_images_are_not_supported(model, test_scenes):
    """Weights and landmarks share the habit of keeping off the edges: that alone supports nothing."""
    truth = truth_patches(test_scenes.landmark, 8)
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        other = truth[rng.permutation(len(truth))]
        claim = landmark_claim(model, test_scenes.images, test_scenes.labels, other, most=24)
        found.append(judge(claim, draws=99).p)
    assert np.mean(np.array(found) <= 0.05) <= 0.15
    assert np.mean(found) > 0.25


def test_too_few_images_are_not_testable(model, test_scenes):
    truth = truth_patches(test_scenes.landmark, 8)
    claim = landmark_claim(model, test_scenes.images, test_scenes.labels, truth, most=3)
    verdict = judge(claim, draws=99)
    assert verdict.status == "not testable" and verdict.reason.startswith("3 ")
