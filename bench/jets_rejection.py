"""Background rejection on 100,000 QCD jets: ours beside the bagged trees and uniform weights.

    HEEDFUL_JETS=FOLDER python -m bench.jets_rejection 3400 0 [ours]    # one training size, seed and model
    HEEDFUL_JETS=FOLDER python -m bench.jets_rejection                  # the table of what is kept

FOLDER holds what `bench/jets_generate.py` makes. Background are the test jets of `bench.jets` and those of
qcd_more*.npz, which served no other purpose; signal are its test jets. `python -m bench.jets --write` puts
the table on the page. Each training's scores are kept under bench/.cache/jets.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from heedful.files.jets import JetSample, read_jets
from heedful.interact.jets import features
from heedful.interact.jets.controls import rejection

from . import _page
from ._jets_compare import by_seeds
from ._jets_models import Tagger
from ._jets_scores import KEPT, join, kept, models, samples, train

BDT, UNIFORM = "bagged BDT x 10", "uniform weights, mean of 3 networks"
OURS = {3400: "ours: mean of 3 networks (the default)", 20_000: "ours: class query"}
SEEDS = range(5)
EFFICIENCIES = (0.5, 0.3)


def competitors(count: int) -> dict:
    """Name -> (what trains it, settings): the pair that counts, and at 3,400 jets the uniform control."""
    table = {name: models(count)[name][:2] for name in (OURS[count], BDT)}
    if count == 3400:
        table[UNIFORM] = (Tagger, {"members": 3, "uniform": True})
    return table


def wide_sample(test: JetSample) -> JetSample | None:
    """The test jets, then all background jets beyond them; None where there are none."""
    files = sorted(Path(os.environ["HEEDFUL_JETS"]).glob("qcd_more*.npz"))
    if not files:
        print("skipped rejection: HEEDFUL_JETS has no qcd_more*.npz (see bench/jets_generate.py)")
        return None
    return join([(test, None), *((read_jets(path), 0) for path in files)])


def scored(count: int, seed: int, only: str) -> None:
    """Train what is not kept, and keep its scores of all jets."""
    both = samples()
    wide = both and wide_sample(both[1])
    if not wide:
        return
    pool, test = both
    beyond = np.arange(len(test), len(wide))
    x_pool = kept(f"features-train-{len(pool)}", lambda: features(pool))
    x_test = kept(f"features-test-{len(test)}", lambda: features(test))
    x_more = kept(f"features-more-{len(beyond)}", lambda: features(wide.take(beyond)))
    x_wide = np.concatenate([x_test, x_more])
    for name, (kind, settings) in competitors(count).items():
        if only in name:
            start = time.process_time()
            what = (kind, settings, seed, count, pool, wide, x_pool, x_wide)
            kept(slug(name, count, seed, len(wide)), lambda what=what: train(*what))
            print(f"{name}, {count} jets, seed {seed}: {time.process_time() - start:.0f} CPU s", flush=True)


def slug(name: str, count: int, seed: int, jets: int | str) -> str:
    return f"{''.join(c if c.isalnum() else '-' for c in name)}-{count}-{seed}-wide-{jets}"


def rejection_rows(count: int) -> list[dict]:
    """Rejection of every model whose scores are kept, and its ratio to the bagged trees'."""
    both = samples()
    if both is None:
        return []
    label = both[1].label
    scores: dict[str, dict[int, np.ndarray]] = {name: {} for name in competitors(count)}
    for name, by_seed in scores.items():
        for seed in SEEDS:
            if found := sorted(KEPT.glob(f"{slug(name, count, seed, '*')}.npy")):
                by_seed[seed] = np.load(found[-1])
    jets = {len(values) for by_seed in scores.values() for values in by_seed.values()}
    if len(jets) != 1:
        if jets:
            print(f"rejection: scores of {sorted(jets)} jets are kept: make them anew from one set of files")
        return []
    y = np.concatenate([label, np.zeros(jets.pop() - len(label), int)]) == 1
    rows = []
    for efficiency in EFFICIENCIES:
        for name, by_seed in scores.items():
            if not by_seed:
                continue
            each, passed = zip(*[rejection(y, v, efficiency) for v in by_seed.values()], strict=True)
            row = {
                "work": f"{count} training jets, signal efficiency {efficiency:.0%}",
                "model": name,
                "seeds": len(by_seed),
                "background jets": int((~y).sum()),
                "rejection": f"{np.exp(np.mean(np.log(each))):.0f} ({min(each):.0f} to {max(each):.0f})",
                "passed": f"{int(np.median(passed))}",
            }
            for other in (BDT, UNIFORM):
                common = [seed for seed in by_seed if seed in scores.get(other, {})]
                if name == OURS[count] and common:
                    pair = (np.array([table[seed] for seed in common]) for table in (by_seed, scores[other]))
                    row[f"ratio to {other}"] = ratio(y, *pair, efficiency)
            rows.append(row)
    return rows


def ratio(y: np.ndarray, ours: np.ndarray, theirs: np.ndarray, efficiency: float) -> str:
    """Geometric mean over seeds of the rejections' ratio, and its 95 % intervals over jets and over seeds.

    Parameters
    ----------
    ours, theirs : (seeds, n)
    """
    each, draws = ratio_draws(y, ours, theirs, efficiency)
    low, high = np.exp(np.quantile(draws, [0.025, 0.975]))
    text = f"{np.exp(each.mean()):.2f} [{low:.2f}, {high:.2f}] over jets"
    if len(each) > 1:
        text += "; [{:.2f}, {:.2f}] over seeds".format(*np.exp(by_seeds(each)))
    return text


def ratio_draws(y, ours, theirs, efficiency, draws: int = 1000, seed: int = 0):
    """Log ratio of the rejections of each seed, (seeds,); and its mean over seeds in redrawn jets, (draws,).

    Signal and background jets are drawn anew with repetition, the same for both models (paired). Background
    that no model lets through at twice the cut's signal loss is drawn as one lot: it never passes.
    """
    rng = np.random.default_rng(seed)
    both = np.concatenate([ours, theirs])
    signal, background = both[:, y], both[:, ~y]
    reach = np.quantile(signal, max(1 - efficiency - 0.1, 0), axis=1)[:, None]
    background = background[:, (background > reach).any(0)]
    total = int((~y).sum())
    share = np.append(np.full(background.shape[1], 1 / total), 1 - background.shape[1] / total)

    def log_ratio(sign: np.ndarray, times: np.ndarray) -> np.ndarray:
        cuts = np.quantile(sign, 1 - efficiency, axis=1)[:, None]
        passed = np.maximum(((background > cuts) * times).sum(1), 1)
        return np.log(passed[len(ours) :]) - np.log(passed[: len(ours)])  # fewer that pass: more rejection

    each = log_ratio(signal, np.ones(background.shape[1]))
    found = np.empty(draws)
    for n in range(draws):
        times = rng.multinomial(total, share)[:-1]
        found[n] = log_ratio(signal[:, rng.integers(0, signal.shape[1], signal.shape[1])], times).mean()
    return each, found


def main() -> None:
    _page.usage(__doc__)
    torch.set_num_threads(1)
    if len(sys.argv) > 2:
        scored(int(sys.argv[1]), int(sys.argv[2]), (sys.argv[3:4] or [""])[0])
        return
    print(_page.table([row for count in OURS for row in rejection_rows(count)]))


if __name__ == "__main__":
    main()
