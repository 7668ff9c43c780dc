"""Null draws in batches: the same masses as a plain loop over softmaxes, for every null, mask and head."""

import itertools

import numpy as np
import pytest

from heedful import Claim, InputError, Weights, examine, priors
from heedful.trust import Null
from heedful.trust.claim import softmax
from heedful.trust.draws import Masses
from heedful.trust.mass import null
from heedful.trust.rewire import rewired

NQ, NK = 9, 24


def weights(mask="none", heads=2, seed=0, spread=1.0):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(heads, NQ, 4)) * spread, rng.normal(size=(heads, NK, 4))
    edge = rng.random((NQ, NK)) < 0.25
    edge[2] = False  # a query that may attend to nothing
    table = {
        "none": (), "sparse": priors.Mask(edge), "gate": priors.Gate(rng.normal(size=NK)),
        "bias": (priors.Mask(rng.random((NQ, NK)) < 0.9), priors.Bias(rng.normal(size=(NQ, NK)))),
        "sparse bias": (priors.Mask(edge), priors.Bias(rng.normal(size=(NQ, NK)))),
    }  # fmt: skip
    return Weights(q, k, table[mask])


def plain(claim, p):
    """Masses of cells by a loop: the mean over items that may attend to anything."""
    own = np.broadcast_to(claim.keys, (NQ, NK))
    cells = [own] + [np.broadcast_to(c, (NQ, NK)) for c in ([] if claim.family is None else claim.family)]
    heads = p.reshape(-1, NQ, NK)
    live = np.isfinite(claim.all_scores[1]).any(-1).reshape(-1, NQ)
    out = []
    for cell in cells:
        each = [(h * cell).sum(-1)[x].mean() for h, x in zip(heads, live, strict=True)]
        if claim.head is None:
            out.append(np.mean([(h * cell).sum(-1)[x].sum() for h, x in zip(heads, live, strict=True)]))
            out[-1] *= len(heads) / live.sum()
        else:
            out += each[claim.head :] + each[: claim.head]
    return np.array(out)


@pytest.mark.parametrize("mask", ["none", "sparse", "gate", "bias", "sparse bias"])
@pytest.mark.parametrize("kind", ["label", "circular", "within", "block"])
@pytest.mark.parametrize(("per_query", "head"), [(False, None), (True, None), (False, 1), (True, 1)])
def test_masses_under_moved_contents_equal_a_plain_loop(mask, kind, per_query, head):
    rng = np.random.default_rng(1)
    w = weights(mask)
    family = rng.random((5, NQ, NK) if per_query else (5, NK)) < 0.3
    claim = Claim(
        w, range(NQ), family[3], family=family, head=head,
        null=Null(kind, groups=np.arange(NK) // 6 if kind == "within" else None, shape=(4, 6), block=2),
    )  # fmt: skip
    masses = Masses(claim)
    content, prior = claim.all_scores
    assert np.allclose(masses.observed(), plain(claim, claim.all_rows), atol=1e-13)
    got = masses.drawn(40, np.random.default_rng(7))
    if kind == "circular":
        orders = [np.roll(np.arange(NK), s) for s in range(1, NK)]
    else:
        orders = claim.null.permutations(NK, 40, np.random.default_rng(7))
    assert len(got) == len(orders)
    for one, order in zip(got, orders, strict=True):
        assert np.allclose(one, plain(claim, softmax(content[:, order] + prior)), atol=1e-13)


@pytest.mark.parametrize("kind", ["label", "rewire"])
@pytest.mark.parametrize("per_query", [False, True])
def test_cells_may_be_numbered_instead_of_masked(per_query, kind):
    rng = np.random.default_rng(2)
    w = weights("sparse")
    number = rng.integers(-1, 4, size=(NQ, NK) if per_query else NK)
    masks = number == np.arange(4).reshape(-1, *[1] * number.ndim)
    found = [
        null(Claim(w, range(NQ), masks[1], family=f, null=kind), draws=30, seed=1) for f in (number, masks)
    ]
    assert found[0].p == found[1].p
    assert np.allclose(found[0].detail["largest"], found[1].detail["largest"])
    with pytest.raises(InputError, match="family"):
        Claim(w, range(NQ), [1], family=number.astype(float))


@pytest.mark.parametrize("spread", [1.0, 3000.0])
def test_scores_of_any_size_give_the_same_masses(spread):
    w = weights("sparse", spread=spread)
    claim = Claim(w, range(NQ), range(6))
    masses = Masses(claim)
    assert masses.safe == (spread == 1.0)
    content, prior = claim.all_scores
    order = claim.null.permutations(NK, 3, np.random.default_rng(0))
    for one, o in zip(masses.drawn(3, np.random.default_rng(0)), order, strict=True):
        assert np.allclose(one, plain(claim, softmax(content[:, o] + prior)), atol=1e-13)


@pytest.mark.parametrize("spread", [1.0, 3000.0])
@pytest.mark.parametrize("per_query", [False, True])
def test_masses_on_redrawn_graphs_equal_a_plain_loop(per_query, spread, monkeypatch):
    from heedful.trust import draws as module

    kept = []

    def watched(column, row, *rest, **options):
        out = rewired(column, row, *rest, **options)
        kept.append((row, out))
        return out

    monkeypatch.setattr(module, "rewired", watched)
    rng = np.random.default_rng(1)
    gate = rng.normal(size=NK)
    w = weights("sparse", spread=spread).with_priors(priors.Gate(gate))
    family = rng.random((5, NQ, NK) if per_query else (5, NK)) < 0.3
    claim = Claim(w, range(NQ), family[2], family=family, null="rewire")
    got = Masses(claim).drawn(6, np.random.default_rng(0))
    row, graphs = kept[1]
    content = claim.all_scores[0].reshape(2, NQ, NK)
    for one, columns in zip(got, graphs, strict=True):
        allowed = np.zeros((NQ, NK), bool)
        allowed[row, columns] = True
        p = softmax(np.where(allowed, content + gate, -np.inf)).reshape(-1, NK)
        assert np.allclose(one, plain(claim, p), atol=1e-13)


def test_rewiring_keeps_degrees_and_who_is_not_connected_to_himself():
    rng = np.random.default_rng(0)
    edge = rng.random((15, 15)) < 0.35
    np.fill_diagonal(edge, False)
    row, column = np.nonzero(edge)
    drawn = rewired(np.tile(column, (50, 1)), row, 15, rng, own=np.arange(15), rounds=6)
    changed = 0
    for one in drawn:
        made = np.zeros_like(edge)
        made[row, one] = True
        assert made.sum() == edge.sum()
        assert (made.sum(0) == edge.sum(0)).all()
        assert not made.diagonal().any()
        changed += (made != edge).any()
    assert changed == 50


def test_rewiring_is_uniform_over_the_graphs_with_these_degrees():
    row, column = np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2])
    degree = np.bincount(column)
    every = set()
    for rows in itertools.product([(0,), (1,), (2,)], [(0, 1), (0, 2), (1, 2)], [(0, 1), (0, 2), (1, 2)]):
        flat = sum(rows, ())
        if (np.bincount(flat, minlength=3) == degree).all():
            every.add(flat)
    drawn = rewired(np.tile(column, (8000, 1)), row, 3, np.random.default_rng(0), rounds=8)
    sorted_ = [(c[0], *sorted(c[1:3]), *sorted(c[3:])) for c in drawn.tolist()]
    count = np.array([sorted_.count(graph) for graph in every])
    assert count.sum() == 8000
    assert abs(count / 8000 * len(every) - 1).max() < 0.12


def test_heads_with_other_connections_are_not_rewired_together():
    rng = np.random.default_rng(0)
    edge = rng.random((2, NQ, NK)) < 0.3
    w = Weights(rng.normal(size=(2, NQ, 4)), rng.normal(size=(2, NK, 4)), priors.Mask(edge))
    with pytest.raises(InputError, match="different connections"):
        null(Claim(w, range(NQ), range(5), null="rewire"), draws=9)


def test_a_head_chosen_by_looking_is_compared_with_all_heads():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(12, 20, 6)), rng.normal(size=(12, 60, 6))
    mass = Weights(q, k).rows(range(20))[..., :6].sum(-1).mean(-1)
    best = int(mass.argmax())
    w = Weights(q, k)
    among = null(Claim(w, range(20), range(6), head=best), seed=1)
    alone = null(Claim(Weights(q[best], k[best]), range(20), range(6)), seed=1)
    assert "largest of 12 cells" in among.compared_with
    assert among.effect == pytest.approx(alone.effect, abs=0.02)
    assert among.p > 2 * alone.p
    k[best, :6] += 2 * q[best].mean(0) / np.linalg.norm(q[best].mean(0))
    q[best] += q[best].mean(0) / np.linalg.norm(q[best].mean(0)) * 2
    assert null(Claim(Weights(q, k), range(20), range(6), head=best), seed=1).p <= 0.01
    with pytest.raises(InputError, match="leading shape"):
        Claim(w, range(20), range(6), head=12)


def test_the_number_of_draws_that_can_differ():
    assert Null("label").distinct(5) == 120
    assert Null("label").distinct(5, np.arange(5) < 2) == 10
    assert Null("within", groups=[0, 0, 0, 1, 1, 1]).distinct(6) == 36
    assert Null("within", groups=[0, 0, 0, 1, 1, 1]).distinct(6, np.array([1, 0, 0, 1, 1, 0], bool)) == 9
    assert Null("block", shape=(4, 4), block=2).distinct(16) == 24
    assert Null("circular").distinct(17) == 17
    rng = np.random.default_rng(0)
    w = Weights(rng.normal(size=(20, 3)), rng.normal(size=(5, 3)))
    assert "only 5 different draws" in examine(Claim(w, range(20), [0])).reason


def test_each_series_goes_round_its_own_circle():
    rng = np.random.default_rng(0)
    same = Null("circular", groups=np.arange(12) % 3)
    for order in [*same.permutations(12, 9, rng), *same.shifts(12)]:
        assert (order % 3 == np.arange(12) % 3).all()
        steps = (order // 3 - np.arange(12) // 3) % 4
        assert len(set(steps)) == 1  # all series by the same shift
    assert len({tuple(o) for o in same.shifts(12)}) == same.distinct(12) - 1 == 3
    other = Null("circular", groups=[0] * 5 + [1] * 7)
    assert other.distinct(12) == 35
    assert other.shifts(12) is None
    drawn = other.permutations(12, 2000, rng)
    assert len({tuple(o) for o in drawn}) == 35
    assert all(sorted(o[:5]) == list(range(5)) for o in drawn[:20])


def test_lags_that_cover_the_series_cannot_be_tested_by_shifting():
    rng = np.random.default_rng(0)
    at = np.arange(20, 60)
    lags = np.full((60, 60), -1)
    for lag in range(1, 20):
        lags[at, at - lag] = lag
    w = Weights(rng.normal(size=(60, 3)), rng.normal(size=(60, 3)), priors.Mask(lags >= 0))
    reason = examine(Claim(w, at, lags == 4, family=lags, null="circular")).reason
    assert "18 of 59 shifts move the claimed cell onto another of its family" in reason


def test_every_draw_of_a_null_keeps_what_it_must():
    rng = np.random.default_rng(0)
    groups = np.array([3, 3, 0, 1, 1, 1, 0, 3])
    for order in Null("within", groups=groups).permutations(8, 50, rng):
        assert (groups[order] == groups).all()
        assert sorted(order) == list(range(8))
    for order in Null("block", shape=(7, 5), block=2).permutations(35, 50, rng):
        assert sorted(order) == list(range(35))
        moved = order.reshape(7, 5)
        together = ((np.diff(moved, axis=1) == 1).sum(), (np.diff(moved, axis=0) == 5).sum())
        assert together[0] >= 6 * 2 / 2  # each of the six blocks holds two whole pairs a side
        assert together[1] >= 6 * 2 / 2
    first = Null("label").permutations(6, 4000, rng)[:, 0]
    assert abs(np.bincount(first, minlength=6) / 4000 - 1 / 6).max() < 0.03
    with pytest.raises(InputError, match="blocks of 9"):
        Null("block", shape=(4, 4), block=9)
    with pytest.raises(InputError, match="for 8 keys"):
        Claim(Weights(np.ones((2, 2)), np.ones((8, 2))), [0, 1], [0], null=Null("within", groups=[0, 1]))
