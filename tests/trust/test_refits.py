"""Fitting again: what is decided, what is said, and what happens when a fit fails or is not repeatable."""

import numpy as np
import pytest

from heedful import Claim, Weights, examine
from heedful.trust import Refit
from heedful.trust.stability import rank_stability


def planted(strength=2.0, seed=0, n=30, keys=40, d=8, values=True):
    rng = np.random.default_rng(seed)
    q, k = np.ones(d) + 0.3 * rng.normal(size=(n, d)), rng.normal(size=(keys, d))
    k[:4] += strength
    v = np.zeros((keys, 3)) + 0.1 * rng.normal(size=(keys, 3))
    v[:4] += strength
    return Claim(Weights(q, k), range(n), range(4), values=v if values else None, name="the planted four")


def again(seed):
    """The same keys, seen through another seed's noise."""
    claim = planted()
    rng = np.random.default_rng(seed)
    noisy = claim.weights.k.numpy() + 0.3 * rng.normal(size=claim.weights.k.shape)
    return Claim(Weights(claim.weights.q.numpy(), noisy), range(30), range(4), values=claim.values)


def examined(refit, claim=None, **options):
    said = []
    verdict = examine(claim or planted(), refit, "full", draws=199, announce=said.append, **options)
    return verdict, {t.name: t for t in verdict.tests}, said


def test_each_part_is_decided_and_the_cost_is_said_first():
    refit = Refit(
        seed=again, random=lambda s: planted(0.0, seed=s),
        uniform=lambda s: (0.9 + 0.001 * (s % 3), 0.7), spike=lambda g, s: planted(g, seed=s),
        strengths=(0.0, 2.0), repeats=4,
    )  # fmt: skip
    verdict, tests, said = examined(refit)
    assert verdict.status == "supported"
    assert tests["spike-in"].detail["rate"].tolist()[1] == 1.0
    assert tests["spike-in"].effect == 2.0
    assert tests["randomise"].passed
    assert "gradient x score" in tests["other readings"].says
    assert said[0].startswith("The full level takes 21 fits (4 re-initialised, 4 other seeds and 1 twice")
    assert said[1].startswith("One fit took")


def test_uniform_weights_as_accurate_leave_nothing_to_test():
    same = Refit(uniform=lambda s: (0.8 + 0.01 * (s % 2), 0.8 + 0.01 * (s % 2 == 0)), repeats=4)
    verdict, _, _ = examined(same)
    assert verdict.status == "not testable"
    assert "does not need its weights" in verdict.reason
    once = Refit(uniform=lambda s: (0.9, 0.1), repeats=1)
    assert examined(once)[0].status == "not testable"


def test_an_untrained_net_that_reads_the_same_is_no_finding():
    verdict, tests, _ = examined(Refit(random=lambda s: planted(seed=s), repeats=4))
    assert verdict.status == "not supported"
    assert "re-initialised" in verdict.reason
    assert not tests["randomise"].passed


def test_re_initialisation_goes_down_from_the_top():
    asked = []

    def random(depth, s):
        asked.append(depth)
        return planted(2.0 - depth, seed=0 if depth == 1 else s)

    _, tests, said = examined(Refit(random=random, depths=(1, 2), repeats=3))
    assert asked == [1, 1, 1, 2, 2, 2]
    assert "6 re-initialised" in said[0]
    cascade = tests["randomise"].detail["cascade"]
    assert np.mean(cascade[1]) > np.mean(cascade[2])
    assert tests["randomise"].n == 3
    assert "from the top, by layers, 1:" in tests["randomise"].says


def test_a_fit_that_is_not_repeatable_is_said():
    rng = np.random.default_rng(0)
    _, tests, _ = examined(Refit(seed=lambda s: planted(seed=int(rng.integers(1e6))), repeats=4))
    assert "not deterministic" in tests["reproduce"].says
    assert tests["reproduce"].detail["same seed"] > 0
    _, tests, _ = examined(Refit(seed=lambda s: planted(seed=s), repeats=4))
    assert "not deterministic" not in tests["reproduce"].says


def test_fits_that_fail_are_counted_and_the_rest_used():
    def sometimes(s):
        if s % 2:
            raise ValueError("singular matrix\nof many lines")
        return again(s)

    verdict, tests, _ = examined(Refit(seed=sometimes, repeats=6))
    assert "4 of 7 fits failed (ValueError: singular matrix)" in tests["reproduce"].says
    assert tests["reproduce"].n == 3
    assert verdict.status == "supported"


@pytest.mark.parametrize("part", ["seed", "random", "uniform", "spike"])
def test_a_refit_that_never_comes_through_leaves_the_claim_untestable(part):
    def never(*_):
        raise RuntimeError("diverged")

    verdict, _, _ = examined(Refit(**{part: never}, repeats=3))
    assert verdict.status == "not testable"
    assert "0 of" in verdict.reason
    assert verdict.p is not None  # what was found before stays


def test_a_refit_on_other_keys_is_an_error_that_is_told():
    verdict, tests, _ = examined(Refit(seed=lambda s: planted(seed=s, keys=41), repeats=3))
    assert verdict.status == "not testable"
    assert "41 keys, the claim 40" in tests["reproduce"].says


def test_stopping_by_hand_is_not_swallowed():
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examined(Refit(seed=stop))


def test_what_is_found_at_strength_zero_is_no_detection_limit():
    _, tests, _ = examined(Refit(spike=lambda g, s: planted(2.0, seed=s), strengths=(0.0, 1.0), repeats=3))
    assert "something is found already" in tests["spike-in"].says
    _, tests, _ = examined(Refit(spike=lambda g, s: planted(0.0, seed=s), strengths=(0.0, 1.0), repeats=3))
    assert tests["spike-in"].effect == float("inf")
    assert "at none of them" in tests["spike-in"].says


def test_full_without_a_way_to_refit_says_so():
    verdict, tests, said = examined(None)
    assert "no way to refit" in tests["refits"].says
    assert verdict.status == "supported"
    assert not said


def test_rank_stability_is_the_mean_over_pairs_and_its_interval_covers():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    fits = rng.normal(size=(5, 30)) + rng.normal(size=30)
    mean, _ = rank_stability(fits)
    pairs = [spearmanr(fits[i], fits[j]).statistic for i in range(5) for j in range(i)]
    assert mean == pytest.approx(np.mean(pairs))
    shared, hits = rng.normal(size=30), 0
    expected = np.mean([rank_stability(rng.normal(size=(6, 30)) + shared)[0] for _ in range(60)])
    for _ in range(60):
        low, high = rank_stability(rng.normal(size=(6, 30)) + shared)[1]
        hits += low <= expected <= high
    assert hits >= 52
    assert rank_stability([np.ones(5)] * 3)[0] == 0.0  # constant profiles rank nothing
    assert rank_stability(fits[:2])[1] == (-1.0, 1.0)
