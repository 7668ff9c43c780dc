"""The core beside its alternatives: one process, alternating, ratios of CPU time, medians.

`python -m bench.core` prints, `--write` keeps the page. One thread by CPU time, then all by the clock.
"""

from __future__ import annotations

import math
import subprocess
import sys

import torch
import torch.nn.functional as F

from bench._core_edges import edge_rows, graph_row, small_edge_rows
from bench._page import table, usage, write
from bench._timing import D, alternate, data, row
from heedful import TargetKeys, Weights, priors, reads
from heedful.attention.engines import compiled, gemm


def everything(n: int) -> list:
    """Output is always there; these are lse, entropy, columns, 16 masses and top-8 besides."""
    return [
        reads.LogPartition(),
        reads.Entropy(),
        reads.Columns(),
        reads.Mass(torch.arange(n) % 16),
        reads.TopK(8),
    ]


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


MISSED = """\
- **Everything read, N = 1024** (floor 1.0): two products are .45 of SDPA at best, the pass is .2, half of
  that top-8; the rest is Python: composing five reads, checking shapes and numbers, four tiles. Tried:
  ranks of lane maxima and a branch-free list of candidates (1.5 to 1.1), weights of the list made inside
  the pass, freed tiles kept (without that the same call takes 3.2 or 5.6 ms, by what the process had freed
  before).
- **Edges at N = 128** (floor 1): of .3 ms for one cloud .08 are the kernel, which alone is SDPA's whole
  time; the rest is checks in Python and the operator's dispatch. Two hundred clouds in one call are level
  or better with backward and 1.1 to 1.5 without. Tried in the kernel: unrolled widths, four keys at a time,
  slices in place of indices (twice slower); none moved it. Weights that nobody asked for are no longer
  written (40 to 30 ms).
- **Graph of 1M nodes** (floor 1.5): scipy's product takes 14 to 28 ms here, not the .27 s that the floor
  was set by, and our step, 11M exponentials with entropy and two masses, takes .5 s. Tried: no inner loops
  for one feature and for up to four channels; no gain beyond the noise. The opinions study has a kernel of
  its own for one feature (11 steps a second).
- **Two threads** up to N = 4096: a fixed 5 to 10 ms are lost before both threads run at full speed,
  whatever the height of the tiles; at N = 16384 they scale by 1.9. So the edges of 10,000 points gain
  little from a second thread (floors 14 and 50). Tried: the caller's thread takes a share (kept); tiles
  from 2^17 to 2^21. Our threads sleep between calls and take .1 to 3 ms to wake on this virtual machine;
  torch's spin.
- **Process at N = 131072** counts no awkward, which numba imports wherever it is installed (42 MB); 360 MB
  are imports and 100 the inputs."""


def main() -> None:
    """Print the tables; --write keeps them."""
    usage(__doc__)
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    fast = "faster" if gemm.onednn() else "not faster"
    setting = (
        f"D = {D}, float32; one thread by CPU time, then {cores} threads by the clock. oneDNN's product is "
        f"{fast} than torch.mm on this machine. CUDA: not measured, no GPU was at hand."
    )
    print(setting, "compiled pass", "available" if compiled.available() else "absent")
    sections = [
        ("Setting", setting),
        ("Forward", forward_rows(False)),
        ("Training", training_rows(False)),
        ("Edges", edge_rows(False)),
        ("Edges, small and large", [*small_edge_rows(False), graph_row(False)]),
        ("Beside FlexAttention", flex_row(False)),
        ("Memory", memory_rows()),
    ]
    torch.set_num_threads(cores)
    for heading, measure in (("Forward", forward_rows), ("Training", training_rows), ("Edges", edge_rows)):
        sections.append((f"{heading}, {cores} threads", measure(True)))
    sections.append(("Floors missed, and what was tried", MISSED))
    for heading, body in sections[1:]:
        print(f"\n### {heading}\n\n{body if isinstance(body, str) else table(body)}")
    if "--write" in sys.argv:
        write("core", "Core: ours beside the alternatives", sections, ("torch", "numpy", "numba", "scipy"))


if __name__ == "__main__":
    main()
