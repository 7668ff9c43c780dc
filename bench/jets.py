"""Tagging top against QCD jets: ours beside every control, at 3.4k and 20k training jets; cost; reading.

    python -m bench.jets_generate FOLDER   # once: Pythia and FastJet (GPL), in an environment of their own
    HEEDFUL_JETS=FOLDER python -m bench.jets [--write]

Each training's scores are kept under bench/.cache/jets, so that a run that was stopped goes on.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch

from heedful.interact.jets import features
from heedful.interact.jets.controls import auroc, rejection

from . import _page
from ._jets_compare import gap
from ._jets_models import Tagger
from ._jets_scores import KEPT, LOCAL, chosen, kept, models, samples, train
from .jets_rejection import rejection_rows


def scored(count: int, only: str = "", seed: int | None = None, cached: bool = False):
    """Every model's scores: {name: (seeds, n)}, NaN where a jet was not scored; and which are top jets.

    With ``cached``, trainings that are not in the cache are left out, and said.
    """
    both = samples()
    if both is None:
        return None
    pool, test = both
    x_pool = kept(f"features-train-{len(pool)}", lambda: features(pool))
    x_test = kept(f"features-test-{len(test)}", lambda: features(test))
    out = {}
    for name, (kind, settings, seeds, most) in models(count).items():
        some = np.concatenate([np.flatnonzero(test.label == c)[:most] for c in (0, 1)])
        rows = []
        for s in seeds:
            if only not in name or seed not in (None, s):
                continue
            slug = f"{''.join(c if c.isalnum() else '-' for c in name)}-{count}-{s}-{len(some)}"
            if cached and not (KEPT / f"{slug}.npy").exists():
                print(f"not trained here: {name}, {count} jets, seed {s}")
                continue
            start = time.process_time()
            part, x_part = (test, x_test) if most is None else (test.take(some), x_test[some])
            settled = (kind, settings, s, count, pool, part, x_pool, x_part)
            row = np.full(len(test), np.nan)
            row[some] = kept(slug, lambda settled=settled: train(*settled))
            rows.append(row)
            print(f"{name}, {count} jets, seed {s}: {time.process_time() - start:.0f} CPU s", flush=True)
        if rows:
            out[name] = np.array(rows)
    return out, test.label == 1


def tag_rows(count: int, cached: bool = False) -> list[dict]:
    """AUROC, rejection and differences at one training size."""
    result = scored(count, cached=cached)
    if result is None:
        return []
    table, truth = result
    rows = []
    for name, values in table.items():
        seen = np.isfinite(values[0])
        y, some = truth[seen], values[:, seen]
        each = [auroc(y, v) for v in some]
        keep, passed = zip(*[rejection(y, v) for v in some], strict=True)
        if name.startswith("ours"):
            others = ("bagged BDT x 10", "the same, uniform weights", "MLP on features")
        elif "nearest-16" in name:
            others = (LOCAL + "random-16", LOCAL + "EdgeConv k=8")
        else:
            others = ()
        said = [
            f"{gap(truth, values, table[other])} to {other.split(', ')[-1]}"
            for other in others
            if other in table
        ]
        rows.append(
            {
                "work": f"{count} training jets",
                "model": name,
                "seeds": len(values),
                "test jets": len(y),
                "AUROC": f"{np.mean(each):.4f} ({min(each):.4f} to {max(each):.4f})",
                "rejection at 50 %": f"{np.median(keep):.0f} (on {int(np.median(passed))} jets)",
                "difference, 1e-4": " / ".join(said),
            }
        )
    return rows


def seed_rows() -> list[dict]:
    """Constituents alone: nearest-16 minus its controls, seed by seed, 1e-4 of AUROC."""
    table, truth = scored(3400, "constituents alone", cached=True) or ({}, None)
    ours = table.get(LOCAL + "nearest-16", ())
    others = {
        name.removeprefix(LOCAL): rows for name, rows in table.items() if not name.endswith("nearest-16")
    }
    return [
        {"seed": n}
        | {
            f"minus {name}": gap(truth, ours[n : n + 1], rows[n : n + 1])
            for name, rows in others.items()
            if n < len(rows)
        }
        for n in range(len(ours))
    ]


def cost_rows() -> list[dict]:
    """Nearest-16 attention with entropy through the edges engine, beside SDPA over all pairs: CPU time."""
    from heedful.attention import Entropy, Weights
    from heedful.interact.jets import nearest

    torch.set_num_threads(1)
    rows = []
    for n in (128, 512, 2048, 10_000):
        rng = np.random.default_rng(n)
        q, k, v = (torch.tensor(rng.normal(size=(4, n, 16)), dtype=torch.float32) for _ in range(3))
        prior = nearest(rng.uniform(-4, 4, n), rng.uniform(-np.pi, np.pi, n), 16)
        w = Weights(q, k, [prior], engine="edges")
        w.read(v, [Entropy()])

        def ours(q=q, k=k, v=v, prior=prior):
            return Weights(q, k, [prior], engine="edges").read(v, [Entropy()])

        def theirs(q=q, k=k, v=v):
            return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])

        spent = {ours: [], theirs: []}
        for _ in range(5 if n < 5000 else 3):
            for call in (ours, theirs):  # in turn, so that a busy machine hits both alike
                start = time.process_time()
                call()
                spent[call].append(time.process_time() - start)
        a, b = np.median(spent[ours]), np.median(spent[theirs])
        rows.append(
            {
                "work": f"N = {n}, nearest 16, 4 heads, output and entropy",
                "ours": f"{1e3 * a:.1f} CPU ms",
                "theirs": f"SDPA, all pairs, output only: {1e3 * b:.1f} CPU ms",
                "ratio": f"{a / b:.2f}",
            }
        )
    return rows


def cluster_rows() -> list[dict]:
    """Clusters of attention and exclusive kT against truth partons: adjusted Rand index on top jets."""
    from sklearn.metrics import adjusted_rand_score

    from heedful.interact.jets import subjets
    from heedful.interact.jets.reading import attention_clusters
    from heedful.interact.jets.substructure import wrap

    both = samples()
    if both is None:
        return []
    top = both[1].take(np.flatnonzero(both[1].label == 1)[:600]).hardest(48)
    _, kt = subjets(top, 3, most=48)
    got, kts = [], []
    for jet in range(len(top)):
        low, high = top.offsets[jet : jet + 2]
        eta, phi, pt = (getattr(top, name)[low:high] for name in ("eta", "phi", "pt"))
        truth = top.partons[jet]
        far = np.hypot(eta[:, None] - truth[None, :, 1], wrap(phi[:, None] - truth[None, :, 2]))
        owner = far.argmin(1)
        if high - low < 6:
            continue
        got.append(adjusted_rand_score(owner, attention_clusters(eta, phi, pt)))
        kts.append(adjusted_rand_score(owner, kt[low:high]))
    got, kts = np.array(got), np.array(kts)
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(got), (1000, len(got)))
    low, high = np.quantile((got - kts)[draws].mean(1), [0.025, 0.975])
    return [
        {
            "work": f"ARI with the nearest parton, {len(got)} top jets, 48 constituents",
            "ours": f"attention mean shift {got.mean():.3f}",
            "theirs": f"exclusive kT {kts.mean():.3f}",
            "anchor": "exclusive kT .848",
            "note": f"difference {(got - kts).mean():+.3f} [{low:+.3f}, {high:+.3f}]",
        }
    ]


def reading_rows() -> list[dict]:
    """Attention on subjets beyond equal weights: one tagger at 3.4k jets, 1500 test jets a class."""
    from heedful.interact.jets.reading import attention, subjet_mass

    both = samples()
    if both is None:
        return []
    pool, test = both
    tagger = Tagger(members=1).fit(pool.take(chosen(pool, 3400, 0)))
    rows = []
    for label, name in ((1, "top"), (0, "QCD")):
        weight, on_features, hard = attention(tagger, test.take(np.flatnonzero(test.label == label)[:1500]))
        for row in subjet_mass(hard, weight, draws=300).itertuples():
            rows.append(
                {
                    "work": f"{name}, {row.subjet}",
                    "attention": f"{row.attention:.3f}",
                    "equal weights": f"{row[3]:.3f}",
                    "excess": f"{row.excess:+.3f} [{row.low:+.3f}, {row.high:+.3f}], p = {row.p:.3f}",
                }
            )
        rows.append(
            {"work": f"{name}, all features together", "attention": f"{on_features.sum(1).mean():.3f}"}
        )
    return rows


def told(name: str, make) -> list[dict]:
    """Rows from the cache, or made and kept."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"rows-{name}.json"
    if not path.exists() and (rows := make()):
        path.write_text(json.dumps(rows))
    return json.loads(path.read_text()) if path.exists() else []


TRIED = """
- AUROC rows are of 20,000 QCD and 8,000 top test jets. Intervals: over test jets and seeds together, and
  over the seeds' differences alone (Student's t), which is what another training sample would change.
- Rejections rested on 20,000 background jets before, so on some 40 to 70 that passed: noise of 15 %. The
  80,000 more (qcd_more*.npz, 2.4 CPU minutes per 10,000) were seen by nothing else. On 20,000 the default
  had looked better at 3,400 training jets (357 against 290) than it does on 100,000.
- Rejection of the default above the bagged trees' at 3,400 jets is what three networks' mean brings: with
  uniform weights (two seeds) it is not told apart. Intervals over seeds include 1. Parity is all that is
  claimed.
- With features, the nearest mask lost to the random one by 3.6 [1.3, 6.4] in an earlier sample: what the
  mask knows is in the substructure features already.
"""
PARTS = {"cost": cost_rows, "clusters": cluster_rows, "reading": reading_rows}


def run(out=None) -> list[dict]:
    """Every row that the data at hand allows."""
    return tag_rows(3400) + tag_rows(20_000) + cost_rows() + cluster_rows() + reading_rows()


def main() -> None:
    _page.usage(__doc__)
    torch.set_num_threads(1)
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    if words and words[0] in PARTS:
        told(words[0], PARTS[words[0]])
        return
    if words:  # one part of the trainings: `python -m bench.jets 3400 ours 2`, the last a seed
        scored(int(words[0]), *words[1:2], *map(int, words[2:]))
        return
    cached = "--cached" in sys.argv
    sections = [
        ("3,400 training jets", tag_rows(3400, cached)),
        ("20,000 training jets", tag_rows(20_000, cached)),
        ("Constituents alone, 3,400 training jets, seed by seed, 1e-4 of AUROC", seed_rows()),
        ("Rejection on 100,000 background jets", rejection_rows(3400) + rejection_rows(20_000)),
        ("Cost of locality", told("cost", cost_rows)),
        ("Clusters of attention and truth partons", told("clusters", cluster_rows)),
        ("What the query attends to", told("reading", reading_rows)),
    ]
    for heading, rows in sections:
        print(f"\n{heading}\n{_page.table(rows)}" if rows else f"\n{heading}: skipped")
    if "--write" in sys.argv:
        sections.append(("What was tried", TRIED))
        _page.write("jets", "Jets: top against QCD", sections, ("torch", "numpy", "scikit-learn"))


if __name__ == "__main__":
    main()
