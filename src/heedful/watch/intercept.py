"""The three places where a model's attention can be seen, and the stack of modules that it runs in."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import InputError
from .asked import Asked, from_call, from_operator
from .native import OPERATORS, from_native
from .written import SOFTMAX, Written

_FUSED = "aten::_scaled_dot_product_"
# composite operators that arrive whole under inference mode, and hide the softmax within
_WHOLE = ("aten::softmax", "aten::matmul", "aten::einsum", "aten::dropout")
_PASSING = (torch.nn.Softmax, torch.nn.Dropout, torch.nn.Identity)  # a softmax there is its parent's


@functools.cache
def _gives_fresh(func: Any) -> bool:
    """True for an operator that neither gives a view nor writes on anything, where torch lets it be shown."""
    private = ("DispatchKey", "_ForceDispatchKeyGuard", "_dispatch_tls_local_exclude_set")
    if not hasattr(func, "_schema") or not all(hasattr(torch._C, name) for name in private):
        return False
    schema = func._schema
    return all(a.alias_info is None for a in [*schema.arguments, *schema.returns])


def _as_unwatched(func: Any) -> contextlib.AbstractContextManager:
    """Under inference mode a dispatch mode hides from an operator which tensors are parameters, and products
    within may then be folded otherwise, with other last bits; this shows them again."""
    if not torch.is_inference_mode_enabled() or not _gives_fresh(func):
        return contextlib.nullcontext()
    keys, guard = torch._C.DispatchKey, torch._C._ForceDispatchKeyGuard
    hidden = torch._C._dispatch_tls_local_exclude_set().remove(keys.ADInplaceOrView)
    return guard(torch._C._dispatch_tls_local_include_set(), hidden)


@dataclass(eq=False)
class Frame:
    """A module while it runs."""

    module: torch.nn.Module
    name: str
    depth: int
    expected: bool  # it should attend
    seen: int = 0


class _Operators(TorchDispatchMode):
    """Hands every dispatched operator to a function that runs it."""

    supports_higher_order_operators = True

    def __init__(self, operator: Callable[..., Any]):
        super().__init__()
        self._operator = operator

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self._operator(self, func, args, kwargs or {})


class Interceptor:
    """Sees attention calls while a model runs; every call still runs its own kernel, unchanged.

    1. ``F.scaled_dot_product_attention``, replaced by a function that calls it and then looks;
    2. dispatched operators: PyTorch's fast path, fused kernels that were reached under another name, and
       softmaxes that the model writes out;
    3. global module hooks, which give the names (a model's own hooks would turn its fast path off).

    Parameters
    ----------
    model : nn.Module
    tell : callable (Frame, kind, Asked)
        Called after each attention call.
    refuse : callable (Frame, reason)
        Called for what cannot be read, and for attention modules that ran unseen.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tell: Callable[[Frame, str, Asked], None],
        refuse: Callable[[Frame, str], None],
    ):
        self._names = {id(m): name or type(m).__name__ for name, m in model.named_modules()}
        self._expected = {id(m) for m in model.modules() if attends(m)}
        self._tell, self._refuse = tell, refuse
        self._frames: list[Frame] = []
        self._written = Written()
        self._inside = False  # an attention call is running, or being read
        self._thread = threading.get_ident()
        self._held = contextlib.ExitStack()

    def __enter__(self):
        before = register_module_forward_pre_hook(self._enter_module)
        after = register_module_forward_hook(self._leave_module, always_call=True)
        self._held.callback(before.remove)
        self._held.callback(after.remove)
        self._replace()
        self._held.enter_context(_Operators(self._operator))

    def __exit__(self, *error):
        self._held.close()

    # -- 1. the function ------------------------------------------------------------------------

    def _replace(self) -> None:
        original = F.scaled_dot_product_attention

        def scaled_dot_product_attention(*args, **kwargs):
            if not self._looking():
                return original(*args, **kwargs)
            self._inside = True
            F.scaled_dot_product_attention = original  # CausalBias compares what it is called from
            try:
                out = original(*args, **kwargs)
            finally:
                F.scaled_dot_product_attention = scaled_dot_product_attention
                self._inside = False
            self._report("sdpa", from_call, args, kwargs)
            return out

        F.scaled_dot_product_attention = scaled_dot_product_attention
        self._held.callback(setattr, F, "scaled_dot_product_attention", original)

    # -- 2. the operators -----------------------------------------------------------------------

    def _operator(self, mode: TorchDispatchMode, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        if not self._looking():
            return func(*args, **kwargs)
        schema = getattr(func, "_schema", None)
        name = schema.name if schema is not None else str(func)
        if name in _WHOLE:
            with mode:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        with _as_unwatched(func):
            out = func(*args, **kwargs)
        if name in SOFTMAX:
            self._written.softmax(args, out, self._owner())
        elif name in OPERATORS:
            self._report("fast path", from_native, func, args, kwargs)
        elif (
            name.startswith(_FUSED) or name == "aten::scaled_dot_product_attention"
        ) and "backward" not in name:
            self._report("fused", from_operator, func, args, kwargs)
        elif schema is None and "flex_attention" in name and "backward" not in name:
            self._refused("flex_attention: its scores are changed by code that cannot be read as a tensor")
        else:
            found = self._written.follow(name, func, args, kwargs, out)
            if found is not None:
                pending, asked = found
                if isinstance(asked, str):
                    self._refused(asked, pending.layer)
                else:
                    self._inform("softmax", asked, pending.layer)
        return out

    # -- 3. the modules -------------------------------------------------------------------------

    def _enter_module(self, module, args):
        name = self._names.get(id(module))
        if name is not None and self._here():
            self._frames.append(Frame(module, name, len(self._frames), id(module) in self._expected))

    def _leave_module(self, module, args, out):
        if id(module) not in self._names or not self._here():
            return
        while self._frames:
            frame = self._frames.pop()
            idle = self._written.close(len(self._frames))
            if frame.module is not module:
                continue  # left by an exception
            if frame.expected and not frame.seen:
                waiting = any(p.layer is frame for p in [*idle, *self._written.pending])
                self._refuse(
                    frame,
                    "its softmax was not followed to a product with values"
                    if waiting
                    else "it ran without any attention call that can be seen here",
                )
            return

    def _here(self) -> bool:
        # a backward pass that recomputes (checkpointing) would tell everything twice
        return threading.get_ident() == self._thread and torch._C._current_graph_task_id() == -1

    def _looking(self) -> bool:
        return bool(self._frames) and not self._inside and self._here()

    def _owner(self) -> Frame:
        for frame in reversed(self._frames):
            if not isinstance(frame.module, _PASSING):
                return frame
        return self._frames[-1]

    # -- telling --------------------------------------------------------------------------------

    def _report(self, kind: str, how: Callable[..., Asked], *args: Any) -> None:
        self._inside = True
        try:
            asked = how(*args)
        except InputError as error:
            self._refused(str(error))
            return
        finally:
            self._inside = False
        self._inform(kind, asked, self._owner())

    def _inform(self, kind: str, asked: Asked, frame: Frame) -> None:
        self._count()
        self._inside = True
        try:
            self._tell(frame, kind, asked)
        finally:
            self._inside = False

    def _refused(self, reason: str, frame: Frame | None = None) -> None:
        self._count()
        self._refuse(frame or self._owner(), reason)

    def _count(self) -> None:
        for frame in self._frames:
            frame.seen += 1


def attends(module: torch.nn.Module) -> bool:
    """True for the innermost modules whose class is named an attention: each is expected to be seen."""
    return _named(module) and not any(_named(m) for m in module.modules() if m is not module)


def _named(module: torch.nn.Module) -> bool:
    name = type(module).__name__.lower()
    return "attention" in name or name.endswith("attn")
