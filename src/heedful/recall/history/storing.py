"""A fitted history model as one safetensors file: arrays and a JSON record, no code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch

from ...errors import InputError
from ...learn.storing import load_tensors, save_tensors
from .design import Scaling
from .model import History
from .plain import PlainHead

FORMAT = 1


def save(model: History, path: str | Path) -> Path:
    """Write a fitted `History`.

    Examples
    --------
    >>> import tempfile
    >>> from heedful.recall.history import History, generated
    >>> data = generated(n=200)
    >>> model = History(method="plain").fit(data.events, data.labels)
    >>> path = save(model, tempfile.mkdtemp() + "/model.safetensors")
    >>> bool((load(path).predict(data.events, data.labels) == model.predict(data.events, data.labels)).all())
    True
    """
    record = {
        "estimator": "History",
        "format": FORMAT,
        "parameters": model.get_params(),
        "codes": model.codes_,
        "static_names": model.static_names_,
        "hazard": model.hazard_,
        "correction": getattr(model, "correction_", None),
    }
    arrays = {"theta": model.theta_}
    if model.method == "plain":
        plain = model.plain_
        arrays |= {"plain.centre": plain.centre, "plain.spread": plain.spread}
        record["plain.start"] = plain.start
    else:
        arrays["covariance"] = model.covariance_
        for f in fields(Scaling):
            value = getattr(model.scaling_, f.name)
            if isinstance(value, np.ndarray):
                arrays[f"scaling.{f.name}"] = value
            else:
                record[f"scaling.{f.name}"] = value
    return save_tensors(
        path, {k: torch.as_tensor(np.ascontiguousarray(v)) for k, v in arrays.items()}, record
    )


def load(path: str | Path) -> History:
    """Read what `save` wrote, checked."""
    tensors, record = load_tensors(path)
    if record.get("estimator") != "History" or record.get("format") != FORMAT:
        raise InputError("is no history model of this version", path=path, remedy="fit again with --model")
    arrays = {k: v.numpy() for k, v in tensors.items()}
    try:
        model = History(**record["parameters"])
        model.theta_, model.codes_, model.static_names_ = (
            arrays["theta"],
            record["codes"],
            record["static_names"],
        )
        model.hazard_, model.notes_ = record["hazard"], []
        if model.method == "plain":
            model.plain_ = PlainHead.rebuilt(
                arrays["plain.centre"], arrays["plain.spread"], record["plain.start"], model.theta_
            )
            model._plain_table()
        else:
            model.correction_, model.covariance_ = record["correction"], arrays["covariance"]
            parts = {
                f.name: arrays.get(f"scaling.{f.name}", record.get(f"scaling.{f.name}"))
                for f in fields(Scaling)
            }
            model.scaling_ = Scaling(**parts)
            model._tables()
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"does not fit this version ({error})", path=path, remedy="fit again with --model"
        ) from error
    return model
