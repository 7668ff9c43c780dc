"""Breaking exactly the structure that is claimed, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

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
          autocorrelation. All shifts are drawn, small ones too: leaving those out is not exact. With
          ``groups`` each series goes round its own circle: all by the same shift where they are equally
          long (which keeps what they have in common), else each by its own.
        - ``"within"``: contents are exchanged inside each group only (events within a subject).
        - ``"block"``: contents of square blocks of an image grid are exchanged, each block kept whole.
        - ``"rewire"``: who is connected to whom is redrawn, every degree kept (graphs); contents stay
          (:mod:`heedful.trust.rewire`).
    groups : int array (Nk,), optional
        For "within": the group of each key. For "circular": the series of each key, keys in order of time.
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
        if self.kind == "block" and not 1 <= self.block <= min(self.shape):
            raise InputError(
                f"Null('block'): blocks of {self.block} cells do not fit {self.shape[0]} x {self.shape[1]}"
            )

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

    def check(self, n: int) -> None:
        """Raise InputError where the null does not fit ``n`` keys."""
        if self.groups is not None and np.shape(self.groups) != (n,):
            raise InputError(f"Null({self.kind!r}): groups of shape {np.shape(self.groups)} for {n} keys")
        if self.kind == "block" and self.shape[0] * self.shape[1] != n:
            raise InputError(f"Null('block'): a grid of {self.shape[0]} x {self.shape[1]} for {n} keys")

    def distinct(self, n: int, claimed: np.ndarray | None = None) -> float:
        """How many draws can differ (at most); ``claimed`` (Nk,) where only which keys it holds counts.

        Examples
        --------
        >>> Null("label").distinct(5), Null("label").distinct(5, np.arange(5) < 1)
        (120.0, 5.0)
        """
        if self.kind == "rewire":
            return np.inf
        if self.kind == "circular":
            size = self._series(n)[1]
            return float(
                size[0] if (size == size[0]).all() else np.exp(min(np.log(size).sum(), 700.0)).round()
            )
        if self.kind == "block":
            cells = (self.shape[0] // self.block) * (self.shape[1] // self.block)
            return float(np.exp(min(gammaln(cells + 1), 700.0)).round())
        group = np.zeros(n, int) if self.kind == "label" else np.asarray(self.groups)
        _, at = np.unique(group, return_inverse=True)
        size = np.bincount(at)
        ways = gammaln(size + 1)
        if claimed is not None:
            inside = np.bincount(at, np.asarray(claimed, float), len(size))
            ways = ways - gammaln(inside + 1) - gammaln(size - inside + 1)
        return float(np.exp(min(ways.sum(), 700.0)).round())

    def permutation(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """One draw: which key's content each of ``n`` keys is given."""
        return self.permutations(n, 1, rng)[0]

    def permutations(self, n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (draws, n) at once."""
        self.check(n)
        if self.kind == "circular":
            # every shift, none included: only the whole group makes the test exact
            size = self._series(n)[1]
            if (size == size[0]).all():
                return self._shifted(n, np.repeat(rng.integers(size[0], size=(draws, 1)), len(size), 1))
            return self._shifted(n, rng.integers(size, size=(draws, len(size))))
        if self.kind == "label":
            return np.argsort(rng.random((draws, n)), axis=1)
        if self.kind == "within":
            _, at = np.unique(np.asarray(self.groups), return_inverse=True)
            place = np.argsort(at, kind="stable")  # places by group; drawn ones are in the same order
            order = np.empty((draws, n), dtype=np.intp)
            order[:, place] = np.argsort(at + rng.random((draws, n)), axis=1)
            return order
        if self.kind == "block":
            return self._blocks(n, draws, rng)
        raise InputError("Null('rewire') changes the connections, not the contents")

    def shifts(self, n: int) -> np.ndarray | None:
        """Every shift but none (shifts, n): the whole circular null; None where series differ in length."""
        size = self._series(n)[1]
        if not (size == size[0]).all():
            return None
        return self._shifted(n, np.repeat(np.arange(1, size[0])[:, None], len(size), 1))

    def _series(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """The series of each key (n,) and the length of each series."""
        series = np.zeros(n, int) if self.groups is None else np.asarray(self.groups)
        _, at, size = np.unique(series, return_inverse=True, return_counts=True)
        return at, size

    def _shifted(self, n: int, shift: np.ndarray) -> np.ndarray:
        """Contents of each series moved on by its shift (draws, series)."""
        at, size = self._series(n)
        if (size == size[0]).all() and (shift == shift[:, :1]).all() and (np.diff(at) >= 0).all():
            one = (np.arange(size[0]) - shift[:, :1]) % size[0]  # series after series, all alike
            return (one[:, None] + np.arange(0, n, size[0])[:, None]).reshape(len(shift), n)
        place = np.argsort(at, kind="stable")
        start = np.repeat(np.cumsum(size) - size, size)
        rank, group = np.arange(n) - start, at[place]
        back = rank - shift[:, group]
        back += np.where(back < 0, size[group], 0) + start
        out = np.empty((len(shift), n), dtype=np.intp)
        out[:, place] = place[back]
        return out

    def _blocks(self, n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
        rows, columns = self.shape
        b = self.block
        down, across = rows // b, columns // b
        # an offset per draw, so that the incomplete edge is not always the same cells
        r0 = rng.integers(rows - down * b + 1, size=draws)[:, None]
        c0 = rng.integers(columns - across * b + 1, size=draws)[:, None]
        order = np.argsort(rng.random((draws, down * across)), axis=1)
        i, j = np.divmod(np.arange(down * across * b * b), across * b)  # cells of the tiled part
        block = (i // b) * across + j // b
        source = order[:, block]
        to = (r0 + i) * columns + c0 + j
        from_ = (r0 + (source // across) * b + i % b) * columns + c0 + (source % across) * b + j % b
        out = np.tile(np.arange(n), (draws, 1))
        np.put_along_axis(out, to, from_, 1)
        return out
