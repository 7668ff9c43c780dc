"""A real slice and a seeded abdomen with planted tumours: fills beside today's, intervals, sources."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage

from ...reading.story import Score, Story
from ...trust.stability import mean_interval
from . import claims, holes, pde, pictures, reading
from .model import Inpainter
from .volume import interpolation

NAMES = {0: "air", **holes.TISSUES}
FILLS = ("ours", "biharmonic", "plain softmax over patches")


def demo(*, seed: int = 0, quick: bool = True) -> Story:
    """Fill planted holes, print ours beside the biharmonic fill and the plain softmax, read the sources.

    Parameters
    ----------
    seed : int
    quick : bool
        Three sets of holes in the real slice; twelve otherwise.

    Returns
    -------
    Story
    """
    image, name, notes = _slice(seed)
    body = ndimage.binary_erosion(holes.body_of(image), iterations=4)
    errors, inside = [], []
    for n in range(3 if quick else 12):
        rng = np.random.default_rng([seed, n])
        hidden = np.zeros(image.shape, bool)
        for size in (8, 12, 16):
            spot = holes.place(holes.lesion(rng, size), body, rng, hidden)
            hidden |= spot if spot is not None else False
        filling = Inpainter(calibrate=True, seed=seed).fit_predict(image, hidden)
        plain = Inpainter(method="plain", seed=seed).predict(image, hidden)
        fills = (filling.hu[0], pde.biharmonic(image, hidden), plain.hu[0])
        label, count = ndimage.label(hidden, np.ones((3, 3)))
        errors += [[_rms(f, image, label == i) for f in fills] for i in range(1, count + 1)]
        inside.append(((image >= filling.low[0]) & (image <= filling.high[0]))[hidden])
    errors, inside = np.array(errors), np.concatenate(inside)
    table = pd.DataFrame(errors, columns=FILLS).rename_axis("hole").reset_index()
    ours, theirs, softmax = errors.mean(0)

    slab, layers = holes.phantom(seed=50 + seed, slices=5)
    gap = np.zeros(slab.shape, bool)
    gap[2] = _damage(layers[2], np.random.default_rng([seed, 99]))
    between = Inpainter(seed=seed).predict(slab, gap)
    tap = np.tensordot(interpolation([-2, -1, 1, 2]), slab[[0, 1, 3, 4]], 1)
    z_ours, z_tap = _rms(between.hu[2], slab[2], gap[2]), _rms(tap, slab[2], gap[2])

    truth, tissue = holes.phantom(seed=seed)
    hidden = np.zeros(truth.shape, bool)
    hidden[0] = _damage(tissue[0], np.random.default_rng([seed, 7]))
    filling = Inpainter(calibrate=True, seed=seed).fit_predict(truth, hidden)
    part = filling.parts[0]
    asked = reading.question(filling, part, tissue, NAMES, seed=seed)
    verdicts = claims.verdicts(asked, seed=seed)
    shares = reading.shares(filling, tissue, NAMES)
    first = next(iter(verdicts), None)
    drawn = pictures.filled_slice(filling, 0, tissue=tissue, names=NAMES, seed=seed, verdict=first)
    return Story(
        study="inpaint",
        title="Holes in CT, filled from what is visible",
        data=f"{name} with {len(errors)} holes of 8 to 16 pixels; a generated abdomen with planted tumours; "
        "another of five slices, one of them damaged",
        headline=f"Holes filled to {ours:.0f} HU root mean square error (biharmonic {theirs:.0f}, "
        f"plain softmax {softmax:.0f}); the 90 % interval holds {inside.mean():.0%} of the hidden truth. "
        f"Between slices {z_ours:.1f} HU (four-tap cubic {z_tap:.1f}).",
        scores=[
            Score(
                "RMS error in a slice (HU)",
                float(ours),
                float(theirs),
                "biharmonic",
                False,
                mean_interval(errors[:, 0] - errors[:, 1], seed=seed),
            ),
            Score("RMS error between slices (HU)", z_ours, z_tap, "four-tap cubic along z", False),
        ],
        verdicts=verdicts,
        pictures=[
            drawn,
            pictures.before_after(truth, filling, 0),
            pictures.mixture(part),
            pictures.tissue_shares(shares),
        ],
        tables={"RMS error of each hole in HU": table, "sources by tissue": shares},
        notes=[
            *notes,
            f"Attention makes {part.share:.0%} of the abdomen's fill; its sources explain that part.",
            *filling.notes,
        ],
        reading=reading.read(filling, asked, part),
    )


def _slice(seed):
    """A real slice where pydicom is installed (it carries one), else a generated one, which is said."""
    try:
        from pydicom.data import get_testdata_file
    except ImportError:
        return (
            holes.phantom(seed=900 + seed, size=128)[0][0],
            "a generated slice",
            ["pydicom is not installed: the slice is generated, and easier than a patient's"],
        )
    from ...files.scan import read_scan

    scan = read_scan(get_testdata_file("CT_small.dcm", download=False))
    return scan.hu()[0], "pydicom's CT_small (128 x 128)", []


def _damage(tissue, rng):
    """Holes in a tumour's core, on its rim and in the liver."""
    taken = np.zeros(tissue.shape, bool)
    for label, size in ((1, 8), (2, 8), (3, 12)):
        at = np.argwhere(ndimage.binary_erosion(tissue == label, iterations=2 if label != 2 else 1))
        for _ in range(200):
            r, c = at[rng.integers(len(at))] - size // 2
            if not taken[r - 6 : r + size + 6, c - 6 : c + size + 6].any():
                taken[r : r + size, c : c + size] = True
                break
    return taken


def _rms(fill, truth, hidden):
    return float(np.sqrt(np.mean((fill - truth)[hidden] ** 2)))
