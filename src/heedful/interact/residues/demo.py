"""Residues on planted truth: contacts of a fold from its family, and functional residues from a site."""

from __future__ import annotations

import numpy as np

from ...reading.story import Score, Story


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Recover a planted fold's contacts and a planted mechanism's functional residues.

    Parameters
    ----------
    seed : int
    quick : bool
        A shorter chain and fewer proteins.

    Returns
    -------
    Story
    """
    import pandas as pd

    from . import couplings as cp
    from .claims import examine_contacts
    from .model import SiteContacts
    from .outputs import contact_table
    from .pictures import contact_pictures
    from .plant import planted_family, planted_sites
    from .precision import precisions
    from .reading import read_contacts
    from .site import SiteAttention, planted_score
    from .tokens import Family

    length = 60 if quick else 120
    planted = planted_family(seed=seed, length=length, sequences=300 if quick else 1500)
    labels = tuple(f"c{c + 1}" for c in range(length))
    family = Family(planted.codes, np.arange(length), labels)
    model = SiteContacts().fit(planted.codes)
    f = cp.frequencies(planted.codes, model.weights_)
    field = cp.corrected(cp.mean_field(f, 0.7))
    plain = SiteContacts(method="plain", steps=100 if quick else 300, seed=seed).fit(planted.codes)
    maps = {
        "site alphabets": model.scores_,
        "mean field (pseudocount .7)": field,
        "MI-APC": model.mutual_,
        "plain softmax attention": plain.scores_,
    }
    table = pd.DataFrame([{"method": name, **precisions(s, planted.contacts)} for name, s in maps.items()])

    train = planted_sites(seed=seed, proteins=80 if quick else 200)
    held = planted_sites(seed=10_000 + seed, proteins=20)
    site = SiteAttention(steps=80 if quick else 150, seed=seed).fit(train)
    recovered = planted_score(site, held)
    verdicts = examine_contacts(model, planted.codes, seed=seed)
    pairs = model.ranked()
    ours, other = precisions(model.scores_, planted.contacts), precisions(field, planted.contacts)
    share = model.parameters_ / model.potts_parameters_
    near, far = recovered["AUROC, |i-j| < 24"], recovered["AUROC, |i-j| >= 24"]
    return Story(
        study="residues",
        title="Residues: far in sequence, near in the fold",
        data=f"planted: a fold of {length} residues, {len(planted.codes)} sequences sampled under them; "
        f"{len(train)} proteins with a site to learn from, {len(held)} held out (seed {seed})",
        headline=f"{ours['P@L/5']:.0%} of the best {length // 5} pairs are true contacts "
        f"({ours['P@L']:.0%} of the best {length}), with {share:.0%} of a Potts model's numbers. "
        "On held-out proteins, attention from the site finds the functional residues with "
        f"AUROC {near:.3f} near in sequence and {far:.3f} far (24 residues or more).",
        scores=[
            Score("P@L, |i-j| >= 6", ours["P@L"], other["P@L"], "mean-field DCA, pseudocount .7"),
            Score("P@L/2, |i-j| >= 6", ours["P@L/2"], other["P@L/2"], "mean-field DCA, pseudocount .7"),
            Score("AUROC of functional residues", recovered["AUROC, all"], 0.5, "chance"),
        ],
        verdicts=verdicts,
        pictures=contact_pictures(
            maps, pairs, labels, planted.contacts, verdict=verdicts[0] if verdicts else None
        ),
        tables={
            "precision": table,
            "best pairs": contact_table(model.scores_, pairs[:length], family),
            "functional residues": pd.DataFrame([recovered]),
        },
        notes=[
            "planted data: the sequences obey the model that is fitted, real families do less well "
            "(docs/residues.md)",
            "only pairs that the planted family couples can be seen: at most two partners a residue",
        ],
        reading=read_contacts(model, labels),
    )
