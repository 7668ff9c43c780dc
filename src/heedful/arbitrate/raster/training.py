"""How the arbiter is fitted: cross-fitted experts, planted damage, calibrated gate.

Blocks of the training scenes are split into folds. Experts, densities and pair models are fitted on the other
folds and read on each fold, so what the gate learns from is held out in space; the hardened expert and the
reliabilities also in kind, so that the gate learns how they do on damage that they never saw. The final
models use every block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from ...learn import progress
from .evidence import JOINT, Tokens, evidence, opinions, raw_statistics, set_reference
from .experts import centred, make_expert, temperature
from .gate import CONTEXT, HARDENED, NULL, Basis, Gate, taken_out
from .plant import POINT_KINDS, plant
from .reliability import Bank, Reference, fit_densities, fit_pairs
from .states import KINDS_OF, States
from .tokens import Scaler


@dataclass
class Settings:
    """What the fit needs to know."""

    task: str  # "classes" or "value"
    classes: int
    experts: Any
    neighbourhood: int
    kinds: tuple[str, ...]
    date_reference: str | None
    hardened: bool
    folds: int
    passes: int
    rows: int  # pixels for each expert
    gate_rows: int
    trees: int
    light: bool
    threads: int
    seed: int


@dataclass
class Fitted:
    """All that a fitted arbiter needs."""

    scalers: dict[str, Scaler]
    bank: Bank
    reference: Reference
    temper: dict[str, float]
    hardened: Any
    hardened_temper: float
    null: np.ndarray  # (C,)
    scale: float
    basis: Basis
    states: States
    gate: Gate
    columns: list[str]
    keys: list[str]

    @property
    def context(self) -> list[int]:
        """Columns of the evidence that the gate's query is made of."""
        return context_of(self.columns)


def fit_bank(t: Tokens, y: np.ndarray, keep: np.ndarray, cfg: Settings, rng: np.random.Generator) -> Bank:
    """Experts, densities and pair models from the labelled valid pixels `keep` (N, H, W) of some blocks."""
    where = np.argwhere(keep & t.all_valid())
    if len(where) < 50:
        raise InputError(f"{len(where)} labelled pixels have data in every source; at least 50 are needed")
    where = where[rng.permutation(len(where))[: cfg.rows]]
    at = tuple(where.T)
    target = y[at]
    experts = {}
    for s, f in t.features.items():
        experts[s] = make_expert(
            cfg.experts, cfg.classes, trees=cfg.trees, seed=cfg.seed, threads=cfg.threads
        )
        experts[s].fit(f[at], target)
    experts[JOINT] = make_expert(
        cfg.experts, cfg.classes, trees=cfg.trees, seed=cfg.seed, threads=cfg.threads
    )
    experts[JOINT].fit(t.joint()[at], target)
    few = tuple(where[: 8000 if cfg.light else 16000].T)
    densities = fit_densities(
        {s: m[few].astype(float) for s, m in t.marginal.items()}, seed=cfg.seed, light=cfg.light
    )
    pairs = fit_pairs(
        {s: m[few].astype(float) for s, m in t.smooth.items()},
        {s: m[few].astype(float) for s, m in t.means.items()},
        trees=cfg.trees,
        seed=cfg.seed,
        light=cfg.light,
    )
    return Bank(experts, densities, pairs)


def take(t: Tokens, i: np.ndarray) -> Tokens:
    """The tokens of some blocks."""
    pick = lambda d: {k: v[i] for k, v in d.items()}  # noqa: E731
    return Tokens(*(pick(d) for d in (t.features, t.marginal, t.smooth, t.means, t.valid)), t.size)


def fit_arbiter(
    blocks: dict[str, np.ndarray], y: np.ndarray, known: np.ndarray, groups: np.ndarray, cfg: Settings
) -> Fitted:
    """Fit everything.

    Parameters
    ----------
    blocks : dict of str to array (N, B, h, w)
    y : array (N, h, w)
        Class indices or values.
    known : bool array (N, h, w)
    groups : int array (N,)
        Fold of each block.
    """
    rng = np.random.default_rng([cfg.seed, 5])
    names = list(blocks)
    scalers = {s: Scaler.fit(np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])) for s, x in blocks.items()}
    standard: Callable = lambda b: {s: scalers[s](x) for s, x in b.items()}  # noqa: E731
    clean = Tokens.of(standard(blocks), cfg.neighbourhood)
    folds = [np.flatnonzero(groups == f) for f in np.unique(groups)]
    rest = [np.flatnonzero(groups != f) for f in np.unique(groups)]
    keep_at = lambda i: known[i]  # noqa: E731

    banks = [
        fit_bank(take(clean, r), y[r], keep_at(r), cfg, rng) for r in progress(rest, "cross-fitting experts")
    ]
    final = fit_bank(clean, y, known, cfg, rng)

    # 1. clean held-out pixels: calibration of each expert, and the reference of each density
    density, pair, raw_z = _gather(banks, clean, folds, cfg)
    usable = known & clean.all_valid()
    reference = Reference()
    set_reference(reference, density, pair, usable)
    del density, pair
    at = tuple(np.argwhere(usable)[rng.permutation(int(usable.sum()))[:20000]].T)
    temper = {}
    if cfg.task == "classes":
        temper = {e: temperature(z[at], y[at]) for e, z in raw_z.items()}
        scale = 1.0
        share = np.bincount(y[usable].astype(int), minlength=cfg.classes) / usable.sum()
        null = centred(share[None])[0]
    else:
        scale = float(np.std(y[usable])) or 1.0
        null = np.array([y[usable].mean()], np.float32)

    # 2. rows: clean, then planted passes, each block read by the bank that never saw it
    kinds = tuple(k for k in cfg.kinds if k in POINT_KINDS) if known.shape[1:] == (1, 1) else cfg.kinds
    fixed = (cfg.date_reference,) if cfg.date_reference else ()
    per_block = max(1, int(cfg.gate_rows / (2 * known.shape[0])))
    parts = [_rows(banks, reference, temper, scale, clean, folds, usable, y, None, per_block, cfg, rng)]
    planted_per_block = max(1, per_block // cfg.passes)
    for p in progress(range(cfg.passes), "planting damage"):
        bad, masks, what = plant(blocks, kinds, seed=1000 * cfg.seed + p, fixed=fixed)
        t = Tokens.of(standard(bad), cfg.neighbourhood)
        parts.append(
            _rows(
                banks,
                reference,
                temper,
                scale,
                t,
                folds,
                known & t.all_valid(),
                y,
                (masks, what),
                planted_per_block,
                cfg,
                rng,
            )
        )
    columns = parts[0]["columns"]
    data = {k: np.concatenate([p[k] for p in parts]) for k in (*ROWS, *KINDS_OF)}

    # 3. the hardened expert: the same joint features, planted rows as well; held out for the gate, all at
    # last
    hardened, hard_temper = None, 1.0
    keys = [*names, JOINT]
    if cfg.hardened:
        hz = np.zeros((len(data["y"]), 1, data["z"].shape[2]), np.float32)
        for train, test in unseen(data["fold"], data["family"]):
            expert = make_expert(
                cfg.experts, cfg.classes, trees=cfg.trees, seed=cfg.seed, threads=cfg.threads
            )
            expert.fit(*_thin(data["joint"][train], data["y"][train], 2 * cfg.rows, rng))
            out = expert.predict(data["joint"][test])
            hz[test, 0] = centred(out) if cfg.task == "classes" else out
        if cfg.task == "classes":
            hard_temper = temperature(hz[:, 0], data["y"])
            hz *= hard_temper
        data["z"] = np.concatenate([data["z"], hz], 1)
        hardened = make_expert(cfg.experts, cfg.classes, trees=cfg.trees, seed=cfg.seed, threads=cfg.threads)
        hardened.fit(*_thin(data["joint"], data["y"], 2 * cfg.rows, rng))
        keys.append(HARDENED)
    keys.append(NULL)
    data["z"] = np.concatenate([data["z"], np.broadcast_to(null, (len(data["y"]), 1, len(null)))], 1)

    # 4. what may have happened to a pixel, and the gate. Half the mass is clean.
    weight = np.where(data["planted"], 0.5 / max(data["planted"].sum(), 1), 0.5 / (~data["planted"]).sum())
    states, posterior = States.fit(
        data["e"],
        columns,
        names,
        cfg.date_reference,
        {kind: data[kind] for kind in KINDS_OF},
        data["planted"],
        weight,
        data["fold"],
        list(unseen(data["fold"], data["family"])),
        cfg.seed,
    )
    context = data["e"][:, context_of(columns)]
    basis = Basis.fit(context[~data["planted"]])
    gate = Gate.fit(
        basis(context),
        posterior,
        data["z"] / scale,
        data["y"] / scale if cfg.task == "value" else data["y"],
        weight,
        taken_out(states.found, keys, cfg.date_reference),
        keys,
        classes=cfg.task == "classes",
        seed=cfg.seed,
    )
    return Fitted(
        scalers,
        final,
        reference,
        temper,
        hardened,
        hard_temper,
        null,
        scale,
        basis,
        states,
        gate,
        columns,
        keys,
    )


def context_of(columns: list[str]) -> list[int]:
    """Columns of the evidence that the gate's query is made of."""
    return [i for i, name in enumerate(columns) if name.split("[")[0] in CONTEXT]


ROWS = ("e", "z", "y", "fold", "planted", "joint", "family")
FAMILIES = (("add", "mult", "stripe"), ("fill", "noise", "swap", "shift"))


def unseen(fold: np.ndarray, family: np.ndarray):
    """Splits whose test rows are held out in space and in kind: no relative of their damage was trained on.

    Parameters
    ----------
    fold : int (n,)
    family : bool (n, 2)
        Which of `FAMILIES` was planted in the row's block; neither = clean. With one family only in all rows,
        splits are in space alone.

    Yields
    ------
    train, test : bool (n,)
    """
    both = family.any(0).all()
    turn = np.where(family[:, 0] ^ family[:, 1], family[:, 1], np.arange(len(fold)) % 2).astype(int)
    for f in np.unique(fold):
        for g in (0, 1) if both else (None,):
            test = (fold == f) & (turn == g) if both else fold == f
            if test.any():
                yield ((fold != f) & ~family[:, g] if both else fold != f), test


def _thin(x: np.ndarray, y: np.ndarray, rows: int, rng) -> tuple[np.ndarray, np.ndarray]:
    i = rng.permutation(len(x))[:rows]
    return x[i], y[i]


def _gather(banks, t: Tokens, folds, cfg: Settings):
    """Held-out statistics and opinions of every clean block, in the blocks' order."""
    n = sum(len(f) for f in folds)
    order = np.argsort(np.concatenate(folds))
    dens, pairs, zs = [], [], []
    for bank, f in zip(banks, folds, strict=True):
        part = take(t, f)
        d, p = raw_statistics(bank, part)
        dens.append(d)
        pairs.append({k: (*v[:2], v[4][0]) for k, v in p.items()})
        zs.append(opinions(bank, part, None, cfg.task))
    put = lambda xs: np.concatenate(xs)[order]  # noqa: E731
    assert n == len(order)
    density = {s: put([d[s] for d in dens]) for s in dens[0]}
    held = {k: [put([p[k][i] for p in pairs]) for i in range(3)] for k in pairs[0]}
    pair = {k: (pmi, residual, None, None, fit) for k, (pmi, residual, fit) in held.items()}
    return density, pair, {e: put([z[e] for z in zs]) for e in zs[0]}


def _rows(banks, reference, temper, scale, t: Tokens, folds, usable, y, planted, per_block, cfg, rng) -> dict:
    """Sampled rows of evidence, opinions, labels and what was planted."""
    out: dict[str, list] = {k: [] for k in (*ROWS, *KINDS_OF)}
    columns: list[str] = []
    for k, (bank, f) in enumerate(zip(banks, folds, strict=True)):
        part = take(t, f)
        z = opinions(bank, part, temper, cfg.task)
        e, columns = evidence(bank, reference, part, z, scale)
        where = []
        for i, block in enumerate(f):
            spots = np.argwhere(usable[block])
            where.append(np.insert(spots[rng.permutation(len(spots))[:per_block]], 0, i, axis=1))
        at = tuple(np.concatenate(where).T)
        whole = (f[at[0]], *at[1:])
        out["e"].append(e[at])
        out["z"].append(np.stack([z[name][at] for name in z], 1))
        out["y"].append(y[whole])
        out["fold"].append(np.full(len(at[0]), k))
        out["planted"].append(np.full(len(at[0]), planted is not None))
        out["joint"].append(part.joint()[at])
        if planted is None:
            for kind in KINDS_OF:
                out[kind].append(np.zeros((len(at[0]), len(t.features)), bool))
            out["family"].append(np.zeros((len(at[0]), 2), bool))
        else:
            masks, what = planted
            bad = np.stack([masks[s][whole] for s in t.features], 1)
            for kind, kin in KINDS_OF.items():
                out[kind].append(bad & np.isin(what[whole[0]], kin))
            out["family"].append(np.stack([np.isin(what[whole[0]], kin).any(1) for kin in FAMILIES], 1))
    return {k: np.concatenate(v) for k, v in out.items()} | {"columns": columns}
