"""Tag jets, print every control beside the result, and see which subjet the query attends to.

    python examples/jets.py [jets.root]

Without a file it uses seeded toy jets: one prong against three.
"""

import sys

from heedful.files.jets import read_jets
from heedful.interact.jets import JetTagger, subjet_mass, toy_jets
from heedful.interact.jets.command import two_classes
from heedful.interact.jets.controls import compare, control_scores
from heedful.interact.jets.reading import attention

if len(sys.argv) > 1:
    sample = two_classes(read_jets(sys.argv[1]), None, None)
    cut = 2 * len(sample) // 3
    train, test = sample.take(range(cut)), sample.take(range(cut, len(sample)))
else:
    train, test = toy_jets(seed=0, jets=500), toy_jets(seed=1, jets=500)

tagger = JetTagger(members=1, epochs=8).fit(train)
ours, truth = tagger.decision_function(test), test.label == tagger.classes_[1]
for name, scores in control_scores(train, test, tagger, mask=False).items():
    a, b, (low, high) = compare(truth, ours, scores)
    print(f"AUROC {a:.4f}; {name} {b:.4f}; difference {a - b:+.4f} [{low:+.4f}, {high:+.4f}]")

weight, on_features, particles = attention(tagger, test)
print(subjet_mass(particles, weight, draws=200).round(3).to_string(index=False))
print(f"share of the attention on substructure features: {on_features.sum(1).mean():.2f}")
