"""Two camps in a club: who listens to whom, how long the camps last, and a temperature found from data."""

import networkx as nx
import numpy as np

from heedful.files.graphs import read_graph
from heedful.interact.opinions import (
    Dynamics,
    TauEstimator,
    echo_chamber,
    lifetime,
    listening_network,
    read_listening,
    simulate,
)

club = read_graph(nx.karate_club_graph(), weight=None)
sides = np.where(np.array(club.attribute("club")) == "Mr. Hi", -1.0, 1.0)

rule = Dynamics(tau=0.1)
run = simulate(rule, sides, club, steps=200)
print(f"after {run.steps} steps: {run.history['camps'][-1]} camps")
print(lifetime(run.opinions, tau=0.1, network=club).sentence())

echo = echo_chamber(run.opinions, rule, club)
print(f"echo-chamber index {echo.index:+.3f}, p = {echo.p:.3f}")
print(read_listening(run.opinions, 0.1, club).to_pandas().head())

network, opinions = listening_network(250, tau=0.5, degree=15, seed=0)
model = TauEstimator().fit(network, opinions)
print(f"planted tau 0.5, found {model.tau_:.3f} {model.tau_interval_.round(3)}")
