"""States of a pixel: suspicion only grows with abnormality, a scene's shares are found, weights follow."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.arbitrate.raster.experts import softmax
from heedful.arbitrate.raster.gate import OUT, Gate, taken_out
from heedful.arbitrate.raster.states import CHANGED, DESTROYED, ELSEWHERE, LEAST, States

NAMES = ["normal[a]1", "normal[b]1", "dependence[a,b]11", "sure[a]"]


def rows(n=1500, seed=0):
    """Undamaged rows, then rows in which a was destroyed, b destroyed, a put elsewhere."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((4 * n, 4))
    state = np.repeat(np.arange(4), n)
    e[state == 1, 0] -= 4
    e[state == 2, 1] -= 4
    e[state == 3, 2] -= 3
    none = np.zeros((4 * n, 2), bool)
    kinds = {CHANGED: none, DESTROYED: none.copy(), ELSEWHERE: none.copy()}
    kinds[DESTROYED][state == 1, 0] = kinds[DESTROYED][state == 2, 1] = kinds[ELSEWHERE][state == 3, 0] = True
    return e.astype(np.float32), state, kinds


def fitted(reference):
    e, state, kinds = rows()
    fold = np.arange(len(e)) % 2
    splits = [(fold != f, fold == f) for f in (0, 1)]
    weight = np.full(len(e), 1 / len(e))
    return States.fit(e, NAMES, ["a", "b"], reference, kinds, state > 0, weight, fold, splits, 0)


@pytest.fixture(scope="module")
def model():
    return fitted("b")


def test_states_are_told_apart(model):
    s, held_out = model
    _, state, _ = rows()
    assert s.labels == ["a destroyed", "b destroyed", "a elsewhere"]
    np.testing.assert_allclose(held_out.sum(1), 1, atol=1e-12)
    assert (held_out.argmax(1) == state).mean() > 0.85
    np.testing.assert_allclose(s.damage(held_out, "a"), held_out[:, 1] + held_out[:, 3])


def test_more_abnormal_is_never_less_suspect(model):
    s, _ = model
    e = np.zeros((60, 4), np.float32)
    e[:, 0] = np.linspace(3, -40, 60)  # far beyond anything that was trained on
    p = np.exp(s.log_posterior(e))
    assert (np.diff(p[:, 1:].sum(1)) >= -1e-6).all()
    assert all((c[:-1] >= 0).all() for c in s.coef)


def test_a_mismatch_is_not_held_against_the_reference(model):
    s, _ = model
    e = np.zeros((2, 4), np.float32)
    e[1, 2] = -9
    p = np.exp(s.log_posterior(e))
    assert s.damage(p, "a", ELSEWHERE)[1] > 0.8
    assert s.damage(p, "b")[1] <= s.damage(p, "b")[0]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_shares_of_a_scene_are_found(model, share):
    s, _ = model
    e, state, _ = rows(4000, seed=1)
    clean, bad = e[state == 0], e[state == 1]
    n = int(share * 4000)
    rate = s.rates(s.log_posterior(np.concatenate([clean[n:], bad[:n]])))
    assert rate.sum() == pytest.approx(1)
    assert rate[1] == pytest.approx(max(share, LEAST), abs=0.05)
    assert rate[2] < 0.03


def test_without_a_reference_nobody_is_blamed():
    s, _ = fitted(None)
    assert "a or b elsewhere" in s.labels
    e = np.zeros((1, 4), np.float32)
    e[0, 2] = -9
    p = np.exp(s.log_posterior(e))
    assert s.damage(p, "a", ELSEWHERE) == s.damage(p, "b", ELSEWHERE)
    out = taken_out(s.found, ["a", "b", "joint", "hardened", "null"], None)
    assert (out[-1] == [0, 0, OUT, OUT, 0]).all()


def test_weights_are_the_expected_ones():
    rng = np.random.default_rng(0)
    keys = ["a", "b", "joint", "hardened", "null"]
    found = [(DESTROYED, ("a",)), (ELSEWHERE, ("a",))]
    g = Gate(0.1 * rng.standard_normal((5, 3)), rng.standard_normal((3, 5)) + taken_out(found, keys, "b"))
    h, p = rng.standard_normal((7, 3)), rng.dirichlet(np.ones(3), 7)
    allowed = np.ones((7, 5), bool)
    allowed[3, [0, 2, 3]] = False
    w, prior = g.weights(h, p, allowed)
    for i in range(7):
        want = np.zeros(5)
        for k in range(3):
            live = np.flatnonzero(allowed[i])
            s = np.exp(h[i] @ g.keys[live].T + g.rows[k][live])
            want[live] += p[i, k] * s / s.sum()
        np.testing.assert_allclose(w[i], want, atol=1e-12)
    np.testing.assert_allclose(softmax(h @ g.keys.T + prior), w, atol=1e-12)
    sure = g.weights(h, np.tile([0.0, 0.0, 1.0], (7, 1)), np.ones((7, 5), bool))[0]
    assert (sure[:, 1] > 0.999).all()  # of another date: all to the declared reference
