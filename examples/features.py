"""Handcrafted texture and learned features: for one type of lesion trust one, for the other the other."""

import numpy as np

from heedful.arbitrate.features import Encoder, FeatureArbiter, lesions, texture_features
from heedful.arbitrate.features.claims import sentence

others, cases = lesions(300, seed=1), lesions(400, seed=2)  # the encoder learns from other patients
encoder = Encoder(epochs=15).fit(others.images, others.y, others.masks)
table = texture_features(cases.images, cases.masks).join(encoder.transform(cases.images, cases.masks))
table["type"] = cases.kind.astype(float)

train = np.arange(400) < 250
arbiter = FeatureArbiter(context=("type",), permutations=199, trees=100).fit(table[train], cases.y[train])
print(sentence(arbiter))

answer = arbiter.arbitrate(table[~train])
for kind in (0, 1):
    rows = cases.kind[~train] == kind
    told = ", ".join(
        f"{k} {w:.2f}" for k, w in zip(answer.keys, answer.weights[rows].mean(0), strict=True) if w > 0.02
    )
    print(f"type {'AB'[kind]}: {told}")
print(
    "first patient:",
    {k: round(float(c), 2) for k, c in zip(answer.keys, answer.contributions()[0], strict=True)},
    "add up to",
    round(float(answer.z[0]), 2),
)

# the same table with shuffled outcomes tells no story
print(
    sentence(
        FeatureArbiter(context=("type",), permutations=199).fit(
            table[train], np.random.default_rng(0).permutation(cases.y[train])
        )
    )
)
