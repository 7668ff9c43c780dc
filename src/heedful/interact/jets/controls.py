"""The controls that every result of this study is printed beside, on the same jets."""

from __future__ import annotations

import numpy as np

from ...files.jets import JetSample
from .model import JetTagger
from .substructure import features


def bagged_trees(members: int = 10, seed: int = 0):
    """Gradient-boosted trees on the features, bagged: the strong baseline at small data."""
    from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier

    tree = HistGradientBoostingClassifier(
        max_iter=200, learning_rate=0.06, early_stopping=True, random_state=seed
    )
    return BaggingClassifier(tree, members, random_state=seed)


def perceptron(seed: int = 0, points: int = 200):
    """A small network on the features through quantiles to a normal."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    return make_pipeline(
        QuantileTransformer(n_quantiles=points, output_distribution="normal", random_state=seed),
        StandardScaler(),
        MLPClassifier((32, 32), alpha=1e-2, early_stopping=True, max_iter=200, random_state=seed),
    )


def control_scores(
    train: JetSample, test: JetSample, tagger: JetTagger, *, seed: int = 0, mask: bool = True, bags: int = 10
) -> dict[str, np.ndarray]:
    """Scores of the test jets by each control, trained on the same jets.

    Parameters
    ----------
    train, test : JetSample
    tagger : JetTagger
        Its settings are used for the controls that are taggers themselves.
    mask : bool
        Whether to train the random-mask and nearest-mask pair (two more trainings).
    bags : int
        Bagged trees.

    Returns
    -------
    dict of str to (n,)
    """
    x, y, x_test = features(train), train.label == tagger.classes_[1], features(test)
    settings = tagger.get_params()
    out = {"uniform weights": JetTagger(**{**settings, "uniform": True}).fit(train).decision_function(test)}
    if mask:
        local = {**settings, "method": "particles", "layers": 1, "members": 1}
        for name in ("nearest", "random"):
            tagged = JetTagger(**{**local, "mask": name}).fit(train)
            out[f"{name}-{tagger.k} mask, no features"] = tagged.decision_function(test)
    out[f"bagged BDT x {bags}"] = bagged_trees(bags, seed).fit(x, y).predict_proba(x_test)[:, 1]
    out["one BDT"] = bagged_trees(1, seed=seed).fit(x, y).predict_proba(x_test)[:, 1]
    out["MLP on features"] = perceptron(seed, min(200, len(x))).fit(x, y).predict_proba(x_test)[:, 1]
    return out


def compare(y: np.ndarray, ours: np.ndarray, other: np.ndarray, *, draws: int = 500, seed: int = 0):
    """AUROC of both and the 95 % interval of their difference, by paired bootstrap over test jets.

    Returns
    -------
    (float, float, (float, float))
    """
    y = np.asarray(y, bool)
    rng = np.random.default_rng(seed)
    gaps = np.empty(draws)
    for n in range(draws):
        rows = rng.integers(0, len(y), len(y))
        gaps[n] = auroc(y[rows], ours[rows]) - auroc(y[rows], other[rows])
    low, high = np.quantile(gaps, [0.025, 0.975])
    return auroc(y, ours), auroc(y, other), (float(low), float(high))


def auroc(y: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve by ranks, ties at half."""
    from scipy.stats import rankdata

    ranks, positive = rankdata(score), int(y.sum())
    if positive in (0, len(y)):
        return np.nan
    return float((ranks[y].sum() - positive * (positive + 1) / 2) / (positive * (len(y) - positive)))


def rejection(y: np.ndarray, score: np.ndarray, efficiency: float = 0.5) -> tuple[float, int]:
    """Background jets per one let through at this signal efficiency, and how many that one rests on."""
    cut = np.quantile(score[y], 1 - efficiency)
    passed = int((score[~y] > cut).sum())
    return (~y).sum() / max(passed, 1), passed
