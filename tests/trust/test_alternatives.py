"""Other readings, each against the definition computed another way."""

import numpy as np
import pytest
import torch

from heedful import Claim, InputError, Stack, Weights, priors
from heedful.trust import compare
from heedful.trust.alternatives import rankings
from heedful.trust.removal import without

N, DV = 12, 3


def claim(heads=2, quantity=None, seed=0):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, heads, N, 4))
    w = Weights(q, k, priors.Mask(rng.random((N, N)) < 0.8))
    return Claim(w, [1, 4, 5, 9], [0, 2], values=rng.normal(size=(heads, N, DV)), quantity=quantity)


def test_each_reading_is_its_formula():
    made = claim()
    p, v = made.weights.rows([1, 4, 5, 9]).reshape(-1, N), np.repeat(made.values, 4, axis=0)
    out = np.einsum("ij,ijc->ic", p, v)
    found = rankings(made)
    assert np.allclose(found["weight"], p)
    assert np.allclose(found["weight x value"], p * np.einsum("ijc,ic->ij", v, out))
    assert np.allclose(found["weight x |value|"], p * np.linalg.norm(v, axis=-1))


def test_gradients_are_those_of_autograd():
    quantity = lambda o: np.sin(o[:, 0]) + o[:, 1] * o[:, 2]
    made = claim(quantity=quantity)
    p = torch.tensor(made.rows, dtype=torch.float64)
    v = torch.tensor(np.repeat(made.values, 4, axis=0), requires_grad=True)
    score = torch.log(p.clamp_min(1e-300)).requires_grad_()
    out = (torch.softmax(score, -1)[:, None] @ v)[:, 0]
    (torch.sin(out[:, 0]) + out[:, 1] * out[:, 2]).sum().backward()
    found = rankings(made)
    free = (v.grad * v.detach()).sum(-1).abs()
    assert np.allclose(found["gradient x attention"], free, atol=1e-6)
    assert np.allclose(found["gradient x score"], score.grad.abs(), atol=1e-6)


def test_rollout_is_the_product_of_the_layers():
    made, lower = claim(), Weights(*np.random.default_rng(5).normal(size=(2, 2, N, 4)))
    product = np.eye(N)
    for w in (lower, made.weights):
        product = (0.5 * np.eye(N) + 0.5 * w.rows(range(N)).mean(0)) @ product
    stack = Stack([lower, made.weights])
    found = rankings(made, rollout=stack)["rollout"]
    assert np.allclose(found, np.tile(product[[1, 4, 5, 9]], (2, 1)))
    assert "rollout" in set(compare(made, rollout=stack)["reading"])
    with pytest.raises(InputError, match="same tokens"):
        rankings(made, rollout=Stack([Weights(*np.ones((2, 2, 7, 4)))]))


def test_the_table_is_what_deleting_top_keys_does():
    made = claim()
    table = compare(made, top=2).set_index("reading")["change"]
    base, allowed = made.outputs(made.rows), made.allowed
    for name, score in rankings(made).items():
        changes = []
        for i in range(len(base)):
            best = sorted(np.flatnonzero(allowed[i]), key=lambda j: -score[i, j])[:2]
            gone = np.zeros((len(base), N), bool)
            gone[i, best] = True
            changes.append(np.linalg.norm(base[i] - without(made, gone)[i]))
        assert table[name] == pytest.approx(np.mean(changes))
    assert table["leave-one-out"] >= table["random"]


def test_without_values_there_is_nothing_to_compare():
    with pytest.raises(InputError, match="values"):
        compare(Claim(claim().weights, [0], [1]))
