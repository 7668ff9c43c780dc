"""The map as a labelled reading: which residues each residue attends to."""

from __future__ import annotations

from .model import SiteContacts, site_weights
from .tokens import Family


def read_contacts(model: SiteContacts, labels, *, separation: int = 6, top: int = 4):
    """Read a fitted map.

    Parameters
    ----------
    model : SiteContacts
    labels : sequence of str (L,)
    separation : int
        Least |i - j|.
    top : int
        Partners kept for each residue.

    Returns
    -------
    Reading
        Queries and keys are residues; top partners, effective number of partners, attention received.
    """
    from ...attention import Columns, EffectiveKeys, TopK
    from ...reading import Reading

    w = model.weights(separation=separation)
    _, r = w.read(None, [TopK(min(top, len(labels) - 1)), EffectiveKeys(), Columns()])
    return Reading(r, queries=list(labels), keys=list(labels))


def read_site(scores, strength, family: Family, *, top: int = 6, keys: float = 4.0):
    """Read the site model on one protein: whom the residues near the site ask about."""
    from ...attention import Columns, EffectiveKeys, TopK
    from ...reading import Reading

    w = site_weights(scores, separation=1, keys=keys, strength=strength)
    _, r = w.read(None, [TopK(top), EffectiveKeys(), Columns()])
    return Reading(r, queries=list(family.labels), keys=list(family.labels))
