"""People as tokens: a network, node tables and starting opinions -> arrays with names."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...errors import InputError
from ...files.graphs import Network, read_graph, with_nodes

STARTS = ("uniform", "gaussian", "camps")


def opinions_of(values: Sequence, name: str = "opinion") -> np.ndarray:
    """Numbers as they are; two labels as -1 and +1 (in the order of the alphabet).

    Parameters
    ----------
    values : sequence of numbers or of two labels
    name : str
        What messages call it.

    Returns
    -------
    (N,) float64

    Raises
    ------
    InputError
        Where a value is missing, or there are more than two labels.

    Examples
    --------
    >>> opinions_of(["D", "R", "R"])
    array([-1.,  1.,  1.])
    """
    values = list(values)
    missing = [k for k, v in enumerate(values) if _unknown(v)]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(values)} nodes have no {name}",
            where=f"first: node {missing[0]}",
            remedy="give them one, or leave those nodes out (--known-only)",
        )
    try:
        x = np.array([float(v) for v in values])
    except (TypeError, ValueError):
        kinds = sorted({str(v) for v in values})
        if len(kinds) != 2:
            raise InputError(
                f"{name} has {len(kinds)} labels ({', '.join(kinds[:6])}{', ...' if len(kinds) > 6 else ''})",
                remedy="numbers or two labels were expected",
            ) from None
        return np.where(np.array([str(v) for v in values]) == kinds[1], 1.0, -1.0)
    if not np.isfinite(x).all():
        raise InputError(f"{name} is not finite", where=f"node {int(np.argmax(~np.isfinite(x)))}")
    return x


def known_only(network: Network, name: str, labels: Sequence[str] = ()) -> tuple[Network, int]:
    """The network among those whose attribute is known (and, if given, one of ``labels``), and how many
    were left out.
    """
    values = network.attribute(name)
    keep = [not _unknown(v) and (not labels or str(v) in labels) for v in values]
    chosen = np.flatnonzero(keep)
    if len(chosen) < 2:
        raise InputError(f"fewer than two nodes have a usable {name}")
    return network.subgraph(chosen), network.size - len(chosen)


def _unknown(value) -> bool:
    """Whether a cell of a table or an attribute says nothing."""
    if isinstance(value, str):
        return value.strip().lower() in ("", "nan", "na", "n/a", "none", "null")
    return value is None or (isinstance(value, float) and math.isnan(value))


def starting_opinions(start: str, n: int, *, seed: int, dims: int = 1) -> np.ndarray:
    """Opinions to begin with: uniform on [-1, 1], Gaussian of variance 1/3, or two camps at -1 and +1 (sd
    0.1).

    Examples
    --------
    >>> starting_opinions("camps", 4, seed=0).round()
    array([-1., -1.,  1.,  1.])
    """
    rng = np.random.default_rng(seed)
    shape = (n,) if dims == 1 else (n, dims)
    if start == "uniform":
        return rng.uniform(-1, 1, shape)
    if start == "gaussian":
        return rng.normal(0, math.sqrt(1 / 3), shape)
    if start == "camps":
        side = np.where(np.arange(n) < n // 2, -1.0, 1.0)
        return (side if dims == 1 else side[:, None]) + rng.normal(0, 0.1, shape)
    raise InputError(f"start '{start}'", remedy="one of " + ", ".join(STARTS) + ", or a node attribute")


def parse_anchors(text: str | None, network: Network | None) -> dict[int, float]:
    """'name=1,other=-1' -> node index to opinion; names are node names, or numbers 0.. on the complete
    graph.
    """
    anchors: dict[int, float] = {}
    place = {} if network is None else {name: k for k, name in enumerate(network.labels)}
    for part in filter(None, (p.strip() for p in (text or "").split(","))):
        name, equals, value = part.rpartition("=")
        try:
            where = float(value)
            node = place[name] if network is not None else int(name)
        except (KeyError, ValueError):
            raise InputError(
                f"anchor '{part}'", remedy="name=opinion, with the name of a node, separated by commas"
            ) from None
        if not equals or not math.isfinite(where):
            raise InputError(f"anchor '{part}'", remedy="name=opinion with a finite opinion")
        anchors[node] = where
    return anchors


def load_network(path, listens: str | None, weights: bool, nodes) -> Network | None:
    """The network of a file with its table of nodes; None where no file is named (the complete graph)."""
    if path is None:
        if nodes is not None or listens is not None:
            raise InputError("--nodes and --listens need a network", remedy="name its file first")
        return None
    net = read_graph(path, listens=listens, weight="weight" if weights else None)
    return net if nodes is None else with_nodes(net, nodes)


def load_start(start: str, net: Network | None, n: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Opinions to begin with, drawn or taken from a node attribute, and what is to be noted."""
    if start in STARTS or net is None:
        return starting_opinions(start, net.size if net is not None else n, seed=seed), []
    return opinions_of(net.attribute(start), start), [f"first opinions from the node attribute '{start}'"]


def temperatures(text: str) -> list[float]:
    """'0.01,0.02' or 'low:high:count' (geometric) -> numbers.

    Examples
    --------
    >>> temperatures("0.01:1:3")
    [0.01, 0.1, 1.0]
    """
    try:
        if ":" in text:
            low, high, count = text.split(":")
            return np.geomspace(float(low), float(high), int(count)).round(12).tolist()
        return [float(t) for t in text.split(",")]
    except ValueError as error:
        raise InputError(f"--taus '{text}'", remedy="0.01,0.02,0.05 or low:high:count, above 0") from error
