"""Contacts of a protein family from its alignment, and which residues each residue attends to.

    python examples/residues.py [alignment.a3m]

Without a file it plants a fold, samples a family under its contacts, and looks for them again.
"""

import sys

from heedful.files.alignment import read_alignment
from heedful.interact.residues import SiteContacts, planted_family, precisions, prepare

if len(sys.argv) > 1:
    family, truth = prepare(read_alignment(sys.argv[1])), None
    codes, labels = family.codes, family.labels
else:
    planted = planted_family(seed=1, length=60, sequences=800)
    codes, truth, labels = planted.codes, planted.contacts, [f"c{n + 1}" for n in range(60)]

model = SiteContacts().fit(codes)
share = model.parameters_ / model.potts_parameters_
print(f"{len(codes)} sequences ({model.effective_:.0f} effective), {len(labels)} residues")
print(f"{share:.0%} of a Potts model's numbers")
for i, j in model.ranked()[:10]:
    print(f"  {labels[i]:>6} - {labels[j]:<6} {model.scores_[i, j]:6.2f}")
if truth is not None:
    print({name: round(value, 3) for name, value in precisions(model.scores_, truth).items()})

# the map is attention: an exact lazy operator that any read can be asked of
weights = model.weights(keys=4.0)
print(weights.plan())
print("effective partners of the first five residues:", weights.effective_keys()[:5].round(2))
