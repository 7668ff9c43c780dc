"""The lesions hold what they say: texture separates A alone, the encoder B alone; the gate follows the
type."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

from heedful.arbitrate.features import lesions, texture_features
from heedful.arbitrate.features.demo import demo


def test_texture_separates_one_type_only():
    cases = lesions(240, seed=3)
    x = StandardScaler().fit_transform(texture_features(cases.images, cases.masks))
    found = {}
    for kind in (0, 1):
        at = cases.kind == kind
        p = cross_val_predict(
            LogisticRegression(C=0.3, max_iter=1000), x[at], cases.y[at], cv=5, method="predict_proba"
        )[:, 1]
        found[kind] = roc_auc_score(cases.y[at], p)
    assert found[0] > 0.8
    assert found[1] < 0.65


def test_the_gate_follows_the_type():
    story = demo(seed=0, quick=True)
    auc, plain, follows = story.scores
    assert follows.ours > 0.95
    assert auc.ours > 0.9
    assert plain.ours > plain.baseline + 0.05
    assert "No signal" in story.notes[0]
    assert np.isfinite([s.ours for s in story.scores]).all()
