"""What was seen of a model's attention: calls, their readings, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..attention import Columns, Entropy, Stack, TopK, Weights
from ..attention.reads import Read, Reads
from ..errors import HeedfulError, InputError
from ..reading import Reading
from .asked import Asked, unpacked
from .intercept import Frame, Interceptor

if TYPE_CHECKING:
    from ..reading.told import Summary

DEFAULT = (TopK(8), Entropy(), Columns())


class UnseenError(HeedfulError):
    """Attention layers ran that could not be read; they are listed."""


@dataclass(frozen=True)
class Unseen:
    """An attention layer that ran and was not read, and why."""

    layer: str
    kind: str  # the module's class
    reason: str

    def __str__(self) -> str:
        return f"{self.layer} ({self.kind}): {self.reason}"


@dataclass(eq=False)
class Call:
    """One attention call of a model.

    Attributes
    ----------
    layer : str
        The module's name in the model.
    kind : str
        How it was seen: "sdpa", "fast path", "fused" or "softmax".
    shape : tuple
        (batch, heads, queries, keys), as the model has them.
    r : Reads or None
        What was read, as tensors; ``r.weights`` is None unless ``keep=True``.
    v : Tensor (..., Nk, Dv) or None
        The values, where they were kept.
    dropout : float
        Share of the weights that the model dropped; what is read is before dropout.
    notes : tuple of str
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    r: Reads | None = None
    v: Tensor | None = None
    dropout: float = 0.0
    notes: tuple[str, ...] = ()
    _asked: Asked | None = field(default=None, repr=False)
    _versions: tuple[int, ...] = field(default=(), repr=False)
    _reading: Reading | None = field(default=None, repr=False)

    @property
    def weights(self) -> Weights:
        """The lazy :class:`~heedful.Weights` of this call.

        Raises
        ------
        InputError
            If queries and keys were not kept.
        HeedfulError
            If the model has changed them in place since (a key cache that was written on).
        """
        if self._asked is None:
            raise InputError(
                f"queries and keys of {self.layer} were not kept", remedy="watching(model, keep=True)"
            )
        if self._asked.versions != self._versions:
            raise HeedfulError(f"queries, keys or mask of {self.layer} were changed in place since it ran")
        return self._asked.weigh()

    def reading(self, queries: Sequence[str] | None = None, keys: Sequence[str] | None = None) -> Reading:
        """What was read, labelled: a certified :class:`~heedful.Reading` titled with the layer's name.

        Parameters
        ----------
        queries, keys : sequence of str, optional
            Names of the tokens; ``keys`` is ``queries`` where there are as many. Numbers by default.
        """
        if self._reading is None and self.r is None:
            raise InputError(f"nothing was read of {self.layer}", remedy="watching(model, reads=[...])")
        if self._reading is None:
            self._reading = Reading(self.r, title=self.layer)
        if keys is None and queries is not None and self.shape[-1] == self.shape[-2]:
            keys = queries
        made = object.__new__(Reading)
        made.__dict__.update(self._reading.__dict__)
        made.data = self._reading.data.copy()
        for names, side, n in ((queries, "query", self.shape[-2]), (keys, "key", self.shape[-1])):
            if names is None:
                continue
            if len(names) != n:
                raise InputError(f"{len(names)} names for the {n} {side} tokens of {self.layer}")
            made.data = made.data.assign_coords({f"{side}_name": (side, _objects(names))})
        return made

    def __repr__(self) -> str:
        dropped = f", dropout {self.dropout:g}" if self.dropout else ""
        return f"Call({self.layer}, {' x '.join(map(str, self.shape))}, {self.kind}{dropped})"


class Seen:
    """The context that watches, and all that it saw; made by :func:`heedful.watch.watching`.

    Attributes
    ----------
    calls : list of Call
        In the order in which the model made them.
    unseen : list of Unseen
        Attention layers that ran and could not be read, with why.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        reads: Sequence[Read | Callable[[Tensor], Read]] = DEFAULT,
        *,
        keep: bool = False,
        detach: bool = True,
        only: str | Sequence[str] | None = None,
        strict: bool = True,
    ):
        if not isinstance(model, torch.nn.Module):
            raise InputError(f"{type(model).__name__} is not a torch.nn.Module, which can be watched")
        self.calls: list[Call] = []
        self.unseen: list[Unseen] = []
        self._model, self._reads, self._strict = model, tuple(reads), strict
        self._keep, self._detach = keep, detach
        self._only = (only,) if isinstance(only, str) else only
        self._interceptor: Interceptor | None = None

    def __enter__(self) -> Seen:
        if self._interceptor is not None:
            raise InputError("this watch is open already; make another")
        self._interceptor = Interceptor(self._model, self._tell, self._refuse)
        self._interceptor.__enter__()
        return self

    def __exit__(self, kind, error, trace) -> None:
        interceptor, self._interceptor = self._interceptor, None
        interceptor.__exit__(kind, error, trace)
        if error is None and self._strict:
            self.check()
        if isinstance(error, RuntimeError) and "Tensor subclass CausalBias" in str(error):
            raise UnseenError(
                "a CausalBias cannot be made while a model is watched (PyTorch refuses it); make it before, "
                "or give is_causal=True or a mask"
            ) from error
        if isinstance(error, RuntimeError) and "torch dispatch mode present" in str(error):
            raise UnseenError(
                "FlexAttention does not run while it is watched (PyTorch refuses it); load the model with "
                "scaled_dot_product_attention, attn_implementation='sdpa' in transformers"
            ) from error

    def check(self) -> None:
        """Raise :class:`UnseenError` if a layer was not read, or nothing was seen at all."""
        if self.unseen:
            listed = "\n".join(f"  {u}" for u in dict.fromkeys(self.unseen))
            raise UnseenError(
                f"{len(self.calls)} attention calls were read, {len(self.unseen)} were not:\n{listed}\n"
                "watching(model, strict=False) goes on without them"
            )
        if not self.calls:
            raise UnseenError(
                f"no attention was seen in {type(self._model).__name__}: was it called within the context "
                "(and not compiled), and does it attend?"
            )

    # -- what the interceptor says --------------------------------------------------------------

    def _wanted(self, name: str) -> bool:
        return self._only is None or any(fnmatch(name, pattern) for pattern in self._only)

    def _refuse(self, frame: Frame, reason: str) -> None:
        if self._wanted(frame.name):
            self.unseen.append(Unseen(frame.name, type(frame.module).__name__, reason))

    def _tell(self, frame: Frame, kind: str, asked: Asked) -> None:
        if not self._wanted(frame.name):
            return
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._detach):
            try:
                asked = unpacked(asked, frame.module).held(detach=self._detach, keep=self._keep)
                weights = asked.weigh()
                call = Call(frame.name, kind, weights.shape, dropout=asked.dropout, notes=asked.notes)
                if asked.v is None and not all(isinstance(r, Read) for r in self._reads):
                    raise InputError("its values could not be told, which a read of them needs")
                if self._reads:
                    chosen = [r if isinstance(r, Read) else r(asked.v) for r in self._reads]
                    _, call.r = weights.read(None, chosen)
            except InputError as error:
                self._refuse(frame, str(error))
                return
            if self._keep:
                call._asked, call._versions, call.v = asked, asked.versions, asked.v
            elif call.r is not None:
                call._reading = Reading(call.r, title=frame.name)  # certified while q and k are at hand
                call.r = replace(call.r, weights=None)
        self.calls.append(call)

    # -- what it is asked -----------------------------------------------------------------------

    @property
    def layers(self) -> list[str]:
        """Names of the layers that were read, in the order of their first call."""
        return list(dict.fromkeys(call.layer for call in self.calls))

    def of(self, pattern: str) -> list[Call]:
        """All calls of the layers whose name matches (``"encoder.*"``)."""
        return [call for call in self.calls if fnmatch(call.layer, pattern)]

    def stack(self, layers: str = "*", *, residual: float = 0.5) -> Stack:
        """The layers as one operator, for rollout: ``seen.stack().T @ one_hot`` (needs ``keep=True``).

        Parameters
        ----------
        layers : str
            Which, as a pattern; they must all attend over the same tokens.
        residual : float
            Share of the skip connection.

        Raises
        ------
        UnseenError
            If a layer of them was not read: rollout through a gap is not rollout.
        """
        gaps = [u for u in self.unseen if fnmatch(u.layer, layers)]
        if gaps:
            raise UnseenError("rollout through layers that were not read: " + "; ".join(map(str, gaps)))
        calls = self.of(layers)
        twice = [c.layer for c in calls if sum(d.layer == c.layer for d in calls) > 1]
        if twice:
            raise InputError(f"{twice[0]} ran more than once", remedy="watch one pass of the model")
        return Stack([call.weights for call in calls], residual=residual)

    def to_pandas(self):
        """The largest weights of all layers as one tidy frame, with a column ``layer`` (needs TopK)."""
        import pandas as pd

        frames = [call.reading().to_pandas() for call in self.calls]
        for n, (frame, call) in enumerate(zip(frames, self.calls, strict=True)):
            frame.insert(0, "call", n)
            frame.insert(0, "layer", call.layer)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def summary(self) -> Summary:
        """A :class:`rich.table.Table` that `print` draws: a line per call, and one per layer not read."""
        from ..reading.told import Summary

        table = Summary(title=f"attention of {type(self._model).__name__}")
        for name in ("layer", "shape", "seen by", "entropy (nats)", "check"):
            table.add_column(name, overflow="fold")
        for call in self.calls:
            made = call.reading() if call.r is not None else None
            entropy = made is not None and "entropy" in made.data
            table.add_row(
                call.layer,
                " x ".join(map(str, call.shape)),
                call.kind + (f", dropout {call.dropout:g}" if call.dropout else ""),
                f"{float(made.data['entropy'].mean()):.3f}" if entropy else "",
                made.certificate if made is not None else "not read",
            )
        for u in self.unseen:
            table.add_row(u.layer, "", f"NOT READ: {u.reason}", "", "")
        return table

    def __getitem__(self, which: int | str) -> Call:
        if isinstance(which, int):
            return self.calls[which]
        found = [call for call in self.calls if call.layer == which]
        if len(found) == 1:
            return found[0]
        known = ", ".join(self.layers) or "none"
        raise InputError(
            f"{which!r} was read {len(found)} times; of({which!r}) lists them"
            if found
            else f"no call of {which!r} was read; read were: {known}"
        )

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __repr__(self) -> str:
        missing = f", {len(self.unseen)} not read" if self.unseen else ""
        return (
            f"Seen({type(self._model).__name__}: {len(self.calls)} calls, {len(self.layers)} layers{missing})"
        )


def _objects(names: Sequence[str]):
    import numpy as np

    return np.array([str(n) for n in names], dtype=object)
