"""Pictures of jets, as data."""

from __future__ import annotations

import numpy as np

from ...files.jets import JetSample
from ...reading import pictures as pic
from .substructure import NAMES, subjets, wrap


def jet_picture(sample: JetSample, weight: np.ndarray, jet: int, *, title: str = "", verdict=None):
    """One jet in (eta, phi): size is pT, colour is attention, groups are kT subjets."""
    low, high = sample.offsets[jet : jet + 2]
    _, member = subjets(sample.take([jet]), 3, most=max(int(high - low), 1))
    eta, phi, pt = sample.eta[low:high], sample.phi[low:high], sample.pt[low:high]
    phi = wrap(phi - phi[np.argmax(pt)]) if high > low else phi
    return pic.Network(
        title or f"Jet {jet}: where the attention goes",
        eta.astype(float),
        phi.astype(float),
        labels=[f"{t:.1f} GeV" for t in pt],
        values=weight[low:high],
        size=np.sqrt(pt),
        groups=[f"subjet {m + 1}" if m >= 0 else "none" for m in member],
        x_label="eta",
        y_label="phi, from the hardest particle",
        caption="Size: transverse momentum. Colour: attention. Outlines: exclusive kT subjets.",
        verdict=verdict,
    )


def tagger_pictures(
    y,
    scores: dict[str, np.ndarray],
    hard: JetSample,
    weight: np.ndarray,
    features: np.ndarray,
    subjet_table,
    *,
    verdict=None,
) -> list:
    """Rejection against efficiency with every control, attention on features and subjets, one jet."""
    out = []
    if y is not None:
        efficiency = np.linspace(0.1, 0.9, 17)
        y = np.asarray(y, bool)
        series = {
            name: [
                np.log10((~y).sum() / max((s[~y] > np.quantile(s[y], 1 - e)).sum(), 1)) for e in efficiency
            ]
            for name, s in scores.items()
        }
        out.append(
            pic.Curves(
                "Background rejection (log10) against signal efficiency",
                efficiency,
                {k: np.array(v) for k, v in series.items()},
                x_label="signal efficiency",
                y_label="log10 of background jets per one let through",
                caption="A plateau on the left is the sample running out of background jets.",
            )
        )
    out.append(
        pic.Bars(
            "Attention on subjets beyond equal weights",
            subjet_table["subjet"].tolist(),
            subjet_table["excess"].to_numpy(),
            low=subjet_table["low"].to_numpy(),
            high=subjet_table["high"].to_numpy(),
            signed=True,
            unit="share of attention",
            verdict=verdict,
        )
    )
    if features.shape[1]:
        mean = features.mean(0)
        order = np.argsort(-mean)
        out.append(
            pic.Bars(
                "Attention on substructure features",
                [NAMES[i] for i in order],
                mean[order],
                unit="share of attention",
                caption="Where the query looks, not what the features contribute.",
            )
        )
    busiest = int(np.argmax(np.minimum(hard.counts, 40)))
    out.append(jet_picture(hard, weight, busiest, verdict=verdict))
    return out
