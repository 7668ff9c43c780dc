"""Arrays and a JSON record in one safetensors file: written whole, read without running any code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..writing import write_atomic

_KEY = "heedful"  # the one entry of the safetensors header that holds our JSON


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Path:
    """Write named tensors and a JSON record into one safetensors file, atomically.

    Parameters
    ----------
    path : str or Path
        The file; its folder must exist. The temporary file beside it has one fixed name.
    tensors : mapping of str to Tensor
        Any shapes and dtypes. NaN is refused: a file that cannot be used is not written.
    record : mapping
        What belongs to them; must be expressible as JSON.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If a tensor holds NaN, or the file cannot be written (the previous one is then untouched).

    Examples
    --------
    >>> import tempfile, torch
    >>> path = tempfile.mkdtemp() + "/a.safetensors"
    >>> _ = save_tensors(path, {"w": torch.arange(3.)}, {"seed": 0})
    >>> tensors, record = load_tensors(path)
    >>> tensors["w"].tolist(), record
    ([0.0, 1.0, 2.0], {'seed': 0})
    """
    from safetensors.torch import save

    _refuse_nan(tensors, path, "was not written")
    try:
        text = json.dumps(dict(record), allow_nan=True)
    except TypeError as error:
        raise InputError(f"cannot be written as JSON ({error})", path=path) from error
    # clone: safetensors refuses tensors that share memory, as tied weights do
    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    return write_atomic(path, save(plain, metadata={_KEY: text}))


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tensors : dict of str to Tensor
        On the CPU.
    record : dict
        The JSON record.

    Raises
    ------
    InputError
        If the file is missing, damaged, not one of ours, or holds NaN.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError("there is no such file", path=path, remedy="check the name and the folder")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if _KEY not in metadata:
            raise InputError("is a safetensors file, but not one that heedful wrote", path=path)
        record = json.loads(metadata[_KEY])
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise InputError(f"is damaged or no safetensors file ({error})", path=path,
                         remedy="write it again from its source") from error
    if not isinstance(record, dict):
        raise InputError("its record is damaged (no JSON object)", path=path)
    _refuse_nan(tensors, path, "is refused")
    return tensors, record


def _refuse_nan(tensors: Mapping[str, Tensor], path: str | Path, what: str) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
            count = int(torch.isnan(tensor).sum())
            raise InputError(f"{count} of {tensor.numel()} numbers are NaN; the file {what}", path=path,
                             where=f"tensor '{name}'", remedy="lower the learning rate, or check the data")
