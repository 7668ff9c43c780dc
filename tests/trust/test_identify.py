"""Identifiability against enumeration of all vertices, and where it must be exact."""

import itertools

import numpy as np
import pytest

from heedful import Claim, InputError, Weights, priors
from heedful.trust import mass_interval
from heedful.trust.identify import identify


def vertices(row, values, claimed):
    """The extreme masses over all basic solutions of p >= 0, sum p = 1, V'p = o."""
    a = np.vstack([values.T, np.ones(len(row))])
    b = np.append(row @ values, 1.0)
    rank, best = np.linalg.matrix_rank(a), []
    for some in itertools.combinations(range(len(row)), rank):
        part = a[:, some]
        x, *_ = np.linalg.lstsq(part, b, rcond=None)
        if (x > -1e-9).all() and np.allclose(part @ x, b, atol=1e-9):
            best.append(x[claimed[list(some)]].sum())
    return min(best), max(best)


@pytest.mark.parametrize("seed", range(12))
def test_the_programmes_find_what_enumeration_finds(seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(4, 10)), int(rng.integers(1, 4))
    row, values = rng.dirichlet(np.ones(n)), rng.normal(size=(n, d))
    if seed % 3 == 0:
        values[1] = values[0]  # a tie: two keys that nothing tells apart
    if seed % 4 == 0:
        values = np.hstack([values, values[:, :1] * 2 + 5])  # an equation said twice
    if seed % 5 == 0:
        row[rng.integers(n)] = 0.0
        row /= row.sum()
    claimed = rng.random(n) < 0.4
    claimed[0] = True
    assert np.allclose(mass_interval(row, values, claimed), vertices(row, values, claimed), atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (10, 16), (17, 16), (5, 4)])
def test_exact_up_to_one_key_more_than_values(n, d):
    rng = np.random.default_rng(n)
    row, claimed = rng.dirichlet(np.ones(n)), np.arange(n) < max(n // 3, 1)
    low, high = mass_interval(row, rng.normal(size=(n, d)), claimed)
    assert low == high == row[claimed].sum()


def test_values_of_any_size_and_offset():
    rng = np.random.default_rng(0)
    row, values, claimed = rng.dirichlet(np.ones(30)), rng.normal(size=(30, 4)), np.arange(30) < 5
    want = mass_interval(row, values, claimed)
    for scale, shift in ((1e-9, 0.0), (1e9, 0.0), (1.0, 1e5)):
        assert np.allclose(mass_interval(row, values * scale + shift, claimed), want, atol=1e-4)
    assert mass_interval(row, np.full((30, 2), 3.3), claimed) == (0.0, 1.0)


def test_a_test_over_heads_and_masks_says_whether_it_is_exact():
    rng = np.random.default_rng(0)
    w = Weights(rng.normal(size=(2, 9, 4)), rng.normal(size=(2, 30, 4)), priors.Mask(np.arange(30) < 6))
    few = identify(Claim(w, range(9), [0, 1, 20], values=rng.normal(size=(30, 5))))
    assert few.interval[0] == pytest.approx(few.interval[1])
    assert "about the output" in few.says
    many = identify(Claim(w, range(9), [0, 1, 20], values=rng.normal(size=(30, 2))))
    assert many.interval[0] < few.effect < many.interval[1]
    assert "about the mechanism" in many.says


def test_rows_that_are_no_weights_are_refused():
    with pytest.raises(InputError, match="shares"):
        mass_interval(np.array([0.5, 0.2]), np.ones((2, 1)), np.array([True, False]))
