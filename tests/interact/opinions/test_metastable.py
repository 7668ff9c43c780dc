"""Lifetimes against the exact map and against waiting; measures; the phase diagram."""

import math

import networkx as nx
import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.graphs import build, read_graph
from heedful.interact.opinions import measures
from heedful.interact.opinions.diagram import echo_chamber, phases
from heedful.interact.opinions.dynamics import Dynamics, simulate
from heedful.interact.opinions.metastable import (
    closed_classes,
    gaussian_factor,
    lifetime,
    two_camp_lifetime,
    two_camp_map,
    variance_to_tau,
)


def waited(x, tau, net=None, limit=20_000):
    rule, steps, first = Dynamics(tau=tau), 0, x.var()
    while x.var() > 0.5 * first and steps < limit:
        x, steps = rule.step(x, net).opinions, steps + 1
    return steps


@pytest.mark.parametrize("tau", [0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12])
def test_two_camps_live_as_long_as_the_exact_map(tau):
    m, steps = 1.0, 0
    while m * m > 0.5:
        m, steps = two_camp_map(m, tau), steps + 1
    assert two_camp_lifetime(1.0, tau) == pytest.approx(math.log10(steps), rel=2e-3)
    if steps < 200:
        assert waited(np.repeat([-1.0, 1.0], 30), tau) == steps
        state = np.repeat([-1.0, 1.0], 30)
        assert 10 ** lifetime(state, tau, until="half").log10_steps == pytest.approx(steps)


def test_lifetime_grows_as_the_exponential_beyond_floats():
    # log lifetime has slope 2 m^2 against 1 / tau, less the shrinking of m that the definition allows
    a, b = two_camp_lifetime(1.0, 0.01), two_camp_lifetime(1.0, 0.005)
    assert (b - a) * math.log(10) / 100 == pytest.approx(2.0, rel=0.02)
    assert two_camp_lifetime(1.0, 0.001) > 300


@pytest.mark.parametrize("sizes", [(40, 40), (25, 60)])
@pytest.mark.parametrize("tau", [0.5, 0.3])
def test_reduced_map_on_communities_agrees_with_waiting(sizes, tau):
    g = nx.Graph(nx.stochastic_block_model(sizes, [[0.3, 0.06], [0.06, 0.3]], seed=3))
    net = read_graph(g, weight=None)
    x = np.where(np.arange(sum(sizes)) < sizes[0], -1.0, 1.0)
    steps = waited(x, tau, net)
    assert lifetime(x, tau, net, until="half").log10_steps == pytest.approx(math.log10(steps), rel=0.05)


@pytest.mark.parametrize("tau", [0.2, 0.5, 1.0])
def test_gap_of_two_camps_is_exact(tau):
    n = 24
    x = np.repeat([-1.0, 1.0], n // 2)
    P = np.exp(-((x[:, None] - x) ** 2) / (2 * tau))
    P /= P.sum(1, keepdims=True)
    gap = 1 - np.sort(np.linalg.eigvals(P).real)[-2]
    found = lifetime(x, tau).gap
    assert found == pytest.approx(gap, rel=1e-9)
    assert found == pytest.approx(1 - math.tanh(1 / tau), rel=1e-9)


def test_gap_of_three_camps_on_a_network():
    g = nx.stochastic_block_model((20, 20, 20), np.full((3, 3), 0.1) + 0.4 * np.eye(3), seed=0)
    net = read_graph(nx.Graph(g), weight=None)
    x = np.repeat([-1.0, 0.0, 1.0], 20)
    tau = 0.08
    done = Dynamics(tau=tau).step(x, net, weights=True)
    P = np.diag(done.self_weights)
    P[net.rows, net.indices] += done.weights
    exact = 1 - np.sort(np.abs(np.linalg.eigvals(P)))[-2]
    assert lifetime(x, tau, net).gap == pytest.approx(exact, rel=0.02)


def test_what_makes_camps_permanent():
    two = build(np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2]), 4, listens="source")
    assert closed_classes(two) == 2
    apart = np.array([-1.0, -1.0, 1.0, 1.0])
    assert lifetime(apart, 0.1, two).ends == "structure"
    one_way = build(np.array([0, 1, 2, 3, 2]), np.array([1, 0, 3, 2, 0]), 4, listens="source")
    assert closed_classes(one_way) == 1
    life = lifetime(apart, 0.5, one_way)
    assert math.isfinite(life.log10_steps)
    assert "metastable" in life.sentence()
    assert lifetime(np.zeros(4), 0.1, two).ends == "consensus"
    held = lifetime(apart, 0.1, held=np.array([True, False, False, False]))
    assert held.log10_steps == math.inf


def test_variance_factor_and_its_inverse():
    assert variance_to_tau(1.3, 1.3 * gaussian_factor(1.3, 0.4)) == pytest.approx(0.4)
    with pytest.raises(InputError, match="must fall"):
        variance_to_tau(1.0, 1.0)


def test_measures_of_known_states():
    two = np.repeat([-1.0, 1.0], 500)
    label = measures.camps(two, 0.1)
    assert measures.count_camps(label) == 2
    assert measures.esteban_ray(two, label) == pytest.approx(1.0)
    assert measures.bimodality(two) == pytest.approx(1.0)
    flat = np.linspace(-1, 1, 100_001)
    assert measures.bimodality(flat) == pytest.approx(5 / 9, rel=1e-3)
    assert measures.variance(flat) == pytest.approx(1 / 3, rel=1e-3)
    assert math.isnan(measures.bimodality(np.zeros(5)))
    assert measures.esteban_ray(np.zeros(5), np.zeros(5, int)) == 0.0
    assert (
        measures.count_camps(measures.camps(np.r_[np.zeros(200), 5.0], 1.0)) == 1
    )  # one in 201 is below 1 %


@pytest.mark.parametrize("d", [1, 2])
def test_esteban_ray_is_the_double_sum(d):
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(60, d)), rng.integers(0, 7, 60)
    p = np.bincount(label) / 60
    m = np.array([x[label == c].mean(0) for c in range(7)])
    total = sum(p[a] ** 2.3 * p[b] * np.linalg.norm(m[a] - m[b]) for a in range(7) for b in range(7))
    assert measures.esteban_ray(x, label) == pytest.approx(total / (2 * 0.5**2.3), rel=1e-10)


def test_camps_of_vectors_are_single_linkage():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(c, 0.05, (60, 2)) for c in ((0, 0), (3, 0), (0, 3))])
    label = measures.camps(x, 0.5)
    assert measures.count_camps(label) == 3
    for a in range(0, 180, 60):
        assert len(set(label[a : a + 60])) == 1


@pytest.mark.parametrize("directed", [True, False])
def test_rewiring_keeps_every_degree(directed):
    g = nx.gnp_random_graph(80, 0.08, seed=1, directed=directed)
    net = read_graph(g, listens="source" if directed else None)
    again = measures.rewire(net, seed=0)
    assert np.array_equal(np.diff(again.indptr), np.diff(net.indptr))
    assert np.array_equal(again.audience, net.audience)
    assert not (again.rows == again.indices).any()
    key = again.rows.astype(np.int64) * 80 + again.indices
    assert len(np.unique(key)) == net.edges
    before = net.rows.astype(np.int64) * 80 + net.indices
    expected = net.edges / 80  # a random graph shares about this share of edges with another
    assert len(np.intersect1d(key, before)) < 4 * expected + 0.2 * net.edges
    assert measures.is_symmetric(again) == (not directed)
    assert np.array_equal(measures.rewire(net, seed=0).indices, again.indices)


def test_assortativity_is_newmans():
    g = nx.gnp_random_graph(60, 0.1, seed=2)
    g.remove_nodes_from(list(nx.isolates(g)))
    g = nx.convert_node_labels_to_integers(g)
    values = np.random.default_rng(0).normal(size=len(g))
    nx.set_node_attributes(g, dict(enumerate(values)), "x")
    net = read_graph(g)
    # uniform attention weighs listeners, not edges: weigh them back by degree to meet Newman's coefficient
    rows = net.rows
    pairs = np.corrcoef(values[rows], values[net.indices])[0, 1]
    assert nx.numeric_assortativity_coefficient(g, "x") == pytest.approx(pairs)
    rule = Dynamics(rule="degroot")
    index = echo_chamber(values, rule, net, rewirings=5)
    degree = np.diff(net.indptr)
    P = net.matrix().toarray() / degree[:, None]
    weight = P[rows, net.indices]
    a, b = values[rows], values[net.indices]
    ma, mb = np.average(a, weights=weight), np.average(b, weights=weight)
    cov = np.average((a - ma) * (b - mb), weights=weight)
    expected = cov / math.sqrt(
        np.average((a - ma) ** 2, weights=weight) * np.average((b - mb) ** 2, weights=weight)
    )
    assert index.observed == pytest.approx(expected, rel=1e-9)
    assert index.observed == pytest.approx(index.prior)


def test_echo_index_finds_planted_homophily_and_nothing_in_a_random_network():
    sides = np.repeat([-1.0, 1.0], 40) + np.random.default_rng(0).normal(0, 0.2, 80)
    planted = read_graph(
        nx.Graph(nx.stochastic_block_model((40, 40), [[0.2, 0.02], [0.02, 0.2]], seed=0)), weight=None
    )
    random = read_graph(nx.gnp_random_graph(80, 0.11, seed=0))
    rule = Dynamics(tau=0.5)
    found = echo_chamber(sides, rule, planted, rewirings=40)
    assert found.p < 0.05
    assert found.observed > found.prior > 0.7  # the network alone, and more so the attention on it
    nothing = echo_chamber(sides, rule, random, rewirings=40)
    assert nothing.p > 0.05
    assert abs(nothing.index) < found.index


def test_regimes_of_the_complete_graph():
    frame = phases([0.005, 0.02, 0.2], seeds=3, n=250, steps=150, rewirings=0)
    mean = frame.groupby("tau").mean(numeric_only=True)
    assert mean.loc[0.005, "camps"] > mean.loc[0.02, "camps"] > mean.loc[0.2, "camps"] == 1
    assert mean.loc[0.02, "polarisation"] > mean.loc[0.005, "polarisation"]  # lower tau fragments
    assert mean.loc[0.2, "variance ratio"] < 1e-12
    with pytest.raises(InputError, match="taus"):
        phases([0.0, 1.0])


def test_runs_are_reproducible_and_seeds_matter():
    x = np.random.default_rng(0).uniform(-1, 1, 50)
    rule = Dynamics(tau=0.05, order="one by one")
    runs = [simulate(rule, x, steps=5, seed=s).opinions for s in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    with pytest.raises(InputError, match="0 steps"):
        simulate(rule, x, steps=0)


def test_a_stray_is_no_camp():
    x = np.r_[np.repeat([-1.0, 1.0], 300), 1.3]  # one in 601
    with_stray, without = (lifetime(part, 0.05) for part in (x, x[:-1]))
    assert with_stray.camps == 2
    assert with_stray.log10_steps == pytest.approx(without.log10_steps, rel=0.05)
    assert lifetime(np.r_[np.zeros(300), 5.0], 0.1).ends == "consensus"
