"""What the reading asserts: the query puts more weight on one subjet than its mask alone would."""

from __future__ import annotations

import numpy as np
import torch

from ...attention import Segments, Weights
from ...files.jets import JetSample
from .model import JetTagger
from .substructure import subjets

JETS = 24  # tested; as many again and more choose the subjet


def examine_subjets(tagger: JetTagger, sample: JetSample, *, level: str = "quick", seed: int = 0) -> list:
    """Test that the queries of jets called signal attend to one of their three subjets.

    The subjet claimed is the one with the largest excess in other jets than those it is tested on, so that
    choosing it does not count as finding it.

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
    from ...trust import Claim, Null, examine
    from .reading import attention, subjet_mass

    signal = np.flatnonzero((tagger.decision_function(sample) > 0) & (sample.counts >= 6))[: 10 * JETS]
    if len(signal) < 8:
        return []
    second = signal[: min(JETS, len(signal) // 2)]
    first = signal[len(second) :]
    weight, _, hard = attention(tagger, sample.take(first))
    table = subjet_mass(hard, weight, draws=20, seed=seed)
    chosen = int(table["excess"].argmax())
    weights, claimed, jet = by_subjet(tagger, sample.take(second), chosen)
    claim = Claim(
        weights,
        queries=np.flatnonzero(claimed.any(1)),
        keys=claimed,
        null=Null("within", groups=jet),
        name=f"jets called signal attend to their {('hardest', 'second', 'softest')[chosen]} subjet",
        caution="among particles, subjet chosen on other jets; where the query looks is not why it decides",
    )
    return [examine(claim, level=level, seed=seed)]


def by_subjet(tagger: JetTagger, sample: JetSample, chosen: int) -> tuple[Weights, np.ndarray, np.ndarray]:
    """Each jet's query over its particles alone, ``Weights`` (heads, jets, M), which are in one subjet.

    Returns
    -------
    weights : Weights
    claimed : bool (jets, M)
        The particles of each jet's ``chosen``-th subjet by pT.
    jet : int (M,)
        Which jet each particle belongs to: contents are exchanged within it.
    """
    data = tagger.data(sample)
    x, p, f, offsets, _ = data[torch.arange(len(sample))]
    with torch.no_grad():
        w, *_, starts = tagger.nets()[0].weights(x, p, f, offsets)
    own, begin = data.sample.owner, data.sample.offsets
    token = np.arange(len(own)) - begin[own] + np.asarray(starts)[own]
    four, member = subjets(data.sample, 3, most=tagger.most)
    named = np.argsort(-np.hypot(four[..., 0], four[..., 1]), axis=1)[:, chosen]
    claimed = np.zeros((len(sample), len(own)), bool)
    claimed[own, np.arange(len(own))] = member == named[own]
    weights = Weights(w.q, w.k[:, token], [Segments(np.arange(len(sample) + 1), begin)], scale=w.scale)
    return weights, claimed, own
