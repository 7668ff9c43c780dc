"""Rows of data, and which of them are held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError


class Rows:
    """Arrays or tensors with a common first dimension, as `fit` reads them: by row numbers.

    Any object with ``__len__`` and a ``__getitem__`` that takes a 1-D LongTensor of row numbers and
    returns a tuple of tensors (the arguments of the loss) can be given to `fit` in its place, for
    data that does not fit into memory.
    """

    def __init__(self, *arrays):
        if not arrays:
            raise InputError("no data were given")
        self.tensors = tuple(a if isinstance(a, Tensor) else torch.from_numpy(np.ascontiguousarray(a))
                             for a in arrays)
        lengths = [len(t) for t in self.tensors]
        if len(set(lengths)) > 1:
            raise InputError(f"the arrays have {lengths} rows, the same number was expected")

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, ...]:
        return tuple(t[rows.to(t.device)] for t in self.tensors)


def as_rows(data: Any) -> Any:
    """`Rows` of a tuple or list of arrays; anything else as it is."""
    return Rows(*data) if isinstance(data, tuple | list) else data


def hold_out(data: Any, validation: Any, groups: Any, seed: int) -> tuple[Any, Any, Tensor, Tensor]:
    """Training data, held-out data (or None), and the row numbers of each."""
    n = len(data)
    everything = torch.arange(n)
    if n < 1:
        raise InputError("there are no rows to train on")
    if not isinstance(validation, int | float):
        held = as_rows(validation)
        return data, held, everything, torch.arange(len(held))
    if not 0 <= validation < 1:
        raise InputError(f"validation={validation}; a share of rows in [0, 1) was expected")
    if validation == 0 or n < 2:
        return data, None, everything, everything[:0]
    labels = np.arange(n) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(labels) != n:
        raise InputError(f"{len(labels)} groups for {n} rows; one for each row was expected")
    unique = np.unique(labels)
    if len(unique) < 2:
        raise InputError("all rows are of one group, so none can be held out",
                         remedy="give validation=0, or more groups")
    mixed = np.random.default_rng([seed, 7]).permutation(unique)
    share = np.cumsum(np.bincount(labels)[mixed])
    count = min(max(1, int(np.searchsorted(share, validation * n + 1e-9, side="right"))), len(unique) - 1)
    out = torch.from_numpy(np.isin(labels, mixed[:count]))
    return data, data, everything[~out], everything[out]
