"""Opinions: speed beside ndlib, memory, tau recovered, lifetimes beside the exact map, Congress on
held-out pairs.

ndlib is a comparator, not a dependency: `pip install ndlib` beside heedful to have its rows; without it they
are left out and that is said.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from functools import partial

import numpy as np

from bench import _data, _page

SPEED_SIZES = (10_000, 30_000, 100_000)
DRAWS = 200
TAUS = (0.1, 0.5, 2.0)
SPLITS = 5


def graph(n: int, seed: int = 0):
    """A random 10-regular networkx graph (ndlib stops at a node without neighbours), and the same as a
    `Network`.
    """
    import networkx as nx

    from heedful.files.graphs import read_graph

    g = nx.random_regular_graph(10, n, seed=seed)
    return g, read_graph(g)


def speed(out) -> list[dict]:
    """One sweep of ndlib's AlgorithmicBias and one synchronous attention step, alternating, CPU seconds."""
    try:
        import ndlib.models.ModelConfig as mc
        from ndlib.models.opinions import AlgorithmicBiasModel
    except ImportError:
        out("skipped: ndlib is not installed (pip install ndlib)")
        return []
    from heedful.interact.opinions.dynamics import Dynamics

    rows = []
    for n in SPEED_SIZES:
        g, net = graph(n)
        config = mc.Configuration()
        config.add_model_parameter("epsilon", 0.32)
        config.add_model_parameter("gamma", 1.0)
        peer = AlgorithmicBiasModel(g, seed=0)
        peer.set_initial_status(config)
        peer.iteration()
        x = np.random.default_rng(0).uniform(-1, 1, n)
        rule = Dynamics(tau=0.05)
        camp = (x > 0).astype(np.int32)
        jobs = {
            "theirs": peer.iteration,
            "step": partial(rule.step, x, net, threads=1),
            "read": partial(rule.step, x, net, camp=camp, entropy=True, threads=1),
            "numpy": partial(rule.step, x, net, engine="numpy"),
        }
        taken = {name: [] for name in jobs}
        for job in jobs.values():
            job()
        for _ in range(5 if n < 50_000 else 3):
            for name, job in jobs.items():
                repeat = 1 if name == "theirs" else 10
                start = time.process_time()
                for _ in range(repeat):
                    job()
                taken[name].append((time.process_time() - start) / repeat)
        best = {name: statistics.median(values) for name, values in taken.items()}
        pairs = net.edges + n
        for name, what in (
            ("step", "step"),
            ("read", "step + entropy + camp mass"),
            ("numpy", "step, without numba"),
        ):
            rows.append(
                {
                    "work": f"{n} nodes: {what}",
                    "ours, CPU ms": best[name] * 1e3,
                    "pairs, ours": pairs,
                    "ndlib AlgorithmicBias, CPU ms": best["theirs"] * 1e3,
                    "pairs, theirs": n,
                    "times faster": best["theirs"] / best[name],
                    "times faster per pair": best["theirs"] / n / (best[name] / pairs),
                    "floor / goal": "150 / 300" if name == "step" else "",
                }
            )
            out(rows[-1])
    return rows


CHILD = """
import json, resource, sys, time
import numpy as np
from heedful.interact.opinions.kernel import step
threads = int(sys.argv[1])
n, degree = 1_000_000, 10
rng = np.random.default_rng(0)
indices = np.sort(rng.integers(0, n, (n, degree), dtype=np.int32), axis=1).ravel()
indptr = np.arange(0, n * degree + 1, degree, dtype=np.int64)
x = rng.uniform(-1, 1, n)
taken, cpu = [], []
for k in range(12):
    camp = (x > 0).astype(np.int32)
    start, used = time.perf_counter(), time.process_time()
    done = step(x, indptr, indices, scale=0.05, camp=camp, entropy=True, threads=threads)
    taken.append(time.perf_counter() - start)
    cpu.append(time.process_time() - used)
    x = done.opinions
print(json.dumps({"wall": taken[1:], "cpu": cpu[1:], "rss":
resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


def million(out) -> list[dict]:
    """1M nodes, 11M (listener, listened) pairs, with entropy and camp mass, in a process of its own."""
    rows = []
    for threads in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(threads)], capture_output=True, text=True, check=True
        )
        got = json.loads(done.stdout)
        rows.append(
            {
                "work": f"1M nodes, 11M pairs, entropy + camp mass, {threads} thread(s)",
                "steps/s, wall (median of 11)": 1 / statistics.median(got["wall"]),
                "steps/s, wall (best)": 1 / min(got["wall"]),
                "steps per CPU second": 1 / statistics.median(got["cpu"]),
                "peak memory, GiB": got["rss"],
                "load average meanwhile": os.getloadavg()[0],
                "floor / goal": "2.5 / 5 steps/s, < 1.5 GB",
            }
        )
        out(rows[-1])
    return rows


def coverage(out, draws: int = DRAWS) -> list[dict]:
    """tau planted and estimated: how often the 95 % interval holds it."""
    from heedful.interact.opinions.model import TauEstimator
    from heedful.interact.opinions.synthetic import listening_network

    rows = []
    for popularity in (0.5, 1.0):
        for tau in TAUS:
            held, found, width = 0, [], []
            for seed in range(draws):
                net, x = listening_network(
                    250, tau=tau, degree=15, seed=10_000 + seed, popularity_sd=popularity
                )
                model = TauEstimator(seed=seed, bootstrap=400).fit(net, x)
                low, high = model.tau_interval_
                held += low <= tau <= high
                found.append(model.tau_)
                width.append(high - low)
            share = held / draws
            error = 1.96 * math.sqrt(share * (1 - share) / draws)
            rows.append(
                {
                    "work": f"tau {tau}, log popularity sd {popularity}, 250 people x 15, {draws} networks",
                    "coverage of 95 % interval": f"{share:.3f} +- {error:.3f}",
                    "mean estimate": float(np.mean(found)),
                    "sd": float(np.std(found)),
                    "mean width / 3.92": float(np.mean(width) / 3.92),
                    "floor / goal": ".90-.98 / .92-.97",
                }
            )
            out(rows[-1])
    return rows


def lifetimes(out) -> list[dict]:
    """log10 of the steps until two camps have half their variance: reduced map and full simulation against
    exact.
    """
    from heedful.interact.opinions.dynamics import Dynamics
    from heedful.interact.opinions.metastable import two_camp_lifetime, two_camp_map

    rows = []
    for tau in (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12):
        m, steps = 1.0, 0
        while m * m > 0.5:
            m, steps = two_camp_map(m, tau), steps + 1
        simulated = ""
        if steps < 20_000:
            x, rule, simulated = np.repeat([-1.0, 1.0], 50), Dynamics(tau=tau), 0
            while x.var() > 0.5:
                x, simulated = rule.step(x).opinions, simulated + 1
        reduced = two_camp_lifetime(1.0, tau)
        rows.append(
            {
                "tau": tau,
                "exact map, steps": steps,
                "100 people simulated": simulated,
                "reduced map, log10": reduced,
                "exact, log10": math.log10(steps),
                "error of the log": f"{abs(reduced / math.log10(steps) - 1):.2%}",
                "floor": "5 %",
            }
        )
        out(rows[-1])
    for tau in (0.05, 0.02):
        rows.append(
            {
                "tau": tau,
                "exact map, steps": "beyond waiting",
                "reduced map, log10": two_camp_lifetime(1.0, tau),
                "exact, log10": f"leading exponential 2/tau: {2 / tau / math.log(10):.1f}",
            }
        )
    return rows


def uneven(out) -> list[dict]:
    """Lifetimes on networks: two communities, camps at +-1, full simulation against the reduced map."""
    import networkx as nx

    from heedful.files.graphs import read_graph
    from heedful.interact.opinions.dynamics import Dynamics
    from heedful.interact.opinions.metastable import lifetime

    rows = []
    for sizes in ((60, 60), (40, 80)):
        for tau in (0.5, 0.35, 0.25):
            for seed in range(2):
                g = nx.stochastic_block_model(sizes, [[0.3, 0.06], [0.06, 0.3]], seed=seed)
                net = read_graph(nx.Graph(g), weight=None)
                x = np.where(np.arange(sum(sizes)) < sizes[0], -1.0, 1.0)
                predicted = lifetime(x, tau, net, until="half")
                rule, steps, first = Dynamics(tau=tau), 0, x.var()
                while x.var() > 0.5 * first and steps < 50_000:
                    x, steps = rule.step(x, net).opinions, steps + 1
                rows.append(
                    {
                        "work": f"communities {sizes}, tau {tau}, seed {seed}",
                        "simulated steps": steps,
                        "reduced map, steps": 10**predicted.log10_steps,
                        "error of the log": f"{abs(predicted.log10_steps / math.log10(steps) - 1):.1%}",
                    }
                )
                out(rows[-1])
    return rows


def congress(out) -> list[dict]:
    """Held-out edges of the Congress network: 20 % of the edges, 5 splits, 99 people beside each edge."""
    edges, members = _data.locate("opinions-congress"), _data.locate("opinions-congress-members")
    if edges is None or members is None:
        return []
    from heedful.files.graphs import read_graph, with_nodes
    from heedful.interact.opinions.heldout import compare
    from heedful.interact.opinions.model import TauEstimator
    from heedful.interact.opinions.tokens import opinions_of

    net = with_nodes(read_graph(edges, listens="source"), members)
    groups = (net.attribute("Chamber"), net.attribute("State"))
    party = opinions_of(
        ["D" if p == "I" else p for p in net.attribute("Party")]
    )  # both independents sit with D
    cases = {
        "party as opinion": (party, {}),
        "one latent axis": (None, {}),
        "one latent axis + chamber + state": (None, {"groups": groups}),
        "12 latent axes + chamber + state": (None, {"groups": groups, "dims": 12, "per_axis": True}),
    }
    anchor = {
        "party as opinion": "-4.039 / .795",
        "one latent axis": "-3.916 / .824",
        "one latent axis + chamber + state": "-3.729 / .856 (the goal)",
    }
    rows = []
    for name, (x, settings) in cases.items():
        got, taus, gaps = {}, [], []
        for seed in range(SPLITS):
            held = compare(net, x, estimator=TauEstimator(bootstrap=200, seed=seed, **settings), seed=seed)
            for key, result in held.results.items():
                got.setdefault(key, []).append((result.log_likelihood.mean(), result.auc.mean()))
            taus.append(np.atleast_1d(held.model.tau_)[0])
            gaps.append(held.difference("block model"))
        means = {key: np.mean(values, axis=0) for key, values in got.items()}
        (ll, auc), spread = means["attention"], np.std(got["attention"], axis=0, ddof=1)
        rows.append(
            {
                "work": name,
                "tau (first axis)": f"{np.mean(taus):.3f}",
                "ours, log-likelihood / AUC": f"{ll:.3f} +- {spread[0]:.3f} / {auc:.3f} +- {spread[1]:.3f}",
                "plain softmax": "{:.3f} / {:.3f}".format(*means["plain softmax of the distance"]),
                "popularity": "{:.3f} / {:.3f}".format(*means["popularity"]),
                "block model": "{:.3f} / {:.3f}".format(*means["block model"]),
                "ours - block model, worst split": "{:+.3f} [{:+.3f}, {:+.3f}]".format(*min(gaps)),
                "anchor": anchor.get(name, ""),
            }
        )
        out(rows[-1])
    return rows


def regimes(out) -> list[dict]:
    """The complete graph: 500 people, uniform on [-1, 1], 500 steps, 5 seeds."""
    from heedful.interact.opinions.diagram import phases

    frame = phases([0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.1, 1.0, 10.0], seeds=5, rewirings=0)
    mean = frame.groupby("tau").mean(numeric_only=True)
    return [
        {
            "tau": tau,
            "camps": row["camps"],
            "variance / first": row["variance ratio"],
            "Esteban-Ray": row["polarisation"],
            "bimodality": row["bimodality"],
            "steps": row["steps"],
            "log10 lifetime": row["log10 lifetime"],
        }
        for tau, row in mean.iterrows()
    ]


SECTIONS = {
    "speed": (
        "One sweep beside ndlib (random graph, degree 10; CPU time, median, alternating in one process)",
        speed,
    ),
    "million": ("1M nodes", million),
    "coverage": ("A planted tau found again", coverage),
    "lifetimes": ("Lifetime of two camps", lifetimes),
    "uneven": ("Lifetime on networks with two communities", uneven),
    "congress": ("475 members of the 117th US Congress, who listens to whom on Twitter", congress),
    "regimes": ("Regimes", regimes),
}

TRIED = """
- Speed beside ndlib is told in CPU time, because that machine was shared. The 1M rows were measured on
  the quiet machine (load average beside the row); under a load of 20 the same step ran at 0.3 to 0.5
  steps/s of wall time and 4.5 per CPU second.
- `simulate` on 1M edges spent two thirds of its time in the rewirings of the echo-chamber null, looking
  up edge keys in random order: in sorted order a rewiring takes 1.5 CPU s in the place of 4.7 (same
  rewirings).
- Gathering opinion and camp inside the row loop: 350 CPU ms a step at 1M nodes; in flat loops of their
  own, camps as int8: 195 ms. Chunks of 1024 to 8192 edges do not differ.
- tau by Efron's likelihood for ties (24 to 40 networks a setting): with log(1 + audience) as
  popularity biased by up to 12 %, coverage .05-.98; with free popularity right at tau >= .5, +10 %
  at tau .1 (coverage 0-.2). Exponential clocks with free popularity: the table.
- Above 3000 nodes, a weighted sample of the people not heard in the place of everyone: 3 % low at
  20,000 nodes with an interval that missed; conditional logit per edge instead: 4,000 nodes, four
  networks at each of tau .1, .5, 2: mean estimate .995, 1.000, 1.002 of the planted one, 12 of 12
  intervals hold it.
- Congress: folds by single edges let i -> j explain j -> i (12 axes -3.272 / .886 on one split);
  pairs stay together now.
- Congress lost: party or one latent axis alone predicts held-out edges worse than the block model.
"""


def run(out) -> list[dict]:
    """All sections, one list of rows."""
    return [{"section": heading, **row} for heading, job in SECTIONS.values() for row in job(out)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write bench/results/opinions.md")
    parser.add_argument("--only", help="section names, by commas: " + ", ".join(SECTIONS))
    parser.add_argument("--cached", action="store_true", help="run nothing, write what is kept")
    chosen = parser.parse_args()
    names = chosen.only.split(",") if chosen.only else [] if chosen.cached else list(SECTIONS)
    store = _page.HERE / ".cache" / "opinions.json"  # sections can be run one at a time
    kept = json.loads(store.read_text()) if store.exists() else {}
    for name in names:
        heading, job = SECTIONS[name]
        rows = job(lambda row: print(row, file=sys.stderr, flush=True))
        print(f"### {heading}\n\n{_page.table(rows)}\n")
        kept[name] = rows
    store.parent.mkdir(exist_ok=True)
    store.write_text(json.dumps(kept))
    if chosen.write:
        sections = [(SECTIONS[k][0], kept[k]) for k in SECTIONS if kept.get(k)]
        sections.append(("What was tried", TRIED))
        _page.write(
            "opinions", "Opinions", sections, ("torch", "numpy", "numba", "scipy", "networkx", "ndlib")
        )
