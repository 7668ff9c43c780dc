"""Breaking exactly the structure that is claimed, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError

KINDS = ("label", "circular", "within", "block", "rewire")


@dataclass(frozen=True, eq=False)
class Null:
    """An exchangeability under which the claim would be chance, by name.

    Parameters
    ----------
    kind : str
        - ``"label"``: the contents of all keys are exchanged freely (tables, sets).
        - ``"circular"``: contents are shifted in a circle against their positions (series); keeps the
          autocorrelation. All shifts are drawn, small ones too: leaving those out is not exact.
        - ``"within"``: contents are exchanged inside each group only (events within a subject).
        - ``"block"``: contents of square blocks of an image grid are exchanged, each block kept whole.
        - ``"rewire"``: who is connected to whom is redrawn, every degree kept (graphs); contents stay.
    groups : int array (Nk,), optional
        For "within": the group of each key.
    shape : (rows, columns), optional
        For "block": the grid that the keys are the pixels or patches of.
    block : int
        For "block": the side of a block, in cells.

    Examples
    --------
    >>> import numpy as np
    >>> from heedful.trust import Null
    >>> Null("circular").permutation(6, np.random.default_rng(0)).tolist()
    [1, 2, 3, 4, 5, 0]
    """

    kind: str = "label"
    groups: Any = None
    shape: tuple[int, int] | None = None
    block: int = 2

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"Null({self.kind!r}) is not known; one of {', '.join(KINDS)} was expected")
        if self.kind == "within" and self.groups is None:
            raise InputError("Null('within') needs groups=, the subject of each key")
        if self.kind == "block" and self.shape is None:
            raise InputError("Null('block') needs shape=(rows, columns)")

    @property
    def words(self) -> str:
        """The null in words for a verdict."""
        return {
            "label": "contents exchanged among all keys",
            "circular": "contents shifted in a circle against time",
            "within": "contents exchanged within each subject",
            "block": f"{self.block} x {self.block} blocks of the image exchanged",
            "rewire": "connections redrawn with every degree kept",
        }[self.kind]

    def distinct(self, n: int) -> float:
        """How many different draws there are (at most; inf where beyond counting)."""
        if self.kind == "circular":
            return n
        if self.kind == "within":
            sizes = np.unique(np.asarray(self.groups), return_counts=True)[1]
            return np.inf if (sizes > 1).sum() > 6 or (sizes > 6).any() else float(np.prod(sizes))
        if self.kind == "block":
            cells = (self.shape[0] // self.block) * (self.shape[1] // self.block)
            return np.inf if cells > 6 else float(np.prod(np.arange(1, cells + 1)))
        return np.inf if n > 6 else float(np.prod(np.arange(1, n + 1)))

    def permutation(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """One draw: which key's content each of ``n`` keys is given."""
        if self.kind == "label":
            return rng.permutation(n)
        if self.kind == "circular":
            # every shift, none included: only the whole group makes the test exact
            return np.roll(np.arange(n), int(rng.integers(n)))
        if self.kind == "within":
            order = np.arange(n)
            groups = np.asarray(self.groups)
            for group in np.unique(groups):
                place = np.flatnonzero(groups == group)
                order[place] = rng.permutation(place)
            return order
        if self.kind == "block":
            return self._blocks(n, rng)
        raise InputError("Null('rewire') changes the connections, not the contents")

    def _blocks(self, n: int, rng: np.random.Generator) -> np.ndarray:
        rows, columns = self.shape
        if rows * columns != n:
            raise InputError(f"Null('block'): a grid of {rows} x {columns} for {n} keys")
        b = self.block
        grid, out = np.arange(n).reshape(rows, columns), np.arange(n).reshape(rows, columns)
        down, across = rows // b, columns // b
        # an offset draw, so that the incomplete edge is not always the same cells
        r0, c0 = int(rng.integers(rows - down * b + 1)), int(rng.integers(columns - across * b + 1))
        order = rng.permutation(down * across)
        for to, source in enumerate(order):
            i, j = divmod(to, across)
            k, l = divmod(int(source), across)
            out[r0 + i * b : r0 + (i + 1) * b, c0 + j * b : c0 + (j + 1) * b] = grid[
                r0 + k * b : r0 + (k + 1) * b, c0 + l * b : c0 + (l + 1) * b
            ]
        return out.reshape(-1)

    def rewired(self, allowed: np.ndarray, rng: np.random.Generator, rounds: int = 10) -> np.ndarray:
        """A random bipartite graph (items, Nk) with the row and column sums of ``allowed``.

        In each round all edges are paired at random; a pair (i, j), (k, l) becomes (i, l), (k, j) unless
        one of these is there already (Maslov & Sneppen 2002, Science 296:910).
        """
        out = allowed.copy()
        row, col = (x.copy() for x in np.nonzero(allowed))
        half, width = len(row) // 2, allowed.shape[1]
        for _ in range(rounds):
            order = rng.permutation(len(row))
            a, b = order[:half], order[half : 2 * half]
            first, second = row[a] * width + col[b], row[b] * width + col[a]
            both = np.concatenate([first, second])
            _, back, count = np.unique(both, return_inverse=True, return_counts=True)
            single = count[back] == 1
            free = ~out.reshape(-1)[both] & single
            swap = free[:half] & free[half:]
            a, b = a[swap], b[swap]
            out[row[a], col[a]] = out[row[b], col[b]] = False
            col[a], col[b] = col[b], col[a]
            out[row[a], col[a]] = out[row[b], col[b]] = True
        return out
