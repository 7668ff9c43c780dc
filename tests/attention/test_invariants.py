"""Invariants 2-10: empty rows, sums, gradients, permutation, memory, honesty of engines, bad numbers."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from heedful import InputError, Stack, State, TargetKeys, Weights, attend, priors, reads
from heedful.attention import kkt_residual, score_variance
from heedful.errors import EngineError, HeedfulError
from heedful.testing import check_engine, error

from .cases import KINDS, make_priors, reference


@pytest.mark.parametrize("engine", ["dense", "tiled", "edges", "fused"])
def test_a_row_without_keys_is_zero_and_has_zero_gradient(engine):
    torch.manual_seed(0)
    q, k, v = (torch.randn(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    if engine == "edges":
        prior = priors.Graph([0, 2, 2, 3, 4], [0, 1, 2, 3])
    elif engine == "fused":
        prior = priors.Mask(torch.tensor([False, True, True, True]))
    else:
        prior = priors.Mask(torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]]).bool())
    more = [priors.Causal()] if engine == "fused" else []
    w = Weights(q, k, [prior, *more], engine=engine)
    wanted = [reads.Entropy(), reads.Mass([0, 0, 1, 1]), reads.LogPartition()]
    if engine != "fused":
        wanted += [reads.TopK(2), reads.EffectiveKeys()]
    out, r = w.read(v, wanted)
    row = 0 if engine == "fused" else 1
    assert bool(r.empty[row]) and int(r.empty.sum()) == 1
    assert out[row].tolist() == [0, 0, 0] and r.mass[row].tolist() == [0, 0] and r.entropy[row].tolist() == 0
    assert r.log_partition[row].tolist() == -np.inf
    if engine != "fused":
        assert r.topk.index[row].tolist() == [-1, -1] and r.effective_keys[row].tolist() == 0
    live = r.log_partition.isfinite()
    loss = out.sum() + r.entropy.sum() + r.log_partition[live].sum()
    for g in torch.autograd.grad(loss, (q, k, v), allow_unused=True):
        assert bool(torch.isfinite(g).all())
    (g,) = torch.autograd.grad((w @ v)[row].sum(), q, allow_unused=True)
    assert float(g.abs().sum()) == 0


def test_masses_sum_to_one_with_outside_and_sink_as_groups_of_their_own():
    rng = np.random.default_rng(0)
    w = Weights(rng.normal(size=(5, 3)), rng.normal(size=(7, 3)), sink=0.3)
    mass = w.mass([0, 1, 1, -1, 0, -1, 2])
    assert mass.shape == (5, 5)
    assert np.allclose(mass.sum(-1), 1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("engine", ["tiled", "auto"])
def test_gradcheck(kind, engine):
    rng = np.random.default_rng(11)
    q, k, v = (torch.tensor(rng.normal(size=(n, 3)), requires_grad=True) for n in (4, 5, 5))
    t = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    prior, _ = make_priors(kind, 4, 5, rng)
    groups = torch.tensor([0, 0, 1, 1, 1])

    def smooth(q, k, v, t):
        w = Weights(q, k, prior, temperature=t, engine=engine)
        wanted = [reads.Entropy(), reads.Entropy(2), reads.Mass(groups), reads.Columns(), reads.TopK(2)]
        out, r = w.read(v, wanted)
        lse = r.empty.logical_not() * torch.where(r.empty, 0.0, w.lse())
        return out, r[wanted[0]], r[wanted[1]], r.mass, r.columns, r.topk.weight, lse

    assert torch.autograd.gradcheck(smooth, (q, k, v, t))


def test_gradcheck_of_prior_parameters_including_0d():
    rng = np.random.default_rng(12)
    q, k, v = (torch.tensor(rng.normal(size=(4, 3))) for _ in range(3))
    t, x = torch.tensor(np.sort(rng.uniform(0, 5, 4))), torch.tensor(rng.normal(size=(4, 2)))

    def run(rate, sigma, gate, bias, table, edge, sink):
        w = Weights(
            q,
            k,
            [
                priors.Decay(t, t, rate=rate),
                priors.Gaussian(x, x, sigma),
                priors.Gate(gate, [0, 1, 1, 0]),
                priors.Bias(bias),
                priors.Relative(table, range(4), range(4)),
            ],
            sink=sink,
        )
        graph = priors.Graph([0, 2, 3, 4, 5], [0, 1, 2, 3, 0], edge)
        return w @ v, w.entropy(), Weights(q, k, [graph]) @ v

    leaves = [
        torch.tensor(z, dtype=torch.float64, requires_grad=True)
        for z in (0.4, 1.3, [0.1, -0.2], rng.normal(size=(4, 4)), rng.normal(size=5), rng.normal(size=5), 0.2)
    ]
    assert torch.autograd.gradcheck(run, leaves)


def test_gradients_by_recomputation_over_many_tiles(monkeypatch):
    from heedful.attention.engines import tiled

    monkeypatch.setattr(tiled.solve, "__defaults__", (64,))
    rng = np.random.default_rng(3)
    q, k, v = (torch.tensor(rng.normal(size=(2, 13, 3)), requires_grad=True) for _ in range(3))
    rate = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    t = torch.arange(13.0, dtype=torch.float64)

    def run(engine):
        w = Weights(q, k, [priors.Decay(t, t, rate=rate)], engine=engine)
        out, r = w.read(v, [reads.Entropy(), reads.Columns()])
        return torch.autograd.grad(
            (out**2).sum() + (r.entropy**2).sum() + (r.columns**2).sum(), (q, k, v, rate)
        )

    for mine, want in zip(run("tiled"), run("dense"), strict=True):
        assert error(mine, want) < 1e-10


@pytest.mark.parametrize("kind", ["none", "gate", "gaussian", "causal", "padding"])
def test_fused_gradients_through_lse_and_entropy(kind):
    rng = np.random.default_rng(9)
    prior, _ = make_priors(kind, 9, 9, rng)
    q, k, v = (torch.tensor(rng.normal(size=(2, 9, 4)), requires_grad=True) for _ in range(3))

    def run(engine):
        out, r = Weights(q, k, prior, engine=engine).read(v, [reads.Entropy(), reads.LogPartition()])
        lse = torch.where(r.empty, 0.0, r.log_partition)
        return torch.autograd.grad((out**2).sum() + (r.entropy**2).sum() + (lse**2).sum(), (q, k, v))

    for mine, want in zip(run("fused"), run("dense"), strict=True):
        assert error(mine, want) < 1e-9


@pytest.mark.parametrize("kind", ["none", "gate", "gaussian", "causal", "mask", "decay", "two-sided"])
@pytest.mark.parametrize("size", [(70, 300), (33, 1100)])
def test_compiled_engine_and_its_gradients(kind, size):
    pytest.importorskip("numba", reason="the compiled pass needs numba")
    rng = np.random.default_rng(21)
    nq, nk = size
    prior, _ = make_priors(kind, nq, nk, rng)
    q, k, v = (torch.tensor(rng.normal(size=(2, n, 7))).float().requires_grad_() for n in (nq, nk, nk))
    rate = torch.tensor(0.3, requires_grad=True)
    t_q, t_k = torch.tensor(rng.uniform(0, 50, nq)), torch.tensor(rng.uniform(0, 50, nk))
    more = [*prior, priors.Decay(t_q, t_k, rate=rate, past_only=False)]

    def run(engine, dtype):
        w = Weights(q.to(dtype), k.to(dtype), more, engine=engine)
        out, r = w.read(v.to(dtype), [reads.Entropy(), reads.LogPartition()])
        lse = torch.where(r.empty, 0.0, r.log_partition)
        loss = (out**2).sum() + (r.entropy**2).sum() + (lse**2).sum() * 0.1
        return out, r.entropy, *torch.autograd.grad(loss, (q, k, v, rate))

    for mine, plain, want in zip(
        run("compiled", torch.float32), run("dense", torch.float32), run("dense", torch.float64), strict=True
    ):
        assert error(mine, want) <= max(6 * error(plain, want), 4e-6)
    wanted = [reads.Entropy(), reads.Columns(), reads.TopK(8), reads.Mass(rng.integers(0, 3, nk))]
    with torch.no_grad():
        found = check_engine(Weights(q, k, prior), "compiled", v, wanted)
        base = check_engine(Weights(q, k, prior), "dense", v, wanted)
    for name, gap in found.items():
        assert gap <= max(6 * base[name], 2e-6), name


@pytest.mark.parametrize("kind", ["window", "nearest", "within", "graph", "segments"])
@pytest.mark.parametrize("other", ["none", "gate", "decay", "bias"])
def test_compiled_edges_and_their_gradients(kind, other):
    pytest.importorskip("numba", reason="the compiled pass needs numba")
    rng = np.random.default_rng(31)
    prior, _ = make_priors(kind, 60, 70, rng)
    more, _ = make_priors(other, 60, 70, rng)
    q, k, v = (torch.tensor(rng.normal(size=(3, n, 5))).float().requires_grad_() for n in (60, 70, 70))
    gate = torch.tensor(rng.normal(size=(3, 70))).float().requires_grad_()

    def run(engine, dtype):
        w = Weights(q.to(dtype), k.to(dtype), [*prior, *more, priors.Gate(gate.to(dtype))], engine=engine)
        out, r = w.read(v.to(dtype), [reads.Entropy(), reads.LogPartition()])
        lse = torch.where(r.empty, 0.0, r.log_partition)
        loss = (out**2).sum() + (r.entropy**2).sum() + (lse**2).sum()
        return out, r.entropy, *torch.autograd.grad(loss, (q, k, v, gate))

    runs = run("edges", torch.float32), run("dense", torch.float32), run("dense", torch.float64)
    for mine, plain, want in zip(*runs, strict=True):
        assert error(mine, want) <= max(4 * error(plain, want), 2e-6)
    with torch.no_grad():
        w = Weights(q, k, [*prior, *more])
        wanted = [reads.Entropy(), reads.Columns(), reads.TopK(4), reads.Mass(rng.integers(0, 3, 70))]
        found, base = check_engine(w, "edges", v, wanted), check_engine(w, "dense", v, wanted)
    for name, gap in found.items():
        assert gap <= max(4 * base[name], 2e-6), name


@pytest.mark.parametrize("shape", [(50, 32, 32), (3, 128, 128), (7, 5, 200), (2, 1, 1), (4, 300, 17)])
def test_compiled_engine_on_many_small_problems(shape):
    pytest.importorskip("numba", reason="the compiled pass needs numba")
    torch.manual_seed(0)
    n, nq, nk = shape
    q, k, v = torch.randn(n, nq, 8), torch.randn(n, nk, 8), torch.randn(n, nk, 5)
    wanted = [reads.Entropy(), reads.Columns(), reads.TopK(4), reads.LogPartition()]
    found = check_engine(Weights(q, k), "compiled", v, wanted)
    base = check_engine(Weights(q, k), "dense", v, wanted)
    for name, gap in found.items():
        assert gap <= max(6 * base[name], 2e-6), name


def test_permuting_keys_permutes_key_reads():
    rng = np.random.default_rng(1)
    q, k = rng.normal(size=(6, 4)), rng.normal(size=(9, 4))
    order = rng.permutation(9)
    a, b = Weights(q, k), Weights(q, k[order])
    assert error(b.columns(), a.columns()[order]) < 1e-12
    assert (order[b.topk(3).index] == a.topk(3).index).all()


def test_states_of_any_split_merge_to_the_whole():
    rng = np.random.default_rng(2)
    q, k, v = (torch.tensor(rng.normal(size=(2, n, 4))) for n in (5, 30, 30))
    whole = State.of(Weights(q, k), v, k=4)
    cuts = [0, 3, 4, 4, 17, 30]
    parts = [
        State.of(Weights(q, k[:, a:b]), v[:, a:b], k=4, first_key=a) for a, b in zip(cuts[:-1], cuts[1:])
    ]
    for order in (range(5), [4, 2, 0, 1, 3]):
        merged = State.merge_all([parts[n] for n in order])
        assert error(merged.out, whole.out) < 1e-12
        assert error(merged.entropy, whole.entropy) < 1e-12
        assert error(merged.topk.weight, whole.topk.weight) < 1e-12
        assert (merged.topk.index == whole.topk.index).all()


MEMORY = """
import sys, torch
torch.set_num_threads(1)

def peak():  # of this program alone: ru_maxrss would carry the parent's over
    return int(next(x for x in open("/proc/self/status") if x.startswith("VmHWM")).split()[1])

from heedful import Weights, priors, reads
n = int(sys.argv[1])
torch.manual_seed(0)
q, k, v = torch.randn(3, n, 32)
t = torch.arange(float(n))
rate = torch.tensor(.01, requires_grad=True)
def run(n, learn):
    w = Weights(q[:n], k[:n], [priors.Decay(t[:n], t[:n], rate=rate if learn else .01)])
    wanted = [reads.Entropy()] if learn else [reads.TopK(8), reads.Entropy(), reads.Columns()]
    out, r = w.read(v[:n], wanted)
    if learn:
        (out.sum() + r.entropy.sum()).backward()
run(1024, True)
run(1024, False)
before = peak()
run(n, len(sys.argv) > 2)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("learn", [[], ["learn"]])
def test_peak_memory_grows_linearly(learn):
    def growth(n):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n), *learn], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    # learning here goes through the compiled pass; docs/design.md says what torch tiles cost while learning
    small, large = growth(8192), growth(16384)
    matrix = 16384 * 16384 * 4 / 1024
    assert large < 0.08 * matrix
    assert large <= 2.2 * small + 0.02 * matrix  # pages that the allocator kept from before


def test_an_explicit_engine_never_falls_back():
    q = np.zeros((3, 2))
    with pytest.raises(EngineError, match="lists its pairs"):
        Weights(q, q, engine="edges").lse()
    with pytest.raises(EngineError, match="tiles"):
        Weights(q, q, engine="fused").topk(1)
    assert Weights(q, q, engine="tiled").read(None, [reads.Entropy()])[1].engine == "tiled"
    assert str(Weights(q, q).plan([reads.TopK(1)])).startswith("tiled: order statistics")


def test_non_finite_rows_are_errors_where_seen_and_absent_where_not():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 6, 4))
    k[4, 2] = np.nan
    v[4, 0] = np.inf
    with pytest.raises(InputError, match="k is not finite in row 4"):
        Weights(q, k) @ v
    keep = np.arange(6) != 4
    got = Weights(q, k, [priors.Mask(keep)]) @ v
    assert error(got, reference(q, k[keep]) @ v[keep]) < 1e-12
    with pytest.raises(InputError, match="v is not finite in row 4"):
        Weights(q, np.nan_to_num(k)) @ v
    q[1] = np.nan
    with pytest.raises(InputError, match="q is not finite in row 1"):
        Weights(q, k[keep]).entropy()


@pytest.mark.parametrize("engine", ["tiled", "auto", "dense"])
@pytest.mark.parametrize("t", [1e-12, 1e-6, 1e-3, 1e12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_temperatures_and_scores_survive(engine, t, dtype):
    rng = np.random.default_rng(0)
    q, k, v = (torch.tensor(rng.normal(size=(7, 4)) * 30).to(dtype) for _ in range(3))
    w = Weights(q, k, temperature=t, engine=engine)
    out, r = w.read(v, [reads.Entropy()])
    p = reference(q, k, temperature=t)
    assert error(out, p @ v.numpy()) < 1e-5
    assert np.allclose(r.entropy, -(p * np.log(np.maximum(p, 1e-300))).sum(-1), atol=1e-4, rtol=1e-4)


def test_the_fused_engine_refuses_an_entropy_without_digits():
    q = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(EngineError, match="too few digits"):
        Weights(q, q, temperature=1e-6, engine="fused").entropy()


def test_overflowing_scores_are_said():
    q = torch.full((2, 2), 1e30)
    with pytest.raises(InputError, match="overflow float32"):
        Weights(q, q) @ q


@pytest.mark.parametrize(("nq", "nk"), [(0, 3), (3, 0), (0, 0), (1, 1)])
def test_nothing_and_one(nq, nk):
    out, r = Weights(np.zeros((nq, 2)), np.zeros((nk, 2))).read(
        np.ones((nk, 3)), [reads.Entropy(), reads.TopK(2), reads.Columns(), reads.Quantile(0.5)]
    )
    assert out.shape == (nq, 3) and r.topk.weight.shape == (nq, 2) and r.columns.shape == (nk,)
    assert r.empty.all() == (nk == 0) or nq == 0


def test_all_equal_keys_give_equal_weights():
    w = Weights(np.ones((2, 3)), np.ones((50, 3)))
    assert np.allclose(w.effective_keys(), 50)
    assert np.allclose(w.topk(3).weight, 0.02)


def test_same_bytes_on_every_run():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 300, 16)
    first = Weights(q, k).read(v, [reads.TopK(5), reads.Columns()])
    again = Weights(q, k).read(v, [reads.TopK(5), reads.Columns()])
    assert torch.equal(first[0], again[0]) and torch.equal(first[1].columns, again[1].columns)


def test_a_change_in_place_is_noticed():
    q = torch.zeros(3, 2)
    w = Weights(q, q.clone())
    q += 1
    with pytest.raises(HeedfulError, match="q was changed in place"):
        w.lse()


def test_messages_name_what_the_user_wrote():
    with pytest.raises(
        InputError, match=r"q has 4 features per head, k has 6 \(q \(2, 3, 4\), k \(2, 5, 6\)\); project"
    ):
        Weights(np.zeros((2, 3, 4)), np.zeros((2, 5, 6)))
    with pytest.raises(InputError, match="temperature is 0"):
        Weights(np.zeros((2, 3)), np.zeros((2, 3)), temperature=0)
    with pytest.raises(TypeError, match="never built"):
        np.asarray(Weights(np.zeros((2, 3)), np.zeros((2, 3))))
    with pytest.raises(InputError, match="v has 3 rows, there are 2 keys"):
        Weights(np.zeros((2, 3)), np.zeros((2, 3))) @ np.zeros((3, 1))
    with pytest.raises(InputError, match="booleans were expected"):
        priors.Mask(np.zeros(3))
    with pytest.raises(InputError, match="more than once"):
        priors.Graph.from_edges([0, 0], [1, 1], n=2)


def test_without_divergence_prior_and_relative_columns():
    rng = np.random.default_rng(8)
    q, k = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    w = Weights(q, k, [priors.Causal()])
    p = reference(q, k, np.where(np.tri(6) > 0, 0, -np.inf))
    cut = w.without([2, 3])
    keep = np.isin(np.arange(6), [2, 3], invert=True)
    want = np.where(keep, p, 0)
    assert error(cut.rows(range(6)), want / want.sum(-1, keepdims=True)) < 1e-12
    other = Weights(q, k, [priors.Causal()], temperature=3.0)
    p2 = other.rows(range(6))
    kl = np.where(p > 0, p * np.log(np.maximum(p, 1e-300) / np.maximum(p2, 1e-300)), 0).sum(-1)
    assert error(w.divergence(other), kl) < 1e-10
    assert np.isinf(w.divergence(cut)[3]) and w.divergence(w).max() < 1e-12
    flat = w.prior().columns()
    assert error(flat, [sum(1 / (i + 1) for i in range(j, 6)) for j in range(6)]) < 1e-12
    assert error(w.columns(relative=True), p.sum(0) / flat) < 1e-12


def test_stack_is_rollout():
    rng = np.random.default_rng(5)
    layers = [Weights(rng.normal(size=(3, 7, 4)), rng.normal(size=(3, 7, 4))) for _ in range(3)]
    r = np.eye(7)
    for w in layers:
        r = (0.4 * np.eye(7) + 0.6 * w.rows(range(7)).mean(0)) @ r
    stack = Stack(layers, residual=0.4)
    assert error(np.stack([stack.T @ np.eye(7)[i] for i in range(7)]), r) < 1e-12
    assert error(stack @ np.eye(7), r) < 1e-12


def test_linear_operator_gives_singular_values():
    from scipy.sparse.linalg import svds

    rng = np.random.default_rng(6)
    q, k = rng.normal(size=(30, 4)), rng.normal(size=(40, 4))
    got = np.sort(svds(Weights(q, k).as_linear_operator(), k=3, return_singular_vectors=False))
    assert np.allclose(got, np.sort(np.linalg.svd(reference(q, k), compute_uv=False))[-3:])


def test_target_keys_solves_per_row_under_priors_with_gradient():
    rng = np.random.default_rng(4)
    q, k = (torch.tensor(rng.normal(size=(2, n, 5)), requires_grad=True) for n in (6, 20))
    gate = torch.tensor(rng.normal(size=20), requires_grad=True)
    w = Weights(q, k, temperature=TargetKeys(4.0))
    assert error(w.effective_keys(), np.full((2, 6), 4.0)) < 1e-9
    prior = [priors.Gate(gate), priors.Mask(torch.arange(20) > 3)]
    target = Weights(q, k, prior, temperature=TargetKeys(5.0))
    pi = target.prior().rows(range(6))
    p = target.rows(range(6))
    inside = pi > 0
    kl = torch.where(inside, p * (p / torch.where(inside, pi, 1.0)).log(), 0.0).nansum(-1)
    h = -torch.where(inside, pi * torch.where(inside, pi, 1.0).log(), 0.0).sum(-1)
    assert error((h - kl).exp(), torch.full((2, 6), 5.0)) < 1e-9
    k_keys = torch.tensor(4.5, dtype=torch.float64, requires_grad=True)

    def run(q, k, gate, k_keys):
        return Weights(q, k, [priors.Gate(gate)], temperature=TargetKeys(k_keys)) @ k

    assert torch.autograd.gradcheck(run, (q, k, gate, k_keys), atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_target_keys_by_row_and_by_block_agree(dtype, monkeypatch):
    from heedful.attention import target

    rng = np.random.default_rng(2)
    q, k = (rng.normal(size=(2, n, 6)).astype(dtype) * 2 for n in (40, 300))
    allowed = np.tri(40, 300, 200, dtype=bool)
    prior = [priors.Mask(allowed), priors.Gate(rng.normal(size=300))]
    keys = np.linspace(2, 60, 40)
    for given in ([], prior):
        fast = Weights(q, k, given, temperature=TargetKeys(keys)).entropy()
        with monkeypatch.context() as patch:
            patch.setattr(target.compiled, "available", lambda: False)
            slow = Weights(q, k, given, temperature=TargetKeys(keys)).entropy()
        assert error(fast, slow) < (1e-9 if dtype == np.float64 else 1e-4)
        if not given:
            assert error(np.exp(fast), np.broadcast_to(keys, (2, 40))) < 60 * (
                1e-9 if dtype == np.float64 else 1e-4
            )


def test_target_keys_refuses_what_cannot_be():
    with pytest.raises(InputError, match="leave only 3 effective keys"):
        Weights(np.random.default_rng(0).normal(size=(2, 3)), np.eye(3), temperature=TargetKeys(4.0)).lse()
    with pytest.raises(InputError, match="alone are 2"):
        Weights(np.ones((1, 2)), np.array([[1.0, 0], [1.0, 0], [0, 0]]), temperature=TargetKeys(1.5)).lse()
    with pytest.raises(InputError, match="at least 1"):
        Weights(np.ones((1, 2)), np.ones((3, 2)), temperature=TargetKeys(0.5)).lse()


def test_kkt_residual_certifies_maximum_entropy():
    rng = np.random.default_rng(0)
    s, log_pi = rng.normal(size=(4, 50)), rng.normal(size=(4, 50))
    log_pi[:, :5] = -np.inf
    p = np.exp(s / 0.6 + log_pi)
    p /= p.sum(-1, keepdims=True)
    assert kkt_residual(p, s, log_pi, 0.6).max() < 1e-12
    assert kkt_residual(p.astype(np.float32), s, log_pi, 0.6).max() < 1e-5
    assert kkt_residual(p, s, log_pi, 0.66).min() > 0.05


def test_score_variance_is_the_trace():
    rng = np.random.default_rng(1)
    spectrum = 1 / np.arange(1, 65) ** 0.5
    q, k = (rng.normal(size=(3000, 64)) * spectrum * 3 for _ in range(2))
    found = score_variance(q, k)
    assert np.isclose(found.measured, found.predicted, rtol=1e-10)
    s = (q - q.mean(0)) @ (k - k.mean(0)).T
    assert np.isclose(found.predicted, s.var(), rtol=1e-10)
    assert np.isclose((found.scale * s).var(), 1.0)


def test_autocast_is_off_inside_engines():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 20, 8)
    plain = attend(q, k, v)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(attend(q, k, v), plain)
        assert torch.equal(Weights(q, k).topk(3).weight, Weights(q, k).topk(3).weight)
        assert error(Weights(q, k).columns(), Weights(q.double(), k.double()).columns()) < 1e-5


def test_works_in_a_forked_child_and_from_two_threads():
    code = textwrap.dedent("""
        import os, threading, torch
        from heedful import Weights
        torch.manual_seed(0); q, k = torch.randn(2, 64, 8)
        want = Weights(q, k).columns()
        got = [None, None]
        def work(n): got[n] = Weights(q, k).columns()
        threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
        [t.start() for t in threads]; [t.join() for t in threads]
        assert all(torch.equal(g, want) for g in got)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if torch.equal(Weights(q, k).columns(), want) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    """)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (Weights, r"priors holds an array of shape \(2, 6, 4\).*W @ v"),
        (lambda q, k, v: Weights(q, k, ["causal"]), "priors holds a str"),
        (lambda q, k, v: Weights(q, k, scale=float("nan")), "scale is nan"),
        (lambda q, k, v: Weights(q, k, scale="auto"), "scale is 'auto'"),
        (lambda q, k, v: Weights(q, k, sink=np.ones(5)), r"sink has shape \(5,\).*\(6, 1\) per query"),
        (lambda q, k, v: Weights(q, k) @ np.ones((3, 6, 4)), r"v has leading dimensions \(3,\).*\(2,\)"),
        (lambda q, k, v: Weights(q, k).read([reads.TopK(2)]), r"v holds reads.*W.read\(v"),
        (lambda q, k, v: Weights(q, k).read(v, "topk"), "'topk' is not a read"),
        (
            lambda q, k, v: Weights(q, k, priors.Mask(np.ones((3, 6, 6), bool))),
            r"q \(2,\), k \(2,\), Mask \(3,\)",
        ),
    ],
)
def test_slips_are_told_with_what_to_do(slip, words):
    with pytest.raises(InputError, match=words):
        slip(*np.random.default_rng(0).normal(size=(3, 2, 6, 4)))
