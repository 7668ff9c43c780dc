"""What the reading asserts: the query puts more weight on one subjet than its mask alone would."""

from __future__ import annotations

import numpy as np
import torch

from ...attention import Mask, Weights
from ...files.jets import JetSample
from .model import JetTagger
from .substructure import subjets

JETS = 100


def examine_subjets(tagger: JetTagger, sample: JetSample, *, level: str = "quick", seed: int = 0) -> list:
    """Test that the queries of jets called signal attend to one of their three subjets.

    The subjet claimed is the one with the larger excess in the first half of the jets; the test is on the
    second half, so that choosing it does not count as finding it.

    Parameters
    ----------
    tagger : JetTagger
    sample : JetSample
        Labelled or not; jets that the tagger calls its second class are examined.
    level : {"none", "quick", "full"}

    Returns
    -------
    list of trust.Verdict
    """
    if level == "none":
        return []
    from ...trust import Claim, examine
    from .reading import attention, subjet_mass

    signal = np.flatnonzero((tagger.decision_function(sample) > 0) & (sample.counts >= 6))[: 2 * JETS]
    if len(signal) < 8:
        return []
    first, second = signal[: len(signal) // 2], signal[len(signal) // 2 :]
    weight, _, hard = attention(tagger, sample.take(first))
    table = subjet_mass(hard, weight, draws=20, seed=seed)
    chosen = int(table["excess"].argmax())
    weights, width = by_subjet(tagger, sample.take(second), chosen)
    claim = Claim(
        weights,
        queries=[0],
        keys=range(width),
        name=f"jets called signal attend to their {('hardest', 'second', 'softest')[chosen]} subjet",
        caution="among particles, subjet chosen on other jets; where the query looks is not why it decides",
    )
    return [examine(claim, level=level, seed=seed)]


def by_subjet(tagger: JetTagger, sample: JetSample, chosen: int) -> tuple[Weights, int]:
    """Each jet's query over its particles, those of one subjet first: ``Weights`` (jets, heads, 1, S + R), S.

    The first S keys hold the particles of the jet's ``chosen``-th subjet by pT, the others the rest; a mask
    leaves out what a jet does not fill, so that one set of keys is the claim for all jets.
    """
    data = tagger.data(sample)
    x, p, f, offsets, _ = data[torch.arange(len(sample))]
    with torch.no_grad():
        w, *_, starts = tagger.nets()[0].weights(x, p, f, offsets)
    four, member = subjets(data.sample, 3, most=tagger.most)
    named = np.argsort(-np.hypot(four[..., 0], four[..., 1]), axis=1)[:, chosen]
    own = data.sample.owner
    inside = member == named[own]
    sizes = np.bincount(own[inside], minlength=len(sample)), np.bincount(own[~inside], minlength=len(sample))
    width, rest = int(sizes[0].max()), int(sizes[1].max())
    spot = np.empty(len(own), int)
    for part, first in ((inside, 0), (~inside, width)):
        rows = np.flatnonzero(part)
        begins = np.searchsorted(own[rows], np.arange(len(sample)))
        spot[rows] = first + np.arange(len(rows)) - begins[own[rows]]
    token = np.arange(len(own)) - data.sample.offsets[own] + np.asarray(starts)[own]
    keys = torch.zeros(len(sample), len(w.q), width + rest, w.q.shape[-1])
    keys[own, :, spot] = w.k[:, token].transpose(0, 1)
    real = torch.zeros(len(sample), 1, 1, width + rest, dtype=torch.bool)
    real[own, 0, 0, spot] = True
    return Weights(w.q.transpose(0, 1)[:, :, None], keys, [Mask(real)], scale=w.scale), width
