"""Which past observations put the probability of recession where it is?

    python examples/nowcast.py [PANEL.csv]

Without a file: the quarterly US panel that ships with statsmodels.
"""

import sys

from heedful.files.panel import read_panel
from heedful.recall.nowcast import Chronology, Nowcast, backtest, explain, macrodata

panel = read_panel(sys.argv[1]) if len(sys.argv) > 1 else macrodata()
test = backtest(panel)  # refits every year on what was known then
print(test.table().to_string(index=False))

index = panel.values.index
model = Nowcast().fit(panel, Chronology.nber().known(index, index[-1]))
story = explain(model, panel, index[-3])
print(story.sentence())
print(story.groups[["words", "when", "log_odds", "points"]].head(5).round(3).to_string(index=False))

# the terms are exact: base + contributions = nowcast
print(f"{story.base:.3f} + {story.tokens['points'].sum():.3f} = {story.probability:.3f}")
print(story.reading().certificate)
