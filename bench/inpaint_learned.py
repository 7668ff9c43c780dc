"""The benchmark's learned correction (``Corrector``) and where the default's time goes."""

from __future__ import annotations

import numpy as np

from heedful.perceive.inpaint.model import Inpainter

from .inpaint_cases import KINDS, SOURCES, TEST, cases, peers, psnr

LESSONS = {  # name: (volume, slices to learn from, sources of the test cases)
    "same patient, other slices (3 mm)": ("nifti", lambda z: min(abs(z - 40), abs(z - 75)) >= 5, ("nifti",)),
    "another patient, learned at 1, 2 and 3 mm": ("dicom", lambda z: True, ("nifti", "small")),
    "another patient, learned at 3 mm": ("nifti", lambda z: True, ("dicom",)),
}


def lessons(name, seed, which=TEST):
    """A row per case: what a learned correction gains over the default fill, one seed."""
    from heedful.perceive.inpaint.trained import Corrector

    source, use, targets = LESSONS[name]
    stack = SOURCES[source]()
    if stack is None:
        return []
    some = stack[[z for z in range(len(stack)) if use(z)]]
    corrector = Corrector(seed=seed).fit([some])
    rows = []
    for case, kind, truth, hidden in cases([w for w in which if w[0] in targets]):
        damaged = np.where(hidden, 0.0, truth)
        done = Inpainter(method="trained", weights=corrector).predict(damaged, hidden)
        base = Inpainter().predict(damaged, hidden)
        inside = (truth >= done.low[0]) & (truth <= done.high[0])
        rows.append(
            {
                "lesson": name,
                "seed": seed,
                "slice": case,
                "kind": kind,
                "windows": corrector.windows_,
                "gain": psnr(truth, done.hu[0], hidden) - psnr(truth, base.hu[0], hidden),
                "cover": float(inside[hidden].mean()),
            }
        )
    return rows


def lesson_table(rows):
    """Mean gain by lesson with a 95 % bootstrap interval over its cases (seeds averaged), and by kind."""
    table = []
    for name in dict.fromkeys(row["lesson"] for row in rows):
        some = [row for row in rows if row["lesson"] == name]
        seeds = sorted({row["seed"] for row in some})
        gain = np.array([[row["gain"] for row in some if row["seed"] == s] for s in seeds])
        each = gain.mean(0)
        draws = each[np.random.default_rng(0).integers(0, len(each), (4000, len(each)))].mean(1)
        kinds = [row["kind"] for row in some if row["seed"] == seeds[0]]
        table.append(
            {
                "learned on": name,
                "windows": some[0]["windows"],
                "cases": f"{len(each)} x {len(seeds)} seeds",
                "gain over ours, dB": f"{each.mean():+.2f} ({np.quantile(draws, 0.025):+.2f}.."
                f"{np.quantile(draws, 0.975):+.2f})",
                "by seed": " ".join(f"{g:+.2f}" for g in gain.mean(1)),
                **{k: f"{np.mean(each[[kind == k for kind in kinds]]):+.2f}" for k in KINDS},
                "90 % covers": f"{np.mean([row['cover'] for row in some]):.3f}",
            }
        )
    return table


def profile(which=(("dicom", 5), ("nifti", 55))):
    """Where the default's CPU time goes, in units of FSR_FAST's on the same (developer) cases."""
    import time
    from unittest.mock import patch

    from heedful.perceive.inpaint import mix

    parts = {
        "frequency_selective": "fsr: waves on two grids",
        "refine": "refined and cosine: sparse cosines, twice",
        "tension": "plate: one sparse solve",
        "total_variation": "flat: one sparse solve",
        "attend_patches": "attention over patches",
    }
    spent = dict.fromkeys((*parts.values(), "sources read"), 0.0)
    whole, unit = 0.0, 0.0

    def timed(part, function):
        def run(*given, **options):
            start = time.process_time()
            done = function(*given, **options)
            spent[part] += time.process_time() - start
            return done

        return run

    peer = peers().get("FSR_FAST")
    if peer is None:
        return []
    Inpainter().predict(np.zeros((64, 64)), np.eye(64) > 0).parts[0].sources.read(8)
    for _, _, truth, hidden in cases(which):
        damaged = np.where(hidden, 0.0, truth)
        start = time.process_time()
        peer(damaged, hidden)
        unit += time.process_time() - start
        wraps = [patch.object(mix, name, timed(part, getattr(mix, name))) for name, part in parts.items()]
        for wrap in wraps:
            wrap.start()
        start = time.process_time()
        done = Inpainter().predict(damaged, hidden)
        middle = time.process_time()
        done.parts[0].sources.read(8)
        spent["sources read"] += time.process_time() - middle
        whole += time.process_time() - start
        for wrap in wraps:
            wrap.stop()
    spent["the rest"] = whole - sum(spent.values())
    spent["all"] = whole
    return [{"part": part, "CPU / FSR_FAST": f"{seconds / unit:.2f}"} for part, seconds in spent.items()]
