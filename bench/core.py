"""The core beside its alternatives: one process, alternating, ratios of CPU time, medians.

`python -m bench.core` prints; `--write` keeps the page; `--threads all` uses all cores (wall clock then).
"""

from __future__ import annotations

import math
import subprocess
import sys
import time

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F

from bench._page import table, write
from heedful import TargetKeys, Weights, priors, reads
from heedful.attention.engines import compiled, gemm

D = 64


def alternate(works: dict, rounds: int = 7, wall: bool = False) -> dict[str, float]:
    """Median milliseconds of each callable, run in turn after one warm-up."""
    clock = time.perf_counter if wall else time.thread_time
    taken = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = clock()
            work()
            taken[name].append(clock() - start)
    return {name: 1e3 * sorted(t)[len(t) // 2] for name, t in taken.items()}


def data(*shape: int) -> tuple[torch.Tensor, ...]:
    """Seeded q, k, v of one shape."""
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(*shape, generator=generator) for _ in range(3))


def everything(n: int) -> list:
    """Output is always there; these are lse, entropy, columns, 16 masses and top-8 besides."""
    return [
        reads.LogPartition(),
        reads.Entropy(),
        reads.Columns(),
        reads.Mass(torch.arange(n) % 16),
        reads.TopK(8),
    ]


def row(work: str, ours: float, theirs: float, floor: str, goal: str, note: str) -> dict:
    return {
        "work": work,
        "ours / anchor": round(ours / theirs, 3),
        "floor": floor,
        "goal": goal,
        "ours ms": round(ours, 2),
        "anchor ms": round(theirs, 2),
        "anchor": note,
    }


def forward_rows(wall: bool) -> list[dict]:
    """Output alone, and everything read, beside the stock kernel's output alone."""
    fast = gemm.onednn()
    rows = []
    for n in (1024, 4096, 16384):
        q, k, v = data(1, 1, n, D)
        with torch.no_grad():
            t = alternate(
                {
                    "sdpa": lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v),
                    "out": lambda q=q, k=k, v=v: Weights(q, k) @ v,
                    "all": lambda q=q, k=k, v=v, n=n: Weights(q, k).read(v, everything(n)),
                },
                9 if n < 9000 else 3,
                wall,
            )
        rows.append(row(f"output, N = {n}", t["out"], t["sdpa"], "1.05", ".6", "SDPA"))
        floor = ("1.0" if fast else "1.5") if n == 1024 else (".85" if fast else "1.4")
        goal = ".8" if n == 1024 else ".6"
        rows.append(row(f"everything read, N = {n}", t["all"], t["sdpa"], floor, goal, "SDPA, output alone"))
    for b, n in ((4096, 32), (1024, 128)):
        q, k, v = data(b, 1, n, D)
        wanted = [reads.Entropy(), reads.Columns(), reads.TopK(8)]
        with torch.no_grad():
            t = alternate(
                {
                    "sdpa": lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v),
                    "all": lambda q=q, k=k, v=v, wanted=wanted: Weights(q, k).read(v, wanted),
                },
                7,
                wall,
            )
        rows.append(
            row(f"many small, B = {b}, N = {n}, output + reads", t["all"], t["sdpa"], "1.8", "1.2", "SDPA")
        )
    q, k, v = data(1, 1, 4096, D)
    with torch.no_grad():
        t = alternate(
            {
                "sdpa": lambda: F.scaled_dot_product_attention(q, k, v),
                "columns": lambda: Weights(q, k).columns(),
            },
            7,
            wall,
        )
    rows.append(row("columns alone, N = 4096", t["columns"], t["sdpa"], "1.3", "1.0", "SDPA, output alone"))
    with torch.no_grad():
        t = alternate(
            {
                "sdpa": lambda: F.scaled_dot_product_attention(q, k, v),
                "target": lambda: Weights(q, k, temperature=TargetKeys(64.0)) @ v,
            },
            3,
            wall,
        )
    rows.append(row("TargetKeys(64), N = 4096", t["target"], t["sdpa"], "12", "8", "SDPA"))
    return rows


def training_rows(wall: bool) -> list[dict]:
    """Forward and backward with a learnable decay."""
    n = 4096
    q, k, v = (x.requires_grad_() for x in data(1, 1, n, D))
    t = torch.arange(float(n))
    rate = torch.tensor(0.01, requires_grad=True)

    def ours():
        out = Weights(q, k, [priors.Decay(t, t, rate=rate, past_only=False)]) @ v
        torch.autograd.grad(out.square().sum(), (q, k, v, rate))

    def dense():
        s = q @ k.mT / math.sqrt(D) - rate * (t[:, None] - t).abs()
        torch.autograd.grad((s.softmax(-1) @ v).square().sum(), (q, k, v, rate))

    took = alternate({"dense": dense, "ours": ours}, 5, wall)
    floor = ".3" if gemm.onednn() else ".5"
    goal = ".18" if gemm.onednn() else ".35"
    return [
        row(
            f"forward + backward, learnable decay, N = {n}",
            took["ours"],
            took["dense"],
            floor,
            goal,
            "dense torch, O(N^2) memory",
        )
    ]


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


def flex_row(wall: bool) -> list[dict]:
    """FlexAttention compiled, output alone, where it compiles here."""
    from torch.nn.attention.flex_attention import flex_attention

    q, k, v = data(1, 1, 4096, D)
    compiled_flex = torch.compile(flex_attention)
    with torch.no_grad():
        t = alternate(
            {
                "flex": lambda: compiled_flex(q, k, v),
                "all": lambda: Weights(q, k).read(v, everything(4096)),
            },
            5,
            wall,
        )
    note = "FlexAttention compiled, output alone"
    return [row("everything read, N = 4096", t["all"], t["flex"], "", "", note)]


MEMORY = """
import sys, warnings, torch
warnings.simplefilter("ignore")
sys.modules["awkward"] = None  # numba imports it wherever it is installed, 42 MB that are not the core's
from heedful import Weights, reads

def peak():  # of this program alone: ru_maxrss would carry the parent's over
    return int(next(x for x in open("/proc/self/status") if x.startswith("VmHWM")).split()[1])

n = int(sys.argv[1]); torch.set_num_threads(1)
q, k, v = torch.randn(3, n, 64)
def wanted(m):
    groups = torch.arange(m) % 16
    return [reads.LogPartition(), reads.Entropy(), reads.Columns(), reads.Mass(groups), reads.TopK(8)]
with torch.no_grad():
    Weights(q[:512], k[:512]).read(v[:512], wanted(512))
    before = peak()
    Weights(q, k).read(v, wanted(n))
after = peak()
print(after - before, after)
"""


def memory_rows() -> list[dict]:
    """Peak growth in a child process, and the whole process at N = 131072."""
    rows = []
    for n, floor, goal in ((16384, "3 %", "1 %"), (131072, "600 MB RSS", "300 MB RSS")):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n)], capture_output=True, text=True, check=True
        )
        growth, peak = (int(x) for x in done.stdout.split())  # KiB
        share = growth * 1024 / (4 * n * n)
        rows.append(
            {
                "work": f"memory, everything read, N = {n}",
                "growth MB": round(growth / 1024, 1),
                "of the matrix": f"{share:.2%}",
                "process MB": round(peak / 1024),
                "floor": floor,
                "goal": goal,
            }
        )
    return rows


def main() -> None:
    """Print the tables; --write keeps them."""
    wall = "all" in sys.argv
    if not wall:
        torch.set_num_threads(1)
    threads = torch.get_num_threads()
    print(
        f"threads {threads}; oneDNN's product {'is' if gemm.onednn() else 'is not'} faster than torch.mm; "
        f"compiled pass {'available' if compiled.available() else 'absent'}"
    )
    sections = [
        ("Forward", forward_rows(wall)),
        ("Training", training_rows(wall)),
        ("Edges", edge_rows(wall)),
        ("Edges, small and large", [*small_edge_rows(wall), graph_row(wall)]),
        ("Beside FlexAttention", flex_row(wall)),
        ("Memory", memory_rows()),
    ]
    for heading, rows in sections:
        print(f"\n### {heading}\n\n{table(rows)}")
    if "--write" in sys.argv:
        sections.insert(
            0,
            (
                "Setting",
                f"D = {D}, float32, {threads} thread(s), ratios of "
                f"{'wall' if wall else 'CPU'} time. oneDNN's product is "
                f"{'faster' if gemm.onednn() else 'not faster'} than torch.mm on this machine. CUDA: not "
                "measured, no GPU was at hand.",
            ),
        )
        write("core", "Core: ours beside the alternatives", sections, ("torch", "numpy", "numba"))


if __name__ == "__main__":
    main()
