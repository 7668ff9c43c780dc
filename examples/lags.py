"""Which series drives which, and when: links planted in a panel, found again."""

import pandas as pd

from heedful.recall.lags import LagScan, planted

data = planted("unseen", T=400, seed=3)
panel = pd.DataFrame(data.values, columns=["rain", "soil", "river", "algae", "fish"])

scan = LagScan(max_lag=5).fit(panel)
print(scan.links[["source", "target", "lag", "low", "high", "q", "shape"]].round(4).to_string(index=False))
print("planted:", sorted((panel.columns[k.source], panel.columns[k.target], k.lag) for k in data.links))
