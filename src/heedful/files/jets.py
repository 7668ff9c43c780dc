"""Jets and their particles: ROOT (uproot), Parquet and Feather (awkward), NumPy archives; ragged, in GeV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingExtra
from .jet_sample import JetSample, make_sample
from .limits import check_array, check_readable

__all__ = ["JetSample", "make_sample", "read_jets", "write_scores"]
# what a branch is called, without its prefix: our name first, then JetClass's, weaver's and older ones
_FIELDS = {
    "pt": ("pt",),
    "eta": ("eta",),
    "phi": ("phi",),
    "energy": ("energy", "e", "en"),
    "px": ("px",),
    "py": ("py",),
    "pz": ("pz",),
    "charge": ("charge", "q"),
    "deta": ("deta", "etarel"),
    "dphi": ("dphi", "phirel"),
    "mass": ("mass", "m"),
}
_PARTICLE = (
    "part_",
    "particle_",
    "particles_",
    "pfcand_",
    "fj_pfcands_",
    "constituent_",
    "jet_constituents_",
)
_JET = ("jet_", "fj_", "fatjet_")
_LABELS = ("label", "is_signal_new", "is_signal", "jet_label", "signal")


def read_jets(
    path: str | Path, *, tree: str | None = None, unit: str = "GeV", most: int | None = None
) -> JetSample:
    """Read jets with their particles.

    Parameters
    ----------
    path : str or Path
        ``.root``; ``.parquet``, ``.feather``; ``.npz`` with ``particles`` (M, 4 or 5: pt, eta, phi, energy
        [, charge]) and ``offsets``, or padded ``particles`` (n, P, 4 or 5) where pt = 0 is padding.
    tree : str, optional
        Of a ROOT file; needed where it holds several.
    unit : {"GeV", "MeV"}
    most : int, optional
        Jets read, from the start.

    Returns
    -------
    JetSample

    Notes
    -----
    Branch names of JetClass and weaver are known: ``part_px/py/pz/energy`` or ``part_pt/eta/phi/energy``
    (also ``particle_``, ``pfcand_`` ...), one ``label`` (``is_signal``, ...) or one 0/1 branch
    ``label_...`` for each class.
    """
    path = check_readable(path)
    kind = path.suffix.lower()
    if kind == ".npz":
        return _from_npz(path, unit, most)
    if kind == ".root":
        table = _root_table(path, tree, most)
    elif kind in (".parquet", ".pq", ".feather", ".arrow"):
        table = _arrow_table(path, kind, most)
    else:
        raise InputError(f"suffix {kind!r}", path=path, remedy="give .root, .parquet, .feather or .npz")
    return _from_table(table, path, unit)


def _from_npz(path: Path, unit: str, most: int | None) -> JetSample:
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"not a NumPy archive of plain arrays ({error})", path=path) from error
    if "particles" not in data:
        raise InputError(f"has no array 'particles' (it has {', '.join(data) or 'none'})", path=path)
    p = data["particles"]
    if p.ndim not in (2, 3) or p.shape[-1] < 4:
        raise InputError(
            f"particles of shape {p.shape}; (M, 4 or 5) or (n, P, 4 or 5) were expected", path=path
        )
    if p.ndim == 3:
        real = p[..., 0] > 0
        offsets = np.concatenate([[0], np.cumsum(real.sum(1))])
        p = p[real]
    elif "offsets" in data:
        offsets = data["offsets"]
    else:
        raise InputError("flat particles without 'offsets'", path=path, remedy="store where each jet begins")
    sample = make_sample(
        *p[:, :4].T,
        offsets,
        charge=p[:, 4] if p.shape[1] > 4 else None,
        label=data.get("label"),
        partons=data.get("partons"),
        prong=data.get("prong"),
        unit=unit,
        path=path,
    )
    return sample.take(np.arange(min(most, len(sample)))) if most else sample


def _root_table(path: Path, tree: str | None, most: int | None) -> dict[str, Any]:
    try:
        import uproot
    except ImportError as error:
        raise MissingExtra("uproot", "files") from error
    try:
        with uproot.open(path) as file:
            trees = [
                name.split(";")[0]
                for name, kind in file.classnames().items()
                if kind in ("TTree", "ROOT::RNTuple")
            ]
            trees = list(dict.fromkeys(trees))
            if tree is None and len(trees) != 1:
                raise InputError(
                    f"holds {len(trees)} trees ({', '.join(trees) or 'none'})",
                    path=path,
                    remedy="name one (--tree)",
                )
            if tree is not None and tree not in trees:
                raise InputError(f"no tree {tree!r} (it has {', '.join(trees) or 'none'})", path=path)
            chosen = file[tree or trees[0]]
            wanted = [name for name in chosen.keys() if _known(name)]  # noqa: SIM118 - a tree is no dict
            check_array((chosen.num_entries, max(len(wanted), 1)), 8, path=path, what="the tree")
            arrays = chosen.arrays(wanted, entry_stop=most)
            return {name: arrays[name] for name in arrays.fields}
    except (OSError, ValueError, KeyError, NotImplementedError, AssertionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot be read as ROOT ({str(error).splitlines()[0][:120]})", path=path) from error


def _arrow_table(path: Path, kind: str, most: int | None) -> dict[str, Any]:
    try:
        import awkward as ak
    except ImportError as error:
        raise MissingExtra("awkward", "files") from error
    try:
        array = ak.from_parquet(path) if kind in (".parquet", ".pq") else ak.from_feather(path)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"cannot be read ({str(error).splitlines()[0][:120]})", path=path) from error
    table = {name: array[name][:most] for name in array.fields if _known(name)}
    # one list of records a jet ("particles" with fields pt, eta, ...) counts as a branch for each field
    nested = {
        f"{name}_{inner}": array[name, inner][:most] for name in array.fields for inner in array[name].fields
    }
    return table | {name: values for name, values in nested.items() if _known(name)}


def _known(name: str) -> bool:
    low = name.lower()
    return low.startswith((*_PARTICLE, *_JET, "label", "parton")) or low in _LABELS


def _from_table(table: dict[str, Any], path: Path, unit: str) -> JetSample:
    import awkward as ak

    lower = {name.lower(): name for name in table}

    def branch(what: str):
        for prefix in _PARTICLE:
            for alias in _FIELDS[what]:
                if (name := lower.get(prefix + alias)) is not None:
                    return table[name]
        return None

    got = {what: branch(what) for what in _FIELDS}
    first = next((x for x in (got["pt"], got["px"]) if x is not None), None)
    if first is None:
        raise InputError(
            f"no branch for the particles' pt or px among {', '.join(list(table)[:12]) or 'none'}",
            path=path,
            remedy="names like part_pt, part_eta, part_phi, part_energy are known",
        )
    try:
        counts = ak.to_numpy(ak.num(first, axis=1))
        flat = {
            what: None if x is None else np.asarray(ak.to_numpy(ak.flatten(x, axis=1)), np.float64)
            for what, x in got.items()
        }
    except (ValueError, TypeError, np.exceptions.AxisError) as error:
        raise InputError(
            "the particle branches are not lists of numbers, one list a jet", path=path
        ) from error
    offsets = np.concatenate([[0], np.cumsum(counts)])
    lengths = {what: len(x) for what, x in flat.items() if x is not None}
    if len(set(lengths.values())) > 1:
        raise InputError(f"particle branches of different lengths {lengths}", path=path)
    if flat["px"] is not None and (flat["pt"] is None or flat["eta"] is None or flat["phi"] is None):
        if flat["py"] is None or flat["pz"] is None:
            raise InputError("px without py and pz", path=path)
        flat["pt"] = np.hypot(flat["px"], flat["py"])
        with np.errstate(divide="ignore", invalid="ignore"):
            flat["eta"] = np.where(flat["pt"] > 0, np.arcsinh(flat["pz"] / flat["pt"]), 0.0)
        flat["phi"] = np.arctan2(flat["py"], flat["px"])
    if any(flat[what] is None for what in ("pt", "eta", "phi")):
        missing = ", ".join(what for what in ("pt", "eta", "phi") if flat[what] is None)
        raise InputError(f"no branch for the particles' {missing}", path=path)
    notes = []
    if flat["energy"] is None:
        flat["energy"] = flat["pt"] * np.cosh(flat["eta"])
        notes.append("no energies in the file: particles taken as massless")
    if flat["charge"] is None:
        notes.append("no charges in the file: taken as 0")
    label, names = _label(table, lower, path)
    return make_sample(
        flat["pt"],
        flat["eta"],
        flat["phi"],
        flat["energy"],
        offsets,
        charge=flat["charge"],
        label=label,
        label_names=names,
        notes=notes,
        unit=unit,
        path=path,
    )


def _label(table, lower, path) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """One label branch, or one 0/1 branch for each class."""
    for name in _LABELS:
        if name in lower:
            return np.asarray(table[lower[name]]), ()
    onehot = [table_name for low, table_name in lower.items() if low.startswith("label_")]
    if not onehot:
        return None, ()
    matrix = np.stack([np.asarray(table[name]) for name in onehot], 1)
    if not (matrix.sum(1) == 1).all():
        raise InputError(
            f"{(matrix.sum(1) != 1).sum()} jets have no or several of the labels {', '.join(onehot)}",
            path=path,
        )
    return matrix.argmax(1).astype(np.int64), tuple(name.split("_", 1)[1] for name in onehot)


def write_scores(path: str | Path, sample: JetSample, columns: dict[str, np.ndarray]) -> Path:
    """Write the particles, the label and new branches, one value a jet: .root (tree 'tree') or .parquet.

    Parameters
    ----------
    columns : dict of str to array (n,) or (M,)
        Per jet, or per particle (written ragged).
    """
    from ..writing import write_atomic

    try:
        import awkward as ak
    except ImportError as error:
        raise MissingExtra("awkward", "files") from error
    path = Path(path)
    data = {
        f"part_{name}": ak.unflatten(getattr(sample, name), sample.counts)
        for name in ("pt", "eta", "phi", "energy", "charge")
    }
    if sample.label is not None:
        data["label"] = sample.label
    for name, values in columns.items():
        values = np.asarray(values)
        ragged = len(values) == len(sample.pt) and len(values) != len(sample)
        data[name] = ak.unflatten(values, sample.counts) if ragged else values
    if path.suffix == ".parquet":
        return write_atomic(path, lambda target: ak.to_parquet(ak.Array(data), str(target)))
    if path.suffix != ".root":
        raise InputError(f"suffix {path.suffix!r}", path=path, remedy="choose .root or .parquet")
    import uproot

    def write(target: Path) -> None:
        with uproot.recreate(target) as file:
            file["tree"] = data

    return write_atomic(path, write)
