"""One expert per source and one for all together: centred log-probabilities, or a quantity."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError, MissingExtra
from .leaves import Leaves

# Probabilities are clipped here: a little weight on an expert that is sure must not outvote the rest.
FLOOR = 1e-2
STEPS = 600  # at least, of a torch expert
WORTH = 4000  # rows from which it pays to read trees by leaf masks


def centred(p: np.ndarray) -> np.ndarray:
    """Class probabilities (..., C) as centred log-probabilities: softmax of these gives p back.

    For two classes the difference of the two is the log-odds.

    >>> z = centred(np.array([[.2, .8]])); round(float(z[0, 1] - z[0, 0]), 3)
    1.386
    """
    z = np.log(np.clip(p, FLOOR, None))
    return (z - z.mean(-1, keepdims=True)).astype(np.float32)


def softmax(z: np.ndarray) -> np.ndarray:
    """Along the last axis; rows of -inf give 0."""
    top = z.max(-1, keepdims=True)
    e = np.exp(z - np.where(np.isfinite(top), top, 0.0))
    return e / np.maximum(e.sum(-1, keepdims=True), 1e-300)


class Boosted:
    """LightGBM trees; saved as their own text format."""

    def __init__(self, classes: int, trees: int = 100, leaves: int = 31, seed: int = 0, threads: int = 1):
        self.classes, self.trees, self.leaves, self.seed, self.threads = classes, trees, leaves, seed, threads
        self.booster: Any = None
        self.quick: Leaves | bool | None = False  # False: not asked for yet

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Boosted:
        """x (n, F); y class indices, or values where `classes` is 0."""
        try:
            import lightgbm as lgb
        except ImportError as error:
            raise MissingExtra("lightgbm", "studies") from error
        params = {
            "learning_rate": 0.1,
            "num_leaves": self.leaves,
            "min_data_in_leaf": 20,
            "verbosity": -1,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
        }
        if self.classes == 0:
            params["objective"] = "regression"
        elif self.classes == 2:
            params["objective"] = "binary"
        else:
            params |= {"objective": "multiclass", "num_class": self.classes}
        data = lgb.Dataset(x, label=y, weight=weight, params={"verbosity": -1}, free_raw_data=True)
        self.booster, self.quick = lgb.train(params, data, num_boost_round=self.trees), False
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, C), or values (n, 1)."""
        if len(x) == 0:
            return np.zeros((0, max(self.classes, 1)))
        raw = self.raw(x)
        if self.classes == 0:
            return raw
        if self.classes == 2:
            raw = np.concatenate([np.zeros_like(raw), raw], 1)
        return softmax(raw)

    def raw(self, x: np.ndarray) -> np.ndarray:
        """Sums of leaves (n, outputs); the same to the last bit on either way."""
        if self.quick is False and len(x) >= WORTH:
            self.quick = Leaves.of(self.booster)
        if self.quick and x.dtype == np.float32:
            return self.quick(x)
        out = self.booster.predict(x, num_threads=self.threads, raw_score=True)
        return out.reshape(len(x), -1)

    def to_text(self) -> str:
        return self.booster.model_to_string()

    @classmethod
    def from_text(cls, text: str, classes: int, threads: int = 1) -> Boosted:
        import lightgbm as lgb

        made = cls(classes, threads=threads)
        made.booster = lgb.Booster(model_str=text)
        return made


class Wrapped:
    """Any scikit-learn estimator, or a torch module, in the same manner."""

    def __init__(self, estimator: Any, classes: int):
        from sklearn.base import clone, is_classifier

        self.classes, self.estimator = classes, clone(estimator)
        wants = "predict_proba" if classes else "predict"
        if not hasattr(self.estimator, wants) or (not classes and is_classifier(self.estimator)):
            wants = wants if classes else "quantity to predict: it tells classes apart"
            raise InputError(
                f"{type(estimator).__name__} has no {wants}",
                remedy="give a classifier with probabilities, or a regressor for a quantity",
            )

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Wrapped:
        self.estimator.fit(x, y)  # most estimators take weights, not all: rows were drawn balanced instead
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        if len(x) == 0:
            return np.zeros((0, max(self.classes, 1)))
        if not self.classes:
            return np.asarray(self.estimator.predict(x), float).reshape(-1, 1)
        p = np.zeros((len(x), self.classes))
        p[:, np.asarray(self.estimator.classes_, int)] = self.estimator.predict_proba(x)
        return p


class TorchExpert:
    """A torch module that maps (n, F) to C logits (or one value), trained with Adam.

    Features, and the quantity where it is one, are standardised; at least `epochs` epochs and `STEPS` steps.

    Parameters
    ----------
    module : callable (features, outputs) -> torch.nn.Module
    """

    def __init__(self, module: Any, classes: int, epochs: int = 20, seed: int = 0):
        self.make, self.classes, self.epochs, self.seed = module, classes, epochs, seed

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> TorchExpert:
        import torch

        self.mean, self.sd = x.mean(0), x.std(0) + 1e-6
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.net = self.make(x.shape[1], max(self.classes, 1))
        t = torch.from_numpy(((x - self.mean) / self.sd).astype(np.float32))
        if not self.classes:  # moisture of 120 %, yields of 8000: Adam would never get there
            self.centre, self.scale = float(np.mean(y)), float(np.std(y)) or 1.0
            y = (np.asarray(y, float) - self.centre) / self.scale
        target = torch.from_numpy(np.asarray(y)).to(torch.int64 if self.classes else torch.float32)
        optimiser = torch.optim.Adam(self.net.parameters(), 3e-3)
        draw = torch.Generator().manual_seed(self.seed)
        self.net.train()
        epochs = max(self.epochs, -(-STEPS * 512 // max(len(t), 512)))  # few rows are not to mean few steps
        for _ in range(epochs):
            for rows in torch.randperm(len(t), generator=draw).split(512):
                out = self.net(t[rows])
                loss = (
                    torch.nn.functional.cross_entropy(out, target[rows])
                    if self.classes
                    else ((out[:, 0] - target[rows]) ** 2).mean()
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        self.net.eval()
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            out = self.net(torch.from_numpy(((x - self.mean) / self.sd).astype(np.float32)))
        if self.classes:
            return out.softmax(-1).double().numpy()
        return out.double().numpy() * self.scale + self.centre


def make_expert(spec: Any, classes: int, *, trees: int = 100, seed: int = 0, threads: int = 1) -> Any:
    """An expert from 'lightgbm', a scikit-learn estimator, or a function that makes a torch module."""
    if isinstance(spec, str):
        if spec != "lightgbm":
            raise InputError(
                f"experts={spec!r} is not known",
                remedy="'lightgbm', a scikit-learn estimator or "
                "a function (features, outputs) -> torch.nn.Module",
            )
        return Boosted(classes, trees=trees, seed=seed, threads=threads)
    if hasattr(spec, "fit") and hasattr(spec, "get_params"):
        return Wrapped(spec, classes)
    if callable(spec):
        return TorchExpert(spec, classes, seed=seed)
    raise InputError(
        f"experts={spec!r} cannot be fitted",
        remedy="'lightgbm', a scikit-learn estimator or a function (features, outputs) -> torch.nn.Module",
    )


def temperature(z: np.ndarray, y: np.ndarray) -> float:
    """The factor on centred log-probabilities that gives held-out pixels their best likelihood (.2 to 3)."""
    from scipy.optimize import minimize_scalar

    def loss(log_b: float) -> float:
        s = np.exp(log_b) * z
        top = s.max(-1)
        lse = top + np.log(np.exp(s - top[:, None]).sum(-1))
        return float((lse - np.take_along_axis(s, y[:, None].astype(int), 1)[:, 0]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.2), np.log(3.0)), method="bounded").x))
