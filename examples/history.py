"""A half-life for each kind of event, learned from outcomes; then one patient's timeline."""

from heedful.recall.history import History, generated, histories
from heedful.recall.history.reading import timeline

data = generated("sum", n=1500, seed=0)
model = History().fit(data.events, data.labels)
table = model.half_lives_.assign(planted=model.half_lives_["code"].map(data.half_lives))
print(table[["code", "half_life", "low", "high", "planted"]].round(0).to_string(index=False))

patients = histories(data.events, data.labels)
worst = int(model.predict(patients).argmax())
events = timeline(model, patients, row=worst)
print(
    events.reindex(events["contribution"].abs().sort_values(ascending=False).index)
    .head(5)
    .round(2)
    .to_string(index=False)
)
