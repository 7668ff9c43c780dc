"""FeatureArbiter: handcrafted against learned features, decided per patient, or not told at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin

from ...errors import InputError
from ...learn import Estimator
from .answer import FOREST, JOINT, NULL, SPARSE, WHOLE, FeatureAnswer
from .forest import fit_forest
from .gate import context_test, fit_gate
from .null import permutation_test
from .ridge import Ridge, fit_ridge
from .sparse import fit_sparse
from .tokens import Coding, Context, RankGauss, check_sources, check_table, sources_of


class FeatureArbiter(ClassifierMixin, Estimator):
    """One token per source of features, a class query that knows the context, and a gate with a null.

    Every source (modality x filter x class of a pyradiomics table, or a frame of learned features) has a
    ridge expert on normal scores; so has everything together, beside a sparse expert (LASSO) and a forest.
    Their calibrated held-out log-odds are mixed
    by a softmax whose query is the patient's context; without context, or where exchanging the context's
    rows does as well, it is the same for all, and in between the context's part is shrunk (`context_share_`).
    Label permutations decide whether there is anything to tell.

    Parameters
    ----------
    sources : 'auto' or mapping of str to sequence of str
    context : sequence of str
        Columns that say what kind of patient this is (tumour type, scanner, age); they may change the
        weights.
    gate : mapping of str to float, optional
        Log-weight added to a source: 1 raises, -1 lowers, -inf shuts.
    nonlinear : bool
        Offer the forest.
    method : 'refined' or 'plain'
        'plain' is the literal idea: one constant class query over source tokens.
    permutations : int
        Label permutations of the null; 0 skips it.
    folds, trees : int
    seed : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 80)
    >>> X = pd.DataFrame({f"original_glcm_F{i}": y + rng.standard_normal(80) for i in range(4)})
    >>> X = X.join(pd.DataFrame(rng.standard_normal((80, 4)), columns=[f"deep{i}" for i in range(4)]))
    >>> a = FeatureArbiter(trees=20, permutations=99).fit(X, y)
    >>> a.signal_.matters("glcm"), a.signal_.matters("deep")
    (True, False)
    """

    def __init__(
        self,
        *,
        sources: str | Mapping[str, Sequence[str]] = "auto",
        context: Sequence[str] = (),
        gate: Mapping[str, float] | None = None,
        nonlinear: bool = True,
        method: str = "refined",
        permutations: int = 499,
        folds: int = 10,
        trees: int = 200,
        seed: int = 0,
    ):
        self.sources, self.context, self.gate, self.nonlinear = sources, context, gate, nonlinear
        self.method, self.permutations, self.folds, self.trees, self.seed = (
            method,
            permutations,
            folds,
            trees,
            seed,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    # -- fitting
    # ------------------------------------------------------------------------------------------------
    def fit(
        self,
        X: pd.DataFrame,
        y: Sequence,
        groups: Sequence | None = None,
        *,
        learned: pd.DataFrame | None = None,
        folds: Sequence[int] | None = None,
        check: bool = True,
    ) -> FeatureArbiter:
        """Fit on a table of patients.

        Parameters
        ----------
        X : DataFrame (n, p)
        y : (n,) of two classes
        groups : (n,), optional
            Patient of each row: never split between folds.
        learned : DataFrame (n, q), optional
            Learned features; they become the source 'learned'.
        folds : int (n,), optional
            Folds of your own; refused if a patient is in two.
        check : bool
            Refuse tables that are too small or hold the outcome; False for parts of a table that was checked.
        """
        X = self._frame(X, learned)
        y = np.asarray(y)
        if len(y) != len(X):
            raise InputError(f"{len(X)} patients and {len(y)} outcomes")
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise InputError(
                f"the outcome has {len(self.classes_)} classes, two were expected",
                remedy="compare two classes at a time",
            )
        code = (y == self.classes_[1]).astype(float)
        if groups is not None and len(groups) != len(X):
            raise InputError(f"{len(X)} rows and {len(groups)} patient names")
        if check:
            check_table(X, code, groups)
        context = list(self.context)
        for s, g in (self.gate or {}).items():
            if not g < np.inf:
                raise InputError(
                    f"gate raises {s!r} by {g}; a finite log weight or -inf (shut) was expected",
                    remedy="1 is 2.7 times the weight, -inf shuts the source",
                )
        features = [c for c in X.columns if c not in context]
        named = (
            sources_of(features)
            if isinstance(self.sources, str)
            else {k: list(v) for k, v in self.sources.items()}
        )
        check_sources(X, named, context)
        if len(named) < 2:
            raise InputError(
                f"one source only ({next(iter(named))!r}): there is nothing to arbitrate",
                remedy="give a second one, such as learned=, or use a classifier on its own",
            )
        self.sources_ = named
        unit = None if groups is None or len(set(groups)) == len(code) else np.asarray(groups)
        fold = self._folds(code, unit, groups, folds)
        if self.method == "plain":
            from .plain import fit_plain

            self.plain_ = fit_plain({s: self._raw(X, c) for s, c in named.items()}, code, seed=self.seed)
            return self
        return self._fit(X, code, fold, unit, context)

    def _fit(self, X, y, fold, unit, context) -> FeatureArbiter:
        self.ranks_ = {s: RankGauss().fit(self._raw(X, c)) for s, c in self.sources_.items()}
        tokens = {s: r(self._raw(X, self.sources_[s])) for s, r in self.ranks_.items()}
        everything = np.concatenate([tokens[s] for s in self._open()], 1)
        names = list(tokens)
        self.signal_ = (
            permutation_test(tokens, y, fold, permutations=self.permutations, seed=self.seed, groups=unit)
            if self.permutations
            else None
        )
        self.experts_: dict[str, Ridge] = {}
        z = {}
        for s in names:
            self.experts_[s], z[s] = fit_ridge(tokens[s], y, fold)
        self.experts_[JOINT], z[JOINT] = fit_ridge(everything, y, fold)
        self.sparse_, z[SPARSE] = fit_sparse(self._all(X), y, fold)
        self.forest_ = None
        if self.nonlinear:
            self.forest_, z[FOREST] = fit_forest(
                everything, y, fold, trees=self.trees, seed=self.seed, grouped=unit is not None
            )
        self.prior_ = float(np.log(y.mean() / (1 - y.mean())))
        z[NULL] = np.full(len(y), self.prior_)
        self.keys_ = list(z)
        bias = self._bias(names)
        self.coding_ = Coding.fit(X, context)
        coded = self.coding_(X, context)
        self.context_map_ = Context().fit(coded)
        phi = self.context_map_(coded)
        stacked = np.stack(list(z.values()), 1)
        self.gate_ = fit_gate(phi[:, :1], stacked, y, bias)
        self.context_p_, self.context_share_ = None, 0.0
        if context:
            self._fit_context(phi, z, tokens, y, fold, bias, unit)
        self.n_features_in_ = X.shape[1]
        return self

    def _fit_context(self, phi, z, tokens, y, fold, bias, unit) -> None:
        """Let the context speak as far as it says more than its own exchanged rows; refit experts where they
        are used.

        Tested, and begun, among the sources alone: fitted on everybody, the joint expert hides what the
        context could tell until the sources' experts have been refitted to the patients they are believed on.
        A hard decision at 5 % threw away, on sixty to a hundred patients, most contexts that were there; so
        what is told is decided at 5 %, and what is used is shrunk by the share of the evidence that chance
        does not explain, to nothing where it explains it all.
        """
        names = list(tokens)
        even = np.array([(self.gate or {}).get(s, 0.0) for s in names])
        even = np.maximum(even, -60.0)
        alone = np.stack([z[s] for s in names], 1)
        self.context_p_, self.context_share_ = context_test(phi, alone, y, even, groups=unit, seed=self.seed)
        if self.context_share_ == 0:
            return
        for _ in range(3):
            w = fit_gate(phi, alone, y, even).weights(phi)
            for i, s in enumerate(names):
                use = np.minimum(0.05 + w[:, i] / max(w[:, i].mean(), 1e-9), 8.0)
                self.experts_[s], z[s] = fit_ridge(tokens[s], y, fold, weight=use)
            alone = np.stack([z[s] for s in names], 1)
        gate = fit_gate(phi, np.stack([z[k] for k in self.keys_], 1), y, bias)
        self.gate_ = gate.shrunk(self.context_share_)

    def _bias(self, names: list[str]) -> np.ndarray:
        """The prior over keys: the joint experts before single sources, which share one part; what was
        asked for."""
        asked = dict(self.gate or {})
        for s in asked:
            if s not in self.keys_:
                raise InputError(
                    f"gate names {s!r}, which is no source", remedy="one of " + ", ".join(self.keys_)
                )
        out = []
        for k in self.keys_:
            base = 1.0 if k in WHOLE else -1.5 if k == NULL else -np.log(len(names))
            if self.signal_ is not None and k in names and not self.signal_.matters(k):
                base -= 1.5
            out.append(max(base + asked.get(k, 0.0), -60.0))
        return np.array(out)

    # -- tables
    # -------------------------------------------------------------------------------------------------
    def _frame(self, X, learned) -> pd.DataFrame:
        if not isinstance(X, pd.DataFrame):
            X = pd.DataFrame(np.asarray(X), columns=[f"x{i}" for i in range(np.shape(X)[1])])
        X = X.reset_index(drop=True)
        if learned is not None:
            if len(learned) != len(X):
                raise InputError(f"{len(X)} patients in the table, {len(learned)} with learned features")
            more = pd.DataFrame(
                np.asarray(learned, float), columns=[f"learned{i}" for i in range(np.shape(learned)[1])]
            )
            twice = [c for c in more if c in X]
            if twice:
                raise InputError(
                    f"the table has a column {twice[0]!r} of its own beside learned=",
                    remedy="rename it, or leave learned= out: it becomes a source by its name",
                )
            X = X.join(more)
        return X

    def _raw(self, X: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
        try:
            x = X[list(columns)].to_numpy(dtype=float)
        except (ValueError, TypeError) as error:
            raise InputError(
                f"a column holds text ({error})", remedy="give numbers, or leave cells empty"
            ) from error
        return np.where(np.isfinite(x), x, np.nan)

    def _open(self) -> list[str]:
        """Sources that were not shut: what the experts on everything read."""
        named = [s for s in self.sources_ if (self.gate or {}).get(s, 0.0) > -np.inf]
        if not named:
            raise InputError("gate shuts every source", remedy="leave one open")
        return named

    def _all(self, X: pd.DataFrame) -> np.ndarray:
        """Every open source's columns side by side."""
        return self._raw(X, [c for s in self._open() for c in self.sources_[s]])

    def _folds(self, y, unit, groups, given) -> np.ndarray:
        if given is not None:
            given = np.asarray(given)
            if groups is not None:
                pairs = pd.DataFrame({"g": np.asarray(groups), "f": given}).drop_duplicates()
                twice = pairs["g"][pairs["g"].duplicated()]
                if len(twice):
                    raise InputError(
                        f"the patient {twice.iloc[0]!r} is in two folds", remedy="split by patient"
                    )
            return given
        from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

        k = int(max(2, min(self.folds, y.sum(), (1 - y).sum())))
        maker = StratifiedKFold if unit is None else StratifiedGroupKFold
        out = np.zeros(len(y), int)
        for f, (_, test) in enumerate(
            maker(k, shuffle=True, random_state=self.seed).split(np.zeros(len(y)), y, unit)
        ):
            out[test] = f
        return out

    # -- answers
    # ------------------------------------------------------------------------------------------------
    def arbitrate(self, X: pd.DataFrame, *, learned: pd.DataFrame | None = None) -> FeatureAnswer:
        """Weights, opinions and their exact mix for each patient."""
        if not hasattr(self, "gate_"):
            raise InputError(
                "this arbiter is not fitted", remedy="call fit first (method='plain' has predict only)"
            )
        X = self._frame(X, learned)
        check_sources(X, self.sources_, list(self.context))
        tokens = {s: r(self._raw(X, self.sources_[s])) for s, r in self.ranks_.items()}
        everything = np.concatenate([tokens[s] for s in self._open()], 1)
        z = {s: self.experts_[s].log_odds(t) for s, t in tokens.items()}
        z[JOINT] = self.experts_[JOINT].log_odds(everything)
        raw = self._all(X)
        z[SPARSE] = self.sparse_.log_odds(raw)
        if self.forest_ is not None:
            z[FOREST] = self.forest_.log_odds(everything)
        z[NULL] = np.full(len(X), self.prior_)
        opinions = np.stack([z[k] for k in self.keys_], 1)
        phi = self.context_map_(self.coding_(X, list(self.context)))[:, : self.gate_.keys.shape[1]]
        w = self.gate_.weights(phi)
        joint, part, at, column, shown = self.experts_[JOINT], [], 0, 0, set(self._open())
        few = self.sparse_.terms(raw)
        for i, (s, t) in enumerate(tokens.items()):
            own = w[:, i] * (opinions[:, i] - self.prior_)
            if s not in shown:
                part.append(own)
                continue
            linear = joint.slope * (t @ joint.coef[at : at + t.shape[1]])
            width = len(self.sources_[s])
            part.append(
                own
                + w[:, self.keys_.index(JOINT)] * linear
                + w[:, self.keys_.index(SPARSE)] * few[:, column : column + width].sum(1)
            )
            at, column = at + t.shape[1], column + width
        return FeatureAnswer((w * opinions).sum(1), w, opinions, tuple(self.keys_), np.stack(part, 1), phi)

    def predict_proba(self, X: Any, *, learned: pd.DataFrame | None = None) -> np.ndarray:
        """(n, 2)."""
        if self.method == "plain":
            X = self._frame(X, learned)
            p = self.plain_.predict({s: self._raw(X, c) for s, c in self.sources_.items()})[0]
        else:
            p = self.arbitrate(X, learned=learned).proba
        return np.stack([1 - p, p], 1)

    def predict(self, X: Any, *, learned: pd.DataFrame | None = None) -> np.ndarray:
        """Classes (n,)."""
        return self.classes_[(self.predict_proba(X, learned=learned)[:, 1] > 0.5).astype(int)]

    # -- keeping
    # ------------------------------------------------------------------------------------------------
    def save(self, path):
        """Write the fitted arbiter into one safetensors file."""
        from .store import pack

        return pack(self).save_state(path)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote."""
        from .store import unpack

        return unpack(cls, path)


__all__ = ["FeatureAnswer", "FeatureArbiter"]
