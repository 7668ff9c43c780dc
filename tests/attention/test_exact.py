"""Invariant 1: every read, prior and engine against a float64 formula written elsewhere."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heedful import Weights, attend, priors, reads
from heedful.testing import check_prior, error

from .cases import KINDS, make_priors, reference

common = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def answers(p, lse_bias, v, groups, x, edges, t_q, t_k):
    """Every read from a reference matrix P."""
    live = p.sum(-1) > 0
    plogp = np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0.0)
    on_keys = p / np.where(live, p.sum(-1), 1.0)[..., None]
    order = np.sort(p, -1)[..., ::-1]
    dx = t_q[:, None] - t_k
    cells = [(dx >= a) & ((dx < b) if b != edges[-1] else (dx <= b)) for a, b in zip(edges[:-1], edges[1:])]
    return {
        "out": p @ v,
        "entropy": -plogp.sum(-1),
        "effective": np.where(live, np.exp(-plogp.sum(-1)), 0.0),
        "renyi": np.where(live, -np.log(np.maximum((p**2).sum(-1), 1e-300)), 0.0),
        "mass": np.stack([p[..., groups == g].sum(-1) for g in (0, 1, -1)], -1),
        "mean": on_keys @ x,
        "variance": np.maximum(on_keys @ x**2 - (on_keys @ x) ** 2, 0),
        "columns": p.sum(-2),
        "top": np.pad(order, [(0, 0)] * (p.ndim - 1) + [(0, 4)])[..., :4],
        "lag": np.stack([(p * c).sum((-1, -2)) for c in cells], -1),
        "nucleus": np.where(
            live, (np.cumsum(order, -1) < 0.8 * live[..., None] * (1 - 1e-15)).sum(-1) + 1, 0
        ),
    }


@common
@given(
    kind=st.sampled_from(KINDS),
    other=st.sampled_from(KINDS),
    nq=st.integers(1, 17),
    nk=st.integers(1, 19),
    lead=st.sampled_from([(), (2,), (2, 3)]),
    engine=st.sampled_from(["dense", "tiled", "auto"]),
    sink=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_reads_equal_the_formula(kind, other, nq, nk, lead, engine, sink, seed):
    rng = np.random.default_rng(seed)
    d, dv = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    q, k = rng.normal(size=(*lead, nq, d)), rng.normal(size=(*lead, nk, d))
    v, x = rng.normal(size=(*lead, nk, dv)), rng.normal(size=(nk, 2))
    groups, t_q, t_k = rng.integers(-1, 2, nk), rng.normal(size=nq), rng.normal(size=nk)
    groups[0] = 1
    edges = np.array([-2.0, -0.3, 0.5, 2.0])
    (first, bias), (second, more) = make_priors(kind, nq, nk, rng), make_priors(other, nq, nk, rng)
    s = float(rng.normal()) if sink else None
    w = Weights(q, k, first + second, temperature=0.7, sink=s, engine=engine)
    p = reference(q, k, bias + more, temperature=0.7, sink=s)
    wanted = [
        reads.Entropy(),
        reads.Entropy(2),
        reads.Mass(groups, ["a", "b"]),
        reads.Moments(x),
        reads.Columns(),
        reads.TopK(4),
        reads.Lag(edges, t_q, t_k),
        reads.Quantile(0.8),
        reads.Contribution(v, np.ones(dv), 2),
    ]
    out, r = w.read(v, wanted)
    want = answers(p, bias + more, v, groups, x, edges, t_q, t_k)
    assert error(out, want["out"]) < 1e-10
    if s is None:
        # an entropy near 0 is a difference of numbers near 1: absolute there, relative elsewhere
        assert np.allclose(r[wanted[0]], want["entropy"], rtol=1e-10, atol=1e-13)
        assert np.allclose(r[wanted[1]], want["renyi"], rtol=1e-10, atol=1e-13)
        got = r[wanted[2]]
        assert error(got[..., :2], want["mass"][..., :2]) < 1e-10
        if (groups < 0).any():
            assert error(got[..., 2], want["mass"][..., 2]) < 1e-10
        assert np.allclose(r[wanted[2]].sum(-1), (p.sum(-1) > 0), atol=1e-12)
        assert (r[wanted[7]] == want["nucleus"]).all()
    else:
        assert np.allclose(r[wanted[2]].sum(-1), 1.0, atol=1e-12)
    assert error(r[wanted[3]].mean, want["mean"]) < 1e-10
    assert np.allclose(r[wanted[3]].variance, want["variance"], atol=1e-9)
    assert error(r[wanted[4]], want["columns"]) < 1e-10
    assert error(r[wanted[5]].weight, want["top"]) < 1e-10
    assert error(r[wanted[6]], want["lag"]) < 1e-10
    c = p * v.sum(-1)[..., None, :]
    assert error(r[wanted[8]].total, c.sum(-2)) < 1e-10
    largest = -np.sort(-np.abs(c), -1)
    largest = np.pad(largest, [(0, 0)] * (c.ndim - 1) + [(0, 2)])[..., :2]
    assert error(np.abs(r[wanted[8]].weight), largest) < 1e-10
    assert error(w.T @ np.ones(nq), want["columns"]) < 1e-10
    assert error(w.rows([0, nq - 1]), p[..., [0, nq - 1], :]) < 1e-10


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_precision_is_as_good_as_dense_in_that_precision(kind, dtype):
    rng = np.random.default_rng(3)
    q, k = (torch.tensor(rng.normal(size=(2, n, 8))).to(dtype) for n in (23, 29))
    v = torch.tensor(rng.normal(size=(2, 29, 8))).to(dtype)
    prior, bias = make_priors(kind, 23, 29, rng)
    p = reference(q.double(), k.double(), bias)
    wanted = [reads.Entropy(), reads.Columns(), reads.TopK(4)]
    out, r = Weights(q, k, prior).read(v, wanted)
    plain, d = Weights(q, k, prior, engine="dense").read(v, wanted)
    assert out.dtype == dtype
    assert r.entropy.dtype == torch.float32
    floor = 8 * torch.finfo(dtype).eps
    for mine, theirs, want in (
        (out, plain, p @ v.double().numpy()),
        (r.columns, d.columns, p.sum(-2)),
        (r.topk.weight, d.topk.weight, -np.sort(-p, -1)[..., :4]),
    ):
        assert error(mine, want) <= max(4 * error(theirs, want), floor)


@pytest.mark.parametrize("kind", KINDS)
def test_priors_have_consistent_forms(kind):
    rng = np.random.default_rng(1)
    for nq, nk in ((7, 9), (6, 6), (1, 4)):
        prior, _ = make_priors(kind, nq, nk, rng)
        for p in prior:
            check_prior(p, nq, nk)


@pytest.mark.parametrize("kind", ["none", "padding", "gate", "gaussian", "causal"])
def test_fused_engine(kind):
    rng = np.random.default_rng(5)
    n = 33
    q, k, v = rng.normal(size=(3, 2, n, 8))
    prior, bias = make_priors(kind, n, n, rng)
    w = Weights(q, k, prior, engine="fused")
    p = reference(q, k, bias)
    out, r = w.read(v, [reads.Entropy(), reads.LogPartition(), reads.Mass(rng.integers(0, 3, n) * 0)])
    assert r.engine == "fused"
    assert error(out, p @ v) < 1e-10
    assert error(r.entropy, -(p * np.log(np.maximum(p, 1e-300))).sum(-1)) < 1e-10
    assert error(w.columns(), p.sum(-2)) < 1e-10
    y = rng.normal(size=(2, n, 3))
    assert error(w.T @ y, p.swapaxes(-1, -2) @ y) < 1e-10
    assert error(y.swapaxes(-1, -2) @ w, y.swapaxes(-1, -2) @ p) < 1e-10


@pytest.mark.parametrize("kind", ["window", "nearest", "within", "graph", "segments"])
def test_edges_engine_alone_and_in_blocks(kind, monkeypatch):
    from heedful.attention.engines import edges

    rng = np.random.default_rng(7)
    q, k, v = rng.normal(size=(2, 20, 4)), rng.normal(size=(2, 25, 4)), rng.normal(size=(2, 25, 3))
    prior, bias = make_priors(kind, 20, 25, rng)
    p = reference(q, k, bias)
    for budget in (2**22, 64):
        monkeypatch.setattr(edges, "PRODUCTS", budget)
        out, r = Weights(q, k, prior, engine="edges").read(v, [reads.TopK(3), reads.Columns()])
        assert r.engine == "edges"
        assert error(out, p @ v) < 1e-10
        assert error(r.columns, p.sum(-2)) < 1e-10


def test_attend_is_weights_times_v_and_gqa_repeats_heads():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(2, 6, 5, 4)), rng.normal(size=(2, 2, 7, 4)), rng.normal(size=(2, 2, 7, 3))
    got = attend(q, k, v, gqa=True)
    want = reference(q, k.repeat(3, 1)) @ v.repeat(3, 1)
    assert error(got, want) < 1e-12
    assert error(got, Weights(q, k, gqa=True) @ v) == 0.0


def test_two_equal_events_differ_by_their_half_life_at_every_temperature():
    from heedful import priors

    for temperature in (1e-3, 0.5, 1.0, 40.0, 1e6):
        k = np.ones((2, 3))
        decay = priors.Decay([10.0], [3.0, 9.0], half_life=2.5)
        row = Weights(np.ones((1, 3)), k, [decay], temperature=temperature).rows([0])[0]
        assert np.isclose(row[0] / row[1], 2.0 ** (-6.0 / 2.5), rtol=1e-12)


def test_small_tiles_and_many_leading_elements(monkeypatch):
    from heedful.attention.engines import tiled

    monkeypatch.setattr(tiled, "CELLS", 300)
    monkeypatch.setattr(tiled.solve, "__defaults__", (300,))
    rng = np.random.default_rng(2)
    q, k, v = rng.normal(size=(3, 4, 2, 21, 3))
    out, r = Weights(q, k, engine="tiled").read(v, [reads.TopK(3), reads.Columns(), reads.Entropy()])
    p = reference(q, k)
    assert error(out, p @ v) < 1e-12
    assert error(r.columns, p.sum(-2)) < 1e-12
    assert error(r.topk.weight, -np.sort(-p, -1)[..., :3]) < 1e-12


def test_periodic_nearest_on_a_circle():
    from heedful import priors

    rng = np.random.default_rng(4)
    x = np.stack([rng.normal(size=40), rng.uniform(-np.pi, np.pi, 40)], 1)
    gap = np.abs(x[:, None] - x)
    gap[..., 1] = np.minimum(gap[..., 1], 2 * np.pi - gap[..., 1])
    want = np.zeros((40, 40), bool)
    np.put_along_axis(want, (gap**2).sum(-1).argsort(-1)[:, :6], True, -1)
    near = priors.Nearest(x, k=5, period=(None, 2 * np.pi))
    p = Weights(np.zeros((40, 1)), np.zeros((40, 1)), [near]).rows(range(40))
    assert ((p > 0) == want).all()


def test_the_edges_operator_is_a_proper_torch_operator():
    pytest.importorskip("numba")
    from heedful.attention.engines import lists

    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 7, 4, generator=generator, requires_grad=True) for _ in range(3))
    indptr = torch.tensor([0, 2, 2, 5, 6, 9, 12, 14])
    indices = torch.randint(0, 7, (14,), generator=generator)
    for columns in (0, 14):
        bias = torch.randn(1, columns, generator=generator, requires_grad=columns > 0)
        torch.library.opcheck(lists.listed, (q, k, v, bias, indptr, indices, True))


@pytest.mark.parametrize("shape", [(5, 1, 1), (1, 3, 1), (5, 3, 1), (5, 1, 2)])
def test_neighbours_of_each_element_are_one_long_list(shape):
    """Batches with neighbours of their own, heads that share them, and other priors on the pairs."""
    generator = torch.Generator().manual_seed(1)
    lead = 5, 3, 2
    place = torch.randn(*shape, 9, 2, generator=generator)
    q, k, v = (
        torch.randn(*lead, 9, 4, generator=generator, dtype=torch.float32, requires_grad=True)
        for _ in range(3)
    )
    gate = torch.randn(3, 1, 9, generator=generator, requires_grad=True)
    wanted = [reads.Entropy(), reads.LogPartition()]

    def asked(engine):
        near = priors.Nearest(place, k=3)
        w = Weights(q, k, [near, priors.Gate(gate)], engine=engine)
        return (w, *w.read(v, wanted))

    few, dense = asked("edges"), asked("dense")
    for mine, theirs in (
        (few[1], dense[1]),
        (few[2].entropy, dense[2].entropy),
        (few[2].log_partition, dense[2].log_partition),
    ):
        assert error(mine, theirs) < 1e-5
    grads = [
        torch.autograd.grad(
            x[1].square().sum() + x[2].entropy.sum() + x[2].log_partition.sin().sum(), (q, k, v, gate)
        )
        for x in (few, dense)
    ]
    assert all(error(a, b) < 1e-4 for a, b in zip(*grads, strict=True))
    with torch.no_grad():
        assert error(few[0].columns(), dense[0].columns()) < 1e-5
        mine, theirs = few[0].topk(5), dense[0].topk(5)
        assert error(mine.weight, theirs.weight) < 1e-6
        assert (mine.index == theirs.index).all()
