"""A training run in one file: weights, best weights, optimiser and record."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import InputError
from .storing import load_tensors, save_tensors


def fingerprint(thing: Any) -> str:
    """A short hash of a module's shapes, or of data's length and up to 64 of its rows."""
    digest = hashlib.sha256()
    if isinstance(thing, nn.Module):
        for name, tensor in thing.state_dict().items():
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        return digest.hexdigest()[:16]
    n = len(thing)
    rows = torch.from_numpy(np.unique(np.linspace(0, n - 1, min(n, 64)).astype(np.int64)))
    digest.update(str(n).encode())
    batch = thing[rows]
    for part in batch if isinstance(batch, tuple | list) else (batch,):
        if isinstance(part, torch.Tensor):
            digest.update(f"{tuple(part.shape)} {part.dtype}".encode())
            digest.update(part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


class Checkpoint:
    """Writes and reads the state of `fit` between two steps; does nothing where no path is given."""

    def __init__(self, path: str | Path | None, settings: dict[str, Any]):
        self.path = None if path is None else Path(path)
        self.settings = settings

    def save(self, module, optim, record, best, step: int, running: float) -> None:
        if self.path is None:
            return
        tensors = {f"module/{k}": v for k, v in module.state_dict().items()}
        tensors |= {f"best/{k}": v for k, v in (best or {}).items()}
        state = optim.state_dict()
        numbers: dict[str, Any] = {}
        for index, entry in state["state"].items():
            for name, value in entry.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimiser/{index}/{name}"] = value
                else:
                    numbers[f"{index}/{name}"] = value
        save_tensors(self.path, tensors, {
            "checkpoint": 1, "settings": self.settings, "step": step, "running": running,
            "fit": asdict(record),
            "optimiser": {"groups": state["param_groups"], "numbers": numbers},
        })

    def load(self, module, optim, record) -> tuple[int, float, dict | None]:
        """Restore everything in place; the step to go on from, the running loss, the best weights."""
        if self.path is None or not self.path.exists():
            return 0, 0.0, None
        tensors, kept = load_tensors(self.path)
        if kept.get("checkpoint") != 1:
            raise InputError("is no checkpoint of a training run", path=self.path,
                             remedy="give another path for the checkpoint")
        other = [f"{k} {kept['settings'].get(k)!r}, now {v!r}" for k, v in self.settings.items()
                 if kept["settings"].get(k) != v]
        if other:
            raise InputError("is the checkpoint of another run: " + "; ".join(other), path=self.path,
                             remedy="give the same settings and data, or remove the file")
        try:
            device = next(iter(module.state_dict().values())).device
            module.load_state_dict(_under(tensors, "module/"))
            state: dict[int, dict[str, Any]] = {}
            for name, value in _under(tensors, "optimiser/").items():
                index, key = name.split("/", 1)
                state.setdefault(int(index), {})[key] = value
            for name, value in kept["optimiser"]["numbers"].items():
                index, key = name.split("/", 1)
                state.setdefault(int(index), {})[key] = value
            optim.load_state_dict({"state": state, "param_groups": kept["optimiser"]["groups"]})
            for name, value in kept["fit"].items():
                setattr(record, name, tuple(value) if name == "rows" else value)
            step, running = int(kept["step"]), float(kept["running"])
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"does not fit this module or optimiser ({error})", path=self.path,
                             remedy="remove the file to begin anew") from error
        record.resumed = True
        best = {k: v.to(device) for k, v in _under(tensors, "best/").items()}
        return step, running, best or None


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}
