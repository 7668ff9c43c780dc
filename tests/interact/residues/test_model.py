"""Contacts recovered from planted folds; the map as attention; what is refused."""

import numpy as np
import pytest
import torch

from heedful.errors import InputError
from heedful.interact.residues import SiteContacts, planted_family, precisions, site_weights
from heedful.interact.residues.precision import precision_interval
from heedful.interact.residues.pseudo import head_norms, plain_attention


@pytest.fixture(scope="module")
def planted():
    return planted_family(seed=3, length=40, sequences=600)


def test_planted_contacts_are_found(planted):
    got = precisions(SiteContacts().fit(planted.codes).scores_, planted.contacts)
    assert got["P@L/2"] > 0.9


def test_refined_is_no_worse_than_chance_of_the_closed_form(planted):
    got = precisions(SiteContacts(method="refined", steps=10).fit(planted.codes).scores_, planted.contacts)
    assert got["P@L/2"] > 0.9


def test_plain_attention_rows_sum_to_one(planted):
    norms, attention, losses = plain_attention(planted.codes, np.ones(600), heads=2, width=4, steps=5, seed=1)
    np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-6)
    assert np.abs(np.einsum("hii->hi", attention)).max() == 0
    np.testing.assert_allclose(norms, norms.T)
    assert len(losses) == 5
    again, *_ = plain_attention(planted.codes, np.ones(600), heads=2, width=4, steps=5, seed=1)
    np.testing.assert_array_equal(norms, again)


def test_plain_norms_against_the_blocks():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(3, 7, 7, generator=generator, dtype=torch.float64)
    v = torch.randn(3, 21, 21, generator=generator, dtype=torch.float64)
    got = head_norms(a, v).numpy()
    for i, j in ((0, 1), (2, 5), (6, 3)):
        block = sum((a[h, i, j] * v[h] + a[h, j, i] * v[h].T) / 2 for h in range(3)).numpy()
        block = block - block.mean(0) - block.mean(1)[:, None] + block.mean()
        assert got[i, j] == pytest.approx(np.linalg.norm(block[:20, :20]))


def test_shallow_families_lean_on_mutual_information(planted):
    assert SiteContacts().fit(planted.codes).mixture_ == (1.0, 0.3)
    assert SiteContacts().fit(planted.codes[:50]).mixture_ == (0.0, 1.0)
    assert SiteContacts(mutual=0.5).fit(planted.codes).mixture_ == (1.0, 0.5)


def test_weights_are_the_softmax_of_the_map(planted):
    scores = SiteContacts().fit(planted.codes).scores_
    w = site_weights(scores, separation=6, keys=4.0)
    rows = np.asarray(w.rows(np.arange(40)))
    apart = np.abs(np.subtract.outer(np.arange(40), np.arange(40))) >= 6
    logits = np.where(apart, (scores + scores.T) / 2 / w.temperature, -np.inf)
    expect = np.exp(logits - logits.max(1, keepdims=True))
    expect /= expect.sum(1, keepdims=True)
    np.testing.assert_allclose(rows, expect, atol=1e-10)
    effective = np.exp(-np.where(expect > 0, expect * np.log(expect + 1e-300), 0).sum(1))
    assert np.median(effective) == pytest.approx(4.0, rel=0.01)


def test_precisions_leave_unknown_pairs_out():
    scores = np.zeros((12, 12))
    scores[0, 11] = scores[11, 0] = 3.0
    contacts = np.zeros((12, 12))
    contacts[0, 11] = contacts[11, 0] = np.nan
    contacts[0, 10] = contacts[10, 0] = 1.0
    scores[0, 10] = scores[10, 0] = 2.0
    assert precisions(scores, contacts)["P@L/5"] == pytest.approx(0.5)
    assert precisions(scores, contacts)["AP"] == 1.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"letters": 0}, "letters=0"),
        ({"pseudocount": 1.0}, "pseudocount"),
        ({"method": "x"}, "method 'x'"),
        ({"identity": 0.0}, "identity"),
    ],
)
def test_bad_settings(planted, settings, said):
    with pytest.raises(InputError, match=said):
        SiteContacts(**settings).fit(planted.codes)


@pytest.mark.parametrize("codes", [np.zeros((5, 4)), np.full((5, 4), 30), np.zeros(5, int)])
def test_bad_codes(codes):
    with pytest.raises(InputError):
        SiteContacts().fit(codes)


def test_saves_and_loads(planted, tmp_path):
    model = SiteContacts().fit(planted.codes)
    again = SiteContacts.load(model.save(tmp_path / "map.safetensors"))
    np.testing.assert_array_equal(again.predict(), model.scores_)


def test_interval_holds_the_difference_and_tells_a_clear_one(planted):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 40))
    noise = noise + noise.T
    ours = planted.contacts + 0.01 * noise
    low, high = precision_interval(ours, noise, planted.contacts)
    gap = precisions(ours, planted.contacts)["P@L"] - precisions(noise, planted.contacts)["P@L"]
    assert 0 < low < gap < high
    assert precision_interval(ours, ours, planted.contacts) == pytest.approx((0.0, 0.0), abs=1e-12)
