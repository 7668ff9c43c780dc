"""A sample of jets: ragged lists of particles, checked, in GeV."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError

BEAM = 7000.0  # GeV; no jet of the LHC has more transverse momentum


@dataclass(frozen=True)
class JetSample:
    """Jets as ragged lists of particles.

    Parameters
    ----------
    pt, eta, phi, energy, charge : float arrays (M,)
        All particles, jet after jet: GeV, -, radians in [-pi, pi), GeV, e (0 where the file has none).
    offsets : int array (n + 1,)
        Jet i holds particles ``offsets[i]`` to ``offsets[i + 1] - 1``; jets with none are kept.
    label : int array (n,), optional
    partons : (n, P, 4), optional
        Truth pt, eta, phi, E of each jet's partons; 0 where there is none.
    prong : int array (M,), optional
        Truth: which parton a particle comes from; -1 none.
    label_names : tuple of str
    notes : tuple of str
        What was dropped or mended on reading, with counts.
    """

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    energy: np.ndarray
    charge: np.ndarray
    offsets: np.ndarray
    label: np.ndarray | None = None
    partons: np.ndarray | None = None
    prong: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> np.ndarray:
        """Particles in each jet, (n,)."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> np.ndarray:
        """The jet of each particle, (M,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    def momenta(self) -> np.ndarray:
        """px, py, pz, E of every particle in GeV, (M, 4), float64."""
        pt, eta, phi = (x.astype(np.float64) for x in (self.pt, self.eta, self.phi))
        return np.stack(
            [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), self.energy.astype(np.float64)], 1
        )

    def take(self, jets) -> JetSample:
        """The jets with these indices (or where True), in that order."""
        jets = np.asarray(jets)
        jets = np.flatnonzero(jets) if jets.dtype == bool else jets
        counts = self.counts[jets]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[jets] - offsets[:-1], counts)
        return self._rows(rows, offsets, jets)

    def hardest(self, most: int) -> JetSample:
        """At most ``most`` particles of each jet, those of highest pT, hardest first."""
        order = np.lexsort((-self.pt, self.owner))
        rank = np.arange(len(order)) - np.repeat(self.offsets[:-1], self.counts)
        rows = order[rank < most]
        return self._rows(rows, np.concatenate([[0], np.cumsum(np.minimum(self.counts, most))]), None)

    def _rows(self, rows, offsets, jets) -> JetSample:
        per_jet = {
            name: (value if jets is None or value is None else value[jets])
            for name, value in (("label", self.label), ("partons", self.partons))
        }
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in ("pt", "eta", "phi", "energy", "charge")},
            prong=None if self.prong is None else self.prong[rows],
            offsets=offsets,
            **per_jet,
        )


def make_sample(
    pt,
    eta,
    phi,
    energy,
    offsets,
    *,
    charge=None,
    label=None,
    partons=None,
    prong=None,
    label_names=(),
    notes=(),
    unit: str = "GeV",
    path=None,
) -> JetSample:
    """A checked `JetSample` from flat arrays: units, ranges and lengths are looked at, repairs are counted.

    Parameters
    ----------
    unit : {"GeV", "MeV"}
        Of pt and energy; MeV are divided by 1000.

    Raises
    ------
    InputError
        NaN or infinite values, offsets that do not fit, negative energy, a jet above the beam energy
        (MeV taken for GeV).

    Examples
    --------
    >>> s = make_sample([30.0, 20.0], [0.1, 0.2], [3.0, 3.5], [31.0, 21.0], [0, 1, 2])
    >>> len(s), [round(float(x), 3) for x in s.phi], s.notes
    (2, [3.0, -2.783], ('1 of 2 azimuths outside [-pi, pi) wrapped',))
    """
    if unit not in ("GeV", "MeV"):
        raise InputError(f"unit {unit!r}; 'GeV' or 'MeV' was expected", path=path)
    values = {}
    for name, x in (("pt", pt), ("eta", eta), ("phi", phi), ("energy", energy)):
        x = np.asarray(x, np.float64)
        bad = np.flatnonzero(~np.isfinite(x))
        if len(bad):
            raise InputError(
                f"{len(bad)} particles have a {name} that is no finite number",
                path=path,
                where=f"first: particle {bad[0]}",
            )
        values[name] = x
    offsets = np.asarray(offsets, np.int64)
    m = len(values["pt"])
    if (
        offsets.ndim != 1
        or len(offsets) < 2
        or offsets[0] != 0
        or offsets[-1] != m
        or (np.diff(offsets) < 0).any()
    ):
        last = offsets[-1] if offsets.size else "nothing"
        raise InputError(
            f"offsets of {offsets.size} entries end at {last}; they must rise from 0 to {m} particles",
            path=path,
        )
    if any(len(x) != m for x in values.values()):
        raise InputError(
            f"{ {k: len(x) for k, x in values.items()} } particles; equal numbers were expected", path=path
        )
    notes = list(notes)
    scale = 1e-3 if unit == "MeV" else 1.0
    values["pt"], values["energy"] = values["pt"] * scale, values["energy"] * scale
    if (values["energy"] < 0).any():
        raise InputError(f"{(values['energy'] < 0).sum()} particles of negative energy", path=path)
    charge = np.zeros(m) if charge is None else np.asarray(charge, np.float64)
    prong = None if prong is None else np.asarray(prong, np.int64)
    keep = values["pt"] > 0
    if not keep.all():
        notes.append(f"{(~keep).sum()} of {m} particles without transverse momentum left out")
        gone = np.concatenate([[0], np.cumsum(~keep)])
        offsets = offsets - gone[offsets]
        values = {k: x[keep] for k, x in values.items()}
        charge, prong = charge[keep], None if prong is None else prong[keep]
    out = (values["phi"] < -np.pi) | (values["phi"] >= np.pi)
    far = np.abs(values["phi"]) > 4 * np.pi
    if far.any():
        raise InputError(
            f"{far.sum()} of {m} azimuths lie beyond 4 pi (the largest is {np.abs(values['phi']).max():g}); "
            "radians were expected",
            path=path,
            remedy="if this column is in degrees, multiply it by pi / 180",
        )
    if out.any():
        notes.append(f"{out.sum()} of {m} azimuths outside [-pi, pi) wrapped")
        values["phi"][out] = (values["phi"][out] + np.pi) % (2 * np.pi) - np.pi
    if (np.abs(values["eta"]) > 10).any():
        raise InputError(
            f"{(np.abs(values['eta']) > 10).sum()} particles at |eta| > 10",
            path=path,
            remedy="is this column really the pseudorapidity?",
        )
    momentum = values["pt"] * np.cosh(values["eta"])
    if (light := values["energy"] < 0.99 * momentum).any():
        notes.append(f"{light.sum()} of {m} particles have less energy than momentum (by over 1 %)")
    counts = np.diff(offsets)
    sums = (
        np.add.reduceat(np.r_[values["pt"], 0.0], offsets[:-1]) * (counts > 0) if len(counts) else np.zeros(0)
    )
    if len(sums) and sums.max() > BEAM:
        jet = int(sums.argmax())
        raise InputError(
            f"jet {jet} has {sums[jet]:.0f} GeV of transverse momentum, more than a beam of the LHC",
            path=path,
            remedy="if the file is in MeV, say unit='MeV' (--unit MeV)",
        )
    if (counts == 0).any():
        notes.append(f"{(counts == 0).sum()} jets without a particle kept")
    if label is not None:
        label, label_names = _labels(np.asarray(label), tuple(label_names), len(counts), path)
    return JetSample(
        *(values[k].astype(np.float32) for k in ("pt", "eta", "phi", "energy")),
        charge.astype(np.float32),
        offsets,
        label,
        None if partons is None else np.asarray(partons),
        prong,
        tuple(label_names),
        tuple(notes),
    )


def _labels(label: np.ndarray, names: tuple[str, ...], jets: int, path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Whole numbers, one a jet; words become the numbers of their sorted names."""
    if label.ndim != 1:
        raise InputError(f"labels of shape {label.shape}; one a jet was expected", path=path)
    if len(label) != jets:
        raise InputError(f"{len(label)} labels for {jets} jets", path=path)
    if label.dtype.kind in "US":
        found, label = np.unique(label.astype(str), return_inverse=True)
        return label.astype(np.int64), tuple(found.tolist())
    if label.dtype.kind not in "buif" or not (label == np.round(label)).all():
        raise InputError("the labels are no whole numbers", path=path, remedy="one class a jet, 0, 1, ...")
    return label.astype(np.int64), names
