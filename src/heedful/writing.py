"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .errors import InputError


def write_atomic(path: str | Path, write: bytes | str | Callable[[Path], None]) -> Path:
    """Write a file so that a reader, or a crash, sees the old file or the new one, never a half.

    The bytes go to one fixed temporary name beside the target (so that a killed process leaves at
    most one), are flushed to the disk and then renamed over it.

    Parameters
    ----------
    path : str or Path
        The file to be written. Its folder must exist.
    write : bytes, str or callable
        The content, or a function that writes it to the temporary path it is given.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    InputError
        If the folder is missing or the disk is full; the previous file is then untouched.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_atomic(folder + "/a.txt", "whole").read_text()
    'whole'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist", path=path, remedy="create it first")
    # the suffix stays last: many writers choose their format by it
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        if callable(write):
            write(temporary)
        elif isinstance(write, str):
            temporary.write_text(write, encoding="utf-8")
        else:
            temporary.write_bytes(write)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise InputError(
            f"could not be written ({error.strerror or error}); the previous file is untouched",
            path=path,
            remedy="free some space or choose another place",
        ) from error
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return path
