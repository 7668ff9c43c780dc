"""Train a classifier whose class query points, ask it where, and put the answer to the test.

Run: python examples/locate.py   (about ten CPU seconds)
"""

from heedful import examine
from heedful.perceive.locate import PatchClassifier, find, locate, make_scenes
from heedful.perceive.locate.claims import removal_claim

# scenes of 32 px with a ring or a cross among two to four distractors; a fifth of them show neither
options = {"size": 32, "radius": (4.5, 6.5), "kinds": ("ring", "cross")}
train = make_scenes(1000, negatives=0.2, seed=0, **options)
test = make_scenes(100, split="test", seed=0, **options)

model = PatchClassifier(channels=(8, 16, 32, 32, 32), iterations=300, polish=0, lr=4e-3, taught=100)
model.fit(train.images, train.labels)
print(f"accuracy on {len(test)} held-out scenes: {model.score(test.images, test.labels):.2f}")

# where is the landmark? one forward pass; the contributions add up to the logit
reading = locate(test.images[:3], model=model)
print(reading.table(2).round(2).to_string(index=False))
print(reading.certificate)

# does the weight lie where removal hurts?
claim = removal_claim(model, test.images, model.predict(test.images), most=16)
print(examine(claim).sentence())

# which scenes show what the first one shows, and where?
print(find(test.images[0], test.images[1:], model=model).table(3).round(2).to_string(index=False))
