"""The tagger: ragged jets stay apart, toy prongs are learned, controls and settings."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from heedful.errors import InputError
from heedful.files.jets import make_sample
from heedful.interact.jets import JetTagger, toy_jets
from heedful.interact.jets.controls import auroc, compare, rejection
from heedful.interact.jets.model import to_normal


@pytest.fixture(scope="module")
def train():
    return toy_jets(seed=0, jets=300)


@pytest.fixture(scope="module")
def fitted(train):
    return JetTagger(members=1, epochs=6).fit(train)


def test_prongs_are_learned(fitted):
    assert fitted.score(toy_jets(seed=1, jets=300)) > 0.85


@pytest.mark.parametrize(
    "settings", [{"method": "particles", "layers": 1, "k": 4}, {"method": "plain", "k": 4}, {}]
)
def test_a_jet_does_not_see_its_batch(train, settings):
    tagger = JetTagger(members=1, epochs=1, **settings).fit(train.take(np.arange(80)))
    whole = tagger.decision_function(train.take(np.arange(40)))
    alone = [tagger.decision_function(train.take([n]))[0] for n in (0, 7, 39)]
    np.testing.assert_allclose(whole[[0, 7, 39]], alone, atol=2e-5)


def test_order_of_particles_does_not_matter(train, fitted):
    part = train.take(np.arange(20))
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(part.pt)), part.owner))
    names = ("pt", "eta", "phi", "energy", "charge", "prong")
    mixed = replace(part, **{name: getattr(part, name)[order] for name in names})
    np.testing.assert_allclose(fitted.decision_function(mixed), fitted.decision_function(part), atol=1e-5)


def test_jets_of_no_and_one_particle_are_scored(fitted):
    s = make_sample([500.0, 20.0, 30.0], [0, 0.1, 0.2], [0, 3.1, -3.1], [501, 21, 31], [0, 0, 1, 3])
    assert np.isfinite(fitted.decision_function(s)).all()
    local = JetTagger(method="particles", layers=1, members=1, epochs=1).fit(toy_jets(seed=0, jets=40))
    assert np.isfinite(local.decision_function(s)).all()


def test_uniform_control_has_uniform_weights(train):
    tagger = JetTagger(members=1, epochs=1, uniform=True).fit(train.take(np.arange(60)))
    data = tagger.data(train.take([0, 1]))
    x, p, f, offsets, _ = data[torch.arange(2)]
    w, *_, starts = tagger.nets()[0].weights(x, p, f, offsets)
    rows = w.rows([0]).detach()[0, 0, : int(starts[1])]
    torch.testing.assert_close(rows, torch.full_like(rows, 1 / int(starts[1])))


def test_local_moments_are_about_the_particle(train):
    """The expanded square equals the plain sum over pairs."""
    tagger = JetTagger(method="particles", layers=1, members=1, epochs=1, k=3).fit(train.take(np.arange(40)))
    layer = tagger.nets()[0].local[0]
    rng = torch.Generator().manual_seed(0)
    h, place = torch.randn(1, 6, 32, generator=rng), torch.randn(1, 6, 2, generator=rng)
    pair, keep = torch.randn(1, 6, 6, 4, generator=rng), torch.rand(1, 6, 6, generator=rng) > 0.4
    keep |= torch.eye(6, dtype=torch.bool)
    seen = []
    layer.out.register_forward_hook(lambda module, given, out: seen.append(given[0]))
    with torch.no_grad():
        layer(h, place, pair, keep)
        w, _ = layer.weights(h, pair, keep)
        rows = torch.as_tensor(w.rows(list(range(6))))[0]
    gap = place[0][None] - place[0][:, None]
    x, y = gap[..., 0], gap[..., 1]
    expect = torch.stack([(rows * m).sum(-1) for m in (x, y, x * x, x * y, y * y)], -1) * 3.0
    got = seen[0][0].reshape(6, 4, -1)[..., 8:].transpose(0, 1)
    torch.testing.assert_close(got, expect, atol=2e-4, rtol=1e-3)


def test_saved_tagger_scores_the_same(fitted, train, tmp_path):
    again = JetTagger.load(fitted.save(tmp_path / "tagger.safetensors"))
    part = train.take(np.arange(10))
    np.testing.assert_array_equal(again.decision_function(part), fitted.decision_function(part))


def test_same_seed_same_tagger_and_global_state_is_left_alone(train):
    part = train.take(np.arange(60))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a = JetTagger(members=1, epochs=1).fit(part).decision_function(part)
    assert torch.equal(before, torch.random.get_rng_state())
    b = JetTagger(members=1, epochs=1).fit(part).decision_function(part)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("settings", "said"), [
    ({"method": "x"}, "method 'x'"), ({"mask": "x"}, "mask 'x'"), ({"k": 0}, "k=0"),
])  # fmt: skip
def test_bad_settings(train, settings, said):
    with pytest.raises(InputError, match=said):
        JetTagger(**settings).fit(train)


def test_bad_labels(train):
    with pytest.raises(InputError, match="1 classes"):
        JetTagger().fit(train, np.zeros(len(train)))
    with pytest.raises(InputError, match="3 labels for 300 jets"):
        JetTagger().fit(train, [0, 1, 0])
    with pytest.raises(InputError, match="no labels"):
        JetTagger().fit(replace(train, label=None))


def test_quantiles_to_normal():
    raw = np.random.default_rng(0).exponential(size=(2000, 1))
    got = to_normal(raw, np.quantile(raw, np.linspace(0, 1, 200), axis=0))
    assert abs(got.mean()) < 0.05
    assert got.std() == pytest.approx(1, abs=0.05)
    ties = np.zeros((5, 1))
    assert to_normal(ties, np.zeros((200, 1))).tolist() == [[0.0]] * 5


def test_measures():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    y, s = rng.random(400) < 0.5, rng.integers(0, 9, 400).astype(float)
    assert auroc(y, s) == pytest.approx(roc_auc_score(y, s))
    a, b, (low, high) = compare(y, y + rng.normal(size=400), s, draws=50)
    assert a > b
    assert low > 0
    assert high > low
    keep, passed = rejection(y, y * 2.0 - 1)
    assert passed == 0
    assert keep == (~y).sum()
