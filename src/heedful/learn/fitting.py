"""The one training loop: mini-batches, early stopping, checkpoint and resume, and no global state."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from .checkpoint import Checkpoint, fingerprint
from .interrupt import Interrupt
from .progress import progress
from .rows import Rows, as_rows, hold_out
from .small import LbfgsFit, lbfgs

__all__ = ["Fit", "LbfgsFit", "Rows", "fit", "lbfgs", "seeded"]


@dataclass
class Fit:
    """What `fit` did.

    Attributes
    ----------
    epochs : int
        Epochs gone through, those before a resume included.
    best_epoch : int
        The epoch (from 1) whose weights the module now holds.
    best_loss : float
        Its loss on the validation part (on the training part where there is none).
    stopped : str
        "early" or "epochs".
    resumed : bool
        Whether it went on from a checkpoint.
    train, validation : list of float
        The losses, one for each epoch.
    rows : (int, int)
        Rows trained on and rows held out.
    """

    epochs: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    stopped: str = "epochs"
    resumed: bool = False
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rows: tuple[int, int] = (0, 0)


@contextmanager
def seeded(seed: int, *, device: torch.device | str | None = None):
    """Make everything torch draws inside depend on `seed` alone, and leave the global state as it was.

    Examples
    --------
    >>> import torch
    >>> with seeded(3):
    ...     a = torch.nn.Linear(2, 1).bias.item()
    >>> with seeded(3):
    ...     a == torch.nn.Linear(2, 1).bias.item()
    True
    """
    device = torch.device(device or "cpu")
    cuda = [device.index if device.index is not None else torch.cuda.current_device()] \
        if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        _seed(cuda, int(seed))
        yield


def fit(
    module: nn.Module,
    loss: Callable[..., Tensor],
    data: Sequence | Any,
    *,
    epochs: int = 100,
    batch_size: int = 64,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    optimiser: Callable[[list[nn.Parameter]], torch.optim.Optimizer] | None = None,
    schedule: str = "constant",
    clip: float | None = None,
    validation: float | Sequence | Any = 0.1,
    groups: Any = None,
    patience: int | None = 10,
    seed: int = 0,
    device: torch.device | str | None = None,
    checkpoint: str | Path | None = None,
    every: int | None = None,
    text: str = "training",
) -> Fit:
    """Train a torch module in place, reproducibly, and keep the weights that did best on the part held out.

    Every draw (the split, the order of rows, dropout) is a function of the seed, the epoch and the
    step, so a run that was killed and taken up again from its checkpoint ends with the same bytes as
    one that was not; the global random state of torch and NumPy is left as it was found.

    Parameters
    ----------
    module : nn.Module
    loss : callable
        ``loss(module, *batch)`` gives a scalar Tensor: a mean over the batch.
    data : sequence of arrays, or Rows-like
        Arrays or tensors with a common first dimension, ``(x, y, ...)``; or see `Rows`.
    epochs, batch_size : int
    lr, weight_decay : float
        Of AdamW.
    optimiser : callable, optional
        Given the list of parameters, returns another ``torch.optim.Optimizer``.
    schedule : {"constant", "cosine"}
        Of the learning rate; "cosine" warms up over the first 5 % of the steps and falls to 0.
    clip : float, optional
        Largest norm of the gradient.
    validation : float, sequence of arrays, or Rows-like
        The share of rows held out at random, or the held-out data; 0 for none (then the last
        weights are kept and nothing stops early).
    groups : array of shape (n,), optional
        Rows of one group (a patient, a scene) are held out together.
    patience : int, optional
        Epochs without a better held-out loss before it stops; None never stops.
    seed : int
    device : optional
        Where to train; the module stays there. Default: where its parameters are.
    checkpoint : path, optional
        One safetensors file, written whole after every `every` steps (default: each epoch). Where it
        exists the run goes on from it; on Ctrl-C or SIGTERM it is written before the process stops.
    every : int, optional
    text : str
        Beside the progress bar.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        If the loss is not finite, the data are empty, or the checkpoint is damaged, holds NaN, or
        belongs to another run (its settings are named).

    Examples
    --------
    >>> import torch
    >>> x = torch.linspace(-1, 1, 64)[:, None]
    >>> with seeded(0):
    ...     line = torch.nn.Linear(1, 1)
    >>> record = fit(line, lambda m, x, y: ((m(x) - y) ** 2).mean(), (x, 3 * x), lr=.1, epochs=60)
    >>> round(line.weight.item(), 1), record.rows
    (3.0, (58, 6))
    """
    data = as_rows(data)
    train, held, rows_train, rows_held = hold_out(data, validation, groups, seed)
    if schedule not in ("constant", "cosine"):
        raise InputError(f"schedule '{schedule}'; 'constant' or 'cosine' was expected")
    if epochs < 1 or batch_size < 1:
        raise InputError(f"epochs={epochs}, batch_size={batch_size}; both must be at least 1")
    device = torch.device(device) if device is not None else _device_of(module)
    module.to(device)
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = optimiser or partial(torch.optim.AdamW, lr=lr, weight_decay=weight_decay)
    optim = optimiser(parameters)
    rates = [group["lr"] for group in optim.param_groups]
    per_epoch = math.ceil(len(rows_train) / batch_size)
    total = per_epoch * epochs
    record = Fit(rows=(len(rows_train), 0 if held is None else len(rows_held)))
    settings = {"seed": seed, "epochs": epochs, "batch_size": batch_size, "rates": rates,
                "weight_decay": weight_decay, "schedule": schedule, "clip": clip, "patience": patience,
                "optimiser": type(optim).__name__, "rows": list(record.rows),
                "data": fingerprint(data), "weights": fingerprint(module)}
    keeper = Checkpoint(checkpoint, settings)
    first, running, best = keeper.load(module, optim, record)
    if first and record.stopped == "early":
        first = total
    cuda = [device.index or 0] if device.type == "cuda" else []
    was_training = module.training

    with torch.random.fork_rng(devices=cuda), Interrupt() as interrupt:
        order: Tensor | None = None
        for step in progress(range(first, total), text):
            epoch, batch_number = divmod(step, per_epoch)
            if order is None or batch_number == 0:
                order = rows_train[_permutation(len(rows_train), seed, epoch)]
            chosen = order[batch_number * batch_size : (batch_number + 1) * batch_size]
            _seed(cuda, _mix(seed, epoch, batch_number + 1))
            for group, rate in zip(optim.param_groups, rates, strict=True):
                group["lr"] = rate * _factor(schedule, step, total)
            module.train()
            value = loss(module, *_to(train[chosen], device))
            number = float(value.detach())
            if not math.isfinite(number):
                raise InputError(f"the loss became {number} in epoch {epoch + 1}, batch {batch_number + 1}",
                                 remedy=f"lower the learning rate ({rates[0]:g}) or check the data for NaN")
            optim.zero_grad(set_to_none=True)
            value.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(parameters, clip)
            optim.step()
            running += number * len(chosen)

            if batch_number == per_epoch - 1:
                record.epochs, order = epoch + 1, None
                record.train.append(running / len(rows_train))
                running = 0.0
                if held is not None:
                    _seed(cuda, _mix(seed, epoch, 0))
                    record.validation.append(_evaluate(module, loss, held, rows_held, batch_size, device))
                now = record.validation[-1] if held is not None else record.train[-1]
                if held is None or now < record.best_loss:
                    record.best_loss, record.best_epoch = now, record.epochs
                    best = copy.deepcopy(module.state_dict())
                elif patience is not None and record.epochs - record.best_epoch >= patience:
                    record.stopped = "early"
            last = record.stopped == "early" or step + 1 == total
            if last or interrupt.asked or (step + 1) % (every or per_epoch) == 0:
                keeper.save(module, optim, record, best, step + 1, running)
            if last:
                break
            interrupt.leave()
    if best is not None:
        module.load_state_dict(best)
    module.train(was_training)
    return record


def _evaluate(module, loss, held, rows, batch_size, device) -> float:
    module.eval()
    total = 0.0
    with torch.no_grad():
        for part in rows.split(max(batch_size, 256)):
            total += float(loss(module, *_to(held[part], device))) * len(part)
    if not math.isfinite(total):
        raise InputError(f"the loss on the part held out is {total}", remedy="check the data for NaN")
    return total / len(rows)


def _factor(schedule: str, step: int, total: int) -> float:
    if schedule == "constant":
        return 1.0
    warm = max(1, total // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def _mix(*numbers: int) -> int:
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _seed(cuda: list[int], number: int) -> None:
    torch.default_generator.manual_seed(number)
    for index in cuda:
        with torch.cuda.device(index):
            torch.cuda.manual_seed(number)


def _permutation(n: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(_mix(seed, epoch)))


def _device_of(module: nn.Module) -> torch.device:
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def _to(batch, device) -> tuple:
    batch = batch if isinstance(batch, tuple | list) else (batch,)
    return tuple(b.to(device) if isinstance(b, Tensor) else b for b in batch)
