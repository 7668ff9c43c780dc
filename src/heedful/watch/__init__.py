"""Read the attention of any PyTorch model while it runs; its outputs stay bit for bit what they were.

``with watch(model) as seen: model(x)`` is short for :func:`watching`: this module can be called.
"""

import sys as _sys
from types import ModuleType as _ModuleType

__all__ = ["Call", "Seen", "Unseen", "UnseenError", "watching"]


def watching(model, reads=None, *, keep=False, detach=True, only=None, strict=True):
    """Watch a model's attention within a ``with`` block.

    Every attention call still runs its own kernel; what is read is recomputed beside it from the same
    queries, keys, mask and scale, without the N x N matrix. Where a model writes its softmax out itself,
    its scores are read in place.

    Parameters
    ----------
    model : torch.nn.Module
    reads : sequence of Read, optional
        What to ask of each call, by default ``[TopK(8), Entropy(), Columns()]``; ``[]`` for nothing. An
        element may be a function of the call's values that gives a read: ``heedful.reads.Contribution``.
    keep : bool
        Keep queries, keys and values, so that ``call.weights`` can be asked later. Without it they go as
        soon as the reads are done.
    detach : bool
        False keeps the model's graph: what is read can be part of a loss.
    only : str or sequence of str, optional
        Patterns of layer names (``"encoder.layer.11.*"``); the others are let pass.
    strict : bool
        Raise :class:`UnseenError` at the end if an attention layer ran that could not be read; otherwise
        they stand in ``seen.unseen`` alone.

    Returns
    -------
    Seen
        A context manager; its calls can be asked during and after the block.

    Raises
    ------
    UnseenError
        At the end of the block, see ``strict``.

    Examples
    --------
    >>> import torch
    >>> from heedful import watch
    >>> with torch.random.fork_rng():
    ...     layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.zeros(1, 4, 8)
    >>> with watch(layer) as seen:
    ...     _ = layer(x, x, x, need_weights=False)
    >>> seen[0].shape, seen[0].r.columns[0, 0].tolist()
    ((1, 2, 4, 4), [1.0, 1.0, 1.0, 1.0])
    """
    from .seen import DEFAULT, Seen

    chosen = DEFAULT if reads is None else reads
    return Seen(model, chosen, keep=keep, detach=detach, only=only, strict=strict)


def __getattr__(name):
    if name in __all__:
        from . import seen

        return getattr(seen, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__


class _Callable(_ModuleType):
    """A module that is called as its one function: ``watch(model)`` is ``watch.watching(model)``."""

    def __call__(self, *args, **kwargs):
        return watching(*args, **kwargs)


_sys.modules[__name__].__class__ = _Callable
