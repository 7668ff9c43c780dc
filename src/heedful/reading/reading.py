"""A reading: what was read from the weights, labelled in the field's words, certified, ready to keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..attention import Reads, Weights, reads
from ..errors import InputError
from ..writing import write_atomic

FORMAT = 1  # of the netCDF files that save() writes
_LEADS = {0: (), 1: ("head",), 2: ("batch", "head")}


class Reading:
    """A labelled, detached copy of :class:`~heedful.reads.Reads`, with an xarray Dataset inside.

    Parameters
    ----------
    r : Reads
        From ``out, r = W.read(v, [...])``.
    queries, keys : sequence of str, optional
        Names; numbers by default. Repeated names are allowed.
    times : (array (Nq,), array (Nk,)), optional
        When queries and keys happen, in the field's unit; kept as coordinates.
    groups : sequence of str, optional
        Names of the mass groups where the read gave none.
    lead : sequence of str, optional
        Names of the leading dimensions; ("head",) or ("batch", "head") by default.
    title, unit : str
        What was read, and the unit of the contributions.
    seed : int
        Chooses the rows that are certified.

    Attributes
    ----------
    data : xarray.Dataset
    engine : str
    checked : (float, int) or None
        Largest error against float64 on that many seeded rows; None where nothing was read per query.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful import Reading, Weights, reads
    >>> x = np.eye(3)
    >>> out, r = Weights(x, x).read(x, [reads.TopK(2), reads.Entropy(), reads.Columns()])
    >>> reading = Reading(r, queries=["a", "b", "c"], keys=["a", "b", "c"], title="identity")
    >>> reading.to_pandas().head(2)[["query", "key"]].values.tolist()[0]
    ['a', 'a']
    >>> reading.certificate.startswith("checked: ")
    True
    """

    def __init__(
        self,
        r: Reads,
        *,
        queries: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        times: tuple[Any, Any] | None = None,
        groups: Sequence[str] | None = None,
        lead: Sequence[str] | None = None,
        title: str = "",
        unit: str = "",
        seed: int = 0,
    ):
        weights: Weights = r.weights
        nq, nk = weights.shape[-2:]
        self.title, self.unit, self.engine = title, unit, r.engine
        lead = tuple(lead) if lead is not None else _LEADS.get(len(weights.shape) - 2)
        if lead is None:
            lead = tuple(f"lead{n}" for n in range(len(weights.shape) - 2))
        if len(lead) != len(weights.shape) - 2:
            raise InputError(f"{len(lead)} names for {len(weights.shape) - 2} leading dimensions")
        self.data = _dataset(r, lead, nq, nk, queries, keys, times, groups)
        self.checked = certify(r, seed=seed)
        self.data.attrs.update(
            heedful_format=FORMAT, title=title, unit=unit, engine=r.engine, certificate=self.certificate
        )

    @property
    def certificate(self) -> str:
        """``checked: 3e-07 on 8 rows``: the largest error against float64 on seeded rows."""
        if self.checked is None:
            return "not checked: nothing was read per query"
        return f"checked: {self.checked[0]:.0e} on {self.checked[1]} rows"

    def to_xarray(self):
        """The labelled :class:`xarray.Dataset` (a copy)."""
        return self.data.copy(deep=True)

    def to_pandas(self):
        """The largest weights as a tidy frame: one row per query (and head) and rank.

        Raises
        ------
        InputError
            Where TopK was not among the reads.
        """
        import pandas as pd

        if "top_weight" not in self.data:
            raise InputError("no TopK was read", remedy="add reads.TopK(8) to the reads")
        weight, index = self.data["top_weight"], self.data["top_key"].values
        place = np.indices(weight.shape)
        found = index.ravel() >= 0
        columns = {
            d: (self.data["query_name"].values[p.ravel()[found]] if d == "query" else p.ravel()[found])
            for d, p in zip(weight.dims, place, strict=True)
        }
        columns["key"] = self.data["key_name"].values[index.ravel()[found]]
        columns["weight"] = weight.values.ravel()[found]
        return pd.DataFrame(columns)

    def summary(self):
        """A :class:`rich.table.Table` of what was read, one line per query, at most 20; `print` draws it."""
        from .told import Summary

        table = Summary(title=self.title or "reading", caption=f"{self.engine}; {self.certificate}")
        table.add_column("query")
        shown = [n for n in ("entropy", "effective_keys", "quantile") if n in self.data]
        for name in shown:
            table.add_column(name.replace("_", " "), justify="right")
        if "top_weight" in self.data:
            table.add_column("attends to")
        heads = [d for d in self.data["empty"].dims if d != "query"]
        mean = self.data[shown].mean(heads) if heads else self.data[shown]
        for i, name in enumerate(self.data["query_name"].values[:20]):
            cells = [f"{float(mean[n][i]):.3g}" for n in shown]
            if "top_weight" in self.data:
                cells.append(self._listing(i, heads))
            table.add_row(str(name), *cells)
        return table

    def _listing(self, i: int, heads: list[str]) -> str:
        first = self.data.isel({"query": i, **dict.fromkeys(heads, 0)})
        pairs = zip(first["top_weight"].values[:4], first["top_key"].values[:4], strict=True)
        names = self.data["key_name"].values
        return ", ".join(f"{names[j]} {w:.2f}" for w, j in pairs if j >= 0)

    def pictures(self) -> list[Any]:
        """The reading as pictures: the tokens with their largest weights, the columns, the masses."""
        from . import pictures as pic

        names_q = [str(n) for n in self.data["query_name"].values]
        names_k = [str(n) for n in self.data["key_name"].values]
        title, drawn = self.title or "Weights", []
        if "top_weight" in self.data:
            weight, index = self.data["top_weight"], self.data["top_key"]
            heads = [d for d in weight.dims if d not in ("query", "rank")]
            named = {d: [f"{d} {n}" for n in range(weight.sizes[d])] for d in heads} or None
            columns = self.data["columns"].values if "columns" in self.data else None
            drawn.append(
                pic.Tokens(
                    title,
                    names_q,
                    names_k,
                    index.values,
                    weight.values,
                    columns=columns,
                    heads=named,
                    caption=f"{self.engine}; {self.certificate}",
                )
            )
        if "columns" in self.data:
            received = self.data["columns"]
            mean = received.mean([d for d in received.dims if d != "key"]).values
            top = np.argsort(-mean)[:20]
            drawn.append(pic.Bars(f"{title}: attention received", [names_k[j] for j in top], mean[top]))
        return drawn

    def save(self, path: str | Path) -> Path:
        """Write the reading as netCDF (format version inside), whole or not at all.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        data = self.data.copy()
        data.attrs["checked"] = json.dumps(self.checked)
        for name in list(data.variables):
            if data[name].dtype == bool:
                data[name] = data[name].astype("int8")
            elif data[name].dtype == np.int64:
                data[name] = data[name].astype("int32")
            elif data[name].dtype == object or data[name].dtype.kind == "U":
                data[name] = data[name].astype(str)
        return write_atomic(path, lambda temporary: data.to_netcdf(temporary, engine="scipy"))

    @classmethod
    def load(cls, path: str | Path) -> Reading:
        """A reading that :meth:`save` wrote.

        Raises
        ------
        InputError
            If the file is not such a one, or of a later format.
        """
        import xarray as xr

        if not Path(path).is_file():
            raise InputError("there is no such file", path=path)
        try:
            data = xr.load_dataset(path, engine="scipy")
        except Exception as error:  # scipy raises whatever its parser stumbles over
            raise InputError(f"is not a netCDF file ({error})", path=path) from None
        version = data.attrs.get("heedful_format")
        if version is None or int(version) > FORMAT:
            raise InputError(
                f"format {version}, this version reads up to {FORMAT}", path=path, remedy="upgrade heedful"
            )
        made = object.__new__(cls)
        made.data, made.title, made.unit = data, data.attrs["title"], data.attrs["unit"]
        made.engine = data.attrs["engine"]
        kept = json.loads(data.attrs.pop("checked"))
        made.checked = None if kept is None else tuple(kept)
        data["empty"] = data["empty"].astype(bool)
        return made

    def __repr__(self) -> str:
        sizes = ", ".join(f"{d} {n}" for d, n in self.data.sizes.items())
        return f"Reading({self.title!r}, {sizes}; {self.engine}; {self.certificate})"


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _names(given: Sequence[str] | None, n: int, what: str) -> list[str]:
    if given is None:
        return [str(i) for i in range(n)]
    if len(given) != n:
        raise InputError(f"{len(given)} names for {n} {what}")
    return [str(name) for name in given]


def _dataset(r: Reads, lead, nq, nk, queries, keys, times, groups):
    import xarray as xr

    per_query, per_key = (*lead, "query"), (*lead, "key")
    found: dict[str, tuple] = {"empty": (per_query, _array(r.empty))}
    coords: dict[str, tuple] = {
        "query_name": ("query", np.array(_names(queries, nq, "queries"), dtype=object)),
        "key_name": ("key", np.array(_names(keys, nk, "keys"), dtype=object)),
    }
    for read in r:
        value = r[read]
        name = read.name if read.name not in found else f"{read.name}_{len(found)}"
        if isinstance(read, reads.TopK):
            found["top_weight"] = ((*per_query, "rank"), _array(value.weight))
            found["top_key"] = ((*per_query, "rank"), _array(value.index))
        elif isinstance(read, reads.Mass):
            array = _array(value)
            labels = read.labels(nk)
            labels = list(groups) + labels[len(groups) :] if groups is not None else labels
            labels += ["sink"] * (array.shape[-1] - len(labels))
            coords["group_name"] = ("group", np.array(labels, dtype=object))
            found[name] = ((*per_query, "group"), array)
        elif isinstance(read, reads.Moments):
            found["moment_mean"] = ((*per_query, "quantity"), _array(value.mean))
            found["moment_variance"] = ((*per_query, "quantity"), _array(value.variance))
        elif isinstance(read, reads.Columns):
            found[name] = (per_key, _array(value))
        elif isinstance(read, reads.Lag):
            edges = _array(read.edges).astype(float)
            coords["bin_centre"] = ("bin", 0.5 * (edges[1:] + edges[:-1]))
            found[name] = ((*lead, "bin"), _array(value))
        elif isinstance(read, reads.Rows):
            found[name] = ((*lead, "row", "key"), _array(value))
        elif isinstance(read, reads.Contribution):
            found["contribution_total"] = (per_key, _array(value.total))
            if value.weight is not None:
                found["contribution"] = ((*per_query, "term"), _array(value.weight))
                found["contribution_key"] = ((*per_query, "term"), _array(value.index))
        else:
            found[name] = (per_query, _array(value))
    if times is not None:
        coords["query_time"], coords["key_time"] = (
            ("query", np.asarray(times[0])),
            ("key", np.asarray(times[1])),
        )
    return xr.Dataset(found, coords=coords)


def certify(r: Reads, *, rows: int = 8, seed: int = 0) -> tuple[float, int] | None:
    """Recompute seeded rows in float64 and compare all that was read of them.

    Returns
    -------
    (float, int) or None
        Largest difference over largest value, and how many rows; None where nothing was read per query.
    """
    weights: Weights = r.weights
    nq, nk = weights.shape[-2:]
    if not nq or not nk:
        return None
    chosen = np.sort(np.random.default_rng(seed).choice(nq, min(rows, nq), replace=False))
    with torch.no_grad():
        problem = weights._problem().to(torch.float64)
        from ..attention.looking import rows as whole_rows

        p = whole_rows(problem, chosen).numpy(force=True)
    worst = []
    for read in r:
        if isinstance(read, (reads.Columns, reads.Lag, reads.LogPartition, reads.Rows, reads.Contribution)):
            continue
        got = r[read]
        if isinstance(read, reads.TopK):
            index = _array(got.index)[..., chosen, :]
            want = np.take_along_axis(p, np.maximum(index, 0), -1) * (index >= 0)
            worst.append(_gap(_array(got.weight)[..., chosen, :], want))
        elif isinstance(read, (reads.Entropy, reads.EffectiveKeys)) and weights.sink is None:
            if read.order == 1:
                want = -np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0.0).sum(-1)
            else:
                total = np.maximum((p**read.order).sum(-1), 1e-300)
                want = np.log(total) / (1 - read.order)
            live = p.sum(-1) > 0
            as_keys = isinstance(read, reads.EffectiveKeys)
            want = np.where(live, np.exp(want) if as_keys else np.maximum(want, 0), 0.0)
            worst.append(_gap(_array(got)[..., chosen], want))
        elif isinstance(read, reads.Mass):
            want = _masses(read, p)
            worst.append(_gap(_array(got)[..., chosen, : want.shape[-1]], want))
        elif isinstance(read, reads.Moments) and weights.sink is None:
            x = np.asarray(_array(read.x), dtype=float)
            worst.append(_gap(_array(got.mean)[..., chosen, :], p @ (x[:, None] if x.ndim == 1 else x)))
    return (max(worst), len(chosen)) if worst else None


def _masses(read: reads.Mass, p: np.ndarray) -> np.ndarray:
    """What rows (..., n, Nk) of weights put on each group, in float64."""
    rows = torch.from_numpy(p)
    summed = read.summed(p.shape[-1], rows)
    if summed is None:
        return p @ read.table(p.shape[-1], rows)[0].numpy(force=True)
    groups, count = summed
    return rows.new_zeros((*p.shape[:-1], count)).index_add(-1, groups.cpu(), rows).numpy()


def _gap(got: np.ndarray, want: np.ndarray) -> float:
    scale = max(float(np.abs(want).max(initial=0.0)), 1e-30)
    return float(np.abs(got - want).max(initial=0.0)) / scale
