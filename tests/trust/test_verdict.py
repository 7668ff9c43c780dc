"""Statuses and sentences: what is said, with which words, for claims of every degenerate kind."""

import json

import numpy as np
import pytest

from heedful import Claim, InputError, Weights, examine, priors
from heedful.trust import Verdict
from heedful.trust.mass import null, paired
from heedful.trust.tail import tail_p


def weights(nq=20, nk=40, seed=0, d=4, strength=0.0, **options):
    rng = np.random.default_rng(seed)
    k = rng.normal(size=(nk, d))
    k[:4] += strength
    return Weights(np.ones((nq, d)) + 0.3 * rng.normal(size=(nq, d)), k, **options)


def test_the_sentence_names_measure_unit_origin_and_what_n_counts():
    plain = Verdict("A", "supported", 0.21, (0.1, 0.3), 0.004, 60, "shuffles")
    assert (
        plain.sentence() == "A: supported; mass +0.210 [+0.100, +0.300] against shuffles, p = 0.0040, n = 60."
    )
    gain = Verdict("A", "not supported", 0.01, (-0.1, 0.1), None, 9, "Cox", (), "no cause", "holds 0",
                   measure="AUROC", unit="points", items="patients")  # fmt: skip
    assert gain.sentence() == (
        "A: not supported; AUROC +0.010 [-0.100, +0.100] points against Cox, n = 9 patients; holds 0 "
        "(no cause)."
    )
    level = Verdict("A", "supported", 0.3, (0.2, 0.4), 1e-6, 9, "B", measure="AUROC", origin=0.5)
    assert "AUROC 0.800 [0.700, 0.900] against B, p = 1.0e-06" in level.sentence()
    no_figure = Verdict("A", "supported", float("nan"), None, 0.01, 9, "B")
    assert no_figure.sentence() == "A: supported; against B, p = 0.010, n = 9."
    assert json.loads(json.dumps(no_figure.to_dict()))["effect"] is None


def test_a_claim_names_its_own_measure_and_quantity():
    w = weights(strength=2.0)
    v = np.zeros((40, 1))
    v[:4] = 1.0
    verdict = examine(
        Claim(w, range(20), range(4), values=v, measure="share of listening", what="the forecast", unit="%")
    )
    assert "; share of listening +" in verdict.sentence()
    assert verdict.tests[2].says.startswith("the forecast moves")
    assert " % without them" in verdict.tests[2].says


def test_claims_about_nothing_everything_or_nobody():
    w = weights()
    assert "every key" in examine(Claim(w, range(20), range(40))).reason
    with pytest.raises(InputError, match="no key"):
        Claim(w, range(20), [])
    with pytest.raises(InputError, match="no query"):
        Claim(w, [], [0])
    blind = weights(priors=priors.Mask(np.zeros((20, 40), bool)))
    assert "may attend to any key" in examine(Claim(blind, range(20), [0])).reason
    own = np.arange(40) // 2 == np.arange(20)[:, None]
    forced = weights(priors=priors.Mask(own))
    assert "choice" in examine(Claim(forced, range(20), own[:, :] & (np.arange(20) < 9)[:, None])).reason


def test_queries_that_see_nothing_are_left_out_and_not_counted():
    keep = np.ones((20, 40), bool)
    keep[5:] = False
    some = weights(strength=3.0, priors=priors.Mask(keep))
    verdict = examine(Claim(some, range(20), range(4)))
    assert verdict.n == 5
    only = examine(Claim(some, range(5), range(4)))
    assert verdict.effect == pytest.approx(only.effect, abs=0.02)
    assert verdict.effect > 0.5


def test_one_query_is_tested_by_its_null_where_the_mask_is_flat():
    w = weights(strength=3.0)
    assert examine(Claim(w, [0], range(4))).status == "supported"
    sloped = weights(strength=3.0, priors=priors.Gate(np.linspace(0, 1, 40)))
    verdict = examine(Claim(sloped, [0, 1, 2], range(4)))
    assert verdict.status == "not testable"
    assert "3 queries are too few to set against the mask" in verdict.reason
    assert verdict.p < 0.05
    nothing = examine(Claim(weights(priors=priors.Gate(np.linspace(0, 1, 40))), [0, 1], [7, 9]))
    assert nothing.status == "not supported"  # what fails needs no more queries


def test_content_that_never_varies_cannot_be_told_from_its_null():
    for scale in (0.0, 1e-12):
        w = Weights(np.full((20, 4), scale), np.ones((40, 4)))
        verdict = examine(Claim(w, range(20), range(4)))
        assert verdict.status != "supported"
        assert verdict.p == 1.0


def test_a_query_named_twice_is_one_and_the_order_is_kept():
    claim = Claim(weights(), [3, 1, 3, 2], [0])
    assert claim.queries.tolist() == [3, 1, 2]
    assert np.allclose(claim.rows, claim.weights.rows([3, 1, 2]))
    assert claim.n == 3


def test_the_same_seed_gives_the_same_verdict_and_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    w = weights(strength=1.0)
    a, b = (examine(Claim(w, range(20), range(4), values=np.eye(40)), seed=3).to_dict() for _ in range(2))
    assert json.dumps(a) == json.dumps(b)
    assert (np.random.get_state()[1] == before).all()


def test_other_tests_are_named_and_unknown_ones_refused():
    claim = Claim(weights(strength=2.0), range(20), range(4), values=np.eye(40))
    assert [t.name for t in examine(claim, tests=("mask null",)).tests] == ["null", "mask null"]
    with pytest.raises(InputError, match="test 'nulls'"):
        examine(claim, tests=("nulls",))
    with pytest.raises(InputError, match="tail"):
        examine(claim, tail="gpd")


@pytest.mark.parametrize("n", [6, 12, 40])
def test_the_interval_over_queries_covers(n):
    rng, claim, hits = np.random.default_rng(0), Claim(weights(nq=n), range(n), [0]), 0
    for s in range(300):
        low, high = paired(rng.normal(size=n), claim, s)[1]
        hits += low <= 0 <= high
    assert hits >= 0.91 * 300


def test_a_fitted_tail_is_calibrated_named_and_never_the_default():
    rng = np.random.default_rng(0)
    for law in (rng.exponential, lambda size: rng.normal(size=(*size, 50)).max(-1)):
        low = 0
        for _ in range(40):
            drawn, more = law(size=(299,)), law(size=(500,))
            found = [tail_p(drawn, float(x)) for x in more]
            low += sum(f is not None and f[0] <= 0.001 for f in found)
        assert low / 20_000 <= 0.0016
    assert tail_p(rng.exponential(size=99), 50.0) is None  # too few draws to fit
    assert tail_p(rng.pareto(1.0, size=999), 1e6) is None  # too heavy a tail
    assert tail_p(np.ones(999), 2.0) is None
    k = rng.normal(size=(60, 4)) * 0.3
    k[:20] += 0.3
    claim = Claim(Weights(np.ones((20, 4)), k), range(20), range(20))
    counted, fitted = null(claim), null(claim, tail="fit")
    assert counted.p == 1 / 1000
    assert counted.p_from == "999 draws counted"
    assert fitted.p < counted.p
    assert "exponential tail" in fitted.p_from
    assert "exponential tail" in examine(claim, tail="fit").sentence()


def test_blocks_of_an_image_that_are_too_small_do_not_make_findings():
    from scipy.ndimage import uniform_filter

    from heedful.trust import Null

    hits, rng = 0, np.random.default_rng(0)
    i, j = np.divmod(np.arange(24 * 24), 24)
    cell = (i // 4) * 6 + j // 4
    for s in range(120):
        smooth = uniform_filter(rng.normal(size=(24, 24, 4)), (2, 2, 0), mode="wrap").reshape(-1, 4) * 2
        w = Weights(np.ones((10, 4)) + rng.normal(size=(10, 4)), smooth)
        best = np.bincount(cell, w.columns()).argmax()
        claim = Claim(w, range(10), np.flatnonzero(cell == best), null=Null("block", shape=(24, 24), block=2),
                      family=cell)  # fmt: skip
        hits += null(claim, draws=59, seed=s).p <= 0.05
    assert hits <= 14  # .05 expected, .2 where each draw's own variation is not accounted for


def test_wrong_shapes_and_numbers_are_named():
    w, v = weights(), np.ones((40, 2))
    cases = {
        "(49,), (40,)": lambda: Claim(w, range(20), np.ones(49, bool)),
        "(3,), (20,)": lambda: Claim(w, np.ones(3, bool), [0]),
        "gave shape (20, 2), one number": lambda: examine(
            Claim(w, range(20), [0, 1], values=v, quantity=lambda o: o)
        ),
        "gave shape (), one number": lambda: examine(Claim(w, range(20), [0, 1], values=v, quantity=np.sum)),
        "not finite": lambda: examine(
            Claim(w, range(20), [0, 1], values=v, quantity=lambda o: np.full(len(o), np.nan))
        ),
        "delete) gave shape (3,)": lambda: examine(
            Claim(w, range(20), [0, 1], delete=lambda gone: np.zeros(3))
        ),
        "needs 19 at least": lambda: examine(Claim(w, range(20), [0, 1]), draws=10),
        "the weights are": lambda: examine(Claim(w, range(20), [0, 1], values=np.ones((3, 40, 2)))),
        "leave the sink out": lambda: examine(Claim(weights(sink=0.5), range(20), [0, 1])),
    }  # fmt: skip
    for said, made in cases.items():
        with pytest.raises(InputError) as error:
            made()
        assert said in str(error.value)


def test_torch_half_precision_and_shared_heads_are_examined():
    import torch

    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(4, 9, 4, generator=g), torch.randn(2, 30, 4, generator=g)
    v = torch.randn(2, 30, 3, generator=g, requires_grad=True)
    w = Weights(q.bfloat16(), k.bfloat16(), gqa=True)
    claim = Claim(w, range(9), range(5), values=v.bfloat16())
    want = (w @ v.bfloat16()).detach().float().numpy().reshape(-1, 3)
    assert np.allclose(claim.outputs(claim.rows), want, atol=0.05)
    assert examine(claim, draws=99).p is not None


def test_exchanging_keys_of_a_series_is_warned_about_in_the_sentence():
    rng = np.random.default_rng(0)
    k = rng.normal(size=(200, 4))
    for t in range(1, 200):
        k[t] = 0.8 * k[t - 1] + 0.6 * k[t]
    q = rng.normal(size=(20, 4)) + 1
    warned = examine(Claim(Weights(q, k), range(20), range(50, 60), caution="assuming peace"))
    assert "assuming peace; neighbouring keys are alike (r = 0." in warned.sentence()
    for fine in (
        Claim(Weights(q, rng.permutation(k)), range(20), range(50, 60)),
        Claim(Weights(q, k), range(20), range(50, 60), null="circular"),
        Claim(weights(nk=200, strength=3.0), range(20), range(4)),  # claimed keys may well be alike
    ):
        assert "alike" not in examine(fine).sentence()


@pytest.mark.parametrize(("name", "given"), [("seed", -1), ("seed", "a"), ("draws", 99.5)])
def test_draws_and_seeds_are_whole_numbers(name, given):
    with pytest.raises(InputError, match=f"{name} is {given!r}"):
        examine(Claim(weights(), range(20), range(4)), **{name: given})


def test_a_verdict_shown_in_a_notebook_does_not_list_its_draws():
    rng = np.random.default_rng(0)
    verdict = examine(Claim(Weights(*rng.normal(size=(2, 9, 3))), queries=[0], keys=[1, 2]))
    assert len(verdict.tests[0].detail["drawn"]) > 100
    assert "array(" not in repr(verdict) and len(repr(verdict)) < 4000
