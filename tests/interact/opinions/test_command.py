"""The verbs end to end, the demo, and what the command line refuses."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from heedful.errors import InputError
from heedful.interact.opinions import command
from heedful.interact.opinions.claims import examine_camps
from heedful.interact.opinions.demo import demo


@pytest.fixture
def club(tmp_path):
    path = tmp_path / "club.graphml"
    graph = nx.karate_club_graph()
    for node, data in graph.nodes(data=True):
        data["side"] = "hi" if data["club"] == "Mr. Hi" else "officer"
        data["half"] = node % 2
    nx.write_graphml(graph, path)
    return path


def whole(story):
    assert story.study == "opinions"
    assert story.headline
    for picture in story.pictures:
        assert picture.to_dict()["title"]
    return story


def test_simulate_on_a_network(club, tmp_path):
    out = tmp_path / "people.csv"
    story = whole(command.simulate(club, tau=0.05, start="side", rewirings=10, steps=200, out=out))
    assert "metastable" in story.headline
    assert any("echo-chamber index" in note for note in story.notes)
    table = pd.read_csv(out)
    assert list(table.columns) == ["node", "first", "last", "camp"]
    assert len(table) == 34
    assert story.reading.certificate.startswith("checked")
    assert story.verdicts[0].status in ("supported", "not supported", "not testable")
    assert story.outputs == [out]


def test_simulate_on_the_complete_graph_and_other_rules(club):
    story = whole(command.simulate(tau=1.0, n=60, steps=40))
    assert "consensus" in story.headline
    assert story.verdicts == []
    for rule, settings in {
        "degroot": {},
        "friedkin-johnsen": {"stubbornness": 0.3},
        "hegselmann-krause": {"epsilon": 0.4},
        "dot": {"tau": 2.0},
    }.items():
        whole(command.simulate(club, rule=rule, steps=20, rewirings=3, **settings))
    story = whole(
        command.simulate(club, tau=0.1, anchors="0=-1,33=1", one_by_one=True, steps=20, rewirings=0)
    )
    assert "permanent" in story.headline or "consensus" in story.headline


def test_plain_is_attention_alone(club):
    plain = command.simulate(
        club, tau=0.2, method="plain", stubbornness=0.9, steps=5, rewirings=0, trust="none"
    )
    bare = command.simulate(club, tau=0.2, weights=False, steps=5, rewirings=0, trust="none")
    assert plain.tables["people"].equals(bare.tables["people"])


def test_fit(club, tmp_path):
    out = tmp_path / "coefficients.csv"
    story = whole(command.fit(club, opinions="side", groups="half", bootstrap=100, out=out))
    assert story.headline.startswith("tau = ")
    assert {s.baseline_name for s in story.scores} >= {"popularity", "block model"}
    assert "same half" in pd.read_csv(out)["term"].tolist()
    latent = whole(command.fit(club, bootstrap=100, trust="none"))
    assert any("built from other edges" in note for note in latent.notes)


def test_phases(club, tmp_path):
    out = tmp_path / "runs.csv"
    story = whole(command.phases(club, taus="0.02,0.5", seeds=2, steps=60, rewirings=3, out=out))
    assert len(pd.read_csv(out)) == 4
    assert "Polarisation" in story.headline


def test_phases_draws_each_seed_anew_unless_opinions_are_known(club):
    drawn = command.phases(n=60, taus="1", seeds=3, start="gaussian", steps=1).tables["runs"]
    assert drawn["variance"].nunique() == 3
    known = command.phases(club, taus="0.1,1", seeds=3, start="side", steps=5, rewirings=0).tables["runs"]
    assert len(known) == 2


def test_camps_of_one_are_not_tested_and_that_is_said(tmp_path):
    path = tmp_path / "two.edgelist"
    path.write_text("a a\na b\nb a\n")
    story = command.simulate(path, listens="source", steps=5, rewirings=0)
    assert story.verdicts == []
    assert any("not put to the test" in note for note in story.notes)
    assert any("self loop" in note for note in story.notes)


def test_an_opinion_written_nan_is_missing(club, tmp_path):
    table = tmp_path / "people.csv"
    table.write_text("name,mood\n" + "".join(f"{k},{'nan' if k == 3 else k % 5}\n" for k in range(34)))
    with pytest.raises(InputError, match="1 of 34 nodes have no mood"):
        command.fit(club, nodes=table, opinions="mood")
    story = command.fit(club, nodes=table, opinions="mood", known_only=True, bootstrap=60, trust="none")
    assert any("1 nodes without a usable mood left out" in note for note in story.notes)


def test_too_few_edges_to_hold_any_out(tmp_path):
    path = tmp_path / "three.edgelist"
    path.write_text("a b\nb c\nc a\n")
    with pytest.raises(InputError, match="3 edges are too few"):
        command.fit(path, listens="source")


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda club: command.simulate(club, tau=0.0), "tau = 0.0"),
        (lambda club: command.simulate(club, start="mood"), "no node attribute 'mood'"),
        (lambda club: command.simulate(club, method="deep"), "method"),
        (lambda club: command.simulate(club, anchors="0"), "anchor '0'"),
        (lambda club: command.simulate(listens="source"), "need a network"),
        (lambda club: command.simulate(start="mood", n=5), "start 'mood'"),
        (lambda club: command.fit(club, opinions="mood"), "mood"),
        (lambda club: command.phases(taus="warm"), "--taus 'warm'"),
        (lambda club: command.phases(taus="-1,2"), "taus"),
    ],
)
def test_refusals(club, call, word):
    with pytest.raises(InputError, match=word):
        call(club)


def test_claim_on_camps_made_by_chance_is_not_supported():
    net_label = np.random.default_rng(0).integers(0, 2, 80)
    from heedful.files.graphs import read_graph

    net = read_graph(nx.gnp_random_graph(80, 0.15, seed=0))
    x = np.random.default_rng(1).uniform(-1, 1, 80)
    verdict = examine_camps(x, 5.0, net_label, net)[0]
    assert verdict.status != "supported"
    assert examine_camps(x, 5.0, net_label, net, level="none") == []


def test_demo_tells_the_planted_truth():
    story = whole(demo(seed=1))
    assert "0.5 was planted" in story.headline
    assert all(s.outcome == "better" for s in story.scores)
    assert story.verdicts
    club = story.tables["club"].set_index("rule")["share on its known side"]
    assert club["plain averaging, leaders anchored"] >= club["attention, leaders anchored"]
