"""Is a verdict worth its name? No-signal studies for every null, and power at a stated planted strength.

`python -m bench.trust [--piece NAME] [--studies 2000] [--seconds S] [--write]`: without a piece, all of them;
what was measured lies in bench/.cache (trust-*.json) and is not measured again unless its piece is named.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from scipy.stats import binomtest

from bench._data import CACHE, locate
from bench._page import table, usage, write
from bench.trust_studies import CELLS, HEADS, KINDS, study
from heedful import Claim, Weights, examine, priors, reads
from heedful.trust import Null, mass_interval
from heedful.trust.draws import Masses
from heedful.trust.mass import FEWEST, null, paired
from heedful.trust.tail import tail_p

STRENGTHS = (1.0, 2.0, 3.0, 4.0, 6.0)
TESTS = ("null", "mask null", "knock-out")  # those that decide; "identify" informs and costs most
LEVELS = {"p <= .05": 0.05, "p <= .01": 0.01}
SECONDS = float(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else np.inf


def draws(kind: str) -> int:
    """199, or all 400 shifts of a series."""
    return 399 if kind == "circular" else 199


def share(hits: int, n: int) -> str:
    """A share with its exact 95 % interval."""
    low, high = binomtest(hits, n).proportion_ci(0.95)
    return f"{hits / n:.3f} [{low:.3f}, {high:.3f}]"


def verdict(kind: str, strength: float, seed: int):
    """The deciding tests' verdict on a seeded study; a null that fails decides alone, and saves the rest."""
    claim = study(kind, strength, seed)
    first = examine(claim, draws=draws(kind), seed=seed, tests=())
    return examine(claim, draws=draws(kind), seed=seed, tests=TESTS) if first.status == "supported" else first


def verdicts(kind: str, strength: float, studies: int) -> tuple[list, float]:
    """(status, p) of seeded studies and their CPU seconds; kept on the way, so that a run can be resumed.

    With `--seconds S` a process ends after S seconds of CPU time, to go on from there when called again.
    """
    path = CACHE / f"trust-{kind}-{strength:g}.json"
    held = json.loads(path.read_text()) if path.exists() else {"found": [], "cpu": 0.0}
    first = 0 if strength == 0 else 10**6
    while len(held["found"]) < studies:
        start = time.process_time()
        at = len(held["found"])
        for s in range(at, min(at + 50, studies)):
            one = verdict(kind, strength, first + s)
            held["found"].append([one.status, one.p])
        held["cpu"] += time.process_time() - start
        CACHE.mkdir(exist_ok=True)
        path.write_text(json.dumps(held))
        if time.process_time() > SECONDS:
            sys.exit(f"{kind}, strength {strength:g}: {len(held['found'])} of {studies}; call again to go on")
    return held["found"][:studies], held["cpu"]


def calibration(kind: str, studies: int) -> list[dict]:
    """False 'supported', and the null's p at .05 and .01, when there is nothing to be found."""
    found, spent = verdicts(kind, 0.0, studies)
    status = [s for s, _ in found]
    p = np.array([x for _, x in found if x is not None])
    low = binomtest(status.count("supported"), studies).proportion_ci(0.95).low
    return [{
        "null": kind, "studies": studies, "cells": CELLS * (HEADS if kind == "heads" else 1),
        "supported": share(status.count("supported"), studies),
        **{word: share(int((p <= level).sum()), len(p)) for word, level in LEVELS.items()},
        "not testable": status.count("not testable"), "CPU s": round(spent),
        "floor": "met" if low <= 0.05 else "missed",
    }]  # fmt: skip


def power(kind: str, studies: int) -> list[dict]:
    """Share of planted claims that are supported, by strength."""
    row, untested = {"null": kind, "studies each": studies}, 0
    for strength in STRENGTHS:
        status = [s for s, _ in verdicts(kind, strength, studies)[0]]
        row[f"{strength:g}"] = f"{status.count('supported') / studies:.2f}"
        untested = max(untested, status.count("not testable"))
    return [{**row, "not testable, at most": f"{untested / studies:.0%}"}]


def tail() -> list[dict]:
    """p from the fitted tail on null draws: how often it is at most .01, .001, .0001."""
    rows = []
    for kind in ("label", "rewire"):
        for number in (199, 999):
            some, more = (120, 400) if kind == "label" else (30, 400)
            p, fitted = [], 0
            for s in range(some):
                masses = Masses(study(kind, 0.0, 5000 + s))
                drawn = masses.drawn(number + more, np.random.default_rng(s))
                above = (drawn - drawn.mean(0)).max(1)
                for one in above[number:]:
                    found = tail_p(above[:number], float(one))
                    fitted += found is not None
                    counted = (1 + (above[:number] >= one).sum()) / (1 + number)
                    p.append(counted if found is None else found[0])
            p = np.array(p)
            rows.append({
                "null": kind, "draws": number, "null statistics": len(p),
                **{f"p <= {level:g}": f"{(p <= level).mean():.5f}" for level in (0.01, 0.001, 0.0001)},
                "by counting, at least": f"{1 / (number + 1):.4f}", "fitted": f"{fitted / len(p):.0%}",
            })  # fmt: skip
    return rows


def scales() -> list[dict]:
    """Excesses as they are, over each cell's spread, over each draw's: false findings and power."""
    rows = []
    for kind, strength, some in (("label", 3.0, 150), ("within", 4.0, 150), ("block", 2.0, 150)):
        hits: dict[tuple, list] = {}
        for planted in (0.0, strength):
            for s in range(some):
                masses = Masses(study(kind, planted, 7000 + s))
                drawn = masses.drawn(199, np.random.default_rng(s))
                excess = np.concatenate([masses.observed()[None], drawn])
                excess = excess - excess.mean(0)
                for words, scale in (
                    ("as they are", 1.0), ("over each cell's sd", excess.std(0)),
                    ("over each draw's mean deviation", np.abs(excess).mean(1, keepdims=True)),
                ):  # fmt: skip
                    scaled = excess / scale
                    p = (1 + (scaled[1:].max(1) >= scaled[0, 0] - 1e-12).sum()) / 200
                    hits.setdefault((words, planted), []).append(p <= 0.05)
        for words in dict.fromkeys(w for w, _ in hits):
            rows.append({
                "null": kind, "excesses": words,
                "p <= .05, no signal": share(int(np.sum(hits[words, 0.0])), some),
                f"power at strength {strength:g}": f"{np.mean(hits[words, strength]):.2f}",
            })  # fmt: skip
    return [{**{k: v for k, v in r.items() if "power" not in k},
             "power (strength)": next(f"{v} ({k.split()[-1]})" for k, v in r.items() if "power" in k)}
            for r in rows]  # fmt: skip


def misuse() -> list[dict]:
    """What an exchangeability that does not hold does, in 300 studies each."""
    from dataclasses import replace

    rows = []
    for words, made in (
        ("keys exchanged one by one", Null("label")),
        ("contents shifted in a circle", Null("circular")),
    ):
        hits, untested = 0, 0
        for s in range(300):
            rng = np.random.default_rng(s)
            q, k = rng.normal(size=(20, 4)) + 1.0, rng.normal(size=(600, 4))
            for t in range(1, 600):
                k[t] = 0.8 * k[t - 1] + 0.6 * k[t]
            weights, window = Weights(q, k), np.arange(600) // 6
            best = np.bincount(window, weights.columns()).argmax()
            claim = Claim(weights, range(20), np.flatnonzero(window == best), null=made, family=window)
            found = examine(claim, draws=199, seed=s, tests=())
            hits += found.p is not None and found.p <= 0.05
            untested += found.status == "not testable"
        told = f"windows of 6 steps in a series with memory .8: {words}"
        rows.append({"null": told, "p <= .05": share(hits, 300), "not testable": f"{untested / 300:.0%}"})
    for block in (1, 2, 4, 6):
        hits = 0
        for s in range(300):
            claim = study("block", 1e-9, s)  # cell 17, not chosen by looking
            made = replace(claim.null, block=block)
            hits += (
                null(Claim(claim.weights, claim.queries, claim.keys, null=made), draws=199, seed=s).p <= 0.05
            )
        told = f"a patch of an image smoothed over 2, one cell without a family: blocks of {block} exchanged"
        rows.append({"null": told, "p <= .05": share(hits, 300), "not testable": "0%"})
    return rows


def few() -> list[dict]:
    """Coverage of the interval over queries: Student's t below 30, bootstrap from there on."""
    rng, rows = np.random.default_rng(0), []
    for law in ("normal", "log-normal"):
        row = {"differences": law}
        for n in (3, 6, 8, 12, 20, 30, 60):
            w = Weights(np.zeros((n, 1)), np.zeros((4, 1)))
            claim, hit = Claim(w, range(n), [0]), 0
            for s in range(1000):
                x = rng.normal(size=n) if law == "normal" else rng.lognormal(0, 0.5, n) - np.exp(0.125)
                interval = paired(x, claim, s)[1]
                hit += interval is not None and interval[0] <= 0 <= interval[1]
            row[f"n = {n}"] = f"{hit / 1000:.3f}" if n >= FEWEST else "none given"
        rows.append(row)
    return rows


def anchor() -> list[dict]:
    """Nearest-8 attention between the particles of top jets: same-subjet mass, and what the mask gives."""
    path = locate("jets_dev")
    if path is None:
        return []
    from heedful.files.jets import read_jets
    from heedful.interact.jets.substructure import coordinates, subjets

    jets = read_jets(path)
    jets = jets.take(np.flatnonzero((jets.label == 1) & (jets.counts >= 30))[:12]).hardest(48)
    pt, eta, phi = coordinates(jets.momenta())
    owner = jets.owner
    same_jet = owner[:, None] == owner
    gap = (eta[:, None] - eta) ** 2 + ((phi[:, None] - phi + np.pi) % (2 * np.pi) - np.pi) ** 2
    near = np.argsort(np.where(same_jet, gap, np.inf), axis=1)[:, :8]
    mask = np.zeros_like(same_jet)
    np.put_along_axis(mask, near, True, 1)
    subjet = subjets(jets, 3, 48)[1]
    same = same_jet & (subjet[:, None] == subjet) & ~np.eye(len(subjet), dtype=bool)
    rng, rows = np.random.default_rng(0), []
    middle = np.array(
        [np.average(np.stack([eta, phi], 1)[owner == i], 0, pt[owner == i]) for i in range(len(jets))]
    )
    offset = np.stack([eta, phi], 1) - middle[owner]
    features = np.concatenate([np.log(pt)[:, None], offset / 0.3], 1)
    for words, x in (
        ("content without meaning (Gaussian)", rng.normal(size=(len(owner), 3))),
        ("content log pt", features[:, :1] - features[:, :1].mean()),
        ("content log pt, eta, phi", features - features.mean(0)),
    ):
        for told, prior in (("nearest 8", mask), ("own jet", same_jet)):
            claim = Claim(
                Weights(x, x, priors.Mask(prior & ~np.eye(len(owner), dtype=bool))), range(len(owner)), same,
                null=Null("within", groups=owner),
            )  # fmt: skip
            found = examine(claim, draws=199)
            seen = found.tests[1].detail
            rows.append({
                "weights": f"{words}, {told}", "same-subjet mass": f"{seen['mass'].mean():.3f}",
                "the mask alone": f"{seen['mask'].mean():.3f}", "null p": f"{found.p:.3f}",
                "mask null": {True: "passed", False: "failed", None: "not made"}[found.tests[1].passed],
                "verdict": found.status,
            })  # fmt: skip
    return rows


def identify() -> list[dict]:
    """How much mass the top five keys could carry with the same output; mean of 20 queries."""
    rng, rows = np.random.default_rng(0), []
    for n, d in ((10, 16), (17, 16), (30, 16), (100, 16), (400, 64)):
        ends, read, spent = [], [], time.process_time()
        for _ in range(20):
            q, k, v = rng.normal(size=d), rng.normal(size=(n, d)), rng.normal(size=(n, d))
            p = np.exp(k @ q / np.sqrt(d))
            p /= p.sum()
            top = p >= np.sort(p)[-5]
            ends.append(mass_interval(p, v, top))
            read.append(p[top].sum())
        low, high = np.mean(ends, 0)
        spent = 1e3 * (time.process_time() - spent) / 20
        rows.append({"keys": n, "d_v": d, "mass read": f"{np.mean(read):.3f}",
                     "same output": f"[{low:.3f}, {high:.3f}]", "CPU ms": round(spent, 1)})  # fmt: skip
    return rows


def cost() -> list[dict]:
    """The quick examination against the reading it judges, alternating, medians of 7."""
    rng, rows = np.random.default_rng(0), []
    cases = [(n, 64, "") for n in (128, 256, 512, 2048)]
    cases += [(2048, 256, ""), (2048, 64, "causal"), (2048, 64, "nearest 32")]
    for n, count, mask in cases:
        q, k, v = rng.normal(size=(3, n, 32))
        prior = {"": (), "causal": priors.Causal(), "nearest 32": priors.Nearest(np.arange(n), k=32)}[mask]
        taken = {"reading": [], "examination": []}
        for _ in range(7):
            start = time.process_time()
            Weights(q, k, prior).read(v, [reads.TopK(8), reads.Entropy(), reads.Columns()])
            taken["reading"].append(time.process_time() - start)
            start = time.process_time()
            at = np.arange(n - count, n)
            examine(Claim(Weights(q, k, prior), at, at[:10] if mask else range(10), values=v))
            taken["examination"].append(time.process_time() - start)
        a, b = (1e3 * float(np.median(taken[x])) for x in ("reading", "examination"))
        rows.append({"keys": n, "mask": mask or "none", "queries examined": count, "reading ms": round(a, 1),
                     "examination ms": round(b), "ratio": round(b / a, 1), "goal": 20})  # fmt: skip
    return rows


def piece(name: str, studies: int, again: bool) -> dict[str, list[dict]]:
    """One measured piece, kept in the cache."""
    path = CACHE / f"trust-{name}.json"
    if name in KINDS:  # resumed study by study
        return {"calibration": calibration(name, studies), "power": power(name, max(studies // 20, 20))}
    if path.exists() and not again:
        return json.loads(path.read_text())
    make = {"tail": tail, "misuse": misuse, "scales": scales, "few": few, "identify": identify, "cost": cost,
            "anchor": anchor}[name]  # fmt: skip
    found = {name: make()}
    CACHE.mkdir(exist_ok=True)
    path.write_text(json.dumps(found))
    return found


HEADINGS = {
    "calibration": "No signal: floor, the lower bound of 'supported' <= .05",
    "power": "Power by planted strength: floor, >= .8 at the strength stated, not testable <= 5 %",
    "tail": "The fitted tail on null statistics (tail='fit')",
    "scales": "Cells on one scale (circular, rewire, label, within: as they are; block: over each draw's)",
    "misuse": "A null that does not fit",
    "few": "Coverage of the 95 % interval over queries",
    "anchor": "The mask null: nearest-8 attention in jets",
    "identify": "Identifiability",
    "cost": "Cost of the quick level",
}
SETTING = (
    f"{CELLS} cells ({CELLS} in each of {HEADS} heads for `heads`); 199 null draws, all 400 shifts for "
    "`circular`. Deciding tests: null, mask null, knock-out. In the no-signal studies the claim is the cell "
    "of largest mass (and head), chosen by looking; the maximum statistic pays for the choice. (Cells are "
    "compared by their excess over their own null mean, so the largest mass is not always the largest "
    "statistic, and p then errs on the safe side: `block`, `rewire`.) The studies are in "
    "`bench/trust_studies.py`."
)


def main() -> None:
    """Measure what is asked for, print the tables; --write keeps them."""
    usage(__doc__)
    args = sys.argv[1:]
    value = {a: args[i + 1] for i, a in enumerate(args[:-1]) if a in ("--piece", "--studies")}
    studies = int(value.get("--studies", 2000))
    names = (*KINDS, *(h for h in HEADINGS if h not in ("calibration", "power")))
    if "--piece" in value:
        for rows in piece(value["--piece"], studies, again=True).values():
            print(table(rows), flush=True)
        return
    sections: dict[str, list[dict]] = {}
    for name in names:
        for heading, rows in piece(name, studies, again=False).items():
            sections.setdefault(heading, []).extend(rows)
    parts = [(HEADINGS[h], sections[h]) for h in HEADINGS if h in sections]
    for heading, rows in parts:
        print(f"\n### {heading}\n\n{table(rows)}", flush=True)
    if "--write" in args:
        used = ("torch", "numpy", "scipy")
        write("trust", "Trust: calibration and power", [("Setting", SETTING), *parts], used)


if __name__ == "__main__":
    main()
