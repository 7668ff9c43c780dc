"""Graphs with the same degrees, drawn by trading connections between pairs of listeners."""

from __future__ import annotations

import numpy as np

TABLE = 1 << 24  # codes that a table of counts may have; beyond that they are sorted


def rewired(
    column: np.ndarray, row: np.ndarray, nk: int, rng: np.random.Generator, *, own=None, rounds: int = 1
) -> np.ndarray:
    """Graphs after ``rounds`` of trades: every row's and every column's number of edges is kept.

    In a round all rows are paired at random, and each pair deals the columns that only one of the two has
    out again at random (global curveball: Carstens, Hamann, Meyer, Penschuck, Tran, Wagner 2018,
    doi:10.4230/LIPIcs.ESA.2018.11, after Strona et al. 2014). A round and its reverse are equally likely,
    so the uniform law over such graphs is kept.

    Parameters
    ----------
    column : int array (graphs, edges)
        The key of each edge, one graph a row; edges sorted by ``row``.
    row : int array (edges,)
        The query of each edge, the same in all graphs, since degrees stay.
    nk : int
    own : int array (rows,), optional
        The key that each row may not have (itself), -1 for none. It is left out of the row's trades.
    rounds : int

    Returns
    -------
    int array (graphs, edges)

    Examples
    --------
    >>> row, column = np.array([0, 0, 1, 1]), np.array([[0, 1, 2, 3]])
    >>> drawn = rewired(column, row, 4, np.random.default_rng(0))
    >>> sorted(drawn[0].tolist())
    [0, 1, 2, 3]
    """
    column = column.copy()
    graphs, edges = column.shape
    n = int(row.max()) + 1 if edges else 0
    if n < 2:
        return column
    pairs = n // 2 + 1  # the last one is of the row left over, if there is one
    graph = np.arange(graphs)[:, None] * pairs
    for _ in range(rounds):
        order = np.argsort(rng.random((graphs, n)), axis=1)
        pair = np.empty((graphs, n), dtype=np.int64)
        np.put_along_axis(pair, order, np.broadcast_to(np.arange(n) // 2, order.shape), 1)
        group = pair[:, row] + graph
        # columns that both rows of a pair have stay; a row that is left over has none twice, nor a partner
        trade = ~_twice(group * nk + column, graphs * pairs * nk)
        if n % 2:
            trade &= group - graph != n // 2
        if own is not None:  # a column that either of the two may not have stays where it is
            partner = np.empty((graphs, n), dtype=np.int64)
            even = n - n % 2
            np.put_along_axis(partner, order[:, 0:even:2], order[:, 1:even:2], 1)
            np.put_along_axis(partner, order[:, 1:even:2], order[:, 0:even:2], 1)
            if n % 2:
                np.put_along_axis(partner, order[:, -1:], order[:, -1:], 1)
            trade &= (column != own[partner[:, row]]) & (column != own[row])
        dealt, of = column[trade], group[trade]
        # the places of a pair in order, and its columns in a random order: one is dealt to the other
        hand = np.empty_like(dealt)
        hand[np.argsort(of, kind="stable")] = dealt[np.argsort(of + rng.random(len(of)))]
        column[trade] = hand
    return column


def _twice(code: np.ndarray, size: int) -> np.ndarray:
    """Where a code in [0, size) comes twice."""
    if size <= TABLE:
        return (np.bincount(code.reshape(-1), minlength=size) > 1)[code]
    flat = code.reshape(-1)
    back = np.argsort(flat)
    same = flat[back[1:]] == flat[back[:-1]]
    twice = np.zeros(flat.size, dtype=bool)
    twice[back[1:]] = same
    twice[back[:-1]] |= same
    return twice.reshape(code.shape)


def rounds_for(rows: int) -> int:
    """Rounds after which each row has met all others at second hand: a half of its own is kept in each."""
    return max(3, int(np.ceil(np.log2(max(rows, 2)))))
