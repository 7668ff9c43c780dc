"""Row ranges on a pool of Python threads, each with one-thread kernels that release the GIL.

A second OpenMP layer beside torch's spins against it and dies in forked children; this one is rebuilt after
a fork, and the caller's thread count is as before when it returns.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

T, R = TypeVar("T"), TypeVar("R")
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_lock = threading.Lock()


def _pool(threads: int) -> ThreadPoolExecutor:
    key = (os.getpid(), threads)
    with _lock:
        if key not in _pools:
            for old in [k for k in _pools if k[0] != key[0]]:
                del _pools[old]  # the threads of the parent process do not exist here
            _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="heedful", initializer=_one_thread)
        return _pools[key]


_HOME = os.getpid()


@contextmanager
def fork_safe() -> Iterator[None]:
    """One torch thread while in a forked child: the parent's OpenMP threads do not exist there, and waiting
    for them never ends."""
    before = torch.get_num_threads()
    if os.getpid() == _HOME or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_any_process(call: Callable[..., R]) -> Callable[..., R]:
    """The function, :func:`fork_safe`; in the process that imported this at no cost."""

    @functools.wraps(call)
    def safe(*args: Any, **options: Any) -> R:
        if os.getpid() == _HOME:
            return call(*args, **options)
        with fork_safe():
            return call(*args, **options)

    return safe


def _one_thread() -> None:
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_lock._at_fork_reinit)


def spread(work: Callable[[int, T], None], parts: Sequence[T]) -> None:
    """Do ``work(worker, part)`` for each part, on torch's number of threads; worker numbers the thread.

    Parts are dealt to workers in a fixed way, so that the order of every sum is the same in every run.
    """
    threads = min(torch.get_num_threads(), len(parts))
    if threads <= 1:
        _each(work, 0, parts)
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pool = _pool(before)
        futures = [pool.submit(_each, work, n, parts[n::threads]) for n in range(1, threads)]
        try:
            _each(work, 0, parts[::threads])  # the caller's own share: one thread fewer to be woken
        finally:
            wait(futures)
        for future in futures:
            future.result()
    finally:
        torch.set_num_threads(before)


def _each(work: Callable[[int, T], None], worker: int, parts: Sequence[T]) -> None:
    with torch.no_grad():
        for part in parts:
            work(worker, part)
