"""Contacts from alignments and functional residues from a site: ours beside mean field, MI-APC, plmDCA.

    python -m bench.residues [--write] [--quick]       # quick: without the two trained variants

pydca needs old pins, so it runs in an environment of its own, named by HEEDFUL_PYDCA (its python):
    python -m venv peers && peers/bin/pip install numba biopython scipy
    peers/bin/pip install --no-deps pydca
Its map is kept under bench/.cache, by the digest of the sequences: it takes minutes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from heedful.files.alignment import LETTERS, read_alignment
from heedful.files.structure import read_structure
from heedful.interact.residues import SiteContacts, precisions, prepare
from heedful.interact.residues import couplings as cp
from heedful.interact.residues.model import precision_interval

from . import _page
from ._data import CACHE, locate

# P@L. Mean field at pseudocount .5 and .7; MI-APC; and what AttentionDCA's authors publish for their own runs
ANCHORS = {
    ("S1A", 6): "mean field .552 / .561",
    ("S1A", 24): "mean field .448 / .475",
    ("DHFR", 6): "mean field .522 / .528",
    ("DHFR", 24): "mean field .428 / .440",
    ("PF00131", 6): "MI-APC .585; authors' plmDCA .403, attention .226",
    ("PF02953", 6): "MI-APC .656; authors' plmDCA .562, attention .406",
}
# residue numbers of 3TGI printed for the S1A sectors (Halabi et al. 2009). They were derived from covariation
# in this same alignment: not independent of a coupling map
SPECIFICITY = "17 161 172 176 177 180 183 187 188 189 191 192 213 215 216 220 221 226 227 228"
CATALYSIS = "19 33 42 43 55 56 57 58 102 141 142 184 194 195 196 197 198 199 213 214 216 225"
PEER = """
import sys, numpy as np
from pydca.plmdca import plmdca
model = plmdca.PlmDCA(sys.argv[1], "protein", seqid=.8, num_threads=1, max_iterations=500)
pairs = model.compute_sorted_FN_APC()
n = max(max(p) for p, _ in pairs) + 1
s = np.zeros((n, n))
for (i, j), x in pairs: s[i, j] = s[j, i] = x
np.save(sys.argv[2], s)
"""


def families():
    """(name, codes, contacts with NaN where unknown, separations, codes before gaps are cut) at hand."""
    for name, alignment, structure in (
        ("S1A", "residues_s1a", "residues_3tgi"),
        ("DHFR", "residues_dhfr", "residues_1rx2"),
    ):
        a, s = locate(alignment), locate(structure)
        if a and s:
            family = prepare(read_alignment(a), read_structure(s))
            every = prepare(read_alignment(a), read_structure(s), row_gaps=1.0).codes  # what pydca is given
            yield name, family.codes, (family.distances < 8.0).astype(float), (6, 24), every
    for name in ("PF00131", "PF02953"):
        a, d = locate(f"residues_{name.lower()}"), locate(f"residues_{name.lower()}_distances")
        if a and d:
            alignment = read_alignment(a)
            table = np.loadtxt(d)
            contacts = np.full((alignment.shape[1],) * 2, np.nan)
            for row in table[table[:, -1] > 0]:
                i, j = int(row[0]) - 1, int(row[1]) - 1
                contacts[i, j] = contacts[j, i] = row[-1] < 8.0
            codes = alignment.thinned(1.0)[0].codes
            yield name, codes, contacts, (6,), codes


def plmdca(codes: np.ndarray) -> np.ndarray | None:
    """pydca's plmDCA at its defaults (at most 500 iterations); None where HEEDFUL_PYDCA names no python."""
    rows = codes[np.lexsort(codes.T)]
    kept = CACHE / f"pydca-{hashlib.sha256(rows.tobytes()).hexdigest()[:16]}.npy"
    if kept.exists():
        return np.load(kept)
    python = os.environ.get("HEEDFUL_PYDCA")
    if not python:
        return None
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder) / "a.fasta"
        fasta.write_text(
            "".join(f">s{n}\n{''.join(LETTERS[c] for c in row)}\n" for n, row in enumerate(rows))
        )
        done = subprocess.run([python, "-c", PEER, str(fasta), str(kept)], capture_output=True, check=False)
        return np.load(kept) if done.returncode == 0 else None


def against(ours: np.ndarray, theirs: np.ndarray, contacts: np.ndarray, separation: int) -> str:
    """'+.012 [-.003, +.026]': the difference in P@L and its interval."""
    gap = precisions(ours, contacts, separation)["P@L"] - precisions(theirs, contacts, separation)["P@L"]
    low, high = precision_interval(ours, theirs, contacts, separation=separation)
    return f"{gap:+.3f} [{low:+.3f}, {high:+.3f}]"


def contact_rows() -> list[dict]:
    """One row per family, separation and method."""
    rows = []
    for name, codes, contacts, separations, every in families():
        f = cp.frequencies(codes, cp.sequence_weights(codes))
        start = time.process_time()
        maps = {"ours": (model := SiteContacts().fit(codes)).scores_}
        spent = time.process_time() - start
        maps["ours, couplings alone"] = model.coupling_
        if "--quick" not in sys.argv:
            maps["ours, refined"] = SiteContacts(method="refined").fit(codes).scores_
            maps["ours, plain"] = SiteContacts(method="plain").fit(codes).scores_
        maps["mean field, pc .5"] = cp.corrected(cp.mean_field(f, 0.5))
        start = time.process_time()
        maps["mean field, pc .7"] = cp.corrected(cp.mean_field(f, 0.7))
        other = time.process_time() - start
        maps["MI-APC"] = model.mutual_
        if (peer := plmdca(every)) is not None:
            maps["plmDCA (pydca, live)"] = peer
        else:
            print("skipped plmDCA: HEEDFUL_PYDCA names no python with pydca")
        share = model.parameters_ / model.potts_parameters_
        print(
            f"{name}: {codes.shape}, effective {model.effective_:.0f}, {share:.1%} of Potts, "
            f"CPU {spent:.1f} s all told, mean-field inverse {other:.1f} s",
            flush=True,
        )
        for separation in separations:
            for method, scores in maps.items():
                got = precisions(scores, contacts, separation)
                row = {
                    "work": f"{name}, |i-j| >= {separation}",
                    "method": method,
                    **{k: f"{v:.3f}" for k, v in got.items()},
                }
                if method.startswith("ours"):
                    row["parameters"] = f"{share:.1%}" if "plain" not in method else ""
                    bar = "MI-APC" if name.startswith("PF") else "mean field, pc .7"
                    row["P@L minus bar"] = against(scores, maps[bar], contacts, separation)
                    if peer is not None:
                        row["P@L minus plmDCA"] = against(scores, peer, contacts, separation)
                row["anchor"] = ANCHORS.get((name, separation), "") if method == "ours" else ""
                rows.append(row)
    return rows


def site_rows() -> list[dict]:
    """The planted fold, ten seeds; and S1A with its catalytic triad."""
    from heedful.interact.residues import SiteAttention, planted_sites
    from heedful.interact.residues.site import linked, nearness, planted_score
    from heedful.interact.residues.sites import choose_site, compare_measures, site_table

    rows = []
    got = []
    for seed in range(10):
        train, held = planted_sites(seed=seed, proteins=150), planted_sites(seed=1000 + seed, proteins=20)
        model = SiteAttention(seed=seed).fit(train)
        got.append(planted_score(model, held))
    for key in got[0]:
        values = np.array([g[key] for g in got])
        rows.append(
            {
                "work": f"planted fold, {key}",
                "ours": f"{values.mean():.3f} (least {values.min():.3f}, 10 seeds)",
            }
        )
    a, s = locate("residues_s1a"), locate("residues_3tgi")
    if a and s:
        family = prepare(read_alignment(a), read_structure(s))
        members, _ = choose_site(family, record="CAT")
        model = SiteContacts().fit(family.codes)
        frame = site_table(family, model, members)
        labels = np.array([label[1:] for label in family.labels])
        truth = np.isin(labels, (SPECIFICITY + " " + CATALYSIS).split())
        measures, _ = compare_measures(frame, truth)
        for row in measures.itertuples():
            rows.append(
                {
                    "work": f"S1A, SITE CAT, sectors of Halabi 2009: {row.measure}",
                    "ours": f"AUROC {row.AUROC:.3f} [{row.low:.3f}, {row.high:.3f}]",
                }
            )
        outside = truth & ~members
        value = frame["attention"].to_numpy()[outside].mean()
        between = family.structure.residue_distances()[np.ix_(family.residue, family.residue)]
        rng, null = np.random.default_rng(0), []
        for _ in range(200):
            other = np.argsort(between[rng.integers(len(members))])[: members.sum()]
            null.append(linked(model.scores_, nearness(between[:, other].min(1)))[outside].mean())
        p = (1 + sum(n >= value for n in null)) / 201
        rows.append(
            {
                "work": "S1A: mean attention on the sectors, CAT against 200 random compact sites",
                "ours": f"p = {p:.3f}",
            }
        )
    return rows


def run(out=None) -> list[dict]:
    """Every row that the data at hand allows."""
    return contact_rows() + site_rows()


def main() -> None:
    contacts, sites = contact_rows(), site_rows()
    print(_page.table(contacts))
    print(_page.table(sites))
    if "--write" in sys.argv:
        _page.write(
            "residues",
            "Residues: contacts, and functional residues of a site",
            [("Contacts", contacts), ("Site", sites)],
            ("torch", "numpy", "gemmi"),
        )


if __name__ == "__main__":
    main()
