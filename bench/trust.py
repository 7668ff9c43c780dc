"""Is a verdict worth its name? No-signal studies for every null, and power at a stated planted strength.

`python -m bench.trust [--studies 2000] [--write]`
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.stats import binomtest

from bench._page import table, write
from heedful import Claim, Weights, examine, priors
from heedful.trust import Null

KINDS = ("label", "circular", "within", "block", "rewire")
D, CELLS, DRAWS = 4, 100, 199


def study(kind: str, strength: float, seed: int) -> Claim:
    """A study of the kind each null is made for, with 100 cells; cell 17 is planted where strength > 0.

    Without a signal the claim is the cell of largest mass, chosen by looking: the maximum statistic must pay.
    """
    rng = np.random.default_rng(seed)
    nq, nk, prior, options = 20, 600, [], {}
    if kind == "circular":
        nq, nk = 140, 240
    q, k = rng.normal(size=(nq, D)) + 1.0, rng.normal(size=(nk, D))
    v = rng.normal(size=(nk, 2))
    queries = range(nq)
    if kind == "circular":  # cells are lags; both series remember, a query looks for what stood `lag` before
        for t in range(1, nk):
            k[t] = 0.8 * k[t - 1] + 0.6 * k[t]
        for t in range(1, nq):
            q[t] = 0.8 * q[t - 1] + 0.6 * q[t]
        at, queries = np.arange(100, nq), range(100, nq)
        cells = np.zeros((CELLS, nq, nk), bool)
        for lag in range(1, CELLS + 1):
            cells[lag - 1, at, at - lag] = True
        q[at] += strength * k[at - 18] / np.sqrt(D)
        v[at - 18] += 0.5 * strength
    elif (
        kind == "rewire"
    ):  # cells are pairs (camp of listeners, camp of sources); edges are what may be planted
        nq, nk = 60, 120
        q, k, v = q[:1] + rng.normal(size=(nq, D)), k[:nk], v[:nk]
        queries, of_q, of_k = range(nq), np.arange(nq) % 10, np.arange(nk) % 10
        cells = np.stack([(of_q == a)[:, None] & (of_k == b)[None] for a in range(10) for b in range(10)])
        edges = rng.random((nq, nk)) < np.where(cells[17], 0.2 + 0.12 * strength, 0.2)
        edges[np.arange(nq), rng.integers(0, nk, nq)] = True
        prior = [priors.Mask(edges)]
        v[of_k == 7] += 0.5 * strength
    else:  # cells are groups of six keys: scattered (tables, codes of events) or 2 x 3 patches of an image
        group = np.arange(nk) % CELLS
        if kind == "block":
            i, j = np.divmod(np.arange(nk), 30)
            group = (i // 2) * 10 + j // 3
        cells = np.broadcast_to((group == np.arange(CELLS)[:, None])[:, None], (CELLS, nq, nk))
        k[group == 17] += strength / np.sqrt(D)
        v[group == 17] += 0.5 * strength
        options = {"groups": np.arange(nk) // 60, "shape": (20, 30), "block": 2}
    weights = Weights(q, k, prior)
    chosen = 17
    if strength == 0:
        p = weights.rows(queries)
        mass = np.array([(p * cell[queries]).sum() / max(cell[queries].any(1).sum(), 1) for cell in cells])
        chosen = int(mass.argmax())
    return Claim(weights, queries, cells[chosen], values=v, null=Null(kind, **options), family=cells)


def share(hits: int, n: int) -> str:
    """A share with its exact 95 % interval."""
    low, high = binomtest(hits, n).proportion_ci(0.95)
    return f"{hits / n:.3f} [{low:.3f}, {high:.3f}]"


def calibration(studies: int) -> list[dict]:
    """False 'supported', and the null's p at .05 and .01, when there is nothing to be found."""
    rows = []
    for kind in KINDS:
        start = time.process_time()
        status, p = [], []
        for s in range(studies):
            verdict = examine(study(kind, 0.0, s), draws=DRAWS, seed=s)
            status.append(verdict.status)
            if verdict.p is not None:
                p.append(verdict.p)
        p = np.array(p)
        rows.append({
            "null": kind, "studies": studies, "supported": share(status.count("supported"), studies),
            "p <= .05": share(int((p <= 0.05).sum()), len(p)),
            "p <= .01": share(int((p <= 0.01).sum()), len(p)),
            "not testable": status.count("not testable"), "CPU s": round(time.process_time() - start),
        })  # fmt: skip
    return rows


def power(studies: int) -> list[dict]:
    """Share of planted claims that are supported, by strength in standard deviations of a key's content."""
    rows = []
    for kind in KINDS:
        row = {"null": kind}
        for strength in (0.5, 1.0, 2.0, 3.0):
            found = [
                examine(study(kind, strength, 10**6 + s), draws=DRAWS, seed=s).status for s in range(studies)
            ]
            row[f"{strength:g} sd"] = f"{found.count('supported') / studies:.2f}"
            row["not testable"] = found.count("not testable")
        rows.append(row)
    return rows


def cost() -> list[dict]:
    """The quick examination against the reading it judges."""
    rng = np.random.default_rng(0)
    rows = []
    for n in (512, 2048):
        q, k, v = rng.normal(size=(3, n, 32))
        from heedful import reads

        w = Weights(q, k)
        taken = {"reading": [], "examination": []}
        for _ in range(5):
            start = time.process_time()
            Weights(q, k).read(v, [reads.TopK(8), reads.Entropy(), reads.Columns()])
            taken["reading"].append(time.process_time() - start)
            start = time.process_time()
            examine(Claim(w, range(64), range(10), values=v))
            taken["examination"].append(time.process_time() - start)
        a, b = (1e3 * float(np.median(taken[x])) for x in ("reading", "examination"))
        rows.append({"N": n, "reading ms": round(a, 1), "quick examination of 64 queries ms": round(b),
                     "ratio": round(b / a, 1), "goal": 20})  # fmt: skip
    return rows


def main() -> None:
    """Print the tables; --write keeps them."""
    at = sys.argv.index("--studies") + 1 if "--studies" in sys.argv else 0
    studies = int(sys.argv[at]) if at else 2000
    sections = [
        ("No signal: floor, the lower bound of 'supported' <= .05", calibration(studies)),
        (
            "Power, chosen cell planted: floor, >= .8 at 2 sd and not testable <= 5 %",
            power(max(studies // 20, 20)),
        ),
        ("Cost of the quick level", cost()),
    ]
    for heading, rows in sections:
        print(f"\n### {heading}\n\n{table(rows)}", flush=True)
    if "--write" in sys.argv:
        setting = (
            f"{CELLS} cells, {DRAWS} null draws. In the no-signal studies the claim is the cell of largest "
            "mass, chosen by looking; the maximum statistic pays for the choice."
        )
        write(
            "trust",
            "Trust: calibration and power",
            [("Setting", setting), *sections],
            ("torch", "numpy", "scipy"),
        )


if __name__ == "__main__":
    main()
