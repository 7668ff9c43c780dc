"""Real proteins: which residues make the site, their table, and how each measure ranks known ones."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...reading.story import Score
from .model import SiteContacts
from .site import rank_residues
from .tokens import Family, conservation

TOUCH = 4.5  # angstrom between heavy atoms


def choose_site(
    family: Family, *, ligand: str | None = None, residues: str | None = None, record: str | None = None
) -> tuple[np.ndarray, str]:
    """The site's residues among the family's, (L,) bool, and how it was named.

    Exactly one of the three must be given; a ligand stands for the residues with a heavy atom within 4.5
    angstrom of it.
    """
    chain = family.structure
    if sum(x is not None for x in (ligand, residues, record)) != 1:
        raise InputError(
            "one of --ligand, --residues, --record was expected",
            remedy=f"ligands: {', '.join(chain.ligands) or 'none'}; "
            f"records: {', '.join(chain.sites) or 'none'}",
        )
    if ligand is not None:
        atoms = [xyz for name, xyz in chain.ligands.items() if name == ligand or name.split()[0] == ligand]
        if not atoms:
            raise InputError(
                f"no ligand {ligand!r}", remedy=f"the file has {', '.join(chain.ligands) or 'none'}"
            )
        inside = np.flatnonzero(chain.distance_to(np.concatenate(atoms)) <= TOUCH)
        said = f"ligand {ligand}"
    elif residues is not None:
        inside = chain.index(residues.replace(",", " ").split())
        said = residues
    else:
        if record not in chain.sites:
            raise InputError(
                f"no SITE record {record!r} for chain {chain.chain}",
                remedy=f"the file has {', '.join(chain.sites) or 'none'}",
            )
        inside = chain.index(chain.sites[record])
        said = f"SITE {record}"
    members = np.isin(family.residue, inside)
    if not members.any():
        raise InputError(
            f"no residue of {said} has a column in the alignment", remedy="choose another chain or site"
        )
    return members, said


def site_table(
    family: Family,
    model: SiteContacts,
    members: np.ndarray,
    *,
    reach: float = 4.0,
    draws: int = 200,
    seed: int = 0,
):
    """One row a residue: see `site.rank_residues`, with labels, |i - j|, and conservation + distance."""
    chain = family.structure
    between = chain.residue_distances()[np.ix_(family.residue, family.residue)]
    distance = between[:, members].min(1)
    conserved = conservation(family.codes, model.weights_)
    frame = rank_residues(
        model.scores_, distance, between, conserved, members, reach=reach, draws=draws, seed=seed
    )
    frame.insert(0, "residue", family.labels)
    place = family.residue  # |i - j| along the chain itself
    frame["separation"] = np.abs(np.subtract.outer(place, place[members])).min(1)
    frame["coupling_total"] = np.where(model.scores_ > 0, model.scores_, 0.0).sum(0)
    frame["conservation+distance"] = frame["conservation"].rank(pct=True) + (-frame["distance"]).rank(
        pct=True
    )
    frame["attention+conservation"] = frame["conservation"].rank(pct=True) + frame["attention"].rank(pct=True)
    return frame


MEASURES = {
    "attention": 1,
    "attention+conservation": 1,
    "distance": -1,
    "conservation": 1,
    "conservation+distance": 1,
    "coupling_total": 1,
}


def compare_measures(frame, truth, *, seed: int = 0, draws: int = 1000):
    """AUROC of every measure for the residues known to matter (site left out), and ours against theirs.

    Returns
    -------
    measures : DataFrame
        Best first, with 95 % intervals by bootstrap over residues.
    scores : list of Score
        Attention + conservation against conservation + distance, and attention against distance.
    """
    import pandas as pd
    from sklearn.metrics import roc_auc_score

    other = ~frame["site"].to_numpy()
    truth = np.asarray(truth, bool)[other]
    if truth.sum() < 3 or (~truth).sum() < 3:
        raise InputError(
            f"{truth.sum()} of {len(truth)} residues outside the site are functional",
            remedy="give at least three, and leave at least three others",
        )
    values = {name: sign * frame[name].to_numpy()[other] for name, sign in MEASURES.items()}
    rng = np.random.default_rng(seed)
    drawn = {name: [] for name in values}
    while len(drawn["distance"]) < draws:
        rows = rng.integers(0, len(truth), len(truth))
        if 0 < truth[rows].sum() < len(rows):
            for name, v in values.items():
                drawn[name].append(roc_auc_score(truth[rows], v[rows]))
    drawn = {name: np.array(v) for name, v in drawn.items()}
    got = {name: float(roc_auc_score(truth, v)) for name, v in values.items()}
    measures = pd.DataFrame(
        [
            {
                "measure": name,
                "AUROC": got[name],
                "low": np.quantile(drawn[name], 0.025),
                "high": np.quantile(drawn[name], 0.975),
            }
            for name in got
        ]
    ).sort_values("AUROC", ascending=False, ignore_index=True)
    scores = []
    for ours, theirs in (("attention+conservation", "conservation+distance"), ("attention", "distance")):
        low, high = np.quantile(drawn[ours] - drawn[theirs], [0.025, 0.975])
        scores.append(
            Score(f"AUROC, {ours}", got[ours], got[theirs], theirs, interval=(float(low), float(high)))
        )
    return measures, scores
