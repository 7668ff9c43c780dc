"""The kernels against plain loops, and the exact facts of the dynamics."""

import math

import networkx as nx
import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.graphs import read_graph
from heedful.interact.opinions import kernel
from heedful.interact.opinions.complete import step_complete
from heedful.interact.opinions.dynamics import RULES, Dynamics, simulate
from heedful.interact.opinions.metastable import gaussian_factor

ENGINES = [
    "numpy",
    pytest.param("numba", marks=pytest.mark.skipif(not kernel.compiled(), reason="needs numba")),
]


def network(n=40, seed=0, weighted=True):
    graph = nx.gnp_random_graph(n, 0.15, seed=seed, directed=True)
    rng = np.random.default_rng(seed)
    if weighted:
        for _, _, data in graph.edges(data=True):
            data["weight"] = float(rng.uniform(0.2, 3.0))
    graph.remove_edges_from(list(graph.out_edges(5)))  # one who hears nobody
    return read_graph(graph, listens="source")


def brute(x, net, dynamics, first=None, camp=None):
    """The definition, one listener and one neighbour at a time."""
    x = np.asarray(x, float).reshape(len(x), -1)
    first = x if first is None else np.asarray(first, float).reshape(x.shape)
    stubborn = np.broadcast_to(np.asarray(dynamics.stubbornness, float), len(x)).copy()
    hold = first.copy()
    for node, where in (dynamics.anchors or {}).items():
        stubborn[node], hold[node] = 1.0, where
    out, entropy, mass = np.empty_like(x), np.zeros(len(x)), np.zeros(len(x))
    for i in range(len(x)):
        if net is None:
            heard = [(j, 1.0) for j in range(len(x)) if j != i]
        else:
            low, high = net.indptr[i], net.indptr[i + 1]
            w = np.ones(high - low) if net.weights is None else net.weights[low:high]
            heard = list(zip(net.indices[low:high].tolist(), w.tolist(), strict=True))
        if dynamics.self_weight > 0:
            heard.append((i, dynamics.self_weight))
        total, weights = 0.0, []
        for j, a in heard:
            gap = math.sqrt(sum((x[i, d] - x[j, d]) ** 2 for d in range(x.shape[1])))
            if dynamics.rule == "attention":
                w = a * math.exp(-gap * gap / (2 * dynamics.tau))
            elif dynamics.rule == "dot":
                w = a * math.exp(float(x[i] @ x[j]) / dynamics.tau)
            elif dynamics.rule == "hegselmann-krause":
                w = a if gap <= dynamics.epsilon else 0.0
            else:
                w = a
            weights.append(w)
            total += w
        if total == 0:
            out[i] = x[i]
        else:
            p = [w / total for w in weights]
            out[i] = sum(q * x[j] for q, (j, _) in zip(p, heard, strict=True))
            entropy[i] = -sum(q * math.log(q) for q in p if q > 0)
            if camp is not None:
                mass[i] = sum(q for q, (j, _) in zip(p, heard, strict=True) if camp[j] == camp[i])
        out[i] = (1 - stubborn[i]) * out[i] + stubborn[i] * hold[i]
    return out, entropy, mass


CASES = [
    Dynamics(tau=0.1),
    Dynamics(tau=0.3, self_weight=0.0),
    Dynamics(tau=0.2, self_weight=2.5),
    Dynamics(tau=0.5, rule="dot"),
    Dynamics(rule="degroot"),
    Dynamics(rule="degroot", self_weight=0.0),
    Dynamics(rule="friedkin-johnsen", stubbornness=0.4),
    Dynamics(rule="hegselmann-krause", epsilon=0.5),
    Dynamics(rule="hegselmann-krause", epsilon=0.3, self_weight=0.0),
    Dynamics(tau=0.1, stubbornness=0.2, anchors={0: -1.0, 3: 1.0}),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dynamics", CASES, ids=lambda d: f"{d.rule}-{d.self_weight}-{bool(d.anchors)}")
@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_rule_equals_the_loop(engine, dynamics, shape, weighted):
    net = network(weighted=weighted)
    rng = np.random.default_rng(1)
    x, camp = rng.uniform(-1, 1, shape), rng.integers(0, 3, 40)
    done = dynamics.step(x, net, camp=camp, entropy=True, weights=True, engine=engine)
    out, entropy, mass = brute(x, net, dynamics, camp=camp)
    assert done.opinions.shape == shape
    np.testing.assert_allclose(done.opinions.reshape(out.shape), out, atol=1e-12, rtol=0)
    np.testing.assert_allclose(done.entropy, entropy, atol=1e-12, rtol=0)
    np.testing.assert_allclose(done.mass, mass, atol=1e-12, rtol=0)
    total = np.bincount(net.rows, done.weights, 40) + done.self_weights
    silent = (np.diff(net.indptr) == 0) & (dynamics.self_weight == 0)
    if dynamics.rule != "hegselmann-krause":
        np.testing.assert_allclose(total, np.where(silent, 0.0, 1.0), atol=1e-14)


@pytest.mark.parametrize("dynamics", CASES, ids=lambda d: f"{d.rule}-{d.self_weight}-{bool(d.anchors)}")
@pytest.mark.parametrize("shape", [(150,), (60, 2)], ids=str)
def test_the_complete_graph_equals_the_loop(dynamics, shape):
    x = np.random.default_rng(2).uniform(-1, 1, shape)
    done = dynamics.step(x, None, entropy=True)
    out, entropy, _ = brute(x, None, dynamics)
    np.testing.assert_allclose(done.opinions.reshape(out.shape), out, atol=1e-12, rtol=0)
    np.testing.assert_allclose(done.entropy, entropy, atol=1e-12, rtol=0)


@pytest.mark.parametrize("tau", [1e-4, 1e-3, 0.02, 0.3, 50.0])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_chebyshev_cells_are_exact_to_rounding(tau, offset):
    x = np.random.default_rng(3).standard_t(3, 1500) + offset
    short, long = (step_complete(x, scale=tau, entropy=True, exact=e) for e in (False, True))
    np.testing.assert_allclose(short.opinions, long.opinions, atol=1e-12 * max(1.0, offset), rtol=0)
    np.testing.assert_allclose(short.entropy, long.entropy, atol=1e-10, rtol=0)


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("seed", [0, 1])
def test_asynchronous_sweep_equals_the_loop(rule, seed):
    net = network()
    stubborn = 0.3 if rule == "friedkin-johnsen" else 0.0
    dynamics = Dynamics(tau=0.2, rule=rule, epsilon=0.5, stubbornness=stubborn, order="one by one")
    x = np.random.default_rng(seed).uniform(-1, 1, (40, 2))
    after = dynamics.sweep(x, net, np.random.default_rng(7), first=x)
    expected = x.copy()
    for i in np.random.default_rng(7).permutation(40):
        expected[i] = brute(expected, net, dynamics, first=x)[0][i]
    np.testing.assert_allclose(after, expected, atol=1e-12)


def test_asynchronous_complete_graph_and_the_loop_without_numba(monkeypatch):
    dynamics = Dynamics(tau=0.2, order="one by one")
    x = np.random.default_rng(0).uniform(-1, 1, 30)
    fast = dynamics.sweep(x, None, np.random.default_rng(7))
    monkeypatch.setattr(kernel, "rows_async", None)
    monkeypatch.setattr(kernel, "rows_scalar", None)
    np.testing.assert_allclose(dynamics.sweep(x, None, np.random.default_rng(7)), fast, atol=1e-13)


@pytest.mark.parametrize("d", [1, 2])
def test_gaussian_variance_factor(d):
    s2, n = 1.3, 6000
    from scipy import stats

    if d == 1:  # a stratified Gaussian: its quantiles
        x = math.sqrt(s2) * stats.norm.ppf((np.arange(n) + 0.5) / n)
    else:
        points = stats.qmc.Sobol(2, seed=0).random(1024)
        x = math.sqrt(s2) * stats.norm.ppf(points)
    for tau in (0.13, 1.3, 5.0):
        after = Dynamics(tau=tau).step(x).opinions
        ratio = after.var(0).mean() / x.var(0).mean()
        assert ratio == pytest.approx(gaussian_factor(s2, tau), rel=3e-3 if d == 1 else 3e-2)


def test_results_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr(kernel, "BLOCK_EDGES", 64)
    net = network(200)
    x = np.random.default_rng(0).uniform(-1, 1, 200)
    one, many = (Dynamics(tau=0.1).step(x, net, threads=t, entropy=True) for t in (1, 3))
    assert np.array_equal(one.opinions, many.opinions)
    assert np.array_equal(one.entropy, many.entropy)


def test_opinions_stay_in_their_hull_and_anchors_stay():
    net = network(60)
    x = np.random.default_rng(0).uniform(-1, 1, 60)
    run = simulate(Dynamics(tau=0.05, anchors={0: -1.0, 1: 1.0}), x, net, steps=40)
    assert run.snapshots.min() >= -1 and run.snapshots.max() <= 1
    assert np.all(run.snapshots[:, 0] == -1.0) and np.all(run.snapshots[:, 1] == 1.0)
    assert run.times[-1] == run.steps == run.history["step"][-1]


def test_friedkin_johnsen_reaches_its_closed_form():
    net = network(weighted=False)
    s = 0.35
    x = np.random.default_rng(4).uniform(-1, 1, 40)
    run = simulate(Dynamics(rule="friedkin-johnsen", stubbornness=s), x, net, steps=400, tolerance=1e-14)
    A = net.matrix().toarray() + np.eye(40)
    W = A / A.sum(1, keepdims=True)
    np.testing.assert_allclose(run.opinions, np.linalg.solve(np.eye(40) - (1 - s) * W, s * x), atol=1e-12)


@pytest.mark.parametrize(
    ("keywords", "word"),
    [
        ({"tau": 0.0}, "tau = 0.0"),
        ({"tau": -1.0}, "tau"),
        ({"tau": float("nan")}, "tau"),
        ({}, "tau = None"),
        ({"rule": "hegselmann-krause"}, "epsilon"),
        ({"rule": "vote"}, "rule 'vote'"),
        ({"tau": 1.0, "stubbornness": 1.2}, "stubbornness"),
        ({"rule": "friedkin-johnsen"}, "DeGroot"),
        ({"tau": 1.0, "self_weight": -1.0}, "self_weight"),
        ({"tau": 1.0, "order": "random"}, "order"),
    ],
)
def test_senseless_settings_are_refused(keywords, word):
    with pytest.raises(InputError, match=word):
        Dynamics(**keywords)


def test_opinions_that_do_not_fit_are_refused():
    net = network()
    with pytest.raises(InputError, match="39 opinions for a network of 40"):
        Dynamics(tau=1.0).step(np.zeros(39), net)
    x = np.zeros(40)
    x[7] = np.nan
    with pytest.raises(InputError, match="node 7"):
        Dynamics(tau=1.0).step(x, net)
    with pytest.raises(InputError, match="anchor 99"):
        simulate(Dynamics(tau=1.0, anchors={99: 0.0}), np.zeros(40), net)
