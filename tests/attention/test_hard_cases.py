"""What attackers found: layouts, leading dimensions, looks without gradients, orders near 1, wrong calls."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heedful import State, TargetKeys, Weights, priors, reads
from heedful.errors import EngineError, HeedfulError, InputError, ShapeError
from heedful.testing import error

from .cases import KINDS, make_priors, reference

ENGINES = ["auto", "dense", "tiled", "fused", "compiled", "edges"]


def column_major(x):
    return x.mT.contiguous().mT


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(KINDS),
    engine=st.sampled_from(ENGINES),
    shapes=st.sampled_from([((), (), ()), ((1, 3), (3,), (2, 3)), ((3,), (1,), (2, 1)), ((1,), (), (4,))]),
    layout=st.tuples(*[st.sampled_from(["rows", "columns", "every other", "one row"])] * 3),
    n=st.sampled_from([(5, 9), (1, 17), (9, 1), (3, 300)]),
    single=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_any_layout_and_any_leading_dimensions(kind, engine, shapes, layout, n, single, seed):
    rng = np.random.default_rng(seed)
    (nq, nk), dtype = n, torch.float32 if single else torch.float64
    width, depth = int(rng.integers(1, 9)), int(rng.integers(0, 9))

    def made(lead, rows, columns, how):
        x = torch.tensor(rng.normal(size=(*lead, rows, columns))).to(dtype)
        if how == "columns":
            return column_major(x)
        if how == "every other":
            return x.repeat_interleave(2, -1)[..., ::2]
        return x[..., :1, :].expand(x.shape) if how == "one row" and rows > 1 else x

    q, k = made(shapes[0], nq, width, layout[0]), made(shapes[1], nk, width, layout[1])
    v, y = made(shapes[2], nk, depth, layout[2]), made(shapes[2], nq, 2, layout[2])
    prior, bias = make_priors(kind, nq, nk, rng)
    p = reference(q, k, bias)
    w = Weights(q, k, prior, engine=engine)
    try:
        out, r = w.read(v, [reads.Entropy()])
        back = w.T @ y
    except EngineError:
        assert engine in ("fused", "compiled", "edges")
        return
    close = 2e-5 if single else 1e-10
    assert error(out, p @ v.double().numpy()) < close
    assert error(back, p.swapaxes(-1, -2) @ y.double().numpy()) < close
    assert r.entropy.shape == w.shape[:-1]
    assert np.allclose(r.entropy, -(p * np.log(np.maximum(p, 1e-300))).sum(-1), atol=100 * close)


def test_columns_of_a_table_as_numpy_keeps_them():
    table = np.asfortranarray(np.random.default_rng(0).normal(size=(12, 5)))
    assert error(Weights(table, table) @ table, reference(table, table) @ table) < 1e-12


def test_values_with_more_leading_dimensions_give_a_gradient():
    q, v = torch.randn(1, 5, 4, dtype=torch.float64), torch.randn(3, 2, 5, 2, dtype=torch.float64)
    q.requires_grad_(), v.requires_grad_()
    mine = torch.autograd.grad((Weights(q, q) @ v).square().sum(), (q, v))
    plain = (q @ q.mT / 2).softmax(-1) @ v
    for a, b in zip(mine, torch.autograd.grad(plain.square().sum(), (q, v)), strict=True):
        assert error(a, b) < 1e-12


@pytest.mark.parametrize("still", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("temperature", [1.0, torch.tensor(0.7), TargetKeys(3.0)])
def test_a_look_without_gradients_takes_none_away(still, temperature):
    torch.manual_seed(0)
    q, k, v = (torch.randn(9, 4, requires_grad=True) for _ in range(3))
    w = Weights(q, k, temperature=temperature)
    with still():
        w.entropy()
    mine = torch.autograd.grad((w @ v).square().sum(), (q, k, v))
    fresh = Weights(q, k, temperature=temperature)
    for a, b in zip(mine, torch.autograd.grad((fresh @ v).square().sum(), (q, k, v)), strict=True):
        assert error(a, b) < 1e-6


@pytest.mark.parametrize("name", ["temperature", "sink", "scale"])
def test_what_was_folded_in_and_changed_since_is_noticed(name):
    held = torch.tensor(0.5)
    w = Weights(torch.randn(4, 3), torch.randn(5, 3), **{name: held})
    w.lse()
    held.add_(1.0)
    with pytest.raises(HeedfulError, match=f"{name} was changed in place"):
        w.lse()


def test_copies_are_weights_too():
    w = Weights(torch.randn(4, 3), torch.randn(5, 3), [priors.Causal(1)], temperature=0.5)
    for other in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert error(other.entropy(), w.entropy()) == 0.0


@pytest.mark.parametrize("engine", ["dense", "tiled", "edges"])
@pytest.mark.parametrize("sink", [None, 0.4])
def test_renyi_entropy_near_order_one_is_shannons(engine, sink):
    rng = np.random.default_rng(0)
    q, k = (torch.tensor(rng.normal(size=(n, 4))).float() for n in (6, 9))
    near = [priors.Window(3, 3)] if engine == "edges" else []
    w = Weights(q, k, near, sink=sink, engine=engine)
    shannon = w.entropy()
    for order in (1 - 1e-9, 1 + 1e-12, 1 + 1e-6):
        assert np.allclose(w.entropy(order), shannon, atol=1e-5)
    exact = Weights(q.double(), k.double(), near, sink=sink, engine="dense")
    for order in (0.7, 0.9, 1.01, 1.2, 1.3):
        assert np.allclose(w.entropy(order), exact.entropy(order), atol=1e-5)


def test_shared_heads_in_every_place_that_takes_values():
    rng = np.random.default_rng(1)
    q, k, v = rng.normal(size=(2, 6, 5, 4)), rng.normal(size=(2, 2, 7, 4)), rng.normal(size=(2, 2, 7, 3))
    w, p = Weights(q, k, gqa=True), reference(q, k.repeat(3, 1))
    for values in (v, v.repeat(3, 1)):
        assert error(w @ values, p @ v.repeat(3, 1)) < 1e-12
    total = w.contribution(v, np.ones(3)).total
    assert error(total, (p * v.repeat(3, 1).sum(-1)[..., None, :]).sum(-2)) < 1e-12
    with pytest.raises(ShapeError, match="3 heads, 2 as k or 6 as q"):
        w @ rng.normal(size=(2, 3, 7, 3))


@pytest.mark.parametrize("engine", ["auto", "fused", "compiled", "edges"])
def test_second_derivatives_are_right_or_refused(engine):
    if engine in ("compiled", "edges"):
        pytest.importorskip("numba")
    torch.manual_seed(0)
    q, k, v = (torch.randn(300, 4, requires_grad=True) for _ in range(3))
    near = [priors.Window(1, 1)] if engine == "edges" else []

    def slope(engine):
        out = Weights(q, k, near, engine=engine) @ v
        return torch.autograd.grad(out.square().sum(), q, create_graph=True)[0]

    assert error(slope(engine), slope("dense")) < 1e-4
    with pytest.raises(EngineError, match="second derivatives are taken by engine='tiled'"):
        slope(engine).square().sum().backward()
    mine, theirs = (torch.autograd.grad(slope(e).square().sum(), q)[0] for e in ("tiled", "dense"))
    assert error(mine, theirs) < 1e-4


def test_second_derivatives_through_target_keys_are_refused():
    q = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    keep = priors.Mask(~torch.eye(9, dtype=torch.bool))
    out = Weights(q, q, [keep], temperature=TargetKeys(3.0), engine="tiled") @ q
    (g,) = torch.autograd.grad(out.square().sum(), q, create_graph=True)
    with pytest.raises(EngineError, match="temperatures that are numbers"):
        g.sum().backward()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_of_a_parent_with_threads_answers():
    code = """
import os, numpy as np, torch
from heedful import Weights, priors, reads
torch.set_num_threads(2)
q = torch.randn(4, 600, 16)
torch.randn(400, 400) @ torch.randn(400, 400); q.exp().sum()
Weights(q, q).read(q, [reads.TopK(3)])
pid = os.fork()
if not pid:
    w = Weights(q, q, [priors.Bias(np.zeros((600, 600))), priors.Window(9, 9)])
    w.read(q, [reads.TopK(3), reads.Columns()]), w.divergence(w), Weights(q, q) @ q
    os._exit(0)
print(os.waitpid(pid, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "0", done.stderr


@pytest.mark.parametrize("engine", ["auto", "fused", "tiled", "dense"])
def test_scores_that_overflow_downwards_are_no_empty_row(engine):
    with pytest.raises(InputError, match="overflow float32"):
        Weights(torch.full((1, 2), 1e30), torch.full((3, 2), -1e30), engine=engine) @ torch.ones(3, 1)


@pytest.mark.parametrize("read", [reads.Contribution, reads.Moments])
def test_values_that_are_not_finite_are_said_or_absent_in_reads_too(read):
    x = np.array([1.0, np.nan, 2.0])[:, None]
    q, k = np.ones((2, 1)), np.ones((3, 1))
    with pytest.raises(InputError, match="not finite in row 1"):
        Weights(q, k).read(None, [read(x)])
    seen = Weights(q, k, [priors.Mask([True, False, True])])
    if read is reads.Moments:
        assert seen.moments(x).mean.tolist() == [[1.5], [1.5]]
    else:
        assert np.allclose(seen.contribution(x, [1.0]).total, [1.0, 0.0, 2.0])


@pytest.mark.parametrize("engine", ["auto", "tiled", "fused", "dense"])
@pytest.mark.parametrize("shape", [(0, 3), (3,)])
@pytest.mark.parametrize(("nk", "width", "depth"), [(4, 2, 0), (300, 2, 0), (4, 0, 2), (600, 0, 2)])
def test_nothing_in_any_dimension(engine, shape, nk, width, depth):
    q = torch.randn(*shape, 5, width, requires_grad=True)
    w = Weights(q, torch.randn(*shape, nk, width), engine=engine)
    out, r = w.read(torch.randn(*shape, nk, depth), [reads.Entropy()])
    assert out.shape == (*shape, 5, depth) and r.entropy.shape == (*shape, 5)
    (out.sum() + r.entropy.sum()).backward()
    with torch.no_grad():
        still = Weights(q.detach(), w.k, engine=engine)
        assert (still.T @ torch.randn(*shape, 5, depth)).shape == (*shape, nk, depth)
    for x in (np.zeros((0, 2)), np.zeros((0, 0, 2))):
        assert priors.Nearest(x, np.zeros((*x.shape[:-2], 3, 2)), 2).support(0, 3).indices.numel() == 0


def test_a_sink_per_head_over_content_shared_by_all():
    rng = np.random.default_rng(2)
    q, k, sink = rng.normal(size=(5, 3)), rng.normal(size=(6, 3)), rng.normal(size=(4, 1, 1))
    p = reference(np.broadcast_to(q, (4, 5, 3)), k, sink=sink)
    for engine in ("auto", "dense"):
        assert error(Weights(q, k, sink=sink, engine=engine).rows(range(5)), p) < 1e-12
        assert error(Weights(q, k, sink=sink, engine=engine).columns(), p.sum(-2)) < 1e-12


WRONG = {
    "TopK(k) is 'a'": lambda w, x: w.topk("a"),
    "TopK(k) is nan": lambda w, x: w.topk(float("nan")),
    "Entropy(order) is inf": lambda w, x: w.entropy(np.inf),
    "Entropy(order) is 'a'": lambda w, x: w.entropy("a"),
    "Mass(groups) runs to group 1000000000": lambda w, x: w.mass([0, 10**9, 0, 0, 0]),
    "a group per key is a whole number": lambda w, x: w.mass([0.0, 1, 0, 1, 1]),
    "Mass(groups) has dtype": lambda w, x: w.mass(list("abcde")),
    "NaN or infinite shares": lambda w, x: w.mass(np.full((5, 2), np.nan)),
    "1 names for 2 groups": lambda w, x: w.mass(np.ones((5, 2)), names=["a"]),
    "Moments(x) has shape ()": lambda w, x: w.moments(3.0),
    "Contribution(k) is -1": lambda w, x: w.contribution(x, k=-1),
    "Contribution(v) has leading dimensions (3, 4)": lambda w, x: w.contribution(np.ones((3, 4, 5, 2))),
    "Lag(x_q) is not finite in row 1": lambda w, x: w.lag([0, 1], [0, np.nan, 0, 0, 0], range(5)),
    "v is a single number": lambda w, x: w @ 3.0,
    "names key 7": lambda w, x: w.without([7]),
    "without(keys) has shape (4,)": lambda w, x: w.without([True] * 4),
    "temperature has shape (5, 5)": lambda w, x: Weights(x, x, temperature=np.ones((5, 5))),
    "temperature has shape (7, 1)": lambda w, x: Weights(x, x, temperature=np.ones((7, 1))),
    "temperature has shape (1, 8)": lambda w, x: Weights(x, x, temperature=np.ones((1, 8))),
    "scale is nan": lambda w, x: Weights(x, x, scale=torch.tensor(np.nan)),
    "scale has shape (4,)": lambda w, x: Weights(x, x, scale=torch.ones(4)),
    "beyond what a number can hold": lambda w, x: Weights(x, x, temperature=1e-320).lse(),
    "sink holds NaN": lambda w, x: Weights(x, x, sink=np.nan),
    "the class Causal": lambda w, x: Weights(x, x, priors.Causal),
    "q is no array": lambda w, x: Weights([[1.0], [1.0, 2.0]], x),
    "q is a nested tensor": lambda w, x: Weights(
        torch.nested.nested_tensor([torch.ones(2, 3)], layout=torch.jagged), x
    ),
    "q is a sparse_coo tensor": lambda w, x: Weights(torch.eye(3).to_sparse(), torch.eye(3)),
    "float8": lambda w, x: Weights(torch.ones(2, 2).to(torch.float8_e4m3fn), torch.ones(2, 2)),
    "meta device": lambda w, x: Weights(torch.ones(2, 2, device="meta"), torch.ones(2, 2)),
    "q has 1 masked": lambda w, x: Weights(np.ma.masked_array(np.ones((1, 2)), [[0, 1]]), np.ones((1, 2))),
    "no multiple": lambda w, x: Weights(np.ones((6, 5, 2)), np.ones((4, 5, 2)), gqa=True),
    "TargetKeys(K) (3,)": lambda w, x: Weights(x, x, temperature=TargetKeys(np.ones(3))).lse(),
    "do not merge": lambda w, x: State.of(w, x).merge(State.of(Weights(x[:, :3], x), x)),
    "divergence(other) is a ndarray": lambda w, x: w.divergence(x),
    "Window(before) is 1.5": lambda w, x: priors.Window(1.5, 1),
    "Causal(offset) is 'a'": lambda w, x: priors.Causal("a"),
    "Nearest(k) is 'a'": lambda w, x: priors.Nearest(x, k="a"),
    "one finite length": lambda w, x: priors.Nearest(x, k=1, period=np.inf),
    "Within(radius) is a": lambda w, x: priors.Within(x, x, "a"),
    "Segments(offsets_q) ends at 5, there are 8": lambda w, x: priors.Segments([0, 5]).check(8, 8),
}


@pytest.mark.parametrize("message", WRONG)
def test_slips_are_told_in_the_callers_words(message):
    x = np.random.default_rng(0).normal(size=(4, 5, 8))
    with pytest.raises(HeedfulError) as told:
        WRONG[message](Weights(x, x), x)
    assert message in str(told.value)


def test_no_priors_may_be_none_and_reads_any_iterable():
    x = np.eye(3)
    out, r = Weights(x, x, None).read(x, (read for read in [reads.TopK(1), reads.Entropy()]))
    assert out.shape == (3, 3) and r.topk.index[:, 0].tolist() == [0, 1, 2]
