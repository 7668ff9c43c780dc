"""Network readers: every format gives the same lists, direction is said, damage is told."""

import gzip

import networkx as nx
import numpy as np
import pytest
from scipy import io, sparse

from heedful.errors import InputError
from heedful.files.graphs import Network, build, read_graph, with_nodes


def example(directed=True):
    graph = (nx.DiGraph if directed else nx.Graph)()
    graph.add_node("ann", side="a", age=30)
    graph.add_node("bob", side="b", age=41)
    graph.add_node("cyd", side="b", age=52)
    graph.add_weighted_edges_from([("ann", "bob", 2.0), ("bob", "cyd", 0.5), ("cyd", "ann", 1.0)])
    return graph


def lists(net):
    w = np.ones(net.edges) if net.weights is None else net.weights
    named = zip(net.rows, net.indices, w, strict=True)
    return sorted((net.labels[i], net.labels[j], round(float(a), 12)) for i, j, a in named)


FORWARD = [("ann", "bob", 2.0), ("bob", "cyd", 0.5), ("cyd", "ann", 1.0)]


def write(graph, folder, kind):
    path = folder / f"g.{kind}"
    if kind == "gml":
        nx.write_gml(graph, path)
    elif kind == "graphml":
        nx.write_graphml(graph, path)
    elif kind == "edgelist":
        nx.write_edgelist(graph, path)
    elif kind == "csv":
        rows = [f"{u},{v},{d['weight']}" for u, v, d in graph.edges(data=True)]
        path.write_text("source,target,weight\n" + "\n".join(rows))
    else:
        path.write_text(
            "# a comment\n" + "\n".join(f"{u}\t{v}\t{d['weight']}" for u, v, d in graph.edges(data=True))
        )
    return path


@pytest.mark.parametrize("kind", ["gml", "graphml", "edgelist", "csv", "tsv"])
@pytest.mark.parametrize("listens", ["source", "target"])
def test_formats_agree_and_direction_turns(tmp_path, kind, listens):
    net = read_graph(write(example(), tmp_path, kind), listens=listens)
    expected = FORWARD if listens == "source" else sorted((v, u, w) for u, v, w in FORWARD)
    assert lists(net) == expected
    if kind in ("gml", "graphml"):
        sides = dict(zip(net.labels, net.attribute("side"), strict=True))
        assert sides == {"ann": "a", "bob": "b", "cyd": "b"}


@pytest.mark.parametrize("kind", ["gml", "graphml"])
def test_undirected_files_need_no_word(tmp_path, kind):
    net = read_graph(write(example(directed=False), tmp_path, kind))
    assert lists(net) == sorted(FORWARD + [(v, u, w) for u, v, w in FORWARD])


@pytest.mark.parametrize("kind", ["gml", "graphml", "edgelist", "csv"])
def test_direction_is_never_guessed(tmp_path, kind):
    with pytest.raises(InputError, match="who listens must be said"):
        read_graph(write(example(), tmp_path, kind))


def test_networkx_and_sparse_agree():
    graph = example()
    net = read_graph(graph, listens="source")
    A = nx.to_scipy_sparse_array(graph, nodelist=list(net.labels))
    again = read_graph(A, listens="source")
    assert (again.matrix() != net.matrix()).nnz == 0
    back = read_graph(sparse.csr_matrix(A), listens="target")
    assert abs(back.matrix() - net.matrix().T).max() == 0
    with pytest.raises(InputError, match="who listens"):
        read_graph(A)
    assert read_graph(nx.to_scipy_sparse_array(example(directed=False))).edges == 6


def test_matrix_files(tmp_path):
    A = nx.to_scipy_sparse_array(example())
    sparse.save_npz(tmp_path / "a.npz", sparse.csr_matrix(A))
    io.mmwrite(tmp_path / "a.mtx", sparse.coo_matrix(A))
    one, two = (read_graph(tmp_path / f"a.{k}", listens="source") for k in ("npz", "mtx"))
    assert abs(one.matrix() - A).max() == 0
    assert abs(two.matrix() - A).max() == 0
    (tmp_path / "bad.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=r"not an \.npz archive"):
        read_graph(tmp_path / "bad.npz", listens="source")
    with pytest.raises(InputError, match="2 x 3"):
        read_graph(sparse.csr_matrix(np.ones((2, 3))), listens="source")


def test_repeated_edges_self_loops_and_isolated_nodes_are_counted(tmp_path):
    # like polblogs.gml: repeated edges without `multigraph 1`, which networkx refuses
    path = tmp_path / "blogs.gml"
    path.write_text(
        'Creator "somebody"\ngraph [\n directed 1\n'
        + "".join(f' node [ id {k} label "blog {k}" value {k % 2} ]\n' for k in range(4))
        + "".join(f" edge [ source {a} target {b} ]\n" for a, b in [(0, 1), (0, 1), (1, 2), (2, 2)])
        + "]\n"
    )
    with pytest.raises(nx.NetworkXError):
        nx.read_gml(path)
    net = read_graph(path, listens="source")
    assert lists(net) == [("blog 0", "blog 1", 1.0), ("blog 1", "blog 2", 1.0)]
    assert net.attribute("value") == [0, 1, 0, 1]
    assert [n.split(" (")[0] for n in net.notes] == [
        "1 self loop left out",
        "1 repeated edge merged",
        "1 isolated node",
    ]


def test_repeated_weights_add_up_and_both_ways_is_one_edge():
    net = build(
        np.array([0, 0, 1]), np.array([1, 1, 2]), 3, listens="source", weights=np.array([1.0, 2.0, 1.0])
    )
    assert net.weights.tolist() == [3.0, 1.0]
    both = build(np.array([0, 1]), np.array([1, 0]), 2, listens="both")
    assert (both.edges, both.notes) == (2, ("1 repeated edge merged",))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_senseless_weights_are_refused(bad):
    graph = example()
    graph["bob"]["cyd"]["weight"] = bad
    with pytest.raises(InputError, match="must be finite and not negative"):
        read_graph(graph, listens="source")
    assert read_graph(graph, listens="source", weight=None).edges == 3


def test_names_beyond_32_bits(tmp_path):
    path = tmp_path / "tweets.csv"
    path.write_text(f"source,target\n{2**40},{2**33}\n{2**33},7\n")
    net = read_graph(path, listens="source")
    assert net.labels == ("7", str(2**33), str(2**40))
    assert lists(net) == [(str(2**40), str(2**33), 1.0), (str(2**33), "7", 1.0)]


def test_numbered_nodes_keep_their_order(tmp_path):
    path = tmp_path / "g.edges"
    path.write_text("10 2\n2 1\n")
    assert read_graph(path, listens="source").labels == ("1", "2", "10")


def test_gzip(tmp_path):
    path = tmp_path / "g.csv.gz"
    path.write_bytes(gzip.compress(b"u,v\na,b\n"))
    assert lists(read_graph(path, listens="source")) == [("a", "b", 1.0)]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a.csv", "source,target,weight\na,b,heavy\n", "weight 'heavy' is not a number"),
        ("a.csv", "source,target\na,\n", "an end missing"),
        ("a.edges", "alone\n", "one column"),
        ("a.edges", "# nothing\n", "has no edges"),
        ("a.edgelist", "a b {'weight': 'x'}\n", "is not a number"),
        ("a.gml", "graph [ node [ id 1 ] edge [ source 1 target 2 ] ]", "names the node '2'"),
        ("a.gml", "graph [ node [ id 1 ]", "is missing"),
        ("a.gml", "graph [ ] ]", "unexpected '\\]'"),
        ("a.gml", "graph [ node [ id 1 ] node [ id 1 ] ]", "two nodes have the id"),
        ("a.gml", "nothing 1", "no 'graph"),
        ("a.gml", "a [ " * 60, "nested"),
        ("a.graphml", "<graphml><graph>", "not well-formed"),
        ("a.graphml", "<!DOCTYPE x [<!ENTITY a 'b'>]><graphml/>", "document type"),
        ("a.graphml", "<graphml/>", "no <graph>"),
        ("a.xyz", "a b\n", "unknown network format"),
    ],
)
def test_damage_is_told(tmp_path, name, text, word):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=word) as caught:
        read_graph(path, listens="source")
    assert str(path) in str(caught.value)


def test_missing_file_and_strange_objects(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_graph(tmp_path / "none.gml")
    with pytest.raises(InputError, match="is not a network"):
        read_graph(7)
    with pytest.raises(InputError, match="choose one of"):
        read_graph(example(), listens="left")
    with pytest.raises(InputError, match="no nodes"):
        read_graph(nx.Graph())


def test_node_tables(tmp_path):
    net = read_graph(example(), listens="source")
    path = tmp_path / "nodes.csv"
    path.write_text("party,name\nR,cyd\nD,ann\nR,bob\n")
    assert with_nodes(net, path).attribute("party") == ["D", "R", "R"]
    path.write_text("party\nD\nR\nR\n")
    told = with_nodes(net, path)
    assert told.attribute("party") == ["D", "R", "R"]
    assert "row order" in told.notes[-1]
    path.write_text("party\nD\n")
    with pytest.raises(InputError, match="1 rows for 3 nodes"):
        with_nodes(net, path)
    path.write_text("name,party\nann,D\nann,R\nbob,R\ncyd,R\n")
    with pytest.raises(InputError, match="there twice"):
        with_nodes(net, path)
    with pytest.raises(InputError, match="no node attribute 'mood'"):
        net.attribute("mood")


def test_subgraph_and_keep():
    net = read_graph(example(), listens="source")
    part = net.subgraph(np.array([0, 1]))
    assert lists(part) == [("ann", "bob", 2.0)]
    assert part.attribute("age") == [30, 41]
    kept = net.keep(np.array([True, False, True]))
    assert isinstance(kept, Network)
    assert lists(kept) == [FORWARD[0], FORWARD[2]]
