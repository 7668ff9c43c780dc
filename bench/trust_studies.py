"""Seeded studies for `bench.trust`: one kind for each null, without a signal or with a planted one."""

from __future__ import annotations

import numpy as np

from heedful import Claim, Weights, priors
from heedful.trust import Null

KINDS = ("label", "heads", "circular", "within", "block", "rewire")
D, CELLS, HEADS, PLANTED = 4, 100, 4, 17
SUBJECTS, GRID, BLOCK, SMOOTH, MEMORY = 10, (60, 90), 4, 2, 0.6


def study(kind: str, strength: float, seed: int) -> Claim:
    """A claim on a study of the kind that a null is made for.

    Content is Gaussian, queries lean one way (mean 1 in each of 4 features), so that cells differ by chance.
    What is planted raises the scores of cell 17 by ``strength`` on average, in a unit in which the keys'
    mean scores have standard deviation 1; series: the query holds ``strength / 4`` of the content that stood
    there; graphs: the cell's density of edges is raised by .13 for each unit of strength, to 1 at most, and
    its content drawn together. The values of the cell are raised by half the strength.

    Parameters
    ----------
    kind : str
        One of KINDS. "label": 100 groups of 6 keys; "heads": the same in 4 heads, the head chosen too;
        "within": the same in 10 subjects with levels of their own; "block": 6 x 9 patches of a 60 x 90 image
        smoothed over 2, blocks of 4; "circular": 4 lags of 25 autocorrelated series (.6); "rewire": 10 x 10
        pairs of camps in a graph of 40 listeners and 100 sources (planted: 60 and 120).
    strength : float
        0: nothing is there, and the claim is the largest of all cells, chosen by looking. Else cell 17.
    seed : int
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    weights, cells, values, options = {
        "circular": _series, "rewire": _graph, "heads": _heads
    }.get(kind, _groups)(rng, kind, strength)  # fmt: skip
    queries = np.arange(weights.shape[-2])
    null = Null("label" if kind == "heads" else kind, **options)
    chosen, head = PLANTED, 0 if kind == "heads" else None
    if strength == 0:
        p = weights.rows(queries).reshape(-1, len(queries), weights.shape[-1])
        number = np.broadcast_to(cells, p.shape)
        seen = number >= 0
        head = np.broadcast_to(np.arange(len(p))[:, None, None], p.shape)
        mass = np.bincount((head * CELLS + number)[seen], p[seen], len(p) * CELLS).reshape(len(p), CELLS)
        best, chosen = np.unravel_index(mass.argmax(), mass.shape)
        head = int(best) if kind == "heads" else None
    return Claim(
        weights,
        queries,
        cells == chosen if cells.ndim == 2 else np.flatnonzero(cells == chosen),
        values=values,
        null=null,
        family=cells,
        head=head,
    )


def _groups(rng, kind, strength):
    """Groups of six keys: scattered (tables, codes of events); or 6 x 9 patches of an image."""
    nk = 600 if kind != "block" else GRID[0] * GRID[1]
    q, k, v = rng.normal(size=(20, D)) + 1.0, rng.normal(size=(nk, D)), rng.normal(size=(nk, 2))
    group, options = np.arange(nk) % CELLS, {}
    if kind == "within":
        subject = rng.permutation(np.arange(nk) % SUBJECTS)
        k += rng.normal(size=(SUBJECTS, 1))[subject]
        options = {"groups": subject}
    if kind == "block":
        from scipy.ndimage import uniform_filter

        smooth = uniform_filter(k.reshape(*GRID, D), (SMOOTH, SMOOTH, 0), mode="wrap")
        k = smooth.reshape(nk, D) * SMOOTH
        i, j = np.divmod(np.arange(nk), GRID[1])
        group, options = (i // 6) * 10 + j // 9, {"shape": GRID, "block": BLOCK}
    k[group == PLANTED] += strength / np.sqrt(D)
    v[group == PLANTED] += 0.5 * strength
    return Weights(q, k), group, v, options


def _heads(rng, kind, strength):
    """The same groups in four heads, of which one holds what is planted."""
    nk = 600
    q, k = rng.normal(size=(HEADS, 20, D)) + 1.0, rng.normal(size=(HEADS, nk, D))
    v = rng.normal(size=(nk, 2))
    cells = np.arange(nk) % CELLS
    k[0][cells == PLANTED] += strength / np.sqrt(D)
    v[cells == PLANTED] += 0.5 * strength
    return Weights(q, k), cells, v, {}


def _series(rng, kind, strength):
    """25 series and a listener, all with memory; a query looks at the last 4 values of each."""
    length, series, lags = 400, 25, 4
    k, q = rng.normal(size=(series, length, D)), rng.normal(size=(length, D))
    for t in range(1, length):
        k[:, t] = MEMORY * k[:, t - 1] + np.sqrt(1 - MEMORY**2) * k[:, t]
        q[t] = MEMORY * q[t - 1] + np.sqrt(1 - MEMORY**2) * q[t]
    at = np.arange(10, length, 10)[:40]
    v = rng.normal(size=(series, length, 2))
    source, lag = divmod(PLANTED, lags)
    q[at] += strength / 4 * k[source, at - lag - 1]
    v[source, at - lag - 1] += 0.5 * strength
    cells = np.full((len(at), series, length), -1)
    for step in range(lags):
        cells[np.arange(len(at)), :, at - step - 1] = np.arange(series) * lags + step
    cells = cells.reshape(len(at), -1)
    weights = Weights(q[at] + 1.0, k.reshape(-1, D), priors.Mask(cells >= 0))
    return weights, cells, v.reshape(-1, 2), {"groups": np.repeat(np.arange(series), length)}


def _graph(rng, kind, strength):
    """Cells are pairs (camp of listeners, camp of sources): more edges and nearer content may be planted."""
    nq, nk = (60, 120) if strength else (40, 100)
    q, k, v = rng.normal(size=(nq, D)) + 1.0, rng.normal(size=(nk, D)), rng.normal(size=(nk, 2))
    of_q, of_k = np.arange(nq) % 10, np.arange(nk) % 10
    cells = of_q[:, None] * 10 + of_k
    here, there = divmod(PLANTED, 10)
    edges = rng.random((nq, nk)) < np.where(cells == PLANTED, 0.2 + 0.13 * strength, 0.2)
    edges[np.arange(nq), rng.integers(0, nk, nq)] = True
    axis = rng.normal(size=D)
    axis /= np.linalg.norm(axis)
    near = np.sqrt(strength / 2)  # what they weigh of their connections, beyond having them
    q[of_q == here] += 2 * near * axis
    k[of_k == there] += near * axis
    v[of_k == there] += 0.5 * strength
    return Weights(q, k, priors.Mask(edges)), cells, v, {}
