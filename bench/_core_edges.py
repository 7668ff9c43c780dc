"""The edges engine beside gathers, SDPA over all pairs and scipy's sparse product."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F

from bench._timing import alternate, data, row
from heedful import Weights, priors, reads


def edge_rows(wall: bool) -> list[dict]:
    """Sixteen nearest of ten thousand, four heads of sixteen features."""
    n, heads, d, near = 10_000, 4, 16, 16
    q, k, v = (x.requires_grad_() for x in data(heads, n, d))
    prior = priors.Nearest(torch.arange(n).double(), k=near - 1)
    listed = prior.support(n, n).indices.reshape(n, near)

    def ours():
        return Weights(q, k, [prior]).read(v, [reads.Entropy()])[0]

    def gather():
        s = (q[:, :, None] * k[:, listed]).sum(-1) / math.sqrt(d)
        p = s.softmax(-1)
        _ = -(p * p.log()).sum(-1)
        return (p[..., None] * v[:, listed]).sum(2)

    def learn(f):
        torch.autograd.grad(f().square().sum(), (q, k, v))

    with torch.no_grad():
        one = alternate({"gather": gather, "ours": ours}, 7, wall)
        full = alternate({"sdpa": lambda: F.scaled_dot_product_attention(q[None], k[None], v[None])}, 1, wall)
    both = alternate({"gather": lambda: learn(gather), "ours": lambda: learn(ours)}, 5, wall)
    full_both = alternate(
        {"sdpa": lambda: learn(lambda: F.scaled_dot_product_attention(q[None], k[None], v[None]))}, 1, wall
    )
    rows = []
    for name, mine, theirs, floor, goal, anchor in (
        ("forward with entropy", one["ours"], one["gather"], "14", "25", "torch gather"),
        ("forward with entropy", one["ours"], full["sdpa"], "50", "150", "SDPA, all pairs"),
        ("forward + backward", both["ours"], both["gather"], "14", "25", "torch gather"),
        ("forward + backward", both["ours"], full_both["sdpa"], "50", "150", "SDPA, all pairs"),
    ):
        rows.append(
            {
                "work": f"edges, k = {near}, N = {n}, H = {heads}, d = {d}: {name}",
                "times faster": round(theirs / mine, 1),
                "floor": floor,
                "goal": goal,
                "ours ms": round(mine, 2),
                "anchor ms": round(theirs, 1),
                "anchor": anchor,
            }
        )
    return rows


def small_edge_rows(wall: bool) -> list[dict]:
    """Nearest sixteen of 128: one cloud, and two hundred with neighbours of their own."""
    rows = []
    for clouds in (1, 200):
        q, k, v = (x.requires_grad_() for x in data(clouds, 4, 128, 16))
        place = torch.randn(
            clouds, 1, 128, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
        prior = priors.Nearest(place, k=15)
        prior.support(128, 128)

        def ours(q=q, k=k, v=v, prior=prior):
            return Weights(q, k, [prior]).read(v, [reads.Entropy()])[0]

        def full(q=q, k=k, v=v):
            return F.scaled_dot_product_attention(q, k, v)

        def learn(f, q=q, k=k, v=v):
            torch.autograd.grad(f().square().sum(), (q, k, v))

        with torch.no_grad():
            t = alternate({"sdpa": full, "ours": ours}, 15, wall)
        both = alternate({"sdpa": lambda: learn(full), "ours": lambda: learn(ours)}, 9, wall)
        for name, took in (("forward with entropy", t), ("forward + backward", both)):
            rows.append(
                row(
                    f"edges, k = 16, N = 128, {clouds} x 4 heads: {name}",
                    took["ours"],
                    took["sdpa"],
                    "1",
                    "",
                    "SDPA, all pairs",
                )
            )
    return rows


def graph_row(wall: bool) -> dict:
    """One step on a million nodes and eleven million edges, with entropy and the mass of two camps."""
    n, degree = 1_000_000, 11
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, n, (n, degree)), axis=1)
    columns[:, 1:][columns[:, 1:] == columns[:, :-1]] = n - 1  # no pair twice, but at the last node
    columns = np.sort(columns, axis=1)
    graph = scipy.sparse.csr_array(
        (np.ones(n * degree), columns.reshape(-1), np.arange(0, n * degree + 1, degree)), shape=(n, n)
    )
    graph.sum_duplicates()
    x = rng.normal(size=n)
    small = torch.from_numpy(x).float()[:, None]
    prior = priors.Graph(graph.indptr, graph.indices)
    prior.support(n, n)
    wanted = [reads.Entropy(), reads.Mass((small[:, 0] > 0).long())]
    with torch.no_grad():
        t = alternate(
            {
                "scipy": lambda: graph @ x,
                "ours": lambda: Weights(small, small, [prior], scale=1.0).read(small, wanted),
            },
            5,
            wall,
        )
    return row(
        f"graph, 1M nodes, {graph.nnz / 1e6:.0f}M edges, d = 1: step + entropy + mass",
        t["ours"],
        t["scipy"],
        "1.5",
        "1",
        "scipy CSR float64 product, no reads",
    )
