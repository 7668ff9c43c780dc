"""Samples, models and their scores: what the benches of jets share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from heedful.files.jets import JetSample, read_jets
from heedful.interact.jets.controls import bagged_trees, perceptron

from ._data import CACHE
from ._jets_models import EdgeConvTagger, Tagger

KEPT, LOCAL = CACHE / "jets", "constituents alone, "


def join(parts: list[tuple[JetSample, int | None]]) -> JetSample:
    """One sample of several, with these labels (None: its own)."""
    field = {
        name: np.concatenate([getattr(s, name) for s, _ in parts])
        for name in ("pt", "eta", "phi", "energy", "charge")
    }
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([s.counts for s, _ in parts]))])
    label = np.concatenate([s.label if c is None else np.full(len(s), c) for s, c in parts])
    return JetSample(
        **field, offsets=offsets, label=label, partons=np.concatenate([s.partons for s, _ in parts])
    )


def samples() -> tuple[JetSample, JetSample] | None:
    """Training pool and test jets (label 1 is top), or None where HEEDFUL_JETS names no folder."""
    folder = Path(os.environ.get("HEEDFUL_JETS", ""))
    if not os.environ.get("HEEDFUL_JETS") or not sorted(folder.glob("qcd_train*.npz")):
        print("skipped jets: HEEDFUL_JETS names no folder with qcd_train*.npz (see bench/jets_generate.py)")
        return None
    out = []
    for role in ("train", "test"):
        files = [
            (path, label)
            for label, name in ((0, "qcd"), (1, "top"))
            for path in sorted(folder.glob(f"{name}_{role}*.npz"))
        ]
        out.append(join([(read_jets(path), label) for path, label in files]))
    return out[0], out[1]


def kept(name: str, make) -> np.ndarray:
    """The array of this name from the cache, or made and kept."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{name}.npy"
    if not path.exists():
        np.save(path, make())
    return np.load(path)


def chosen(pool: JetSample, count: int, seed: int) -> np.ndarray:
    """``count`` training jets, half of each class, drawn anew for each seed."""
    rng = np.random.default_rng([seed, count])
    return np.concatenate(
        [rng.choice(np.flatnonzero(pool.label == c), count // 2, replace=False) for c in (0, 1)]
    )


def models(count: int) -> dict:
    """Name -> (what trains it, settings, seeds, test jets of each class that it scores; None is all).

    What is slow on two cores sees fewer seeds, or fewer test jets, and the table says so.
    """
    few = count < 10_000
    one = {"members": 1} if few else {"members": 1, "batch": 256, "epochs": 8, "rate": 4e-3}
    table = {
        "ours: class query": (Tagger, one, range(5), None),
        "the same, uniform weights": (Tagger, {**one, "uniform": True}, range(3 if few else 1), None),
        "bagged BDT x 10": ("bag", {}, range(5), None),
        "one BDT": ("tree", {}, range(5), None),
        "MLP on features": ("mlp", {}, range(5), None),
    }
    if few:
        table["ours: mean of 3 networks (the default)"] = (Tagger, {"members": 3}, range(5), None)
        local = {"method": "particles", "members": 1, "layers": 2}
        table |= {
            LOCAL + "nearest-16": (Tagger, local, range(5), 8000),
            LOCAL + "random-16": (Tagger, {**local, "mask": "random"}, range(5), 8000),
            LOCAL + "EdgeConv k=8": (EdgeConvTagger, {**local, "layers": 0}, range(5), 8000),
        }
    return table


def train(kind, settings, seed, count, pool, test, x_pool, x_test) -> np.ndarray:
    """Scores of the test jets by one model from one seed."""
    index = chosen(pool, count, seed)
    if isinstance(kind, str):
        model = {"bag": bagged_trees(10, seed), "tree": bagged_trees(1, seed), "mlp": perceptron(seed)}[kind]
        return model.fit(x_pool[index], pool.label[index] == 1).predict_proba(x_test)[:, 1]
    part = pool.take(index)
    Tagger.known |= {id(part): x_pool[index], id(test): x_test}
    return kind(seed=seed, **settings).fit(part).decision_function(test)
