"""The benchmark's CT cases, its measures, and the fills in use today (see ``bench.inpaint``)."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from heedful.perceive.inpaint import holes
from heedful.perceive.inpaint.model import Inpainter
from heedful.perceive.inpaint.tokens import bank_of

from . import _data

KINDS = ("sq16", "sq24", "sq32", "sq48", "lesion", "band", "streak")
TEST = (("dicom", 2), ("dicom", 10), ("dicom", 17), ("nifti", 40), ("nifti", 75), ("small", 0))
DEV = (("dicom", 5), ("dicom", 14), ("nifti", 55), ("nifti", 90))


@cache
def dicom_volume():
    """The DICOM series in HU, sorted by position: (20, 512, 512), or None."""
    folder = _data.locate("ct-dicom")
    if folder is None:
        return None
    import pydicom

    series = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    series.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    return np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in series])


@cache
def nifti_volume():
    """The 3 mm volume in HU, axial slices first: (112, 101, 122), or None."""
    path = _data.locate("ct-nifti-3mm")
    if path is None:
        return None
    import nibabel

    return np.ascontiguousarray(np.asarray(nibabel.load(path).dataobj).T.astype(float))


@cache
def small_slice():
    """CT_small.dcm in HU, which pydicom carries: (1, 128, 128)."""
    import pydicom
    from pydicom.data import get_testdata_file

    d = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    return (d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept))[None]


@cache
def outlines():
    """Real tumour outlines (lung label maps), each cut to its box and 20 to 60 pixels across."""
    import nrrd

    found = []
    for name in ("ct-lesion-1", "ct-lesion-2"):
        path = _data.locate(name)
        if path is None:
            continue
        mask, _ = nrrd.read(str(path))
        for z in range(mask.shape[2]):
            label, _ = ndimage.label(mask[:, :, z])
            for i, spot in enumerate(ndimage.find_objects(label), 1):
                piece = label[spot] == i
                if 20 <= max(piece.shape) <= 60 and min(piece.shape) >= 10:
                    found.append(piece)
    return found


SOURCES = {"dicom": dicom_volume, "nifti": nifti_volume, "small": small_slice}


def make_hole(kind, image, scale, rng):
    """The mask of one case: a few separate holes of the kind, wholly within the body."""
    body = ndimage.binary_erosion(holes.body_of(image), iterations=max(int(6 * scale), 2))
    taken = np.zeros(image.shape, bool)
    if kind == "band":
        for _ in range(2):
            taken |= holes.band(rng, image.shape, scale) & body
        return taken
    if kind == "streak":
        inside = np.argwhere(ndimage.binary_erosion(body, iterations=int(40 * scale)))
        for _ in range(2):
            taken |= holes.streak(rng, image.shape, inside[rng.integers(len(inside))], scale) & body
        return taken
    count = {"sq16": 5, "sq24": 4, "sq32": 3, "sq48": 2, "lesion": 3}[kind]
    for _ in range(count):
        if kind == "lesion":
            shapes = outlines()
            own = holes.lesion(rng, int(rng.integers(20, 60)))
            shape = shapes[rng.integers(len(shapes))] if shapes else own
            if scale != 1:
                shape = ndimage.zoom(shape.astype(float), scale, order=1) > 0.5
        else:
            shape = holes.square(int(int(kind[2:]) * scale))
        spot = holes.place(shape, body, rng, taken)
        taken |= spot if spot is not None else False
    return taken


def cases(which=TEST, kinds=KINDS):
    """(name, kind, truth in HU, hidden mask) of every case whose data is at hand; seeded by its name."""
    for source, z in which:
        volume = SOURCES[source]()
        if volume is None:
            continue
        image = volume[z]
        scale = 1.0 if image.shape[0] > 256 else 0.5
        for kind in kinds:
            rng = np.random.default_rng([sum(map(ord, source)), z, KINDS.index(kind)])
            yield f"{source}{z}", kind, image, make_hole(kind, image, scale, rng)


def psnr(truth, fill, hidden) -> float:
    """dB over a range of 2000 HU, both clipped to -1000..1000, within the holes."""
    t, f = np.clip(truth[hidden], -1000, 1000), np.clip(fill[hidden], -1000, 1000)
    return float(10 * np.log10(2000.0**2 / np.mean((t - f) ** 2)))


def mae(truth, fill, hidden) -> float:
    """Mean absolute error within the holes, HU."""
    t, f = np.clip(truth[hidden], -1000, 1000), np.clip(fill[hidden], -1000, 1000)
    return float(np.abs(t - f).mean())


def peers():
    """The fills in use today: name -> function of (HU with zeroed holes, mask)."""
    from skimage.restoration import inpaint_biharmonic

    from heedful.perceive.inpaint.pde import harmonic

    table = {
        "harmonic": harmonic,
        "biharmonic": lambda f, h: inpaint_biharmonic(f, h, split_into_regions=True),
    }
    try:
        import cv2
    except ImportError:
        print("skipped Telea, Navier-Stokes and FSR_FAST: opencv-contrib-python-headless is not installed")
        return table
    cv2.setNumThreads(1)

    def scaled(f, dtype, top):
        return np.round((np.clip(f, -1024, 1500) + 1024) / 2524 * top).astype(dtype)

    def classic(flag):
        def fill(f, h):
            return (
                cv2.inpaint(scaled(f, np.uint16, 65535), h.astype(np.uint8), 5, flag) / 65535 * 2524 - 1024.0
            )

        return fill

    def fsr(f, h):
        source, target = scaled(f, np.uint8, 255), np.zeros(f.shape, np.uint8)
        cv2.xphoto.inpaint(source, np.where(h, 0, 255).astype(np.uint8), target, cv2.xphoto.INPAINT_FSR_FAST)
        return target / 255.0 * 2524 - 1024

    table["Telea"] = classic(cv2.INPAINT_TELEA)
    table["Navier-Stokes"] = classic(cv2.INPAINT_NS)
    if hasattr(cv2, "xphoto"):
        table["FSR_FAST"] = fsr
    else:
        print("skipped FSR_FAST: this OpenCV has no xphoto (a plain OpenCV overwrote the contrib build)")
    return table


def number_types():
    """int16, uint16 and float of the same slice: largest difference of the fills, ours and the peers'."""
    truth = small_slice()[0]
    hidden = np.zeros(truth.shape, bool)
    hidden[50:66, 40:56] = True
    rows = []
    ours = [
        Inpainter().predict(np.where(hidden, 0, truth).astype(t), hidden).hu[0][hidden]
        for t in (np.int16, np.float32, np.float64)
    ]
    ours.append(
        Inpainter()
        .predict((np.where(hidden, 0, truth) + 1024).astype(np.uint16) - 1024.0, hidden)
        .hu[0][hidden]
    )
    rows.append(
        {
            "fill": "ours",
            "numbers": "int16, uint16 + intercept, float32, float64",
            "largest difference HU": f"{max(np.abs(o - ours[0]).max() for o in ours):.3g}",
        }
    )
    far = truth.astype(float).copy()
    far[2, 2] = np.nan
    filled = Inpainter().predict(far, hidden).hu[0]
    rows.append(
        {
            "fill": "ours",
            "numbers": "one far NaN",
            "largest difference HU": f"{np.abs(filled[hidden] - ours[2]).max():.3g}",
        }
    )
    from skimage.restoration import inpaint_biharmonic

    plain = inpaint_biharmonic(truth, hidden)[hidden]
    empty = int(np.isnan(inpaint_biharmonic(far, hidden)[hidden]).sum())
    whole = inpaint_biharmonic(truth.astype(np.int16), hidden)[hidden]
    rows.append(
        {
            "fill": "scikit-image biharmonic",
            "numbers": "int16 against float",
            "largest difference HU": f"{np.abs(whole - plain).max():.3g}",
        }
    )
    rows.append(
        {
            "fill": "scikit-image biharmonic",
            "numbers": "one far NaN",
            "largest difference HU": f"{empty} of 256 are NaN",
        }
    )
    return rows


def tumours(seeds: int = 6):
    """Planted tumours in real slices: where do core holes and rim holes draw from? One row per tissue."""
    stack = dicom_volume()
    if stack is None:
        return []
    gathered = {}
    for z in (2, 10, 17):
        for seed in range(seeds):
            rng = np.random.default_rng([31, z, seed])
            image, tissue = stack[z].copy(), np.full(stack[z].shape, 3)
            tissue[image < -20], tissue[image < -500], tissue[image > 180] = 5, 0, 4
            soft = ndimage.uniform_filter(((image > 20) & (image < 180)).astype(float), 31) > 0.8
            placed, used = [], np.zeros(soft.shape, bool)
            y, x = np.mgrid[: soft.shape[0], : soft.shape[1]]
            while len(placed) < 5 and (soft & ~used).any():
                centre = rng.choice(np.argwhere(soft & ~used))
                radius = rng.uniform(14, 20)
                holes.plant(image, tissue, centre, radius, rng)
                used |= np.hypot(y - centre[0], x - centre[1]) < 2.4 * radius
                placed.append((centre, radius))
            for kind, reach in (("core", 0.0), ("rim", 0.81)):
                angle = rng.uniform(0, 2 * np.pi)
                r, c = (
                    placed[0][0] + reach * placed[0][1] * np.array([np.sin(angle), np.cos(angle)])
                ).astype(int)
                hidden = np.zeros(soft.shape, bool)
                hidden[r - 4 : r + 4, c - 4 : c + 4] = True
                part = Inpainter().predict(image, hidden).parts[0]
                share, labels = part.sources.shares(np.where(hidden, -1, tissue))
                candidates = part.asked
                damaged = np.where(hidden, 0, image)
                bank = bank_of(damaged, hidden, candidates.geometry, limit=candidates.limit)
                middle = bank.corner + candidates.geometry.window // 2
                own = tissue[middle[:, 0], middle[:, 1]]
                weight = np.exp(candidates.score)
                weight /= weight.sum(1, keepdims=True)
                for label, name in ((1, "core"), (2, "rim"), (3, "other soft tissue")):
                    got = float(share[:, labels == label].sum(1).mean())
                    # the same weights on candidates drawn at random
                    draws = np.array(
                        [
                            np.mean((weight * (own[rng.integers(0, len(own), weight.shape)] == label)).sum(1))
                            for _ in range(999)
                        ]
                    )
                    gathered.setdefault((kind, name), []).append((got, float((own == label).mean()), draws))
    rows = []
    for (kind, name), cells in gathered.items():
        got, chance = np.mean([c[0] for c in cells]), np.mean([c[1] for c in cells])
        null = np.mean([c[2] for c in cells], 0)
        rows.append(
            {
                "hole in": kind,
                "sources in": name,
                "share of weight": f"{got:.3f}",
                "area chance": f"{chance:.3f}",
                "above chance in": f"{np.mean([c[0] > c[1] for c in cells]):.0%} of {len(cells)}",
                "permutation p": f"{(1 + (null >= got).sum()) / 1000:.3f}",
            }
        )
    return rows
