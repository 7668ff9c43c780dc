"""A fitted arbiter as arrays, text and numbers: written by the estimator base, read without running code."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from ...errors import InputError
from .experts import Boosted
from .gate import Basis, Gate
from .reliability import Bank, Mixture, Pair, Reference
from .states import Hinges, States
from .tokens import Scaler
from .training import Fitted

FORMAT = 2  # counted up whenever what is kept changes its meaning


def _plain(record: Any) -> dict:
    return {f.name: getattr(record, f.name) for f in fields(record)}


def _expert(e: Any) -> str:
    if not isinstance(e, Boosted):
        raise InputError(
            "only an arbiter with LightGBM experts can be saved",
            remedy="fit with experts='lightgbm', or keep the fitted object in memory",
        )
    return e.to_text()


def _pair(p: Pair) -> dict:
    return {
        "first": p.first,
        "second": p.second,
        "white": {k: list(v) for k, v in p.white.items()},
        "joint": _plain(p.joint),
        "alone": {k: _plain(m) for k, m in p.alone.items()},
        "predicted": p.predicted,
        "regressors": [_expert(r) for r in p.regressors],
        "spread": p.spread,
    }


def _states(s: States) -> dict:
    return _plain(s) | {
        "found": [[kind, *who] for kind, who in s.found],
        "hinges": {k: _plain(h) for k, h in s.hinges.items()},
        "calibration": {k: list(v) for k, v in s.calibration.items()},
    }


def _to_states(s: dict) -> States:
    return States(
        [(kind, tuple(who)) for kind, *who in s["found"]],
        {k: list(v) for k, v in s["columns"].items()},
        {k: Hinges(**h) for k, h in s["hinges"].items()},
        list(s["coef"]),
        s["prior"],
        {k: tuple(v) for k, v in s["calibration"].items()},
    )


def pack(f: Fitted, classes: int) -> dict:
    """Arrays, strings and numbers in dicts and lists."""
    return {
        "format": FORMAT,
        "classes": classes,
        "scalers": {k: _plain(v) for k, v in f.scalers.items()},
        "experts": {k: _expert(v) for k, v in f.bank.experts.items()},
        "densities": {k: _plain(v) for k, v in f.bank.densities.items()},
        "pairs": [_pair(p) for p in f.bank.pairs.values()],
        "reference": dict(f.reference.density),
        "limits": [[a, b, *v] for (a, b), v in f.reference.limits.items()],
        "temper": {k: float(v) for k, v in f.temper.items()},
        "hardened": None if f.hardened is None else _expert(f.hardened),
        "hardened_temper": float(f.hardened_temper),
        "null": np.asarray(f.null, np.float64),
        "scale": float(f.scale),
        "basis": _plain(f.basis),
        "states": _states(f.states),
        "gate": _plain(f.gate),
        "columns": list(f.columns),
        "keys": list(f.keys),
    }


def unpack(s: dict, threads: int) -> Fitted:
    """The reverse of `pack`."""
    if s.get("format") != FORMAT:
        raise InputError("the arbiter was written by another version of heedful", remedy="fit again")
    try:
        c = s["classes"]
        pairs = {}
        for p in s["pairs"]:
            pairs[p["first"], p["second"]] = Pair(
                p["first"],
                p["second"],
                {k: tuple(v) for k, v in p["white"].items()},
                Mixture(**p["joint"]),
                {k: Mixture(**m) for k, m in p["alone"].items()},
                p["predicted"],
                [Boosted.from_text(r, 0, threads) for r in p["regressors"]],
                p["spread"],
            )
        bank = Bank(
            {k: Boosted.from_text(v, c, threads) for k, v in s["experts"].items()},
            {k: Mixture(**v) for k, v in s["densities"].items()},
            pairs,
        )
        reference = Reference(dict(s["reference"]), {(a, b): tuple(v) for a, b, *v in s["limits"]})
        return Fitted(
            {k: Scaler(**v) for k, v in s["scalers"].items()},
            bank,
            reference,
            s["temper"],
            None if s["hardened"] is None else Boosted.from_text(s["hardened"], c, threads),
            s["hardened_temper"],
            s["null"],
            s["scale"],
            Basis(**s["basis"]),
            _to_states(s["states"]),
            Gate(**s["gate"]),
            s["columns"],
            s["keys"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the model file does not hold a whole arbiter ({error})", remedy="fit again"
        ) from error
