"""Masses on many groups are summed by group: exact, with gradients, without a table of keys by groups."""

import numpy as np
import pytest
import torch

from heedful import Reading, Weights, reads
from heedful.attention.reads import FEW_GROUPS
from heedful.errors import EngineError
from heedful.testing import error

from .cases import KINDS, make_priors, reference

MANY = FEW_GROUPS + 44


def _problem(kind, rng, nq=9, nk=70, lead=()):
    q, k = rng.normal(size=(*lead, nq, 4)), rng.normal(size=(*lead, nk, 4))
    prior, bias = make_priors(kind, nq, nk, rng)
    groups = rng.integers(-1, MANY, nk)
    groups[:3] = [-1, MANY - 1, 0]
    return q, k, prior, bias, groups


def _by_loop(p, groups):
    masses = np.zeros((*p.shape[:-1], MANY + 1))
    for j, g in enumerate(groups):
        masses[..., MANY if g < 0 else g] += p[..., j]
    return masses


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ["dense", "tiled", "auto"])
def test_every_engine_equals_a_loop_over_keys(kind, engine):
    q, k, prior, bias, groups = _problem(kind, np.random.default_rng(3))
    want = _by_loop(reference(q, k, bias), groups)
    assert error(Weights(q, k, prior, engine=engine).mass(groups), want) < 1e-12
    single = Weights(q.astype(np.float32), k.astype(np.float32), prior, engine=engine)
    assert error(single.mass(groups), want) < 1e-5


@pytest.mark.parametrize("kind", ["window", "nearest", "graph", "segments"])
def test_lists_of_pairs_too_and_beside_other_reads(kind):
    q, k, prior, bias, groups = _problem(kind, np.random.default_rng(4))
    p = reference(q, k, bias)
    few = np.arange(70) % 2
    _, r = Weights(q, k, prior, engine="edges").read(
        None, [m := reads.Mass(groups), f := reads.Mass(few), reads.TopK(1)]
    )
    assert r.engine == "edges"
    assert error(r[m], _by_loop(p, groups)) < 1e-12
    assert error(r[f], np.stack([p[:, few == g].sum(-1) for g in (0, 1)], -1)) < 1e-12


def test_heads_a_sink_and_the_certificate():
    rng = np.random.default_rng(5)
    q, k, prior, bias, groups = _problem("gate", rng, lead=(2, 3))
    w = Weights(q, k, prior, sink=0.4)
    mass = w.mass(groups)
    assert mass.shape == (2, 3, 9, MANY + 2)
    assert np.allclose(mass.sum(-1), 1.0)
    assert error(mass[..., :-1], _by_loop(reference(q, k, bias, sink=0.4), groups)) < 1e-12
    _, r = w.read(None, [reads.Mass(groups)])
    reading = Reading(r)
    assert reading.data["group_name"].values[[0, -2, -1]].tolist() == ["0", "outside", "sink"]
    assert "on 8 rows" in reading.certificate


@pytest.mark.parametrize("kind", ["none", "mask", "decay", "nearest"])
def test_gradients(kind):
    rng = np.random.default_rng(6)
    q, k = (torch.tensor(rng.normal(size=(n, 3)), requires_grad=True) for n in (4, 6))
    prior, _ = make_priors(kind, 4, 6, rng)
    groups = torch.tensor([0, MANY - 1, 5, 5, -1, 0])
    assert torch.autograd.gradcheck(lambda q, k: Weights(q, k, prior).mass(groups), (q, k))


def test_gradients_through_recomputed_tiles():
    rng = np.random.default_rng(7)
    q = torch.tensor(rng.normal(size=(40, 3)), requires_grad=True)
    k, groups = torch.tensor(rng.normal(size=(2**16, 3))), torch.tensor(rng.integers(0, MANY, 2**16))
    u = torch.tensor(rng.normal(size=MANY))
    (got,) = torch.autograd.grad((Weights(q, k).mass(groups) @ u).square().sum(), q)
    (want,) = torch.autograd.grad((Weights(q, k) @ u[groups]).square().sum(), q)
    assert error(got, want) < 1e-10


def test_a_million_keys_in_a_hundred_thousand_groups():
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 4, generator=generator), torch.randn(10**6, 4, generator=generator)
    groups = torch.arange(10**6) % 10**5
    w = Weights(q, k)
    mass = w.mass(groups)  # a table of keys by groups would take 400 GB
    assert mass.shape == (2, 10**5)
    assert error(mass, w.rows([0, 1]).double().reshape(2, 10, 10**5).sum(1)) < 1e-5
    with pytest.raises(EngineError, match="1000000 keys x 100000 groups"):
        Weights(q, k, engine="fused").mass(groups)
