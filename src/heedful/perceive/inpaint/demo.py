"""A seeded abdomen with planted tumours: holes in one slice and in a volume, beside what is used today."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage

from ...reading.story import Score, Story
from . import claims, holes, pde, pictures, reading
from .model import Inpainter
from .volume import interpolation

NAMES = {0: "air", **holes.TISSUES}


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Fill planted holes, print ours beside the biharmonic fill and the plain softmax, read the sources.

    Parameters
    ----------
    seed : int
    quick : bool
        Two phantoms; eight otherwise.

    Returns
    -------
    Story
    """
    rows, first = [], None
    for n in range(2 if quick else 8):
        truth, tissue = holes.phantom(seed=100 * seed + n)
        hidden = np.zeros(truth.shape, bool)
        rng = np.random.default_rng([seed, n])
        hidden[0] = _damage(tissue[0], rng)
        filling = Inpainter(calibrate=n == 0, seed=seed).fit_predict(truth, hidden)
        plain = Inpainter(method="plain", seed=seed).predict(truth, hidden)
        plate = pde.biharmonic(truth[0], hidden[0])
        rows.append(
            {
                "mix": _rms(filling.hu[0], truth[0], hidden[0]),
                "biharmonic": _rms(plate, truth[0], hidden[0]),
                "plain softmax over patches": _rms(plain.hu[0], truth[0], hidden[0]),
            }
        )
        if n == 0:
            first = truth, tissue, hidden, filling
    truth, tissue, hidden, filling = first
    inside = ((truth >= filling.low) & (truth <= filling.high))[hidden].mean()
    slab, layers = holes.phantom(seed=100 * seed + 50, slices=5)
    gap = np.zeros(slab.shape, bool)
    gap[2] = _damage(layers[2], np.random.default_rng([seed, 99]))
    between = Inpainter(seed=seed).predict(slab, gap)
    tap = np.tensordot(interpolation([-2, -1, 1, 2]), slab[[0, 1, 3, 4]], 1)
    table = pd.DataFrame(rows)
    ours, theirs = table["mix"].mean(), table["biharmonic"].mean()
    part = filling.parts[0]
    asked = reading.question(filling, part, tissue, NAMES, seed=seed)
    verdicts = claims.verdicts(asked, seed=seed)
    shares = reading.shares(filling, tissue, NAMES)
    return Story(
        study="inpaint",
        title="Holes in CT, filled from what is visible",
        data=f"{len(rows)} generated abdomens of 192 x 192 pixels with planted tumours, "
        f"{int(hidden.sum())} hidden pixels in the first; and one of 5 slices",
        headline=f"Filled to {ours:.1f} HU root mean square error (biharmonic {theirs:.1f}); "
        f"the 90 % interval "
        f"holds {inside:.0%} of the hidden truth. With slices above and below "
        f"{_rms(between.hu[2], slab[2], gap[2]):.1f} HU.",
        scores=[
            Score("RMS error in a slice (HU)", ours, theirs, "biharmonic", higher_is_better=False),
            Score(
                "RMS error between slices (HU)",
                _rms(between.hu[2], slab[2], gap[2]),
                _rms(tap, slab[2], gap[2]),
                "four-tap cubic along z",
                higher_is_better=False,
            ),
        ],
        verdicts=verdicts,
        pictures=[
            pictures.filled_slice(
                filling, 0, tissue=tissue, names=NAMES, verdict=verdicts[0] if verdicts else None, seed=seed
            ),
            pictures.before_after(truth, filling, 0),
            pictures.mixture(part),
            pictures.tissue_shares(shares),
        ],
        tables={"RMS error in HU": table, "sources by tissue": shares},
        notes=[
            "A phantom is easier than a patient: the measured figures are those of the benchmark.",
            f"Attention makes {part.share:.0%} of the fill; its sources explain that part.",
            *filling.notes,
        ],
        reading=reading.read(filling, asked, part),
    )


def _damage(tissue, rng):
    """Holes in a tumour's core, on its rim and in the liver."""
    taken = np.zeros(tissue.shape, bool)
    for label, size in ((1, 8), (2, 8), (3, 12)):
        at = np.argwhere(ndimage.binary_erosion(tissue == label, iterations=2 if label != 2 else 1))
        for _ in range(200):
            r, c = at[rng.integers(len(at))] - size // 2
            spot = (slice(r, r + size), slice(c, c + size))
            if not taken[r - 6 : r + size + 6, c - 6 : c + size + 6].any():
                taken[spot] = True
                break
    return taken


def _rms(fill, truth, hidden):
    return float(np.sqrt(np.mean((fill - truth)[hidden] ** 2)))
