"""Optical and radar of one place: whom to believe under cloud, and what is left of the answer without one
of them."""

import numpy as np

from heedful.arbitrate.raster import SourceArbiter, corrupt, landscape, stress

train, scene = landscape(192, seed=0), landscape(128, seed=1)
arbiter = SourceArbiter(
    sources={"optical": "optical", "sar": "radar"},
    date_reference="sar",
    trees=25,
    rows=4000,
    gate_rows=10000,
    folds=3,
    passes=3,
    block=48,
    light=True,
).fit(train)

cloudy, masks = corrupt(scene, "cloud", seed=0)
answer = arbiter.arbitrate(cloudy)
under = masks["optical"]
for i, key in enumerate(answer.keys):
    print(
        f"{key:9s} weight {answer.weights[..., i][under].mean():.2f} under cloud, "
        f"{answer.weights[..., i][~under].mean():.2f} elsewhere"
    )

# z is exactly the weighted sum, so leaving a source out has an exact effect
changed = answer.without("sar").argmax(-1) != answer.z.argmax(-1)
print(f"without radar {changed[under].mean():.0%} of the pixels under cloud would be called something else")
assert np.allclose(answer.z, (answer.weights[..., None] * answer.opinions).sum(-2))

print(
    stress(arbiter, scene, corruptions=["cloud", "no-data as 0", "wrong date", "interference"])
    .round(2)[["corruption", "AUROC weight", "arbiter", "best other", "delta"]]
    .to_string(index=False)
)
