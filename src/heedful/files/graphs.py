"""Networks: networkx, scipy.sparse, edge lists, GML, GraphML, Matrix Market -> who listens to whom, in CSR
lists.

Direction is never guessed. ``listens="source"``: in an edge u -> v, u listens to v (u follows v).
``"target"``: v listens to u (the edge is the flow of influence). ``"both"``: undirected. A file that says it
is undirected needs no word; any other is refused until the direction is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from . import _graph_text as text
from .limits import check_array, check_readable, read_text

DIRECTIONS = ("source", "target", "both")
SUFFIXES = {
    ".gml": "gml",
    ".graphml": "graphml",
    ".xml": "graphml",
    ".mtx": "mtx",
    ".npz": "npz",
    ".edgelist": "edges",
    ".edges": "edges",
    ".txt": "edges",
    ".csv": "edges",
    ".tsv": "edges",
    ".el": "edges",
}


@dataclass(frozen=True)
class Network:
    """Who listens to whom: CSR lists, edge weights, node names and attributes.

    Parameters
    ----------
    indptr : (N + 1,) int64
    indices : (E,) int32 or int64
        Row i lists the nodes that i listens to, sorted, each once, i itself excluded.
    weights : (E,) float64 or None
        Positive edge weights; None where every edge counts the same.
    labels : tuple of str
        Node names.
    attributes : dict of str to list
        Node attributes, one value per node, None where missing.
    notes : tuple of str
        Repairs that were made while reading, counted.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of nodes."""
        return len(self.indptr) - 1

    @property
    def edges(self) -> int:
        """Number of (listener, listened) pairs."""
        return len(self.indices)

    @property
    def rows(self) -> np.ndarray:
        """The listener of every entry of ``indices``."""
        return np.repeat(np.arange(self.size, dtype=self.indices.dtype), np.diff(self.indptr))

    @property
    def audience(self) -> np.ndarray:
        """How many listen to each node (N,)."""
        return np.bincount(self.indices, minlength=self.size)

    def matrix(self):
        """scipy CSR matrix A with A[i, j] > 0 where i listens to j."""
        from scipy import sparse

        data = np.ones(self.edges) if self.weights is None else self.weights
        return sparse.csr_matrix((data, self.indices, self.indptr), shape=(self.size, self.size))

    def keep(self, chosen: np.ndarray) -> Network:
        """The network with the edges of a boolean mask (E,) alone; the nodes stay."""
        counts = np.bincount(self.rows[chosen], minlength=self.size)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        weights = None if self.weights is None else self.weights[chosen]
        return replace(self, indptr=indptr, indices=self.indices[chosen], weights=weights)

    def subgraph(self, nodes: np.ndarray) -> Network:
        """The network among some nodes (sorted indices), names and attributes taken along."""
        nodes = np.asarray(nodes)
        A = self.matrix()[nodes][:, nodes].tocsr()
        A.sort_indices()
        return replace(
            self,
            indptr=A.indptr.astype(np.int64),
            indices=A.indices,
            weights=None if self.weights is None else A.data,
            labels=tuple(self.labels[i] for i in nodes),
            attributes={k: [v[i] for i in nodes] for k, v in self.attributes.items()},
        )

    def attribute(self, name: str) -> list:
        """An attribute's values, or an InputError that names what there is."""
        if name not in self.attributes:
            have = ", ".join(sorted(self.attributes)) or "none"
            raise InputError(f"the network has no node attribute '{name}'", remedy=f"it has: {have}")
        return list(self.attributes[name])


def read_graph(
    source, *, listens: str | None = None, weight: str | None = "weight", path: str | Path | None = None
) -> Network:
    """A network from a file or from an object of networkx or scipy.sparse.

    Parameters
    ----------
    source : path, networkx graph, scipy sparse matrix or Network
        Files by suffix: .gml, .graphml/.xml, .mtx, .npz (scipy), .csv/.tsv/.txt/.edges/.edgelist (each also
        .gz).
    listens : {"source", "target", "both"}, optional
        Who listens in a directed edge; see the module. Required unless the graph says it is undirected.
    weight : str or None
        Edge attribute taken as weight where it is there; None ignores weights.
    path : str or Path, optional
        The name that messages give, where ``source`` is an object.

    Returns
    -------
    Network
        Self loops are taken out and repeated edges merged (their weights summed); both are counted in
        ``notes``.

    Raises
    ------
    InputError
        For an unknown format, a missing direction, NaN, infinite or negative weights, or a damaged file.

    Examples
    --------
    >>> import networkx as nx
    >>> club = read_graph(nx.karate_club_graph(), weight=None)
    >>> club.size, club.edges, club.attribute("club")[0]
    (34, 156, 'Mr. Hi')
    """
    if listens is not None and listens not in DIRECTIONS:
        raise InputError(f"listens='{listens}'", remedy="choose one of source, target, both")
    if isinstance(source, Network):
        return source
    if isinstance(source, str | Path):
        return _from_file(Path(source), listens, weight)
    if hasattr(source, "is_directed") and hasattr(source, "adj"):
        return _from_networkx(source, listens, weight, path)
    if hasattr(source, "tocoo"):
        return _from_sparse(source, listens, weight, path)
    raise InputError(
        f"a {type(source).__name__} is not a network",
        remedy="give a file, a networkx graph or a scipy sparse matrix",
    )


def with_nodes(network: Network, path: str | Path) -> Network:
    """The network with a table of nodes (CSV or TSV with a header) as attributes; how it was matched is
    noted.
    """
    columns, how = text.parse_nodes(read_text(path), network.labels, path)
    notes = (*network.notes, f"{Path(path).name}: {how}")
    return replace(network, attributes={**network.attributes, **columns}, notes=notes)


def build(
    source: np.ndarray,
    target: np.ndarray,
    n: int,
    *,
    listens: str,
    weights: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    attributes: Mapping[str, Sequence] | None = None,
    path=None,
) -> Network:
    """A `Network` from edge arrays: checked, self loops out, repeated edges merged, both counted.

    Parameters
    ----------
    source, target : (E,) int
    n : int
        Number of nodes.
    listens : {"source", "target", "both"}
    weights : (E,) float, optional
    labels, attributes : optional
        As in `Network`.

    Examples
    --------
    >>> net = build(np.array([0, 0, 1]), np.array([1, 1, 1]), 2, listens="source")
    >>> net.edges, net.notes
    (1, ('1 self loop left out', '1 repeated edge merged'))
    """
    if n < 1:
        raise InputError("the network has no nodes", path=path)
    check_array((max(len(source), n), 3), 8, path=path, what="edge list")
    source, target = np.asarray(source, np.int64), np.asarray(target, np.int64)
    if len(source) and (min(source.min(), target.min()) < 0 or max(source.max(), target.max()) >= n):
        raise InputError(f"an edge names a node outside 0..{n - 1}", path=path)
    notes = []
    if weights is not None:
        weights = np.asarray(weights, np.float64)
        bad = ~np.isfinite(weights) | (weights < 0)
        if bad.any():
            e = int(np.argmax(bad))
            ends = (str(v) if labels is None else labels[v] for v in (source[e], target[e]))
            raise InputError(
                f"edge weight {weights[e]}: weights must be finite and not negative ({int(bad.sum())} "
                f"such edges)",
                path=path,
                where=f"edge {e} ({' -> '.join(ends)})",
                remedy="mend the file, or ignore weights with weight=None (--no-weights)",
            )
        if (zero := weights == 0).any():
            notes.append(_counted(int(zero.sum()), "edge of weight 0", "edges of weight 0") + " left out")
            source, target, weights = source[~zero], target[~zero], weights[~zero]
    loops = source == target
    if loops.any():
        notes.append(_counted(int(loops.sum()), "self loop", "self loops") + " left out")
        source, target = source[~loops], target[~loops]
        weights = None if weights is None else weights[~loops]
    if listens == "target":
        source, target = target, source
    elif listens == "both":
        # a pair given in either order is one undirected edge
        source, target = np.minimum(source, target), np.maximum(source, target)
    key = source * n + target if n < 3_000_000_000 else None
    order = np.lexsort((target, source)) if key is None else np.argsort(key, kind="stable")
    source, target = source[order], target[order]
    first = np.ones(len(source), bool)
    first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    if (repeated := len(first) - int(first.sum())) > 0:
        notes.append(_counted(repeated, "repeated edge", "repeated edges") + " merged")
    if weights is not None:
        weights = np.add.reduceat(weights[order], np.flatnonzero(first)) if len(order) else weights
    source, target = source[first], target[first]
    if listens == "both":
        source, target = np.concatenate([source, target]), np.concatenate([target, source])
        weights = None if weights is None else np.concatenate([weights, weights])
        order = np.lexsort((target, source))
        source, target = source[order], target[order]
        weights = None if weights is None else weights[order]
    if weights is not None and len(weights) and np.all(weights == weights[0]):
        weights = None  # all the same: no information
    indptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]).astype(np.int64)
    small = n <= np.iinfo(np.int32).max
    names = tuple(str(i) for i in range(n)) if labels is None else tuple(str(name) for name in labels)
    if len(names) != n:
        raise InputError(f"{len(names)} node names for {n} nodes", path=path)
    network = Network(
        indptr, target.astype(np.int32 if small else np.int64), weights, names, dict(attributes or {}), ()
    )
    if alone := int(((np.diff(indptr) == 0) & (network.audience == 0)).sum()):
        notes.append(
            _counted(alone, "isolated node", "isolated nodes") + " (they hear nobody but themselves)"
        )
    return replace(network, notes=tuple(notes))


def _counted(k: int, one: str, many: str) -> str:
    return f"{k} {one if k == 1 else many}"


def _direction(directed: bool | None, listens: str | None, path) -> str:
    if directed is False:
        return "both"
    if listens is None:
        said = (
            "the edges are directed" if directed else "the file does not say whether edges have a direction"
        )
        raise InputError(
            said + ", so who listens must be said",
            path=path,
            remedy="listens='source' (u listens to v), 'target' (v listens to u) or 'both' (--listens on the "
            "command line)",
        )
    return listens


def _from_file(path: Path, listens, weight) -> Network:
    suffixes = [s.lower() for s in path.suffixes]
    name = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] == ".gz" else (suffixes[-1] if suffixes else "")
    kind = SUFFIXES.get(name)
    check_readable(path)
    if kind is None:
        raise InputError(
            f"unknown network format '{name or path.name}'",
            path=path,
            remedy="one of " + ", ".join(sorted(SUFFIXES)),
        )
    if kind in ("npz", "mtx"):
        return _from_sparse(_matrix_file(path, kind), listens, weight, path)
    if kind == "edges":
        raw = text.parse_edges(read_text(path), path, weight)
    else:
        raw = (text.parse_gml if kind == "gml" else text.parse_graphml)(read_text(path), path, weight)
    return build(
        raw.source,
        raw.target,
        len(raw.labels),
        listens=_direction(raw.directed, listens, path),
        weights=raw.weights,
        labels=raw.labels,
        attributes=raw.attributes,
        path=path,
    )


def _matrix_file(path: Path, kind: str):
    import zipfile

    from scipy import io, sparse

    if kind == "npz" and not zipfile.is_zipfile(path):
        raise InputError("not an .npz archive", path=path, remedy="write it with scipy.sparse.save_npz")
    try:
        return sparse.load_npz(path) if kind == "npz" else io.mmread(path)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"not a readable sparse matrix ({error})", path=path) from error


def _from_sparse(matrix, listens, weight, path) -> Network:
    A = matrix.tocoo()
    if A.shape[0] != A.shape[1]:
        raise InputError(f"the matrix is {A.shape[0]} x {A.shape[1]}, a square one was expected", path=path)
    if np.iscomplexobj(A.data):
        raise InputError("the matrix has complex weights, real ones were expected", path=path)
    data = None if weight is None else A.data.astype(np.float64)
    if listens is None:
        B = matrix.tocsr()
        if abs(B - B.T).max() != 0 if B.nnz else False:
            _direction(True, None, path)
        # symmetric: every pair is there twice, which is not a repetition
        upper = A.row <= A.col
        return build(
            A.row[upper],
            A.col[upper],
            A.shape[0],
            listens="both",
            weights=None if data is None else data[upper],
            path=path,
        )
    return build(A.row, A.col, A.shape[0], listens=listens, weights=data, path=path)


def _from_networkx(graph, listens, weight, path) -> Network:
    nodes = list(graph.nodes)
    place = {node: k for k, node in enumerate(nodes)}
    ends = [(place[u], place[v]) for u, v in graph.edges()]
    pairs = np.array(ends, np.int64).reshape(-1, 2)
    weights = None
    if weight is not None and any(weight in data for *_, data in graph.edges(data=True)):
        values = [data.get(weight, 1.0) for *_, data in graph.edges(data=True)]
        try:
            weights = np.array(values, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"edge attribute '{weight}' is not a number everywhere", path=path) from error
    keys = sorted({key for _, data in graph.nodes(data=True) for key in data}, key=str)
    attributes = {str(key): [graph.nodes[node].get(key) for node in nodes] for key in keys}
    return build(
        pairs[:, 0],
        pairs[:, 1],
        len(nodes),
        listens=_direction(graph.is_directed(), listens, path),
        weights=weights,
        labels=[str(node) for node in nodes],
        attributes=attributes,
        path=path,
    )
