"""Clustering and substructure against slow loops written straight from the definitions."""

import itertools

import numpy as np
import pytest

from heedful.files.jets import make_sample
from heedful.interact.jets import features, subjets, toy_jets
from heedful.interact.jets.substructure import NAMES, History, coordinates, mass, padded, wrap


def four(p):
    return np.array(p, float)


def ordered(p4):
    return p4[np.argsort(-np.hypot(p4[:, 0], p4[:, 1]))]


def naive(particles, power, stop):
    """Sequential recombination one pair at a time; returns pseudojets and the distances of the mergers."""
    jets, steps = [four(p) for p in particles], []
    while len(jets) > stop:
        best = None
        for a, b in itertools.combinations(range(len(jets)), 2):
            (pa, ea, fa), (pb, eb, fb) = coordinates(jets[a]), coordinates(jets[b])
            gap = (ea - eb) ** 2 + wrap(fa - fb) ** 2
            d = min(pa, pb) ** (2 * power) * gap
            if best is None or d < best[0]:
                best = (d, a, b)
        steps.append(best[0])
        merged = jets[best[1]] + jets[best[2]]
        jets = [j for n, j in enumerate(jets) if n not in best[1:]] + [merged]
    return np.array(jets), steps


@pytest.fixture(scope="module")
def sample():
    return toy_jets(seed=4, jets=12, mean_particles=14, soft=3)


@pytest.mark.parametrize("power", [1, 0])
def test_subjets_are_those_of_the_loop(sample, power):
    p4, real = padded(sample)
    history = History(p4, real, power=power)
    for jet in range(len(sample)):
        for n in (1, 2, 3, 4):
            expect, _ = naive(p4[jet][real[jet]], power, n)
            np.testing.assert_allclose(ordered(history.at[n][jet]), ordered(expect), rtol=1e-9)
        _, steps = naive(p4[jet][real[jet]], power, 1)
        assert history.split[1][jet] == pytest.approx(steps[-1])
        assert history.split[2][jet] == pytest.approx(steps[-2])


def test_members_add_up_to_their_subjet(sample):
    four_momenta, member = subjets(sample)
    p = sample.momenta()
    for jet in range(len(sample)):
        low, high = sample.offsets[jet : jet + 2]
        for n in range(3):
            inside = member[low:high] == n
            np.testing.assert_allclose(p[low:high][inside].sum(0), four_momenta[jet, n], rtol=1e-6)


def test_clustering_knows_that_phi_is_periodic():
    phi = np.array([3.1, -3.1, 0.0, 0.1])
    s = make_sample([10, 9, 8, 7], [0] * 4, phi, [10, 9, 8, 7], [0, 4])
    _, member = subjets(s, 2)
    assert member[0] == member[1] != member[2] == member[3]


def test_features_do_not_change_under_rotation_in_phi(sample):
    turned = make_sample(sample.pt, sample.eta, sample.phi + 2.0, sample.energy, sample.offsets)
    np.testing.assert_allclose(features(turned), features(sample), rtol=2e-3, atol=2e-4)


def test_correlations_against_loops(sample):
    x = features(sample)
    p4, real = padded(sample)
    for jet in range(4):
        pt, eta, phi = coordinates(p4[jet][real[jet]])
        z = pt / pt.sum()
        r = np.hypot(eta[:, None] - eta, wrap(phi[:, None] - phi))
        n = len(z)
        e2 = sum(z[i] * z[j] * r[i, j] for i, j in itertools.combinations(range(n), 2))
        e3 = sum(
            z[i] * z[j] * z[k] * r[i, j] * r[j, k] * r[i, k]
            for i, j, k in itertools.combinations(range(n), 3)
        )
        assert x[jet, NAMES.index("C2")] == pytest.approx(e3 / e2**2)
        assert x[jet, NAMES.index("D2")] == pytest.approx(e3 / e2**3)


def test_mass_and_soft_drop(sample):
    x = features(sample)
    total = np.stack([sample.momenta()[a:b].sum(0) for a, b in itertools.pairwise(sample.offsets)])
    np.testing.assert_allclose(x[:, 0], np.log(mass(total) + 1), rtol=1e-6)
    groomed = np.exp(x[:, NAMES.index("ln groomed mass")])
    assert (groomed <= np.exp(x[:, 0]) + 1e-6).all()


def test_soft_drop_drops_a_soft_wide_particle():
    s = make_sample([100, 90, 1], [0, 0.2, 0.7], [0, 0, 0.7], [100, 90 * np.cosh(0.2), np.cosh(0.7)], [0, 3])
    p4, real = padded(s)
    kept = History(p4, real, power=0, stages=(1,)).groomed()[0]
    np.testing.assert_allclose(kept, p4[0, :2].sum(0), rtol=1e-9)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_jets_of_few_particles(count):
    s = make_sample(
        [50.0] * count, [0.1 * i for i in range(count)], [0.0] * count, [60.0] * count, [0, count]
    )
    x = features(s)
    assert x.shape == (1, len(NAMES))
    assert np.isfinite(x).all()
    assert x[0, NAMES.index("least pair mass / mass")] == 0


def test_prongs_tell():
    s = toy_jets(seed=0, jets=200)
    tau32 = features(s)[:, NAMES.index("tau32")]
    assert np.median(tau32[s.label == 1]) < np.median(tau32[s.label == 0]) - 0.05
