"""The parts of the feature bench beside the ten tables: planted context, planted source, the null,
lesions."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from bench._features_tables import CACHE, TABLES, boosted, forest, ridge, table


def cached(name: str, make) -> list[dict]:
    """Rows from the cache, or computed and kept."""
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / f"part_{name}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    start = time.process_time()
    rows = make()
    kept.write_text(json.dumps(rows))
    print(name, f"{time.process_time() - start:.0f} s", flush=True)
    return rows


def peers(key: str, X: np.ndarray, y: np.ndarray, splits) -> dict[str, float]:
    """AUROC out of fold of three peers on one data set, from the cache where it is there."""
    from sklearn.metrics import roc_auc_score

    kept = CACHE / "peers.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if key not in known:
        known[key] = {}
        for peer, f in {"ridge": ridge, "random forest": forest, "LightGBM": boosted}.items():
            out = np.zeros(len(y))
            for train, test in splits:
                out[test] = f(X[train], y[train], X[test])
            known[key][peer] = float(roc_auc_score(y, out))
        kept.write_text(json.dumps(known))
    return known[key]


def folded(y: np.ndarray, seed: int, k: int = 3):
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(k, shuffle=True, random_state=seed).split(y, y)


def two_sources(n: int, seed: int, latent: bool, strength: float = 0.75):
    """Two sources of 20 columns; each holds the outcome only where the context says so. Continuous or
    latent. Last comes the score of Bayes' rule, which knows how all this was made: nothing can do better."""
    rng = np.random.default_rng([seed, 90])
    y, c = rng.permutation(np.arange(n) % 2), rng.uniform(0, 1, n)
    trust = 1 / (1 + np.exp(-(c - 0.5) / 0.03))  # source A where c > .5
    mix = rng.standard_normal((2, 20, 20)) * 0.3 + np.eye(20)
    told = strength * (2 * y[:, None] - 1) * (np.arange(20) < 8)
    raw = [rng.standard_normal((n, 20)) + told * t[:, None] for t in (trust, 1 - trust)]
    a, b = (x @ m for x, m in zip(raw, mix, strict=True))
    context = c[:, None] if not latent else (c[:, None] + 0.25 * rng.standard_normal((n, 6)))
    names = [f"context{i}" for i in range(context.shape[1])]
    frame = pd.DataFrame(
        np.c_[a, b, context],
        columns=[*(f"hand{i}" for i in range(20)), *(f"deep{i}" for i in range(20)), *names],
    )
    grid = np.linspace(0.001, 0.999, 400)
    share, seen = 1 / (1 + np.exp(-(grid - 0.5) / 0.03)), context.mean(1)[:, None]
    odds = -((seen - grid) ** 2) / (2 * (0.25**2 / 6 if latent else 0.002**2))
    parts = [(x[:, :8].sum(1)[:, None] * t, t) for x, t in zip(raw, (share, 1 - share), strict=True)]
    score = [
        logsumexp(odds + sum(d * strength * x - 4 * (strength * t) ** 2 for x, t in parts), axis=1)
        for d in (1, -1)
    ]
    return frame, y, c, names, score[0] - score[1]


def weak_context() -> list[dict]:
    """The planted context again, with little more than half the signal: the first one is near its ceiling."""
    from sklearn.metrics import roc_auc_score

    from heedful.arbitrate.features import FeatureArbiter

    rows = []
    for latent in (False, True):
        for seed in range(3):
            X, y, c, names, best = two_sources(450, seed, latent, 0.45)
            out = {k: np.zeros(len(y)) for k in ("arbiter", "weight")}
            for train, test in folded(y, seed):
                a = FeatureArbiter(context=names, permutations=0, trees=150, seed=seed)
                o = a.fit(X.iloc[train], y[train]).arbitrate(X.iloc[test])
                out["arbiter"][test] = o.z
                out["weight"][test] = o.weights[:, o.keys.index("hand")] - o.weights[:, o.keys.index("deep")]
            rows.append(
                {
                    "context": "latent, six noisy views" if latent else "continuous, given",
                    "seed": seed,
                    "arbiter": float(roc_auc_score(y, out["arbiter"])),
                    **peers(f"weak {latent} {seed}", X.to_numpy(), y, list(folded(y, seed))),
                    "ceiling": float(roc_auc_score(y, best)),
                    "weights": float(roc_auc_score(c > 0.5, out["weight"])),
                }
            )
    return rows


def ceilings() -> dict[str, float]:
    """AUROC of Bayes' rule on the planted contexts of full signal."""
    from sklearn.metrics import roc_auc_score

    out = {}
    for latent in (False, True):
        made = [two_sources(450, seed, latent) for seed in range(3)]
        said = "latent, six noisy views" if latent else "continuous, given"
        out[said] = float(np.mean([roc_auc_score(m[1], m[4]) for m in made]))
    return out


def planted_context() -> list[dict]:
    """AUROC of the outcome and of the weights against the planted context, out of fold."""
    from sklearn.metrics import roc_auc_score

    from heedful.arbitrate.features import FeatureArbiter

    rows = []
    for latent in (False, True):
        for seed in range(3):
            X, y, c, names, _ = two_sources(450, seed, latent)
            out = {
                k: np.zeros(len(y)) for k in ("arbiter", "no context", "plain", "weight", "plain weight")
            }
            for train, test in folded(y, seed):
                a = FeatureArbiter(context=names, permutations=0, trees=150, seed=seed).fit(
                    X.iloc[train], y[train]
                )
                o = a.arbitrate(X.iloc[test])
                out["arbiter"][test] = o.z
                out["weight"][test] = o.weights[:, o.keys.index("hand")] - o.weights[:, o.keys.index("deep")]
                z = X.drop(columns=names)
                b = FeatureArbiter(permutations=0, trees=150, seed=seed).fit(z.iloc[train], y[train])
                out["no context"][test] = b.arbitrate(z.iloc[test]).z
                p = FeatureArbiter(method="plain", context=names, seed=seed).fit(X.iloc[train], y[train])
                raw = {s: X.iloc[test][cols].to_numpy() for s, cols in p.sources_.items()}
                out["plain"][test], w = p.plain_.predict(raw)
                out["plain weight"][test] = w[:, 0] - w[:, 1]
            row = {"context": "latent, six noisy views" if latent else "continuous, given", "seed": seed}
            for k in ("arbiter", "no context", "plain"):
                row[k] = float(roc_auc_score(y, out[k]))
            row |= peers(f"full {latent} {seed}", X.to_numpy(), y, list(folded(y, seed)))
            row["weights"] = float(roc_auc_score(c > 0.5, out["weight"]))
            row["plain weights"] = float(roc_auc_score(c > 0.5, out["plain weight"]))
            rows.append(row)
    return rows


def real_context(names=("LNDb", "WORC-Desmoid", "WORC-Lipo", "Song2020")) -> list[dict]:
    """Real tables, two real sources; where a planted binary c says so, one source's rows are shuffled."""
    from sklearn.metrics import roc_auc_score

    from heedful.arbitrate.features import FeatureArbiter

    rows = []
    for name in names:
        t = table(name)
        if t is None:
            continue
        # every second column, so that both sources are equally good before one is spoilt
        halves = {"one": list(t.X.columns[::2]), "other": list(t.X.columns[1::2])}
        for seed in range(2):
            rng = np.random.default_rng([seed, 91])
            c = rng.permutation(np.arange(len(t.y)) % 2)
            X = t.X.fillna(t.X.median()).copy()
            for value, cols in zip((0, 1), halves.values(), strict=True):
                at = np.flatnonzero(c == value)
                X.iloc[at, [X.columns.get_loc(k) for k in cols]] = X.iloc[rng.permutation(at)][
                    cols
                ].to_numpy()
            X["kind"] = c.astype(float)
            out = {k: np.zeros(len(c)) for k in ("arbiter", "weight")}
            p, share = [], []
            for train, test in folded(t.y, seed):
                a = FeatureArbiter(sources=halves, context=("kind",), permutations=0, trees=150, seed=seed)
                o = a.fit(X.iloc[train], t.y[train]).arbitrate(X.iloc[test])
                p.append(a.context_p_)
                share.append(a.context_share_)
                out["arbiter"][test] = o.z
                out["weight"][test] = o.weights[:, o.keys.index("one")] - o.weights[:, o.keys.index("other")]
            rows.append(
                {
                    "table": name,
                    "seed": seed,
                    "arbiter": float(roc_auc_score(t.y, out["arbiter"])),
                    **peers(f"real {name} {seed}", X.to_numpy(), t.y, list(folded(t.y, seed))),
                    "weights": float(roc_auc_score(c == 1, out["weight"])),
                    "folds where the context was told": int(sum(v <= 0.05 for v in p)),
                    "share of the context that was used": float(np.mean(share)),
                }
            )
    return rows


def no_context(names=TABLES) -> list[dict]:
    """Real tables with a context that says nothing (half drawn, half a noisy copy of the outcome): how often
    is it told, how far is it used, what does it cost?"""
    from sklearn.metrics import roc_auc_score

    from heedful.arbitrate.features import FeatureArbiter

    rows = []
    for name in names:
        t = table(name)
        if t is None:
            continue
        halves = {"one": list(t.X.columns[::2]), "other": list(t.X.columns[1::2])}
        told, used, moved, scores = 0, [], [], []
        for seed in range(4):
            rng = np.random.default_rng([seed, 94])
            X = t.X.assign(kind=rng.standard_normal(len(t.y)) + (1.5 * t.y if seed % 2 else 0.0))
            out = np.zeros((2, len(t.y)))
            for train, test in folded(t.y, seed):
                for k, context in enumerate((("kind",), ())):
                    a = FeatureArbiter(
                        sources=halves, context=context, permutations=0, trees=150, seed=seed
                    ).fit(X.iloc[train], t.y[train])
                    o = a.arbitrate(X.iloc[test])
                    out[k, test] = o.z
                    if context:
                        told += a.context_p_ <= 0.05
                        used.append(a.context_share_)
                        moved.append(o.weights.std(0).max())
            scores.append([roc_auc_score(t.y, v) for v in out])
        with_it, without = np.mean(scores, axis=0)
        rows.append(
            {
                "table": name,
                "fits": 12,
                "told": int(told),
                "share of the context that was used": float(np.mean(used)),
                "sd of a weight": float(np.mean(moved)),
                "AUROC": float(with_it),
                "AUROC without": float(without),
            }
        )
    return rows


def planted_source() -> list[dict]:
    """All sources but one are shuffled among patients: who names the one that was left?"""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.preprocessing import StandardScaler

    from heedful.arbitrate.features import sources_of
    from heedful.arbitrate.features.null import permutation_test
    from heedful.arbitrate.features.tokens import RankGauss

    rows = []
    for name, wanted in (("LNDb", 3), ("WORC-Desmoid", 4), ("WORC-Lipo", 3)):
        t = table(name)
        if t is None:
            continue
        groups = sources_of(t.X.columns)
        x = {s: RankGauss().fit(t.X[c].to_numpy())(t.X[c].to_numpy()) for s, c in groups.items()}
        folds = np.zeros(len(t.y), int)
        for f, (_, test) in enumerate(folded(t.y, 0, 10)):
            folds[test] = f
        whole = permutation_test(x, t.y, folds, permutations=19)
        best = sorted(groups, key=lambda s: -whole.auroc[s])[:wanted]
        for s in best:
            rng = np.random.default_rng([len(rows), 92])
            X = t.X.fillna(t.X.median()).copy()
            for other, cols in groups.items():
                if other != s:
                    X[cols] = X[cols].to_numpy()[rng.permutation(len(X))]
            v = {k: RankGauss().fit(X[c].to_numpy())(X[c].to_numpy()) for k, c in groups.items()}
            signal = permutation_test(v, t.y, folds, permutations=199, seed=len(rows))
            found = [k for k in groups if signal.matters(k)]
            importance = (
                RandomForestClassifier(300, n_jobs=1, random_state=0).fit(X, t.y).feature_importances_
            )
            place = {k: [X.columns.get_loc(c) for c in cols] for k, cols in groups.items()}
            scaled = np.clip(StandardScaler().fit_transform(X), -6, 6)
            l1 = LogisticRegressionCV(
                Cs=np.logspace(-2, 0.5, 7),
                cv=4,
                solver="liblinear",
                l1_ratios=(1.0,),
                tol=1e-3,
                scoring="neg_log_loss",
                max_iter=200,
                use_legacy_attributes=False,
            )
            coef = np.abs(l1.fit(scaled, t.y).coef_[0])
            rows.append(
                {
                    "table": name,
                    "source": s,
                    "columns": len(groups[s]),
                    "AUROC before": whole.auroc[s],
                    "arbiter": max(signal.auroc.keys() - {"joint"}, key=signal.auroc.get) == s and s in found,
                    "false ones": len([k for k in found if k != s]),
                    "RF summed": max(place, key=lambda k: importance[place[k]].sum()) == s,
                    "RF mean": max(place, key=lambda k: importance[place[k]].mean()) == s,
                    "LASSO summed": bool(
                        coef.sum() > 0 and max(place, key=lambda k: coef[place[k]].sum()) == s
                    ),
                }
            )
    return rows


def null() -> list[dict]:
    """Real tables as they are, and with shuffled labels: how often is a story told?"""
    from heedful.arbitrate.features import sources_of
    from heedful.arbitrate.features.null import hats_of, permutation_test
    from heedful.arbitrate.features.tokens import RankGauss

    rows = []
    for name in TABLES:
        t = table(name)
        if t is None:
            continue
        x = {
            s: RankGauss().fit(t.X[c].to_numpy())(t.X[c].to_numpy())
            for s, c in sources_of(t.X.columns).items()
        }
        folds = np.zeros(len(t.y), int)
        for f, (_, test) in enumerate(folded(t.y, 0, 10)):
            folds[test] = f
        hats = hats_of(x, folds)
        whole = permutation_test(x, t.y, folds, permutations=499, hats=hats)
        row = {
            "table": name,
            "n": len(t.y),
            "features": t.X.shape[1],
            "sources": len(x),
            "p": whole.p_table,
            "sources that matter": int(sum(whole.matters(s) for s in x)) if whole.any else 0,
        }
        told, any_source, tried = 0, 0, 20
        for seed in range(tried):
            y = np.random.default_rng([seed, 93]).permutation(t.y)
            s = permutation_test(x, y, folds, permutations=99, seed=seed, hats=hats)
            told += s.any
            any_source += any(s.matters(k) for k in x)
        rows.append(
            row | {"shuffled": tried, "a story was told": int(told), "a source was named": int(any_source)}
        )
    return rows


def lesion_study() -> list[dict]:
    """Seeded lesions: the gate must follow the type."""
    from heedful.arbitrate.features.demo import demo

    rows = []
    for seed in range(5):
        s = demo(seed=seed, quick=True).scores
        rows.append(
            {
                "seed": seed,
                "arbiter": s[0].ours,
                "random forest": s[0].baseline,
                "plain": s[1].baseline,
                "low": s[0].interval[0],
                "high": s[0].interval[1],
                "weight follows the type": s[2].ours,
                "plain's weight": s[2].baseline,
            }
        )
    return rows


PARTS = {
    "context": planted_context,
    "weak_context": weak_context,
    "real_context": real_context,
    "no_context": no_context,
    "source": planted_source,
    "null": null,
    "lesions": lesion_study,
}
