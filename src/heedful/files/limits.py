"""How much a file may ask for before it is refused: one place, stated."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

MAX_FILE_BYTES = 8 * 2**30  # a file on disk
MAX_ARRAY_BYTES = 8 * 2**30  # an array that a header announces
MAX_TEXT_BYTES = 2 * 2**30  # a text table or alignment, decompressed
MAX_RATIO = 1000  # decompressed bytes over compressed ones, beyond 64 MiB


def check_readable(path: str | Path) -> Path:
    """The path, if it is a file that can be read and within budget; else an InputError."""
    path = Path(path)
    if not path.exists():
        raise InputError("there is no such file", path=path, remedy="check the name and the folder")
    if path.is_dir():
        raise InputError("is a folder, a file was expected", path=path)
    size = path.stat().st_size
    if size == 0:
        raise InputError("is empty", path=path)
    if size > MAX_FILE_BYTES:
        raise InputError(f"{size / 2**30:.1f} GiB, at most {MAX_FILE_BYTES // 2**30} are read", path=path)
    return path


def check_array(shape, itemsize: int, *, path, what: str = "array", limit: int = MAX_ARRAY_BYTES) -> int:
    """Bytes that an announced array would take, if within budget; else an InputError before any is read."""
    total = int(itemsize)
    for n in shape:
        if n < 0:
            raise InputError(f"{what} announces a negative size {tuple(shape)}", path=path)
        total *= int(n)
    if total > limit:
        raise InputError(
            f"{what} announces {tuple(int(n) for n in shape)} = {total / 2**30:.1f} GiB, "
            f"at most {limit / 2**30:.1f} are read",
            path=path,
            remedy="cut the file into parts",
        )
    return total


def read_text(path: str | Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """A text file's content, gzip or plain, UTF-8, within budget; else an InputError.

    A gzip stream is inflated in pieces and refused as soon as it passes the budget.
    """
    import gzip
    import zlib

    path = check_readable(path)
    raw = path.open("rb")
    try:
        if raw.read(2) == b"\x1f\x8b":
            raw.seek(0)
            compressed = path.stat().st_size
            pieces, total = [], 0
            with gzip.GzipFile(fileobj=raw) as stream:
                while piece := stream.read(2**20):
                    total += len(piece)
                    if total > limit or (total > 2**26 and total > MAX_RATIO * compressed):
                        raise InputError(
                            f"inflates from {compressed} to more than {total} bytes",
                            path=path,
                            remedy="a file that grows this much is not read; unpack it yourself",
                        )
                    pieces.append(piece)
            data = b"".join(pieces)
        else:
            if path.stat().st_size > limit:
                raise InputError(f"more than {limit / 2**30:.1f} GiB of text", path=path)
            raw.seek(0)
            data = raw.read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"damaged gzip stream ({error})", path=path, remedy="get the file again") from error
    finally:
        raw.close()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 text (byte {error.start})", path=path, remedy="save it as UTF-8 text"
        ) from error
