"""Pictures of relations: tokens and what they attend to, networks, arcs, opinions, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .base import Picture, clip, clips, number, pack


@dataclass(frozen=True, eq=False)
class Tokens(Picture):
    """Queries and the keys they attend to: click one, see its keys; click a key, see who attends to it.

    Parameters
    ----------
    queries, keys : sequence of str, Q and K names
    index : int array (..., Q, k)
        The strongest keys of each query; negative where a query has fewer than k.
    weight : array (..., Q, k)
        Their weights.
    contribution : array (..., Q, k), optional
        What each adds to the query's result, in ``unit``.
    columns : array (..., K), optional
        The attention each key receives from all queries (``W.columns()``), not from the k shown alone.
    heads : sequence of str, or dict of str to sequence of str, optional
        Names along the leading axes: ``["head 0", "head 1"]`` for one, ``{"layer": [...], "head": [...]}``
        for several.

    Examples
    --------
    >>> t = Tokens("Words", ["the", "cat"], ["the", "cat"], index=[[0], [1]], weight=[[1.0], [0.7]])
    >>> t.to_dict()["index"]
    [[0], [1]]
    """

    kind: ClassVar[str] = "tokens"

    queries: Sequence[str]
    keys: Sequence[str]
    index: np.ndarray
    weight: np.ndarray
    contribution: np.ndarray | None = field(default=None, kw_only=True)
    columns: np.ndarray | None = field(default=None, kw_only=True)
    heads: Sequence[str] | Mapping[str, Sequence[str]] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        queries, keys = self._names("queries"), self._names("keys")
        heads = {} if self.heads is None else self.heads
        heads = heads if isinstance(heads, Mapping) else {"head": heads}
        heads = {str(axis): [str(name) for name in names] for axis, names in heads.items()}
        lead = [len(names) for names in heads.values()]
        index = self._index("index", *lead, len(queries), None, upper=len(keys))
        if index is None:
            raise self._refuse("index is missing")
        self._set(
            queries=queries,
            keys=keys,
            heads=heads,
            index=index,
            weight=self._array("weight", *index.shape, optional=False),
            contribution=self._array("contribution", *index.shape),
            columns=self._array("columns", *lead, len(keys)),
        )

    def _fields(self) -> dict[str, Any]:
        same = self.queries == self.keys
        return {
            "queries": clips(self.queries),
            "keys": None if same else clips(self.keys),
            "heads": [{"axis": clip(axis), "names": clips(names)} for axis, names in self.heads.items()],
            "index": pack(self.index),
            "weight": pack(self.weight),
            "contribution": pack(self.contribution),
            "columns": pack(self.columns),
        }


@dataclass(frozen=True, eq=False)
class Network(Picture):
    """Points in a plane with edges: a social network, an eta-phi scatter, a graph of lags.

    Parameters
    ----------
    x, y : array (N,)
        Positions. Where ``x_label`` or ``y_label`` is given they are quantities and axes are drawn.
    labels : sequence of str, optional
    values : array (N,), optional
        Colour of each point, in ``unit``.
    groups : sequence of str, optional
        Colour by group instead.
    size : array (N,), optional
        A magnitude drawn as area.
    edges : (i (M,), j (M,), w (M,)), optional
        The weight may be left out. Directed: i attends to j.
    x_label, y_label : str
    directed : bool
    relation : str
        The verb from i to j, "drives" in a graph of causes. Negative weights are drawn in the second of
        the two signed colours.

    Examples
    --------
    >>> Network("Jet", [0, 1], [0, 1], edges=([0], [1], [0.5]), x_label="eta", y_label="phi").to_dict()["i"]
    [0]
    """

    kind: ClassVar[str] = "network"

    x: np.ndarray
    y: np.ndarray
    labels: Sequence[str] | None = field(default=None, kw_only=True)
    values: np.ndarray | None = field(default=None, kw_only=True)
    groups: Sequence[str] | None = field(default=None, kw_only=True)
    size: np.ndarray | None = field(default=None, kw_only=True)
    edges: tuple[np.ndarray, ...] | None = field(default=None, kw_only=True)
    x_label: str = field(default="", kw_only=True)
    y_label: str = field(default="", kw_only=True)
    directed: bool = field(default=False, kw_only=True)
    relation: str = field(default="attends to", kw_only=True)

    def __post_init__(self) -> None:
        x = self._array("x", None, optional=False)
        n = len(x)
        self._set(
            x=x,
            y=self._array("y", n, optional=False),
            values=self._array("values", n),
            size=self._array("size", n),
            labels=self._names("labels", n),
            groups=self._names("groups", n),
            edges=_edges(self, n),
        )

    def _fields(self) -> dict[str, Any]:
        i, j, w = self.edges
        return {
            "x": pack(self.x),
            "y": pack(self.y),
            "labels": clips(self.labels),
            "values": pack(self.values),
            "groups": clips(self.groups),
            "size": pack(self.size),
            "i": pack(i),
            "j": pack(j),
            "w": pack(w),
            "x_label": clip(self.x_label),
            "y_label": clip(self.y_label),
            "directed": bool(self.directed),
            "relation": clip(self.relation, 40),
        }


@dataclass(frozen=True, eq=False)
class Arcs(Picture):
    """A sequence with arcs between its places: contacts of residues.

    Parameters
    ----------
    labels : sequence of str
        Names along the sequence.
    pairs : int array (M, 2)
    weights : array (M,)
    marks : bool array (M,), optional
        Pairs that are true contacts.

    Examples
    --------
    >>> Arcs("Contacts", ["M1", "K2", "V3"], [[0, 2]], [0.9], marks=[True]).to_dict()["pairs"]
    [[0, 2]]
    """

    kind: ClassVar[str] = "arcs"

    labels: Sequence[str]
    pairs: np.ndarray
    weights: np.ndarray
    marks: np.ndarray | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        labels = self._names("labels")
        if np.size(self.pairs) == 0:
            self._set(pairs=np.zeros((0, 2)))
        pairs = self._index("pairs", None, 2, upper=len(labels))
        if pairs is None or (pairs < 0).any():
            raise self._refuse("pairs holds a negative place")
        marks = self._array("marks", len(pairs))
        self._set(
            labels=labels,
            pairs=pairs,
            weights=self._array("weights", len(pairs), optional=False),
            marks=None if marks is None else marks > 0,
        )

    def _fields(self) -> dict[str, Any]:
        return {
            "labels": clips(self.labels),
            "pairs": pack(self.pairs),
            "weights": pack(self.weights),
            "marks": pack(self.marks),
        }


@dataclass(frozen=True, eq=False)
class Opinions(Picture):
    """People who move towards those they listen to, computed in the page while the reader slides tau.

    One step is ``x_i <- sum_j softmax_j(-(x_i - x_j)^2 / (2 tau)) x_j`` over oneself and one's
    neighbours, or over everybody where no edges are given.

    Parameters
    ----------
    opinions : array (N,)
        Where each person starts.
    edges : (i (M,), j (M,)), optional
        i listens to j. Give both directions where listening is mutual.
    tau : float
        The temperature the slider starts at.
    steps : int
    groups : sequence of str, optional
        Known camps, shown by colour.

    Examples
    --------
    >>> Opinions("Camps", [-1, -.9, .9, 1], tau=0.1, steps=20).to_dict()["tau"]
    0.1
    """

    kind: ClassVar[str] = "opinions"

    opinions: np.ndarray
    edges: tuple[np.ndarray, ...] | None = field(default=None, kw_only=True)
    tau: float = field(kw_only=True)
    steps: int = field(kw_only=True)
    groups: Sequence[str] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        opinions = self._array("opinions", None, optional=False)
        if not opinions.size or np.isnan(opinions).any():
            raise self._refuse("an opinion is missing", "leave the person out")
        if not (np.isfinite(self.tau) and self.tau > 0):
            raise self._refuse(f"tau is {self.tau}, expected a number above 0")
        if int(self.steps) < 1:
            raise self._refuse(f"steps is {self.steps}, expected at least 1")
        edges = None if self.edges is None else _edges(self, len(opinions))[:2]
        self._set(
            opinions=opinions,
            edges=edges,
            tau=float(self.tau),
            steps=int(self.steps),
            groups=self._names("groups", len(opinions)),
        )

    def _fields(self) -> dict[str, Any]:
        i, j = self.edges or (None, None)
        return {
            "opinions": pack(self.opinions),
            "i": pack(i),
            "j": pack(j),
            "tau": number(self.tau),
            "steps": self.steps,
            "groups": clips(self.groups),
        }


def _edges(picture: Any, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Check (i, j) or (i, j, w)."""
    if picture.edges is None:
        none = np.zeros(0, dtype=np.int64)
        return none, none, None
    parts = tuple(picture.edges)
    if len(parts) not in (2, 3):
        raise picture._refuse(f"edges has {len(parts)} parts", "give (i, j) or (i, j, w), one array each")
    i = picture._index("edges i", None, upper=n, values=parts[0])
    j = picture._index("edges j", len(i), upper=n, values=parts[1])
    if (i < 0).any() or (j < 0).any():
        raise picture._refuse("edges holds a negative place")
    w = parts[2] if len(parts) == 3 else None
    w = None if w is None else picture._array("edges w", len(i), values=w)
    return i, j, w
