"""Ten radiomics tables: the feature arbiter and its peers on the same splits, kept as they are scored."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bench import _data

TABLES = (
    "Ahn2021",
    "C4KC-KiTS",
    "HNSCC",
    "Head-Neck-PET-CT",
    "LGG-1p19qDeletion",
    "LNDb",
    "Song2020",
    "WORC-Desmoid",
    "WORC-Lipo",
    "WORC-Liver",
)
CACHE = Path(__file__).parent / ".cache" / "features"
ROUNDS = 5


def table(name: str):
    """One of the ten real tables, or None (said) where the file is missing."""
    from heedful.files.radiomics import read_radiomics

    folder = _data.locate("radiomics")
    return None if folder is None else read_radiomics(folder / f"{name}.gz")


# -- peers, run the way their users run them
# ----------------------------------------------------------------------
def ridge(x, y, t):
    """Logistic ridge on normal scores, C by inner 5-fold CV; rotated to at most n dimensions (exact for
    ridge)."""
    from sklearn.linear_model import LogisticRegressionCV

    from heedful.arbitrate.features.tokens import RankGauss

    g = RankGauss().fit(x)
    a, b = g(x), g(t)
    mean = a.mean(0)
    _, s, vt = np.linalg.svd(a - mean, full_matrices=False)
    keep = s > 1e-8 * s[0]
    scale = np.sqrt((s**2).sum() / len(x))
    m = LogisticRegressionCV(
        Cs=np.logspace(-3, 2, 10),
        cv=5,
        solver="newton-cholesky",
        scoring="neg_log_loss",
        max_iter=100,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    )
    m.fit((a - mean) @ vt[keep].T / scale, y)
    return m.predict_proba((b - mean) @ vt[keep].T / scale)[:, 1]


def lasso(x, y, t):
    """Logistic LASSO on standardised features, C by inner 4-fold CV."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.preprocessing import StandardScaler

    s = StandardScaler().fit(x)
    m = LogisticRegressionCV(
        Cs=np.logspace(-2, 0.5, 7),
        cv=4,
        solver="liblinear",
        l1_ratios=(1.0,),
        scoring="neg_log_loss",
        max_iter=200,
        tol=1e-3,
        use_legacy_attributes=False,
    )
    return m.fit(np.clip(s.transform(x), -6, 6), y).predict_proba(np.clip(s.transform(t), -6, 6))[:, 1]


def forest(x, y, t):
    """500 trees."""
    from sklearn.ensemble import RandomForestClassifier

    return (
        RandomForestClassifier(500, max_features="sqrt", n_jobs=1, random_state=0)
        .fit(x, y)
        .predict_proba(t)[:, 1]
    )


def boosted(x, y, t):
    """LightGBM with settings for a hundred patients: small leaves, columns sampled."""
    import lightgbm as lgb

    m = lgb.LGBMClassifier(
        n_estimators=200,
        learning_rate=0.05,
        num_leaves=7,
        min_child_samples=10,
        colsample_bytree=0.3,
        subsample=0.8,
        subsample_freq=1,
        reg_lambda=1.0,
        n_jobs=1,
        random_state=0,
        verbosity=-1,
    )
    return m.fit(x, y).predict_proba(t)[:, 1]


def ours(frame, y, test, **settings):
    """FeatureArbiter as it comes, without the permutation null (which does not change its answer's order
    much)."""
    from heedful.arbitrate.features import FeatureArbiter

    return FeatureArbiter(**{"permutations": 99, **settings}).fit(frame, y).arbitrate(test).z


PEERS = {"ridge": ridge, "LASSO": lasso, "random forest": forest, "LightGBM": boosted}


def folds(y, rounds=ROUNDS):
    """Repeated stratified 5-fold splits."""
    from sklearn.model_selection import StratifiedKFold

    for r in range(rounds):
        for f, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=r).split(y, y)):
            yield r * 5 + f, train, test


def score_table(name: str, rounds: int = ROUNDS) -> pd.DataFrame | None:
    """AUROC of every method on every split; kept in a cache."""
    from sklearn.metrics import roc_auc_score

    CACHE.mkdir(parents=True, exist_ok=True)
    found, t = [], None
    for who, methods in (("peers", PEERS), ("arbiter", {"arbiter": None})):
        kept = CACHE / f"{name}_{who}.json"
        if not kept.exists():
            t = t or table(name)
            if t is None:
                return None
            cpu = time.process_time()
            x = t.X.to_numpy()
            filled = np.where(np.isfinite(x), x, np.nanmedian(x, axis=0))
            rows = []
            for i, train, test in folds(t.y, rounds):
                rows.append(
                    {"split": i}
                    | {
                        m: roc_auc_score(
                            t.y[test],
                            ours(t.X.iloc[train], t.y[train], t.X.iloc[test])
                            if f is None
                            else f(filled[train], t.y[train], filled[test]),
                        )
                        for m, f in methods.items()
                    }
                )
            kept.write_text(json.dumps(pd.DataFrame(rows).to_dict("list")))
            print(
                name,
                who,
                f"{time.process_time() - cpu:.0f} s",
                pd.DataFrame(rows).mean().round(3).to_dict(),
                flush=True,
            )
        found.append(pd.DataFrame(json.loads(kept.read_text())))
    return found[1].merge(found[0], on="split")


def interval(d: np.ndarray, share: float = 0.25) -> float:
    """Standard error of a mean over repeated 5-fold splits, corrected for overlap (Nadeau and Bengio
    2003)."""
    return float(np.sqrt((1 / len(d) + share) * d.var(ddof=1)))
