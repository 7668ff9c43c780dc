"""Knock-out: the batched algebra equals taking keys out one set at a time, heads, masks and all."""

import numpy as np
import pytest

from heedful import Claim, InputError, Weights, examine, priors
from heedful.trust.knockout import curves, delete_inputs, knock_out
from heedful.trust.removal import Removal, without

NQ, NK, DV = 7, 40, 3


def claim(mask="none", heads=2, quantity=None, seed=0, **options):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(heads, NQ, 4)), rng.normal(size=(heads, NK, 4))
    v = rng.normal(size=(heads, NK, DV))
    edge = rng.random((NQ, NK)) < 0.2
    edge[2] = False  # nothing may be seen
    edge[3], edge[3, 1] = False, True  # one key, and it is claimed
    table = {
        "none": (), "few": priors.Mask(edge), "causal": priors.Causal(offset=NK - NQ),
        "bias": (priors.Mask(rng.random((NQ, NK)) < 0.9), priors.Bias(rng.normal(size=(NQ, NK)))),
    }  # fmt: skip
    return Claim(Weights(q, k, table[mask]), range(NQ), range(5), values=v, quantity=quantity, **options)


@pytest.mark.parametrize("mask", ["none", "few", "causal", "bias"])
def test_without_is_weights_without_in_every_head(mask):
    made = claim(mask)
    want = (made.weights.without(range(5)) @ made.values).reshape(-1, DV)
    assert np.allclose(without(made, made.claimed), want, atol=1e-13)


@pytest.mark.parametrize("mask", ["none", "few", "causal", "bias"])
@pytest.mark.parametrize("quantity", [None, lambda o: o[:, 0] * 3 - o[:, 1] ** 2])
def test_batched_sets_equal_one_at_a_time(mask, quantity):
    made, rng = claim(mask, quantity=quantity), np.random.default_rng(1)
    rows = Removal(made)
    assert (rows.keys is not None) == (mask == "few")
    full = np.broadcast_to(np.arange(NK), made.rows.shape) if rows.keys is None else rows.keys
    base = made.outputs(made.rows)

    def one_by_one(chosen):
        whole = np.zeros(made.rows.shape, bool)
        item = np.repeat(np.arange(len(whole)), chosen.sum(-1))
        whole[item, full[chosen]] = True
        return made.change(base, without(made, whole))

    size = rows.claimed.sum(-1)
    mass = (rows.p * rows.claimed).sum(-1, keepdims=True)
    for _ in range(20):
        order = rows.order(rng)
        chosen = rows.first(order, size)
        assert (chosen.sum(-1) == size).all()
        assert not (chosen & ~rows.allowed).any()
        assert np.allclose(rows.change(chosen), one_by_one(chosen), atol=1e-12)
        near = rows.nearest(order, mass)
        assert np.allclose(rows.change(near), one_by_one(near & rows.allowed), atol=1e-12)
        held = (rows.p * near).sum(-1, keepdims=True)
        heaviest = rows.p.max(-1, keepdims=True)
        assert (np.abs(held - mass) <= heaviest / 2 + 1e-12).all()
    if rows.alike:
        sets = np.stack([rng.permutation(NK)[:5] for _ in range(9)])
        for got, keys in zip(rows.changes(sets), sets, strict=True):
            chosen = np.zeros(made.rows.shape, bool)
            chosen[:, keys] = True
            assert np.allclose(got, one_by_one(chosen), atol=1e-12)


def test_a_set_that_holds_nearly_all_weight_loses_no_digits():
    rng = np.random.default_rng(0)
    k = rng.normal(size=(NK, 4))
    k[:5] += 40.0
    made = Claim(Weights(np.ones((NQ, 4)), k), range(NQ), range(5), values=rng.normal(size=(NK, DV)))
    rows = Removal(made)
    want = made.change(rows.base, np.asarray(made.weights.without(range(5)) @ made.values))
    assert np.allclose(rows.change(rows.claimed), want, rtol=1e-9)
    assert np.allclose(rows.changes(np.arange(5)[None])[0], want, rtol=1e-9)


def test_queries_that_claim_the_same_keys_get_the_same_random_sets():
    made = claim("causal")
    rows = Removal(made)
    chosen = rows.first(rows.order(np.random.default_rng(0)), rows.claimed.sum(-1))
    heads = chosen.reshape(2, NQ, NK)
    assert (heads[0] == heads[1]).all()
    assert (heads[0, -1] == heads[0, -2]).sum() >= NK - 4


def test_curves_rise_from_nothing_to_the_whole_set():
    made = claim()
    rows = Removal(made)
    found, effect = curves(rows), knock_out(made).detail["effect"].mean()
    for name in ("by weight", "by leave-one-out"):
        assert found[f"comprehensiveness {name}"][0] == 0
        assert found[f"comprehensiveness {name}"][-1] == pytest.approx(effect)
    alone = made.change(rows.base, without(made, ~made.claimed)).mean()
    assert found["sufficiency by weight"][-1] == pytest.approx(alone)


def test_no_claim_passes_on_values_that_are_all_the_same():
    rng = np.random.default_rng(0)
    k = rng.normal(size=(NK, 4))
    k[:4] += 3
    w = Weights(np.ones((20, 4)), k)
    for values in (np.ones((NK, 2)) * 1e6, np.zeros((NK, 2))):
        verdict = examine(Claim(w, range(20), range(4), values=values))
        assert verdict.status == "not supported"
        assert "knock-out" in verdict.reason


def test_too_few_sets_to_draw_from_is_said():
    rng = np.random.default_rng(0)
    w = Weights(np.ones((20, 4)), rng.normal(size=(8, 4)))
    v = np.zeros((8, 1))
    v[0] = 1.0
    test = knock_out(Claim(w, range(20), [0], values=v))
    assert test.passed is None
    assert "exactly as much" in test.blocks


def test_keys_deleted_from_the_input():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    x[:3] += 2.0

    def model(removed):  # two layers that both lose the key
        out = []
        for gone in removed:
            h = x
            for _ in range(2):
                s = np.where(gone, -np.inf, x @ x.T)
                p = np.exp(s - s.max(-1, keepdims=True))
                h = p / p.sum(-1, keepdims=True) @ h
            out.append(h[~gone].mean())
        return np.array(out)

    w = Weights(x, x)
    found = delete_inputs(Claim(w, range(8), range(3), delete=model))
    assert found.passed
    assert found.p == pytest.approx(1 / 40)
    nothing = delete_inputs(Claim(w, range(8), range(3), delete=lambda gone: gone.sum(-1) * 1.0))
    assert nothing.passed is None or not nothing.passed
    assert "input deletion" in [t.name for t in examine(Claim(w, range(8), range(3), delete=model)).tests]


def test_values_that_do_not_fit_are_named():
    w = Weights(np.ones((3, 2)), np.ones((5, 2)))
    with pytest.raises(InputError, match="4 rows, there are 5 keys"):
        Removal(Claim(w, range(3), [0], values=np.ones((4, 2))))
    with pytest.raises(InputError, match="not finite"):
        Claim(w, range(3), [0], values=np.full((5, 2), np.nan))
