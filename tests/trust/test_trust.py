"""Trust: planted claims are supported, empty ones are not, and p means what it says."""

import numpy as np
import pytest
from scipy.stats import binomtest

from heedful import Claim, InputError, Weights, examine, priors
from heedful.trust import Null, compare
from heedful.trust.mass import mask_null, null


def planted(strength=2.0, seed=0, n=30, keys=40, d=8, **options):
    """Queries that look along one direction; the first four keys lie that way and carry the value."""
    rng = np.random.default_rng(seed)
    along = np.ones(d)
    q, k = along + 0.3 * rng.normal(size=(n, d)), rng.normal(size=(keys, d))
    k[:4] += strength
    v = rng.normal(size=(keys, 3)) * 0.1
    v[:4] += strength
    return Claim(Weights(q, k), range(n), range(4), values=v, name="the planted four", **options)


def test_a_planted_claim_is_supported_with_all_its_figures():
    verdict = examine(planted())
    assert verdict.status == "supported"
    assert verdict.p <= 0.01
    assert verdict.effect > 0.3
    assert {t.name for t in verdict.tests} == {"null", "mask null", "knock-out", "identify"}
    assert "the planted four: supported; mass +" in verdict.sentence()
    plain = verdict.to_dict()
    assert plain["status"] == "supported"
    assert len(plain["tests"]) == 4


def test_no_signal_is_not_supported():
    verdict = examine(planted(strength=0.0, seed=3))
    assert verdict.status == "not supported"
    assert verdict.reason


@pytest.mark.parametrize("kind", ["label", "circular", "within", "block", "rewire"])
def test_null_p_is_calibrated_with_the_largest_of_many_cells(kind):
    hits, studies, rng = 0, 150, np.random.default_rng(1)
    for s in range(studies):
        n, nk = 12, 36
        q, k = rng.normal(size=(n, 4)), rng.normal(size=(nk, 4))
        prior = []
        if kind == "rewire":
            edge = rng.random((n, nk)) < 0.3
            edge[:, 0] = True
            prior = [priors.Mask(edge)]
        broken = Null(kind, groups=np.arange(nk) // 6, shape=(6, 6), block=2)
        cells = np.zeros((12, nk), bool)
        cells[np.arange(nk) % 12, np.arange(nk)] = True
        w = Weights(q, k, prior)
        mass = w.rows(range(n)) @ cells.T.astype(float)
        best = int(mass.mean(0).argmax()) if kind == "label" else 3
        claim = Claim(w, range(n), cells[best], null=broken, family=cells)
        hits += null(claim, draws=59, seed=s).p <= 0.05
    assert binomtest(hits, studies, 0.05, alternative="greater").pvalue > 1e-3


def test_the_mask_alone_is_not_a_finding():
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 0.1, 20), rng.normal(9, 0.1, 20)])
    w = Weights(rng.normal(size=(40, 4)), rng.normal(size=(40, 4)), [priors.Nearest(x, k=8)])
    same = (np.arange(40) < 20)[:, None] == (np.arange(40) < 20)
    found = mask_null(Claim(w, range(40), same & ~np.eye(40, dtype=bool)))
    assert found.detail["mass"].mean() > 0.8
    assert not found.passed


def test_what_cannot_be_tested_is_said():
    claim = planted()
    w = claim.weights
    assert examine(Claim(w, [0], range(40), name="all")).status == "not testable"
    few = Weights(w.q, w.k[:15])
    assert "15 different draws" in examine(Claim(few, range(30), range(4), null="circular")).sentence()
    blocked = Claim(w.with_priors(priors.Mask(np.arange(40) > 5)), range(30), range(4))
    assert "may attend to a claimed key" in examine(blocked).reason


def test_alternative_readings_are_ranked_and_weight_can_lose():
    rng = np.random.default_rng(0)
    k = rng.normal(size=(30, 4))
    k[0] = 3
    v = rng.normal(size=(30, 2))
    v[0] = 0.0  # a sink: the heaviest key carries nothing
    claim = Claim(Weights(np.ones((20, 4)), k), range(20), [0], values=v, quantity=lambda o: o[:, 0])
    table = compare(claim, top=3).set_index("reading")["change"]
    assert table["leave-one-out"] >= table["gradient x score"] > table["random"]
    assert table["gradient x score"] > table["weight"]
    assert not examine(claim).tests[2].effect > 1


def test_bad_claims_say_what_is_wrong():
    w = planted().weights
    with pytest.raises(InputError, match="runs from 0 to 99"):
        Claim(w, range(100), [0])
    with pytest.raises(InputError, match="names no key"):
        Claim(w, [0], np.zeros(40, bool))
    with pytest.raises(InputError, match="not known"):
        Null("bootstrap")
    with pytest.raises(InputError, match="level"):
        examine(planted(), level="deep")
