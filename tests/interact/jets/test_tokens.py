"""Neighbours, pair physics and columns against the formulas; phi is periodic everywhere."""

import numpy as np
import pytest
import torch

from heedful.attention import Weights
from heedful.files.jets import make_sample
from heedful.interact.jets import constituents, nearest, toy_jets
from heedful.interact.jets.substructure import wrap
from heedful.interact.jets.tokens import jet_axis, keep_near, keep_random, pair_physics


def allowed(eta, phi, k):
    n = len(eta)
    rows = np.asarray(Weights(np.zeros((n, 1)), np.zeros((n, 1)), [nearest(eta, phi, k)]).rows(np.arange(n)))
    return rows > 0


def test_nearest_is_the_brute_force_one():
    rng = np.random.default_rng(0)
    eta, phi = rng.uniform(-1, 1, 60), rng.uniform(-np.pi, np.pi, 60)
    gap = (eta[:, None] - eta) ** 2 + wrap(phi[:, None] - phi) ** 2
    expect = np.zeros((60, 60), bool)
    np.put_along_axis(expect, np.argsort(gap, 1)[:, :9], True, 1)
    np.testing.assert_array_equal(allowed(eta, phi, 8), expect)
    forgetful = (eta[:, None] - eta) ** 2 + (phi[:, None] - phi) ** 2
    assert (np.argsort(forgetful, 1)[:, :9] != np.argsort(gap, 1)[:, :9]).any()


def test_padded_neighbours_are_those_of_the_prior():
    rng = np.random.default_rng(1)
    eta, phi = rng.normal(size=20) * 0.3, wrap(3.1 + rng.normal(size=20) * 0.3)
    p = torch.zeros(1, 25, 4)
    p[0, :20, 1], p[0, :20, 2] = torch.tensor(eta), torch.tensor(phi)
    real = torch.arange(25)[None] < 20
    keep = keep_near(p.double(), real, 5)[0].numpy()
    np.testing.assert_array_equal(keep[:20, :20], allowed(eta, phi, 5))
    assert not keep[20:].any()
    assert not keep[:, 20:].any()


def test_random_mask_keeps_itself_and_k_real_ones():
    real = torch.arange(12)[None] < torch.tensor([[9], [3]])
    keep = keep_random((2, 12, 12), real, 4, torch.Generator().manual_seed(0))
    assert keep[0, :9].sum(1).tolist() == [5] * 9
    assert keep[1, :3].sum(1).tolist() == [3] * 3
    assert keep[0].diagonal()[:9].all()
    assert not keep[1, :, 3:].any()


def test_pair_physics_against_four_vectors():
    rng = np.random.default_rng(0)
    pt, eta, phi = rng.uniform(1, 50, 6), rng.normal(size=6), rng.uniform(-np.pi, np.pi, 6)
    p = torch.tensor(np.stack([pt, eta, phi, pt * np.cosh(eta)], 1))[None]
    got = pair_physics(p)[0].numpy()
    v = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], 1)
    i, j = 1, 4
    both = v[i] + v[j]
    square = both[3] ** 2 - (both[:3] ** 2).sum()
    r = np.hypot(eta[i] - eta[j], wrap(phi[i] - phi[j]))
    assert got[i, j, 0] == pytest.approx(np.log(r + 1e-3) + 1.5)
    assert got[i, j, 1] == pytest.approx((np.log(min(pt[i], pt[j]) * r + 1e-3) + 0.5) / 1.8)
    assert got[i, j, 2] == pytest.approx(np.log(min(pt[i], pt[j]) / (pt[i] + pt[j]) + 1e-4) + 1.5)
    assert got[i, j, 3] == pytest.approx((np.log(square + 1e-3) - 1) / 2.5)


def test_columns_ignore_where_the_jet_lies():
    s = toy_jets(seed=0, jets=5)
    x, _ = constituents(s)
    moved = make_sample(s.pt, s.eta, s.phi + 3.0, s.energy, s.offsets, charge=s.charge)
    y, _ = constituents(moved)
    np.testing.assert_allclose(x, y, atol=2e-3)
    assert np.abs(x[:, 3]).max() < 3 * 1.6


def test_axis_of_an_empty_jet():
    pt, _, _, m = jet_axis(make_sample([5.0], [0.0], [0.0], [5.0], [0, 0, 1]))
    assert pt.tolist() == [0.0, 5.0]
    assert np.isfinite(m).all()
