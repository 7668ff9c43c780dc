"""tau planted and found; the likelihood against enumeration and finite differences; held-out comparison."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest

from heedful.errors import InputError
from heedful.files.graphs import build, read_graph
from heedful.interact.opinions import likelihood
from heedful.interact.opinions.heldout import compare, split
from heedful.interact.opinions.latent import spectral_opinions
from heedful.interact.opinions.likelihood import Features, Task, dense_sums
from heedful.interact.opinions.model import TauEstimator, group_codes
from heedful.interact.opinions.reading import listening, read_listening
from heedful.interact.opinions.synthetic import listening_network
from heedful.interact.opinions.tokens import known_only, opinions_of, parse_anchors


def small(seed=0, n=30):
    net, x = listening_network(n, tau=0.5, degree=6, seed=seed)
    group = np.random.default_rng(seed).integers(0, 3, n)
    return net, x, Task(net, Features(x[:, None], None, (group,)))


def test_derivatives_of_the_profile_likelihood():
    net, _, task = small()
    theta, gate = np.array([1.3, 0.4]), np.random.default_rng(1).normal(0, 0.3, net.size)
    at = dense_sums([task], theta, gate)
    h = 1e-5

    def total(t, g):
        return dense_sums([task], t, g).value.sum()

    for k in range(2):
        e = np.eye(2)[k] * h
        slope = (total(theta + e, gate) - total(theta - e, gate)) / (2 * h)
        assert at.by_theta[:, k].sum() == pytest.approx(slope, rel=1e-6, abs=1e-6)
        up, down = (dense_sums([task], theta + s * e, gate).by_theta.sum(0) for s in (1, -1))
        np.testing.assert_allclose(at.tt[k], -(up - down) / (2 * h), rtol=1e-4, atol=1e-5)
    for j in (0, 7):
        e = np.eye(net.size)[j] * h
        slope = (total(theta, gate + e) - total(theta, gate - e)) / (2 * h)
        assert at.by_gate[:, j].sum() == pytest.approx(slope, rel=1e-5, abs=1e-6)
        up, down = (dense_sums([task], theta, gate + s * e) for s in (1, -1))
        np.testing.assert_allclose(
            at.gates.matrix[j], -(up.by_gate.sum(0) - down.by_gate.sum(0)) / (2 * h), atol=2e-5
        )
        np.testing.assert_allclose(
            at.tg[:, j], -(up.by_theta.sum(0) - down.by_theta.sum(0)) / (2 * h), atol=2e-5
        )


def test_clocks_are_draws_without_repetition():
    # the probability of a set under ordered draws, enumerated, and under exponential clocks, integrated
    from scipy.integrate import quad

    rate = np.array([1.0, 0.3, 2.0, 0.7, 0.1])
    chosen = (0, 3)
    ordered = 0.0
    for order in itertools.permutations(chosen):
        left, p = rate.sum(), 1.0
        for j in order:
            p *= rate[j] / left
            left -= rate[j]
        ordered += p
    rest = rate.sum() - rate[list(chosen)].sum()
    clocks = quad(
        lambda t: rest * math.exp(-rest * t) * np.prod(1 - np.exp(-rate[list(chosen)] * t)), 0, np.inf
    )[0]
    assert clocks == pytest.approx(ordered, rel=1e-8)
    # and the time used is the one that makes the set likeliest
    s, picked = np.log(rate)[None], np.isin(np.arange(5), chosen)[None]
    u, w, value = likelihood._clocks(s, picked)
    times = np.geomspace(1e-3, 1e2, 4001)
    best = max(sum(math.log(-math.expm1(-rate[j] * t)) for j in chosen) - rest * t for t in times)
    assert value[0] == pytest.approx(best, abs=1e-5)
    assert abs(u.sum()) < 1e-9
    assert (w > 0).all()


@pytest.mark.parametrize("tau", [0.1, 0.5, 2.0])
def test_planted_tau_is_found(tau):
    held = []
    for seed in range(4):
        net, x = listening_network(200, tau=tau, degree=15, seed=seed, popularity_sd=0.7)
        model = TauEstimator(seed=seed, bootstrap=200).fit(net, x)
        low, high = model.tau_interval_
        held.append(low <= tau <= high)
        assert model.tau_ == pytest.approx(tau, rel=0.2)
    assert sum(held) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("tau", [0.1, 2.0])
def test_interval_is_calibrated(tau):
    held = 0
    for seed in range(60):
        net, x = listening_network(150, tau=tau, degree=12, seed=seed)
        low, high = TauEstimator(seed=seed, bootstrap=300).fit(net, x).tau_interval_
        held += low <= tau <= high
    assert 52 <= held <= 60


def test_sampled_candidates_agree_with_everyone():
    net, x = listening_network(400, tau=0.5, degree=12, seed=1)
    everyone = TauEstimator(bootstrap=100).fit(net, x)
    sampled = TauEstimator(bootstrap=100, candidates=40).fit(net, x)
    width = np.diff(everyone.tau_interval_)[0]
    assert abs(sampled.tau_ - everyone.tau_) < width
    assert np.diff(sampled.tau_interval_)[0] == pytest.approx(width, rel=0.6)


def test_no_preference_gives_an_infinite_upper_end():
    rng = np.random.default_rng(0)
    net = read_graph(nx.gnp_random_graph(120, 0.1, seed=0, directed=True), listens="source")
    model = TauEstimator(bootstrap=300).fit(net, rng.normal(size=120))
    assert model.tau_interval_[1] == np.inf


def test_per_axis_and_groups():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(250, 2)) * np.array([1.0, 0.5])  # tau 0.5 on axis 1, 2 on axis 2 after rescaling
    net, _ = listening_network(250, tau=0.5, degree=20, seed=0, opinions=x)
    wide = x / np.array([1.0, 0.5])
    model = TauEstimator(per_axis=True, groups=(["a"] * 250,), bootstrap=100).fit(net, wide)
    assert model.tau_[0] == pytest.approx(0.5, rel=0.15)
    assert model.tau_[1] == pytest.approx(2.0, rel=0.25)
    assert model.coefficients_["same group 1"][0] == pytest.approx(
        0.0, abs=1e-4
    )  # everyone is alike: nothing told
    assert set(TauEstimator(method="plain", bootstrap=50).fit(net, x).coefficients_) == {"1/tau"}


def test_latent_opinion_of_two_communities_and_honest_cross_fitting():
    g = nx.stochastic_block_model((60, 60), [[0.25, 0.03], [0.03, 0.25]], seed=0)
    net = read_graph(nx.Graph(g), weight=None)
    x = spectral_opinions(net)[:, 0]
    side = np.repeat([0, 1], 60)
    assert abs(np.mean((x > 0) == side) - 0.5) > 0.45
    model = TauEstimator(bootstrap=100).fit(net)
    assert model.latent_
    assert 0.1 < model.tau_ < 10
    # a network without structure: the latent opinion that explains its own edges explains no others
    none = read_graph(nx.gnp_random_graph(120, 0.1, seed=1))
    assert TauEstimator(bootstrap=200).fit(none).tau_interval_[1] > 20


def test_held_out_comparison_and_split():
    net, x = listening_network(150, tau=0.3, degree=12, seed=2)
    train, test = split(net, 0.2, seed=1)
    assert train.edges + test.edges == net.edges
    assert (train.matrix().multiply(test.matrix())).nnz == 0
    held = compare(net, x, estimator=TauEstimator(bootstrap=100), seed=1)
    mean, low, high = held.difference("popularity")
    assert low < mean < high
    assert low > 0
    table = held.table().set_index("model")["log-likelihood per edge"]
    assert table["attention"] > table["plain softmax of the distance"] > table["popularity"]
    club = read_graph(nx.karate_club_graph(), weight=None)
    _, away = split(club, 0.3)
    assert abs(away.matrix() - away.matrix().T).nnz == 0  # both directions on one side
    with pytest.raises(InputError, match="held-out share"):
        split(net, 1.5)


def test_predict_names_new_people_only():
    net, x = listening_network(60, tau=0.3, degree=8, seed=0)
    model = TauEstimator(bootstrap=50).fit(net, x)
    best = model.predict(top=4)
    A = net.matrix().toarray()
    for i in range(60):
        assert i not in best[i]
        assert not A[i, best[i]].any()
    assert model.get_params()["method"] == "refined"


@pytest.mark.parametrize(
    ("settings", "opinions", "word"),
    [
        ({"method": "deep"}, None, "method 'deep'"),
        ({"popularity": "much"}, None, "popularity"),
        ({"folds": 1}, None, "folds"),
        ({}, np.zeros(30), "same"),
        ({}, np.zeros(29), "one per node"),
        ({}, np.full(30, np.nan), "finite"),
        ({"groups": (["a"],)}, np.arange(30.0), "1 group labels"),
        ({"dims": 40}, None, "40 latent axes"),
    ],
)
def test_what_cannot_be_fitted_is_refused(settings, opinions, word):
    net, _, _ = small()
    with pytest.raises(InputError, match=word):
        TauEstimator(**settings).fit(net, opinions)


def test_networks_that_tell_nothing():
    with pytest.raises(InputError, match="nobody listens"):
        TauEstimator().fit(build(np.array([], int), np.array([], int), 5, listens="source"), np.arange(5.0))
    full = read_graph(nx.complete_graph(6))
    with pytest.raises(InputError, match="everyone listens"):
        TauEstimator().fit(full, np.arange(6.0))


def test_reading_through_weights_is_the_kernel():
    from heedful.interact.opinions.dynamics import Dynamics

    net, x, _ = small(3)
    W = listening(x, 0.3, net)
    done = Dynamics(tau=0.3).step(x, net, entropy=True)
    np.testing.assert_allclose((W @ x[:, None])[:, 0], done.opinions, atol=1e-12)
    np.testing.assert_allclose(W.entropy(), done.entropy, atol=1e-10)
    whole = listening(x + 1e3, 0.3)
    np.testing.assert_allclose((whole @ x[:, None])[:, 0], Dynamics(tau=0.3).step(x).opinions, atol=1e-10)
    reading = read_listening(x, 0.3, net)
    assert "checked" in reading.certificate
    assert reading.to_pandas()["query"].iloc[0] == net.labels[0]


def test_tokens():
    assert opinions_of(["2", "3.5"]).tolist() == [2.0, 3.5]
    with pytest.raises(InputError, match="1 of 3 nodes have no mood"):
        opinions_of(["a", None, "b"], "mood")
    with pytest.raises(InputError, match="3 labels"):
        opinions_of(["a", "b", "c"])
    assert group_codes(["a", None, "b", "a", ""], 5).tolist() == [0, -1, 1, 0, -1]
    club = read_graph(nx.karate_club_graph(), weight=None)
    part, gone = known_only(club, "club", ["Mr. Hi"])
    assert part.size + gone == 34
    assert parse_anchors("0=-1, 33=1", club) == {0: -1.0, 33: 1.0}
    with pytest.raises(InputError, match="anchor 'zz=1'"):
        parse_anchors("zz=1", club)
