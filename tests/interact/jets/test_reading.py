"""Subjet mass against its nulls, attention laid out as the particles are, clusters of planted prongs."""

import numpy as np
import pytest
import torch

from heedful.errors import InputError
from heedful.files.jets import make_sample
from heedful.interact.jets import JetTagger, subjet_mass, subjets, toy_jets
from heedful.interact.jets.claims import by_subjet, examine_subjets
from heedful.interact.jets.command import two_classes
from heedful.interact.jets.reading import attention, attention_clusters, read_tagger


@pytest.fixture(scope="module")
def sample():
    return toy_jets(seed=2, jets=120)


@pytest.fixture(scope="module")
def tagger(sample):
    return JetTagger(members=1, epochs=2).fit(sample)


def test_attention_belongs_to_its_particles(tagger, sample):
    weight, on_features, hard = attention(tagger, sample)
    assert len(weight) == len(hard.pt)
    total = np.bincount(hard.owner, weight, len(sample)) + on_features.sum(1)
    np.testing.assert_allclose(total, 1, atol=1e-5)
    data = tagger.data(sample)
    x, p, f, offsets, _ = data[torch.tensor([5])]
    with torch.no_grad():
        rows = tagger.nets()[0].weights(x, p, f, offsets)[0].rows([0])
    expect = torch.as_tensor(rows).mean(0)[0].numpy()
    low, high = hard.offsets[5:7]
    np.testing.assert_allclose(weight[low:high], expect[: high - low], atol=1e-6)
    np.testing.assert_allclose(on_features[5], expect[high - low :], atol=1e-6)


def test_equal_weights_have_no_excess(sample):
    table = subjet_mass(sample, np.ones(len(sample.pt)), draws=20)
    assert table["excess"].abs().max() < 1e-12
    assert (table["p"] == 1).all()


def test_random_weights_are_within_the_null(sample):
    table = subjet_mass(sample, np.random.default_rng(3).random(len(sample.pt)), draws=100)
    assert table["p"].min() > 0.01


def test_weight_on_the_hardest_subjet_is_found(sample):
    table = subjet_mass(sample, sample.pt.astype(float), draws=100)
    assert table.loc[0, "excess"] > 0.05
    assert table.loc[0, "p"] < 0.05
    np.testing.assert_allclose(table["attention"].sum(), 1, atol=1e-9)
    with pytest.raises(InputError, match="weights for"):
        subjet_mass(sample, np.ones(3))


def test_claimed_weights_are_the_taggers_own(tagger, sample):
    part = sample.take(np.flatnonzero(sample.counts >= 6)[:8])
    w, claimed, _ = by_subjet(tagger, part, 0)
    rows = np.asarray(torch.as_tensor(w.rows(list(range(8)))))
    weight, _, hard = attention(tagger, part)
    four, member = subjets(hard, 3, most=tagger.most)
    hardest = np.hypot(four[..., 0], four[..., 1]).argmax(1)
    inside = member == hardest[hard.owner]
    share = np.bincount(hard.owner[inside], weight[inside], 8) / np.bincount(hard.owner, weight, 8)
    # heads are averaged before or after dividing by the particles' share: equal where that share is
    np.testing.assert_allclose((rows * claimed).sum(-1).mean(0), share, atol=0.05)
    np.testing.assert_allclose(rows.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(claimed.any(0), inside)


def test_verdict_of_a_barely_trained_tagger(tagger, sample):
    verdicts = examine_subjets(tagger, sample)
    assert len(verdicts) == 1
    assert "subjet" in verdicts[0].sentence()
    assert examine_subjets(tagger, sample, level="none") == []


def test_reading_is_certified_and_named(tagger, sample):
    reading = read_tagger(tagger, sample, jets=4)
    assert reading.certificate.startswith("checked")
    assert reading.to_pandas()["query"].iloc[0] == "jet 0"


def test_clusters_of_well_separated_prongs():
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(0)
    prong = np.repeat([0, 1, 2], 10)
    centre = np.array([[0.0, 3.1], [0.5, -3.0], [-0.3, 2.6]])[prong]
    spot = centre + rng.normal(size=(30, 2)) * 0.03
    got = attention_clusters(spot[:, 0], spot[:, 1], rng.uniform(5, 50, 30))
    assert adjusted_rand_score(prong, got) == 1.0
    assert attention_clusters(np.zeros(2), np.zeros(2), np.ones(2)).tolist() == [0, 1]


def test_choosing_two_classes():
    s = make_sample([1.0] * 4, [0] * 4, [0] * 4, [1.0] * 4, [0, 1, 2, 3, 4], label=[0, 1, 2, 2])
    with pytest.raises(InputError, match="classes label 0, label 1, label 2"):
        two_classes(s, None, None)
    assert two_classes(s, 2, 0).label.tolist() == [0, 2, 2]
    assert two_classes(s, 0, 2).label.tolist() == [1, 0, 0]
    with pytest.raises(InputError, match="no jets of label 7"):
        two_classes(s, 7, 0)
    with pytest.raises(InputError, match="no labels"):
        two_classes(make_sample([1.0], [0], [0], [1.0], [0, 1]), None, None)


def test_classes_are_chosen_by_name():
    named = make_sample([1.0] * 3, [0] * 3, [0] * 3, [1.0] * 3, [0, 1, 2, 3], label=[0, 1, 2],
                        label_names=("QCD", "Hbb", "Tbqq"))  # fmt: skip
    assert two_classes(named, "Tbqq", "label_QCD").label.tolist() == [0, 2]
    turned = two_classes(named, "QCD", "Tbqq")
    assert turned.label.tolist() == [1, 0]
    assert turned.label_names == ("Tbqq", "QCD")
    assert two_classes(named.take([0, 1]), None, "1").label.tolist() == [1, 0]
    for signal, background, word in (
        ("Top", None, "no class is called 'Top'"),
        ("Hbb", "1", "two were expected"),
        ("Hbb", None, "two were expected"),
    ):
        with pytest.raises(InputError, match=word):
            two_classes(named, signal, background)


def test_jets_of_one_particle_have_no_subjets():
    s = make_sample([1.0] * 3, [0] * 3, [0] * 3, [1.0] * 3, [0, 1, 2, 3])
    table = subjet_mass(s, np.ones(3))
    assert table["jets"].tolist() == [0, 0, 0]
    assert table[["attention", "excess", "p"]].isna().to_numpy().all()


def test_toy_jets_are_seeded_and_have_truth():
    a, b = toy_jets(seed=9, jets=6), toy_jets(seed=9, jets=6)
    np.testing.assert_array_equal(a.pt, b.pt)
    assert a.prong.max() == 2
    assert (a.prong == -1).any()
    assert a.phi.min() >= -np.pi
    assert a.phi.max() < np.pi
