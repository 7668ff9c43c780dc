"""Generate the jets of `bench.jets` with Pythia 8 and FastJet (both GPL: never needed by heedful itself).

    python -m venv peers && peers/bin/pip install "pythia8mc==8.317.2" "fastjet==3.5.2.0" numpy
    peers/bin/python bench/jets_generate.py FOLDER [qcd|top] [count] [seed] [name]

Without the last four it makes all that the bench uses, one file after the other (about 25 CPU minutes):
pp at 13 TeV, anti-kT R = 0.8, 500 < pT < 600 GeV, |eta| < 2, particle level, no detector, no pile-up;
neutrinos dropped; up to 128 leading constituents; top decays matched with all partons inside the jet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from . import _page

FILES = (
    ("qcd", 6000, 11101, "qcd_train0"), ("top", 6000, 11102, "top_train0"),
    ("qcd", 5000, 11103, "qcd_train1"), ("top", 5000, 11104, "top_train1"),
    ("qcd", 10_000, 12101, "qcd_test0"), ("top", 8000, 12102, "top_test0"),
    ("qcd", 10_000, 13001, "qcd_test1"),
    *(("qcd", 10_000, 14_000 + n, f"qcd_more{n}") for n in range(1, 9)),  # for rejections alone
)  # fmt: skip
LOW, HIGH, RADIUS, ETA, MOST = 500.0, 600.0, 0.8, 2.0, 128


def settings(kind: str, seed: int) -> list[str]:
    """What Pythia is told."""
    process = {
        "qcd": ["HardQCD:all = on"],
        "top": ["Top:gg2ttbar = on", "Top:qqbar2ttbar = on", "24:onMode = off", "24:onIfAny = 1 2 3 4 5"],
    }[kind]
    return [
        "Beams:idA = 2212", "Beams:idB = 2212", "Beams:eCM = 13000.", "Random:setSeed = on",
        f"Random:seed = {seed}", "Print:quiet = on", f"PhaseSpace:pTHatMin = {LOW * 0.95}",
        f"PhaseSpace:pTHatMax = {HIGH * 1.1}", *process,
    ]  # fmt: skip


def hard_partons(event, kind: str) -> list[tuple[int, list[int]]]:
    """(identity, partons that must lie in the jet) of every candidate in the event."""
    found = []
    for i in range(event.size()):
        particle = event[i]
        if kind == "qcd":
            if particle.status() == -23:
                found.append((particle.id(), [i]))
            continue
        if particle.idAbs() != 6 or abs(event[particle.daughter1()].id()) == 6:
            continue
        children = [particle.daughter1(), particle.daughter2()]
        w = next((c for c in children if c and event[c].idAbs() == 24), None)
        b = next((c for c in children if c and event[c].idAbs() in (1, 3, 5)), None)
        if w is None or b is None:
            continue
        while event[w].daughter1() and event[event[w].daughter1()].idAbs() == 24:
            w = event[w].daughter1()
        partons = [b, event[w].daughter1(), event[w].daughter2()]
        if all(event[p].idAbs() <= 5 for p in partons):
            found.append((particle.id(), partons))
    return found


def wrap(phi: float) -> float:
    return (phi + np.pi) % (2 * np.pi) - np.pi


def generate(kind: str, count: int, seed: int, path: Path) -> None:
    """Write ``count`` jets of one kind as a ragged archive that `heedful.files.jets.read_jets` reads."""
    import fastjet
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in settings(kind, seed):
        pythia.readString(line)
    if not pythia.init():
        raise SystemExit("Pythia does not start")
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
    reach = RADIUS * (0.75 if kind == "qcd" else 1.0)
    particles, partons, offsets = [], [], [0]
    while len(partons) < count:
        if not pythia.next():
            continue
        event, final, charge = pythia.event, [], []
        for i in range(event.size()):
            particle = event[i]
            if particle.isFinal() and particle.idAbs() not in (12, 14, 16) and abs(particle.eta()) <= 4:
                four = fastjet.PseudoJet(particle.px(), particle.py(), particle.pz(), particle.e())
                four.set_user_index(len(charge))
                final.append(four)
                charge.append(particle.charge())
        candidates = hard_partons(event, kind)
        sequence = fastjet.ClusterSequence(final, definition)
        for jet in sequence.inclusive_jets(LOW):
            if len(partons) >= count or jet.pt() > HIGH or abs(jet.eta()) > ETA:
                continue
            matched = None
            for _, inside in candidates:
                gaps = [
                    np.hypot(event[p].eta() - jet.eta(), wrap(event[p].phi() - jet.phi())) for p in inside
                ]
                if max(gaps) < reach:
                    matched = inside
            if matched is None:
                continue
            for c in sorted(jet.constituents(), key=lambda c: -c.pt())[:MOST]:
                particles.append((c.pt(), c.eta(), wrap(c.phi()), c.e(), charge[c.user_index()]))
            offsets.append(len(particles))
            truth = np.zeros((3, 4), np.float32)
            for n, p in enumerate(matched):
                truth[n] = event[p].pT(), event[p].eta(), event[p].phi(), event[p].e()
            partons.append(truth)
    np.savez_compressed(path, particles=np.array(particles, np.float32), offsets=np.array(offsets),
                        partons=np.array(partons), label=np.full(count, int(kind == "top")))  # fmt: skip


def main() -> None:
    _page.usage(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    wanted = FILES
    if len(sys.argv) > 2:
        kind, count, seed, name = sys.argv[2:6]
        wanted = ((kind, int(count), int(seed), name),)
    for kind, count, seed, name in wanted:
        path = folder / f"{name}.npz"
        if not path.exists():
            print(f"{path.name}: {count} {kind} jets, seed {seed}", flush=True)
            generate(kind, count, seed, path)


if __name__ == "__main__":
    main()
