"""`heedful residues contacts ALIGNMENT` and `heedful residues site ALIGNMENT --structure FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...reading.story import Score, Story

HELP = "Proteins: contacts from an alignment, and residues linked to a binding site"

_Alignment = Annotated[Path, typer.Argument(help="Aligned FASTA, A3M or Stockholm, .gz or plain")]
_Structure = Annotated[Path | None, typer.Option(help="PDB or mmCIF: names the residues, gives distances")]
_Chain = Annotated[str | None, typer.Option(help="Chain of the structure (default: the longest)")]
_Query = Annotated[str | None, typer.Option(help="Header of the row that stands for the protein")]
_RowGaps = Annotated[float, typer.Option(help="Sequences with more than this share of gaps are left out")]
_Out = Annotated[list[Path] | None, typer.Option(help="Result files; the suffix chooses the format")]
_Trust = Annotated[str, typer.Option(help="none, quick or full: how hard the claims are tested")]
_Seed = Annotated[int, typer.Option(help="Of every random draw")]


def contacts(
    alignment: _Alignment,
    structure: _Structure = None,
    chain: _Chain = None,
    query: _Query = None,
    method: Annotated[str, typer.Option(help="alphabet (closed form), refined, or plain")] = "alphabet",
    separation: Annotated[int, typer.Option(help="Least |i - j| in the sequence", min=1)] = 6,
    neighbours: Annotated[
        int,
        typer.Option(help="How far along the sequence a pair borrows from those around it", min=0, max=12),
    ] = 4,
    letters: Annotated[int, typer.Option(help="Size of each site's alphabet", min=1, max=20)] = 8,
    pseudocount: Annotated[float, typer.Option(help="Share of the flat distribution")] = 0.7,
    row_gaps: _RowGaps = 0.3,
    out: _Out = None,
    trust: _Trust = "quick",
    seed: _Seed = 0,
) -> Story:
    """Rank pairs of residues by how their letters vary together; --out .csv .rr .cxc .pml."""
    import pandas as pd

    from ...errors import InputError
    from . import couplings as cp
    from .claims import examine_contacts
    from .model import SiteContacts
    from .outputs import CONTACTS, check_outputs, contact_table, write_contacts
    from .pictures import contact_pictures
    from .precision import precision_interval, precisions
    from .reading import read_contacts

    check_outputs(out or [], CONTACTS, structure)
    family, data = _family(alignment, structure, chain, query=query, row_gaps=row_gaps, seed=seed)
    if separation >= family.length - 1:
        raise InputError(
            f"--separation {separation} leaves no pair among {family.length} residues", remedy="6 is usual"
        )
    model = SiteContacts(
        method=method, neighbours=neighbours, letters=letters, pseudocount=pseudocount, seed=seed
    ).fit(family.codes)
    pairs = model.ranked(separation)
    known = None if family.distances is None else family.distances < 8.0
    f = cp.frequencies(family.codes, model.weights_)
    maps = {
        "ours": model.scores_,
        "mean field (pseudocount .7)": cp.corrected(cp.mean_field(f, 0.7)),
        "MI-APC": model.mutual_,
    }
    verdicts = examine_contacts(model, family.codes, separation=separation, level=trust, seed=seed)
    tables, scores = {"best pairs": contact_table(model.scores_, pairs[: family.length], family)}, []
    best = ", ".join(f"{family.labels[i]}-{family.labels[j]}" for i, j in pairs[:3])
    headline = f"The pairs that vary together most: {best}."
    if known is not None:
        got = {name: precisions(values, known, separation) for name, values in maps.items()}
        tables["precision"] = pd.DataFrame([{"method": name, **row} for name, row in got.items()])
        ours, other = got["ours"], got["mean field (pseudocount .7)"]
        field = maps["mean field (pseudocount .7)"]
        scores = [
            Score(
                f"{key}, |i-j| >= {separation}",
                ours[key],
                other[key],
                "mean-field DCA, pseudocount .7",
                interval=precision_interval(
                    model.scores_, field, known, separation=separation, part=part, seed=seed
                ),
            )
            for key, part in (("P@L", 1), ("P@L/2", 2), ("P@L/5", 5), ("AP", None))
        ]
        headline = (
            f"{ours['P@L']:.1%} of the best {family.length} pairs are C-beta contacts below 8 angstrom "
            f"(mean-field DCA {other['P@L']:.1%}). " + headline
        )
    depth = model.effective_ / family.length
    notes = [
        *family.notes,
        f"{model.effective_:.0f} effective sequences for {family.length} residues ({depth:.1f} a residue)",
        "heads: couplings x {:g} + mutual information x {:g}".format(*model.mixture_),
    ]
    if len(model.borrowing_) > 1:
        notes.append(
            f"pairs around a pair, up to {neighbours} along the sequence, add to it by weights learned from "
            "one half of the sequences against the other"
        )
    if depth < 2:
        notes.append(
            "a shallow family: mutual information alone; expect few true contacts far apart in sequence"
        )
    outputs = [write_contacts(path, model.scores_, pairs[: 2 * family.length], family) for path in out or []]
    return Story(
        study="residues",
        title=f"Contacts of {alignment.name}",
        headline=headline,
        data=data,
        scores=scores,
        verdicts=verdicts,
        tables=tables,
        notes=notes,
        outputs=outputs,
        pictures=contact_pictures(
            maps,
            pairs,
            family.labels,
            known,
            separation=separation,
            verdict=verdicts[0] if verdicts else None,
        ),
        reading=read_contacts(model, family.labels, separation=separation),
    )


def site(
    alignment: _Alignment,
    structure: Annotated[Path, typer.Option(help="PDB or mmCIF of a member of the family")],
    ligand: Annotated[
        str | None, typer.Option(help="Residue name of the ligand: the site is what touches it")
    ] = None,
    residues: Annotated[str | None, typer.Option(help="The site's residues: H57,D102,S195")] = None,
    record: Annotated[str | None, typer.Option(help="Name of a SITE record in the file")] = None,
    functional: Annotated[str | None, typer.Option(help="Residues known to matter, to score against")] = None,
    reach: Annotated[float, typer.Option(help="Angstrom over which a residue's query fades", min=0.1)] = 4.0,
    chain: _Chain = None,
    query: _Query = None,
    row_gaps: _RowGaps = 0.3,
    out: _Out = None,
    trust: _Trust = "quick",
    seed: _Seed = 0,
) -> Story:
    """Rank residues by their link to a binding site, beside distance and conservation; --out .csv .cif."""
    import numpy as np

    from .claims import examine_site, other_half
    from .model import SiteContacts
    from .outputs import SITES, check_outputs, write_sites
    from .pictures import site_pictures
    from .reading import read_site
    from .site import nearness
    from .sites import choose_site, compare_measures, site_table

    check_outputs(out or [], SITES, structure)
    family, data = _family(alignment, structure, chain, query=query, row_gaps=row_gaps, seed=seed)
    members, said = choose_site(family, ligand=ligand, residues=residues, record=record)
    # links are asked for, not contacts: what neighbouring pairs add is nearness again
    model = SiteContacts(neighbours=0, seed=seed).fit(family.codes)
    draws = {"none": 20, "quick": 200, "full": 1000}.get(trust, 200)
    frame = site_table(family, model, members, reach=reach, draws=draws, seed=seed)
    tables = {"residues": frame.sort_values("attention", ascending=False)}
    best = frame[~frame["site"]].nlargest(5, "attention")
    headline = f"From {said}, attention goes to {', '.join(best['residue'])}."
    notes = [
        *family.notes,
        "attention from a site follows nearness closely, because couplings are contacts: "
        "read it beside distance and conservation, and no label was used",
    ]
    scores = []
    if functional:
        wanted = family.structure.index(functional.replace(",", " ").split())
        truth = [r in set(wanted.tolist()) for r in family.residue]
        measures, scores = compare_measures(frame, truth, seed=seed)
        tables["AUROC"] = measures
        lead = measures.iloc[0]
        headline += (
            f" Against the {sum(truth)} residues given, the best measure is {lead['measure']} "
            f"(AUROC {lead['AUROC']:.3f})."
        )
    strength, caution, tested = nearness(frame["distance"].to_numpy(), reach), "", model.scores_
    if functional:
        claimed = np.asarray(truth, bool) & ~members
    elif trust != "none":
        claimed, tested = other_half(family.codes, strength, members, seed=seed)
        named = ", ".join(frame["residue"][claimed])
        caution = f"{named}: named by half of the sequences, tested in the map of the rest; "
    verdicts = []
    if trust != "none":
        verdicts = examine_site(tested, strength, members, claimed, caution=caution, level=trust, seed=seed)
    outputs = [write_sites(path, frame, family, structure) for path in out or []]
    return Story(
        study="residues",
        title=f"Residues linked to {said}",
        headline=headline,
        data=data,
        scores=scores,
        tables=tables,
        notes=notes,
        outputs=outputs,
        verdicts=verdicts,
        pictures=site_pictures(frame, family, verdict=verdicts[0] if verdicts else None),
        reading=read_site(model.scores_, strength, family),
    )


def _family(alignment: Path, structure: Path | None, chain: str | None, **settings):
    """The family of both verbs, and a line that says what it is."""
    from ...files.alignment import read_alignment
    from ...files.structure import read_structure
    from .tokens import prepare

    fold = read_structure(structure, chain) if structure else None
    family = prepare(read_alignment(alignment), fold, **settings)
    data = f"{alignment.name}: {len(family.codes)} sequences, {family.length} residues"
    return family, f"{data}; {structure.name} chain {fold.chain}" if structure else data


VERBS = {"contacts": contacts, "site": site}
