"""Which matrix product: torch.mm or oneDNN's linear, tried once and timed once.

On AMD processors MKL takes a slower path than oneDNN; on Intel the two should be alike. oneDNN's operator is
private, float32 only, and returns a fresh tensor, so it is used only where a probe finds it right and faster.
"""

from __future__ import annotations

import functools
import time

import torch
from torch import Tensor


def _linear(x: Tensor, w: Tensor) -> Tensor:
    """x @ w.T by oneDNN; w may be a transposed view at no cost."""
    return torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")


@functools.cache
def onednn() -> bool:
    """True where oneDNN's linear answers rightly and is at least a tenth faster than torch.mm."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            x, w = torch.linspace(-1, 1, 64).reshape(8, 8), torch.linspace(1, 2, 64).reshape(8, 8)
            packed = torch.ops.mkldnn._reorder_linear_weight(w.t(), 8)
            for factor in (w.t(), packed):
                if not torch.allclose(_linear(x[:5], factor), x[:5] @ w, atol=1e-5):
                    return False
            x, w = torch.ones(256, 64), torch.ones(1024, 64)

            def best(product) -> float:
                product()
                times = []
                for _ in range(9):
                    start = time.perf_counter()
                    product()
                    times.append(time.perf_counter() - start)
                return min(times)

            return best(lambda: _linear(x, w)) < 0.9 * best(lambda: torch.mm(x, w.t()))
    except Exception:  # a private operator may be missing, or refuse
        return False
    finally:
        torch.set_num_threads(threads)


@functools.cache
def _settle() -> None:
    """Have freed tiles kept for the next one: giving them back costs more in page faults than the product.

    glibc raises its threshold for returning memory to the system when a large block that it had mapped is
    freed; this frees one, never touched, of just below the largest size that it heeds (32 MB).
    """
    torch.empty(31 * 2**20, dtype=torch.uint8)


class Factor:
    """A wide right-hand factor w.T of many products with blocks of ``rows`` rows.

    It is laid out for them once where the blocks are low, else that does not pay; nor does it for a tall one.
    """

    def __init__(self, w: Tensor, rows: int):
        self.w = w
        if w.dtype == torch.float32 and onednn():
            _settle()
            if rows <= 128:
                self.w = torch.ops.mkldnn._reorder_linear_weight(w, rows)

    def after(self, x: Tensor) -> Tensor:
        """x @ w.T for contiguous x."""
        return _linear(x, self.w) if self.w.is_mkldnn else times_transposed(x, self.w)


def times_transposed(x: Tensor, w: Tensor) -> Tensor:
    """x @ w.T for contiguous x (n, d) and w (m, d), or a transposed view."""
    if x.dtype == torch.float32 and onednn():
        return _linear(x, w)
    return torch.mm(x, w.t())


def times(x: Tensor, w: Tensor) -> Tensor:
    """x @ w for contiguous x (n, m) and w (m, d)."""
    return times_transposed(x, w.t())
