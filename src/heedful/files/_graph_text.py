"""Parsers of network text: edge lists, GML, GraphML -> edge arrays and node tables; nothing is evaluated."""

from __future__ import annotations

import io
import re
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..errors import InputError

HEADERS = {"source", "target", "from", "to", "src", "dst", "u", "v", "node1", "node2", "follower", "followee"}
TOKEN = re.compile(r'"(?P<text>[^"]*)"|(?P<open>\[)|(?P<close>\])|(?P<word>[^\s\[\]"]+)')
MAX_DEPTH = 32  # nesting of GML lists


class Raw(NamedTuple):
    """Edges and nodes as the file has them."""

    source: np.ndarray
    target: np.ndarray
    weights: np.ndarray | None
    labels: list[str]
    attributes: dict[str, list]
    directed: bool | None  # None: the format does not say


def parse_edges(text: str, path, weight: str | None) -> Raw:
    """Edge list: 'u v', 'u v w' or networkx's 'u v {...}', split by blanks, tabs, commas or semicolons; #
    and % comment.

    Node names may be any text or integers of any size. A first line such as 'source,target,weight' is a
    header.
    """
    import pandas as pd

    lines = (line.strip() for line in text.splitlines())
    lines = [line for line in lines if line and line[0] not in "#%"]
    if not lines:
        raise InputError("has no edges", path=path)
    weights = None
    if "{" in lines[0]:
        lines, weights = _dict_column(lines, path, weight)
    separator = next((c for c in ",;\t" if c in lines[0]), r"\s+")
    first = re.split(separator, lines[0])
    names = [cell.strip().strip('"').lower() for cell in first]
    header = len(set(names[:2]) & HEADERS) == 2
    try:
        table = pd.read_csv(
            io.StringIO("\n".join(lines[header:])),
            sep=separator,
            header=None,
            dtype=str,
            keep_default_na=False,
            engine="c",
            quotechar='"',
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"not an edge list ({error})".replace("\n", " "),
            path=path,
            remedy="one edge per line: u v [weight]",
        ) from error
    if table.shape[1] < 2:
        raise InputError("one column, at least two were expected (u and v)", path=path, where="first line")
    ends = table.iloc[:, :2].map(str.strip)
    if (empty := (ends == "").any(axis=1)).any():
        raise InputError("an edge with an end missing", path=path, where=f"edge {int(np.argmax(empty)) + 1}")
    if weights is None and weight is not None:
        at = (
            names.index(weight.lower()) if header and weight.lower() in names else (2 if not header else None)
        )
        if at is not None and at < table.shape[1]:
            cells = table.iloc[:, at]
            number = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
            strange = np.isnan(number) & ~cells.str.strip().str.lower().isin(["nan"]).to_numpy()
            if strange.any():
                e = int(np.argmax(strange))
                raise InputError(
                    f"weight '{cells.iloc[e]}' is not a number",
                    path=path,
                    where=f"edge {e + 1}",
                    remedy="ignore weights with weight=None (--no-weights)",
                )
            weights = number
    codes, labels = pd.factorize(ends.to_numpy().ravel())
    labels = [str(name) for name in labels]
    if all(re.fullmatch(r"-?\d+", name) for name in labels):  # numbered nodes keep their numeric order
        order = sorted(range(len(labels)), key=lambda k: int(labels[k]))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        codes, labels = rank[codes], [labels[k] for k in order]
    pairs = codes.reshape(-1, 2)
    return Raw(pairs[:, 0], pairs[:, 1], weights, labels, {}, None)


def _dict_column(lines, path, weight):
    """networkx's trailing {'weight': w}: the number alone is taken, by pattern."""
    pattern = re.compile(rf"""['"]{re.escape(weight)}['"]\s*:\s*([^,}}\s]+)""") if weight else None
    ends, numbers = [], []
    for k, line in enumerate(lines):
        head, brace, rest = line.partition("{")
        ends.append(head.strip())
        if pattern is None:
            continue
        found = pattern.search(rest) if brace else None
        try:
            numbers.append(float(found.group(1)) if found else 1.0)
        except ValueError as error:
            raise InputError(
                f"weight '{found.group(1)}' is not a number", path=path, where=f"edge {k + 1}"
            ) from error
    return ends, np.array(numbers) if pattern is not None else None


def parse_gml(text: str, path, weight: str | None) -> Raw:
    """GML; repeated edges are kept whether or not the file says `multigraph 1` (polblogs.gml does not)."""
    root = _gml_lists(text, path)
    graph = next((value for key, value in root if key == "graph" and isinstance(value, list)), None)
    if graph is None:
        raise InputError("no 'graph [ ... ]' in this GML file", path=path)
    directed = next((str(value) == "1" for key, value in graph if key == "directed"), False)
    nodes = [dict(value) for key, value in graph if key == "node" and isinstance(value, list)]
    edges = [dict(value) for key, value in graph if key == "edge" and isinstance(value, list)]
    for k, node in enumerate(nodes):
        if "id" not in node:
            raise InputError("a node without id", path=path, where=f"node {k + 1}")
    return _assemble(
        [node["id"] for node in nodes],
        [str(node.get("label", node["id"])) for node in nodes],
        nodes,
        {"id", "label"},
        [(e.get("source"), e.get("target")) for e in edges],
        [e.get(weight, e.get("value") if weight == "weight" else None) for e in edges],
        directed,
        path,
    )


def _gml_lists(text: str, path) -> list:
    """GML as nested (key, value) lists, without recursion."""
    text = re.sub(r"(?m)^\s*#.*$", "", text)
    stack: list[list] = [[]]
    key = None
    for token in TOKEN.finditer(text):
        kind, value = token.lastgroup, token.group(token.lastgroup)
        if kind == "close":
            if len(stack) == 1 or key is not None:
                _gml_fault(text, token.start(), path, "unexpected ']'")
            stack.pop()
        elif kind == "open":
            if key is None and not (len(stack) == 1 and not stack[0]):
                _gml_fault(text, token.start(), path, "'[' without a key")
            if len(stack) > MAX_DEPTH:
                _gml_fault(text, token.start(), path, f"more than {MAX_DEPTH} nested lists")
            inner: list = []
            stack[-1].append((key, inner))
            stack.append(inner)
            key = None
        elif key is None:
            if kind == "text":
                _gml_fault(text, token.start(), path, "text without a key")
            key = value
        else:
            stack[-1].append((key, value if kind == "text" else _number(value)))
            key = None
    if len(stack) != 1:
        raise InputError(
            "ends inside a list: a ']' is missing", path=path, remedy="get the file again, it may be cut"
        )
    return stack[0]


def _gml_fault(text, at, path, what):
    raise InputError(what, path=path, where=f"line {text.count(chr(10), 0, at) + 1}")


def _number(value: str):
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def parse_graphml(text: str, path, weight: str | None) -> Raw:
    """GraphML: nodes, edges, `key` tables. A document type declaration is refused (entities can grow
    without bound).
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(
            "has a document type declaration, which is not read", path=path, remedy="take it out"
        )
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"not well-formed XML ({error})", path=path) from error
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
    graph = root.find("graph")
    if graph is None:
        raise InputError("no <graph> in this GraphML file", path=path)
    keys = {
        key.get("id"): (key.get("attr.name", key.get("id")), key.get("attr.type", "string"))
        for key in root.findall("key")
    }

    def data(element):
        found = {}
        for item in element.findall("data"):
            name, kind = keys.get(item.get("key"), (item.get("key"), "string"))
            found[name] = (
                _number(item.text or "") if kind in ("int", "long", "float", "double") else item.text
            )
        return found

    nodes = [(node.get("id"), data(node)) for node in graph.iter("node")]
    edges = list(graph.iter("edge"))
    directed = graph.get("edgedefault", "directed") != "undirected"
    if any(e.get("directed", str(directed).lower()) != str(directed).lower() for e in edges):
        raise InputError(
            "directed and undirected edges in one graph", path=path, remedy="make them all alike"
        )
    ids = [name for name, _ in nodes]
    return _assemble(
        ids,
        [str(d.get("label") or name) for name, d in nodes],
        [d for _, d in nodes],
        {"label"},
        [(e.get("source"), e.get("target")) for e in edges],
        [data(e).get(weight) for e in edges],
        directed,
        path,
    )


def _assemble(ids, labels, nodes, hidden, ends, weights, directed, path) -> Raw:
    place = {name: k for k, name in enumerate(ids)}
    if len(place) != len(ids):
        twice = next(name for k, name in enumerate(ids) if place[name] != k)
        raise InputError(f"two nodes have the id '{twice}'", path=path)
    pairs = np.empty((len(ends), 2), np.int64)
    for k, (u, v) in enumerate(ends):
        if u not in place or v not in place:
            raise InputError(
                f"names the node '{u if u not in place else v}', which the file does not have",
                path=path,
                where=f"edge {k + 1}",
            )
        pairs[k] = place[u], place[v]
    number = None
    if any(w is not None for w in weights):
        try:
            number = np.array([1.0 if w is None else float(w) for w in weights])
        except (TypeError, ValueError) as error:
            raise InputError(f"an edge weight is not a number ({error})", path=path) from error
    names = sorted({key for node in nodes for key in node} - hidden)
    attributes = {key: [node.get(key) for node in nodes] for key in names}
    if len(set(labels)) != len(labels):  # names that repeat cannot name a node
        labels = [str(name) for name in ids]
    return Raw(pairs[:, 0], pairs[:, 1], number, labels, attributes, directed)


def parse_nodes(text: str, labels: tuple[str, ...], path) -> tuple[dict[str, list], str]:
    """A table of nodes (CSV or TSV with a header) in the network's order, and how it was matched.

    The first column whose cells name every node of the network is the key; where none does and there is one
    row per node, rows are taken in the network's order, and that is said.
    """
    import pandas as pd

    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)  # pandas' own guess takes a letter where there is one column
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"not a table ({error})".replace("\n", " "), path=path) from error
    wanted = set(labels)
    for column in table.columns:
        cells = table[column].str.strip()
        if wanted <= set(cells):
            if cells.duplicated().any():
                twice = cells[cells.duplicated()].iloc[0]
                raise InputError(f"the node '{twice}' is there twice", path=path, where=f"column '{column}'")
            table = table.set_index(cells).loc[list(labels)]
            return {c: table[c].str.strip().tolist() for c in table.columns}, f"matched by column '{column}'"
    if len(table) != len(labels):
        raise InputError(
            f"{len(table)} rows for {len(labels)} nodes, and no column names them all",
            path=path,
            remedy="a column with every node's name, or one row per node in the network's order",
        )
    return {c: table[c].str.strip().tolist() for c in table.columns}, "matched by row order: row k is node k"
