"""The site model on planted sites, and its ranking of residues."""

import numpy as np
import pytest

from heedful.errors import InputError
from heedful.interact.residues import SiteAttention, planted_family, planted_sites, rank_residues
from heedful.interact.residues.claims import examine_site, other_half
from heedful.interact.residues.plant import compact_walk
from heedful.interact.residues.site import linked, nearness, planted_score
from heedful.interact.residues.sites import compare_measures


@pytest.fixture(scope="module")
def fitted():
    return SiteAttention(steps=80).fit(planted_sites(seed=0, proteins=100, length=80))


def test_functional_residues_near_and_far_alike(fitted):
    got = planted_score(fitted, planted_sites(seed=500, proteins=20, length=80))
    assert got["AUROC, all"] > 0.95
    assert abs(got["AUROC, |i-j| < 24"] - got["AUROC, |i-j| >= 24"]) < 0.02


def test_weights_are_the_written_softmax(fitted):
    p = planted_sites(seed=7, proteins=1, length=40)[0]
    logits = (
        np.exp(-0.5 * (p.distance / fitted.reach_) ** 2)[:, None] * (p.features @ fitted.direction_)[None]
    )
    expect = np.exp(logits)
    expect /= expect.sum(1, keepdims=True)
    np.testing.assert_allclose(fitted.predict([p])[0], expect @ p.values, atol=1e-10)
    np.testing.assert_allclose(fitted.score_residues(p), expect[p.site].mean(0) * 40, atol=1e-10)


def test_another_proteins_response_teaches_nothing():
    train = planted_sites(seed=0, proteins=60, length=60)
    responses = [p.response.copy() for p in train]
    for p, other in zip(train, responses[1:] + responses[:1], strict=True):
        p.response[:] = other
    held = planted_sites(seed=500, proteins=10, length=60)
    got = planted_score(SiteAttention(steps=40).fit(train), held)["AUROC, all"]
    real = planted_score(SiteAttention(steps=40).fit(planted_sites(seed=0, proteins=60, length=60)), held)
    assert real["AUROC, all"] > got + 0.1


def test_linked_sums_to_the_length():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 30))
    scores = scores + scores.T
    got = linked(scores, nearness(rng.uniform(0, 20, 30)))
    assert got.sum() == pytest.approx(30)


def test_ranking_finds_a_planted_partner():
    rng = np.random.default_rng(0)
    xyz = compact_walk(60, rng)
    between = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)
    site = np.zeros(60, bool)
    site[[10, 11, 12]] = True
    far = int(np.argmax(between[11]))
    scores = rng.normal(size=(60, 60)) * 0.2
    scores[np.ix_([10, 11, 12], [far])] += 4.0
    scores = scores + scores.T
    frame = rank_residues(scores, between[:, site].min(1), between, rng.random(60), site, draws=40)
    assert frame["attention"].idxmax() == far
    assert frame["beyond_distance"][far] > 0.9
    assert frame["p_random_site"][far] < 0.2


def test_claim_is_named_by_one_half_and_tested_in_the_other():
    family = planted_family(seed=5, length=40, sequences=400)
    between = np.linalg.norm(family.positions[:, None] - family.positions[None], axis=-1)
    members = np.zeros(40, bool)
    members[[10, 11, 30]] = True
    strength = nearness(between[:, members].min(1))
    rng = np.random.default_rng(0)
    status = []
    for codes in (family.codes, rng.permuted(family.codes, axis=0)):
        chosen, scores = other_half(codes, strength, members, seed=1)
        assert chosen.sum() == 5
        assert not (chosen & members).any()
        (verdict,) = examine_site(scores, strength, members, chosen, caution="named by half; ")
        assert f"the {(members | (strength >= 0.5)).sum()} residues at the site" in verdict.sentence()
        assert "named by half" in verdict.sentence()
        status.append(verdict.status)
    assert status[0] == "supported"
    assert status[1] != "supported"
    assert examine_site(scores, strength, members, chosen, level="none") == []


def test_comparison_needs_labels():
    import pandas as pd

    frame = pd.DataFrame(
        {
            name: np.arange(20.0)
            for name in (
                "attention",
                "attention+conservation",
                "distance",
                "conservation",
                "conservation+distance",
                "coupling_total",
            )
        }
    )
    frame["site"] = False
    with pytest.raises(InputError, match="give at least three"):
        compare_measures(frame, np.arange(20) < 1)
    measures, scores = compare_measures(frame, np.arange(20) >= 15, draws=50)
    assert measures.set_index("measure").loc["attention", "AUROC"] == 1.0
    assert scores[1].outcome == "better"


def test_nan_is_refused():
    train = planted_sites(seed=0, proteins=2, length=40)
    train[1].features[3, 0] = np.nan
    with pytest.raises(InputError, match="features of a protein"):
        SiteAttention().fit(train)


def test_no_site():
    with pytest.raises(InputError, match="a site of 0"):
        rank_residues(np.eye(5), np.zeros(5), np.eye(5), np.zeros(5), np.zeros(5, bool))
