"""Seeded lesions: for one type trust the texture, for the other the learned features; and shuffled labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...reading.story import Score, Story
from .claims import claims, sentence, signal_table
from .encoder import Encoder
from .model import FeatureArbiter
from .phantoms import lesions, texture_features
from .pictures import along_context, by_source, patient, sources
from .reading import weights_of


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Lesions of two types; an encoder trained on other patients; a class query that knows the type.

    Parameters
    ----------
    seed : int
    quick : bool
        400 patients; else 1000.

    Returns
    -------
    Story
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score

    n = 400 if quick else 1000
    other, cases = lesions(300, seed=seed + 1000), lesions(n, seed=seed)
    encoder = Encoder(epochs=15, seed=seed).fit(other.images, other.y, other.masks)
    X = texture_features(cases.images, cases.masks).join(encoder.transform(cases.images, cases.masks))
    X = X.assign(type=cases.kind.astype(float))
    train = np.arange(n) < int(0.6 * n)
    test, y = ~train, cases.y
    arbiter = FeatureArbiter(context=("type",), permutations=199, trees=100, seed=seed).fit(
        X[train], y[train]
    )
    answer = arbiter.arbitrate(X[test])
    kind = cases.kind[test]
    told = np.abs(np.asarray(weights_of(arbiter, answer).rows(range(20))) - answer.weights[:20]).max()
    texture = answer.weights[
        :, [i for i, k in enumerate(answer.keys) if "glcm" in k or k == "firstorder"]
    ].sum(1)
    forest = RandomForestClassifier(300, n_jobs=1, random_state=seed).fit(X[train], y[train])
    peer = forest.predict_proba(X[test])[:, 1]
    plain = FeatureArbiter(method="plain", context=("type",), seed=seed).fit(X[train], y[train])
    literal = plain.predict_proba(X[test])[:, 1]
    w = plain.plain_.predict({s: X.loc[test, c].to_numpy() for s, c in plain.sources_.items()})[1]
    literal_texture = w[:, [i for i, s in enumerate(plain.sources_) if s != "learned"]].sum(1)
    shuffled = np.random.default_rng([seed, 5]).permutation(y[train])
    silent = FeatureArbiter(context=("type",), permutations=199, nonlinear=False, seed=seed).fit(
        X[train], shuffled
    )
    a, b = texture[kind == 0].mean(), texture[kind == 1].mean()
    return Story(
        study="features",
        title="Handcrafted or learned features: whom to believe, per patient",
        data=f"{n} seeded lesions of two types, 14 texture features, 8 features of an encoder trained on 300 "
        "other patients; type A differs in fine texture only, type B in arrangement only",
        headline=f"For type A the weight lies on texture ({a:.2f}), for type B on the learned features "
        f"({1 - b:.2f} off texture). {sentence(arbiter)}",
        scores=[
            Score(
                "AUROC",
                float(roc_auc_score(y[test], answer.z)),
                float(roc_auc_score(y[test], peer)),
                "random forest on everything",
                interval=auroc_interval(y[test], answer.z, peer, seed=seed),
            ),
            Score(
                "AUROC",
                float(roc_auc_score(y[test], answer.z)),
                float(roc_auc_score(y[test], literal)),
                "one constant class query (plain)",
                interval=auroc_interval(y[test], answer.z, literal, seed=seed),
            ),
            Score(
                "AUROC of the texture weight against the type",
                float(roc_auc_score(kind == 0, texture)),
                float(roc_auc_score(kind == 0, literal_texture)),
                "one constant class query (plain)",
            ),
        ],
        verdicts=[
            *claims(arbiter, int(train.sum())),
            replace(claims(silent, int(train.sum()))[0], name="the features know shuffled outcomes"),
        ],
        pictures=[
            sources(arbiter),
            by_source(answer),
            patient(answer, 0),
            along_context(arbiter, answer, kind.astype(float), "type (0 = A, 1 = B)"),
        ],
        tables={"sources": signal_table(arbiter)},
        notes=[
            f"the same labels shuffled: {sentence(silent)}",
            "every weight was rebuilt by heedful.Weights from query, key and prior: largest "
            f"difference {told:.1e}",
            "the encoder saw other patients only: features of patients it was trained on would know "
            "the outcome",
        ],
    )


def auroc_interval(
    y: np.ndarray,
    ours: np.ndarray,
    theirs: np.ndarray,
    *,
    seed: int = 0,
    draws: int = 500,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """95 % interval of AUROC(ours) - AUROC(theirs), resampling patients (with all their rows), paired.

    Examples
    --------
    >>> y = np.arange(40) % 2
    >>> auroc_interval(y, y + 0.0, y + 0.0)
    (0.0, 0.0)
    """
    from sklearn.metrics import roc_auc_score

    from .null import resampled

    rng = np.random.default_rng([seed, 51])
    found = []
    draw = resampled(groups, len(y))
    for _ in range(draws):
        i = draw(rng)
        if 0 < y[i].sum() < len(i):
            found.append(roc_auc_score(y[i], ours[i]) - roc_auc_score(y[i], theirs[i]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)
