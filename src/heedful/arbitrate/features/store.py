"""A fitted feature arbiter as arrays and JSON: written and read without running code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...learn import Estimator
from .forest import Forest
from .gate import Gate
from .null import Signal
from .ridge import Ridge
from .sparse import Sparse
from .tokens import Coding, Context, RankGauss


class _Kept(Estimator):
    """Carries the packed state through the estimator base's own save and load."""

    def __init__(self, *, state: Any = None):
        self.state = state

    def fit(self) -> _Kept:
        """Nothing to fit: the state was fitted elsewhere."""
        return self

    def save_state(self, path: str | Path) -> Path:
        """Write it."""
        return self.save(path)


_Kept.__name__ = "FeatureArbiter"  # what the file says it holds


def _plain(record: Any) -> dict:
    return {f.name: getattr(record, f.name) for f in fields(record)}


def pack(a: Any) -> _Kept:
    """All of a fitted arbiter as dicts of arrays, text and numbers."""
    if not hasattr(a, "gate_"):
        raise InputError("only a fitted arbiter (method='refined') can be saved", remedy="call fit first")
    kept = _Kept()
    parameters = a.get_params(deep=False)
    parameters["context"] = list(a.context)
    parameters["sources"] = (
        a.sources if isinstance(a.sources, str) else {k: list(v) for k, v in a.sources.items()}
    )
    parameters["gate"] = None if a.gate is None else {k: float(v) for k, v in a.gate.items()}
    kept.state_ = {
        "parameters": parameters,
        "classes": np.asarray(a.classes_).tolist(),
        "sources": a.sources_,
        "ranks": {
            s: {"sorted": np.nan_to_num(r.sorted, nan=0.0), "count": r.count, "live": r.live, "n": r.n}
            for s, r in a.ranks_.items()
        },
        "experts": {s: _plain(e) for s, e in a.experts_.items()},
        "sparse": _plain(a.sparse_)
        | {"spread": np.where(np.isfinite(a.sparse_.spread), a.sparse_.spread, 0.0)},
        "forest": None if a.forest_ is None else _plain(a.forest_),
        "prior": a.prior_,
        "keys": a.keys_,
        "gate": _plain(a.gate_),
        "coding": a.coding_.values,
        "context_p": a.context_p_,
        "context_share": a.context_share_,
        "features": a.n_features_in_,
        "signal": None if a.signal_ is None else _plain(a.signal_),
        "context": {
            "median": a.context_map_.median,
            "spread": a.context_map_.spread,
            "binary": a.context_map_.binary,
            "knots": list(a.context_map_.knots),
        },
    }
    return kept


def unpack(cls: type, path: str | Path) -> Any:
    """The reverse of `pack`."""
    s = _Kept.load(path).state_
    try:
        a = cls(**s["parameters"])
        a.classes_ = np.asarray(s["classes"])
        a.sources_, a.keys_, a.prior_ = s["sources"], s["keys"], s["prior"]
        a.ranks_ = {}
        for name, r in s["ranks"].items():
            made = RankGauss()
            made.sorted, made.count, made.live, made.n = (
                r["sorted"],
                r["count"],
                r["live"].astype(bool),
                r["n"],
            )
            a.ranks_[name] = made
        a.experts_ = {k: Ridge(**e) for k, e in s["experts"].items()}
        few = s["sparse"]
        a.sparse_ = Sparse(**few | {"spread": np.where(few["spread"] > 0, few["spread"], np.inf)})
        a.forest_ = None if s["forest"] is None else Forest(**s["forest"])
        a.gate_, a.n_features_in_ = Gate(**s["gate"]), s["features"]
        a.coding_ = Coding(s["coding"])
        a.context_p_, a.context_share_ = s["context_p"], s["context_share"]
        a.signal_ = None if s["signal"] is None else Signal(**s["signal"])
        c = Context()
        c.median, c.spread, c.binary, c.knots = (
            s["context"][k] for k in ("median", "spread", "binary", "knots")
        )
        a.context_map_ = c
        return a
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"does not hold a whole feature arbiter ({error})", path=path, remedy="fit again"
        ) from error
