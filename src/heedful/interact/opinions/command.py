"""`heedful opinions simulate|fit|phases`: run the dynamics, estimate its temperature, draw its phase
diagram.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...reading.story import Score, Story

HELP = "Opinions on a network: echo chambers, polarisation, and the temperature of listening from data"

_Network = Annotated[
    Path | None,
    typer.Argument(help="GML, GraphML, edge list, .mtx or scipy .npz; left out: everyone hears everyone"),
]
_Listens = Annotated[
    str | None,
    typer.Option(help="Who listens in an edge u -> v: source (u listens to v), target (v to u) or both"),
]
_Weights = Annotated[bool, typer.Option("--weights/--no-weights", help="Use the edge weights of the file")]
_Nodes = Annotated[Path | None, typer.Option(help="Table of nodes, CSV with a header: more attributes")]
_N = Annotated[int, typer.Option(help="People, where no network is given", min=2)]
_Start = Annotated[
    str, typer.Option(help="uniform, gaussian, camps, or the node attribute that holds opinions")
]
_Self = Annotated[float, typer.Option(help="Weight of listening to oneself", min=0.0)]
_Steps = Annotated[int, typer.Option(help="Horizon: most steps", min=1)]
_Seed = Annotated[int, typer.Option(help="Of every random draw")]
_Trust = Annotated[str, typer.Option(help="none, quick or full: how hard the claims are tested")]
_Out = Annotated[Path | None, typer.Option(help="Result table, CSV")]
_Anchors = Annotated[str | None, typer.Option(help="Nodes that never move: name=opinion,name=opinion")]
_Stubborn = Annotated[float, typer.Option(help="0..1: how strongly everyone holds on to their first opinion")]


def simulate(
    network: _Network = None,
    tau: Annotated[
        float | None, typer.Option(help="Temperature, squared opinion units (default 0.05)")
    ] = None,
    rule: Annotated[
        str, typer.Option(help="attention, dot, degroot, friedkin-johnsen or hegselmann-krause")
    ] = "attention",
    epsilon: Annotated[float | None, typer.Option(help="Bound of confidence (Hegselmann-Krause)")] = None,
    method: Annotated[
        str, typer.Option(help="refined, or plain: attention alone, without stubbornness, anchors or weights")
    ] = "refined",
    listens: _Listens = None,
    weights: _Weights = True,
    nodes: _Nodes = None,
    n: _N = 500,
    start: _Start = "uniform",
    anchors: _Anchors = None,
    stubbornness: _Stubborn = 0.0,
    self_weight: _Self = 1.0,
    one_by_one: Annotated[
        bool, typer.Option(help="Asynchronous: one person after another, random order")
    ] = False,
    steps: _Steps = 500,
    rewirings: Annotated[
        int | None,
        typer.Option(
            help="Degree-preserving rewirings of the echo-chamber null (default 50; 5 above 200,000 edges)",
            min=0,
        ),
    ] = None,
    out: _Out = None,
    trust: _Trust = "quick",
    seed: _Seed = 0,
) -> Story:
    """Run the dynamics on a network and say what camps there are, for how long, and who listens to whom."""
    import pandas as pd

    from ...errors import InputError
    from ...learn import progress
    from . import pictures, telling, tokens
    from .claims import examine_camps
    from .diagram import describe
    from .dynamics import Dynamics
    from .dynamics import simulate as run_dynamics
    from .measures import camps
    from .reading import LARGEST, read_listening

    if method not in ("refined", "plain"):
        raise InputError(f"method '{method}'", remedy="refined or plain")
    if method == "plain":
        rule, anchors, stubbornness, self_weight, weights = "attention", None, 0.0, 1.0, False
    net = tokens.load_network(network, listens, weights, nodes)
    x0, notes = tokens.load_start(start, net, n, seed)
    if tau is None and rule in ("attention", "dot"):
        tau = 0.05
    dynamics = Dynamics(
        tau=tau,
        rule=rule,
        epsilon=epsilon,
        stubbornness=stubbornness,
        anchors=tokens.parse_anchors(anchors, net),
        self_weight=self_weight,
        order="one by one" if one_by_one else "together",
    )
    run = run_dynamics(dynamics, x0, net, steps=steps, seed=seed, progress=progress)
    row, width = describe(run, dynamics, net), dynamics.width or 0.05
    label = camps(run.opinions, width)
    headline = telling.camps_sentence(run, label, row)
    verdicts, attention, reading = [], None, None
    if rule == "attention":
        headline += " " + telling.lifetime_sentence(run, dynamics, net)
        verdicts = examine_camps(run.opinions, tau, label, net, level=trust, seed=seed)
        if not verdicts and trust != "none":
            notes.append(
                "the camps were not put to the test: there is one, or nobody has company in theirs, or "
                "there are more than 3000 people"
            )
        if net is not None or (len(x0) <= LARGEST and self_weight == 1.0):
            reading = read_listening(run.opinions, tau, net, self_weight=self_weight)
        if label.max() > 0 and not run.settled:
            notes.append(f"the horizon of {steps} steps ended the run, not the dynamics")
    if net is not None:
        attention = dynamics.step(run.opinions, net, weights=True).weights
        if rewirings is None:
            rewirings = 50 if net.edges <= 200_000 else 5
        if rewirings and row["variance ratio"] > 1e-6:
            found, said = telling.echo_figures(run, dynamics, net, rewirings, seed)
            row |= found
            notes.append(said)
    people = pd.DataFrame(
        {
            "node": list(net.labels) if net is not None else range(len(x0)),
            **telling.columns("first", run.first),
            **telling.columns("last", run.opinions),
            "camp": label + 1,
        }
    )
    return telling.told(
        net,
        network,
        len(x0),
        f"start: {start}",
        [*notes, f"camps are groups that no gap wider than {width:.3g} divides"],
        people,
        out,
        title="Opinions" if network is None else f"Opinions on {network.name}",
        headline=headline,
        verdicts=verdicts,
        pictures=[
            pictures.live(run.first, tau, net) if rule == "attention" else None,
            pictures.paths(run, verdict=verdicts[0] if verdicts else None),
            pictures.over_time(run),
            pictures.society(net, run.opinions, attention) if net is not None else None,
        ],
        tables={
            "figures": pd.DataFrame([row]),
            "history": pd.DataFrame(run.history),
            "people": people.head(1000),
        },
        reading=reading,
    )


def fit(
    network: Annotated[
        Path, typer.Argument(help="GML, GraphML, edge list, .mtx or scipy .npz: who listens to whom")
    ],
    opinions: Annotated[
        str | None,
        typer.Option(help="Node attribute with opinions (numbers or two labels); left out: latent ones"),
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="Node attributes, by commas: being alike in each counts too")
    ] = None,
    dims: Annotated[int, typer.Option(help="Axes of the latent opinion", min=1)] = 1,
    per_axis: Annotated[bool, typer.Option(help="One tau per axis")] = False,
    popularity: Annotated[str, typer.Option(help="free, degree or none")] = "free",
    method: Annotated[
        str, typer.Option(help="refined, or plain: one softmax of the distance alone")
    ] = "refined",
    listens: _Listens = None,
    nodes: _Nodes = None,
    keep: Annotated[str | None, typer.Option(help="Only nodes with these opinion labels, by commas")] = None,
    known_only: Annotated[
        bool, typer.Option(help="Leave nodes without an opinion out (they are counted)")
    ] = False,
    hold: Annotated[float, typer.Option(help="Share of the edges held out for the comparison")] = 0.2,
    bootstrap: Annotated[int, typer.Option(help="Redrawings of whole listeners", min=50)] = 500,
    out: _Out = None,
    trust: _Trust = "quick",
    seed: _Seed = 0,
) -> Story:
    """Estimate tau from a network, with an interval; judge it on held-out pairs beside popularity and
    block model.
    """
    import numpy as np
    import pandas as pd

    from . import pictures, telling, tokens
    from .claims import examine_camps
    from .heldout import compare
    from .model import TauEstimator
    from .reading import read_listening

    net = tokens.load_network(network, listens, True, nodes)
    notes = ["edge weights are not used: who is listened to is what is explained"]
    if opinions is not None and (keep or known_only):
        wanted = [k.strip() for k in keep.split(",")] if keep else ()
        net, gone = tokens.known_only(net, opinions, wanted)
        notes.append(f"{gone} nodes without a usable {opinions} left out")
    x = None if opinions is None else tokens.opinions_of(net.attribute(opinions), opinions)
    names = [g.strip() for g in groups.split(",")] if groups else []
    settings = {
        "groups": tuple(net.attribute(g) for g in names),
        "dims": dims,
        "per_axis": per_axis,
        "popularity": popularity,
        "method": method,
        "bootstrap": bootstrap,
        "seed": seed,
    }
    held = compare(net, x, estimator=TauEstimator(**settings), share=hold, seed=seed)
    model = TauEstimator(**settings).fit(net, x)  # the figure that is reported uses every edge
    tau, interval = np.atleast_1d(model.tau_), np.atleast_2d(model.tau_interval_)
    told = ", ".join(f"{t:.3g} [{a:.3g}, {b:.3g}]" for t, (a, b) in zip(tau, interval, strict=True))
    axes = "one axis, unit variance" if dims == 1 else f"{dims} axes, unit variance each"
    what = f"opinion = {opinions}" if opinions else f"latent opinion of {axes}"
    ours = held.results["attention"]
    scores = []
    for name, other in held.results.items():
        if other is ours:
            continue
        for measure, attribute in (("log-likelihood per held-out edge", "log_likelihood"), ("AUC", "auc")):
            a, b = getattr(ours, attribute), getattr(other, attribute)
            _, low, high = held.difference(name, attribute, seed=seed)
            scores.append(Score(measure, float(a.mean()), float(b.mean()), name, interval=(low, high)))
    coefficients = pd.DataFrame(
        [{"term": k, "value": v, "low": a, "high": b} for k, (v, a, b) in model.coefficients_.items()]
    )
    named = dict(
        zip([f"same group {g + 1}" for g in range(len(names))], [f"same {g}" for g in names], strict=True)
    )
    coefficients["term"] = coefficients["term"].replace(named)
    usable = not per_axis and np.isfinite(tau[0])
    label = np.unique(model.opinions_[:, 0] >= np.median(model.opinions_[:, 0]), return_inverse=True)[1]
    verdicts = (
        examine_camps(model.opinions_, float(tau[0]), label, net, level=trust, seed=seed) if usable else []
    )
    if model.latent_:
        notes.append(
            "latent opinions are measured with error, which makes tau look larger; they are built from "
            "other edges "
            "than those that tau is fitted on, and from none that are held out"
        )
    return telling.told(
        net,
        network,
        net.size,
        what,
        notes,
        coefficients,
        out,
        title=f"The temperature of listening in {network.name}",
        headline=f"tau = {told} (95 %, whole listeners redrawn), in squared units of the opinion; {what}.",
        scores=scores,
        verdicts=verdicts,
        pictures=[
            pictures.temperatures(model),
            pictures.society(net, model.opinions_[:, 0], title="The network and its opinions"),
            pictures.next_listened(model, int(np.argmax(np.diff(net.indptr)))),
        ],
        tables={"coefficients": coefficients, "held-out pairs": held.table()},
        reading=read_listening(model.opinions_, float(tau[0]), net, gate=model.gate_) if usable else None,
    )


def phases(
    network: _Network = None,
    taus: Annotated[
        str, typer.Option(help="Temperatures by commas, or low:high:count (geometric)")
    ] = "0.002:0.2:9",
    seeds: Annotated[int, typer.Option(help="Starts per temperature", min=1)] = 5,
    listens: _Listens = None,
    weights: _Weights = True,
    nodes: _Nodes = None,
    n: _N = 500,
    start: _Start = "uniform",
    anchors: _Anchors = None,
    stubbornness: _Stubborn = 0.0,
    self_weight: _Self = 1.0,
    steps: _Steps = 500,
    rewirings: Annotated[int, typer.Option(help="Degree-preserving rewirings of the null", min=0)] = 10,
    out: _Out = None,
    seed: _Seed = 0,
) -> Story:
    """Draw the phase diagram: variance, polarisation, camps, echo chamber and lifetime against tau."""
    from ...learn import progress
    from . import pictures, telling, tokens
    from .diagram import phases as diagram
    from .dynamics import Dynamics

    net = tokens.load_network(network, listens, weights, nodes)
    opinions, notes = start, []
    if start not in tokens.STARTS:  # everyone's opinion is known: there is one start
        opinions, notes = tokens.load_start(start, net, n, seed)
        seeds = 1
    fixed = tokens.parse_anchors(anchors, net)
    rule = Dynamics(tau=1.0, anchors=fixed, stubbornness=stubbornness, self_weight=self_weight)
    frame = diagram(
        tokens.temperatures(taus),
        range(seed, seed + seeds),
        network=net,
        n=n,
        opinions=opinions,
        dynamics=rule,
        steps=steps,
        rewirings=rewirings,
        progress=progress,
    )
    notes += [
        "below the peak a lower tau fragments opinion further: it does not polarise it more",
        f"all statements are about a horizon of {steps} steps; the table's log10 lifetime says how long "
        f"camps last",
    ]
    mean = frame.groupby("tau").mean(numeric_only=True)
    return telling.told(
        net,
        network,
        net.size if net is not None else n,
        f"{len(frame)} runs; start: {start}",
        notes,
        frame,
        out,
        title="Phase diagram of listening",
        headline=telling.phases_sentence(frame, steps),
        pictures=pictures.phase_diagram(frame),
        tables={"by tau": mean.drop(columns="seed").reset_index(), "runs": frame},
    )


VERBS = {"simulate": simulate, "fit": fit, "phases": phases}
