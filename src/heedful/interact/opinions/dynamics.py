"""The dynamics: who is listened to, how stubbornly, in which order; and a run of it with its summary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ...errors import InputError
from ...files.graphs import Network
from . import measures
from .complete import step_complete
from .kernel import BOUND, CONSTANT, DISTANCE, DOT, Step, step, step_async

RULES = {
    "attention": DISTANCE,
    "dot": DOT,
    "degroot": CONSTANT,
    "friedkin-johnsen": CONSTANT,
    "hegselmann-krause": BOUND,
}


@dataclass(frozen=True)
class Dynamics:
    """x_i <- (1 - s_i) sum_j w_ij x_j + s_i a_i, with w_ij = softmax_j(score(x_i, x_j)) over those i
    listens to.

    Parameters
    ----------
    tau : float
        Temperature of the attention, in squared opinion units; small = one hears the like-minded alone.
        Needed by rules "attention" (score -|x_i - x_j|^2 / 2 tau) and "dot" (score x_i.x_j / tau).
    rule : {"attention", "dot", "degroot", "friedkin-johnsen", "hegselmann-krause"}
        DeGroot: constant score. Friedkin-Johnsen: constant score and stubbornness. Hegselmann-Krause: score 0
        within epsilon, -infinity beyond.
    epsilon : float, optional
        Bound of confidence, in opinion units; needed by Hegselmann-Krause.
    stubbornness : float or (N,) array
        s_i in [0, 1]: how strongly everyone holds on to their first opinion.
    anchors : mapping of node index to opinion, optional
        Nodes that never move, and where they stand.
    self_weight : float
        Weight of listening to oneself beside an edge of weight 1; 0 leaves it out.
    order : {"together", "one by one"}
        Synchronous, or asynchronous in a random order, everyone once a sweep.

    Raises
    ------
    InputError
        For tau or epsilon that are not positive and finite, stubbornness outside [0, 1], an unknown rule.

    Examples
    --------
    >>> x = np.repeat([-1.0, 1.0], 50)
    >>> after = Dynamics(tau=0.5).step(x).opinions
    >>> bool(np.isclose(after[-1], np.tanh(1 / 0.5)))              # two equal camps: m' = m tanh(m^2 / tau)
    True
    """

    tau: float | None = None
    rule: str = "attention"
    epsilon: float | None = None
    stubbornness: float | np.ndarray = 0.0
    anchors: Mapping[int, float] | None = field(default=None)
    self_weight: float = 1.0
    order: str = "together"

    def __post_init__(self):
        if self.rule not in RULES:
            raise InputError(f"rule '{self.rule}'", remedy="one of " + ", ".join(RULES))
        if self.order not in ("together", "one by one"):
            raise InputError(f"order '{self.order}'", remedy="'together' or 'one by one'")
        if self.rule in ("attention", "dot"):
            _positive("tau", self.tau, "how far apart two opinions may be and still be heard, squared")
        if self.rule == "hegselmann-krause":
            _positive("epsilon", self.epsilon, "the largest difference that is still listened to")
        s = np.asarray(self.stubbornness, dtype=np.float64)
        if not np.all((s >= 0) & (s <= 1)):
            raise InputError("stubbornness outside 0..1", remedy="0 follows the others, 1 never moves")
        if self.rule == "friedkin-johnsen" and not self.anchors and not np.any(s > 0):
            raise InputError(
                "Friedkin-Johnsen without stubbornness is DeGroot", remedy="give a stubbornness above 0"
            )
        if not (math.isfinite(self.self_weight) and self.self_weight >= 0):
            raise InputError(f"self_weight {self.self_weight}", remedy="a finite number, 0 or above")

    @property
    def width(self) -> float | None:
        """Reach of the listening, in opinion units: sqrt(tau), epsilon, or None (everything is heard)."""
        if self.rule == "attention":
            return math.sqrt(self.tau)
        return self.epsilon if self.rule == "hegselmann-krause" else None

    def step(
        self,
        opinions,
        network: Network | None = None,
        *,
        first=None,
        camp=None,
        entropy=False,
        weights=False,
        threads=None,
        engine="auto",
    ) -> Step:
        """One synchronous update of opinions (N,) or (N, d); ``network=None`` is the complete graph.

        ``first`` holds the opinions at the start, to which stubborn nodes hold on (default: ``opinions``).
        """
        x = check_opinions(opinions, network)
        kind, scale = RULES[self.rule], self._scale()
        own = math.log(self.self_weight) if self.self_weight > 0 else -math.inf
        if network is None:
            if weights:
                raise InputError(
                    "the weights of a complete graph are N x N", remedy="read them through Weights"
                )
            done = step_complete(
                x, kind=kind, scale=scale, self_log_weight=own, camp=camp, entropy=entropy, threads=threads
            )
        else:
            done = step(
                x,
                network.indptr,
                network.indices,
                kind=kind,
                scale=scale,
                log_weight=log_weight(network),
                self_log_weight=own,
                camp=camp,
                entropy=entropy,
                weights=weights,
                threads=threads,
                engine=engine,
            )
        pull, anchor = self.holding(x if first is None else np.asarray(first, dtype=np.float64))
        if pull is None:
            return done
        pull = pull.reshape((-1,) + (1,) * (x.ndim - 1))
        return done._replace(opinions=(1 - pull) * done.opinions + pull * anchor)

    def sweep(self, opinions, network: Network | None, rng, *, first=None) -> np.ndarray:
        """One asynchronous sweep: everyone once, in an order drawn from ``rng``, each hearing the newest
        opinions.
        """
        x = check_opinions(opinions, network)
        n = len(x)
        if network is None:
            if n > 5000:
                raise InputError(
                    f"an asynchronous sweep of a complete graph of {n} is {n}^2 pairs",
                    remedy="at most 5000 nodes, or order='together'",
                )
            others = np.arange(n * (n - 1), dtype=np.int64)
            cols = (others % (n - 1)).astype(np.int32)
            cols += cols >= (others // (n - 1))
            indptr, indices, lw = np.arange(0, n * (n - 1) + 1, n - 1), cols, None
        else:
            indptr, indices, lw = network.indptr, network.indices, log_weight(network)
        pull, anchor = self.holding(x if first is None else np.asarray(first, dtype=np.float64))
        return step_async(
            x,
            indptr,
            indices,
            rng.permutation(n),
            np.zeros(n) if pull is None else pull,
            x if pull is None else anchor,
            kind=RULES[self.rule],
            scale=self._scale(),
            log_weight=lw,
            self_log_weight=math.log(self.self_weight) if self.self_weight > 0 else -math.inf,
        )

    def holding(self, first: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """How strongly (N,) and to what (same shape as ``first``) everyone holds on; (None, None) if
        nobody does.
        """
        pull = np.broadcast_to(np.asarray(self.stubbornness, np.float64), len(first))
        if not self.anchors and not pull.any():
            return None, None
        pull, anchor = pull.copy(), first.copy()
        for node, where in (self.anchors or {}).items():
            if not 0 <= node < len(first):
                raise InputError(f"anchor {node} is not a node (0..{len(first) - 1})")
            pull[node], anchor[node] = 1.0, where
        return pull, anchor

    def _scale(self) -> float:
        return (
            self.epsilon if self.rule == "hegselmann-krause" else (self.tau if self.tau is not None else 1.0)
        )


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Parameters
    ----------
    opinions : (N,) or (N, d)
        Opinions after the last step.
    first : same shape
        Opinions at the start (anchors put in place).
    steps : int
        Updates made: the horizon that every statement holds for.
    settled : bool
        Whether the largest move of a step fell below the tolerance. Settled is not permanent: see
        `metastable`.
    history : dict of str to list
        Per recorded step: step, variance, Esteban-Ray, bimodality, camps, largest move, mean entropy.
    snapshots : (S, N[, d]) and times (S,)
        The opinions at some steps.
    """

    opinions: np.ndarray
    first: np.ndarray
    steps: int
    settled: bool
    history: dict[str, list]
    snapshots: np.ndarray
    times: np.ndarray


def simulate(
    dynamics: Dynamics,
    opinions,
    network: Network | None = None,
    *,
    steps: int = 500,
    tolerance: float = 1e-9,
    seed: int = 0,
    snapshots: int = 60,
    entropy: bool = False,
    threads: int | None = None,
    progress: Callable[[Iterable, str], Iterable] | None = None,
) -> Run:
    """Run a dynamics until it settles or ``steps`` are done.

    Parameters
    ----------
    dynamics : Dynamics
    opinions : (N,) or (N, d)
        Opinions at the start.
    network : Network, optional
        Who listens to whom; None is the complete graph.
    steps : int
        Horizon.
    tolerance : float
        Settled when no opinion moves by more than this in a step.
    seed : int
        Of the order of asynchronous updates.
    snapshots : int
        Steps recorded, denser early.
    entropy : bool
        Whether to record the mean entropy of the attention.
    progress : callable, optional
        ``progress(iterable, text)``, for instance `heedful.learn.progress`.

    Returns
    -------
    Run

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(-1, 1, 200)
    >>> simulate(Dynamics(tau=10.0), x).history["camps"][-1]
    1
    """
    if steps < 1:
        raise InputError(f"{steps} steps", remedy="at least 1")
    first = check_opinions(opinions, network).copy()
    for node, where in (dynamics.anchors or {}).items():
        if not 0 <= node < len(first):
            raise InputError(f"anchor {node} is not a node (0..{len(first) - 1})")
        first[node] = where
    rng = np.random.default_rng(seed)
    marks = set(np.unique(np.round(np.geomspace(1, steps, snapshots)).astype(int)).tolist())
    history: dict[str, list] = {}
    kept, times = [], []
    span = float(np.ptp(first, axis=0).max()) or 1.0
    width = dynamics.width or 0.05 * span
    x, done = first, 0

    def record(x, move, mean_entropy):
        label = measures.camps(x, width)
        row = {
            "step": done,
            "variance": measures.variance(x),
            "polarisation": measures.esteban_ray(x, label, span),
            "bimodality": measures.bimodality(x),
            "camps": measures.count_camps(label),
            "largest move": move,
        }
        if entropy:
            row["entropy"] = mean_entropy
        for key, value in row.items():
            history.setdefault(key, []).append(value)
        kept.append(x)
        times.append(done)

    record(x, float("nan"), float("nan"))
    settled = False
    turns = range(1, steps + 1)
    for done in turns if progress is None else progress(turns, "steps"):
        due = done in marks
        if dynamics.order == "together":
            result = dynamics.step(x, network, first=first, entropy=entropy and due, threads=threads)
            new, ent = result.opinions, result.entropy
        else:
            new, ent = dynamics.sweep(x, network, rng, first=first), None
        move = float(np.abs(new - x).max())
        x = new
        settled = move <= tolerance
        if due or settled or done == steps:
            record(x, move, float(ent.mean()) if ent is not None else float("nan"))
        if settled:
            break
    return Run(x, first, done, settled, history, np.stack(kept), np.array(times))


def check_opinions(opinions, network: Network | None) -> np.ndarray:
    """Opinions as float64 (N,) or (N, d), finite and one per node; else an InputError."""
    x = np.asarray(opinions, dtype=np.float64)
    if x.ndim not in (1, 2) or x.shape[0] < 1:
        raise InputError(f"opinions of shape {x.shape}, (N,) or (N, d) was expected")
    if network is not None and len(x) != network.size:
        raise InputError(
            f"{len(x)} opinions for a network of {network.size} nodes", remedy="one per node, in its order"
        )
    if not np.isfinite(x).all():
        at = int(np.argmax(~np.isfinite(x.reshape(len(x), -1)).all(1)))
        raise InputError(
            "an opinion is not a finite number", where=f"node {at}", remedy="give one or take the node out"
        )
    return x


def log_weight(network: Network) -> np.ndarray | None:
    """Log of the network's edge weights (E,), None where all are 1."""
    return None if network.weights is None else np.log(network.weights)


def _positive(name: str, value, meaning: str) -> None:
    if value is None or not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} = {value}", remedy=f"{name} is {meaning}: a number above 0")
