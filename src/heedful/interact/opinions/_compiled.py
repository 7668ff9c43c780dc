"""The numba kernels: nogil row blocks, one vectorised exp, no parallel=True (see `kernel` for the meaning).

Importing this file needs numba; `kernel` catches its absence. `fastmath` excludes nnan and ninf, so that a
NaN and HK's -inf keep their meaning.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

FAST = {"contract", "reassoc", "nsz", "arcp"}
CHUNK = 2048  # edges whose scores are in flight: 3 buffers of 16 kB stay in the first-level cache
LOG2E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10


@intrinsic
def _as_float(typingctx, bits):
    """The float64 of these 64 bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@numba.njit(nogil=True, inline="always")
def _exp(s):
    """exp(s) for s <= 0 (and moderately above), 1 ulp; 0 below -708. Written so that LLVM vectorises it.

    s = n ln 2 + r, |r| <= ln 2 / 2; Taylor's polynomial of degree 13 in r; 2^n put into the exponent bits.
    """
    t = max(s, -708.0)
    n = np.rint(t * LOG2E)
    r = (t - n * LN2_HIGH) - n * LN2_LOW
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 1.984126984126984e-04
    p = p * r + 1.388888888888889e-03
    p = p * r + 8.333333333333333e-03
    p = p * r + 4.1666666666666664e-02
    p = p * r + 1.6666666666666666e-01
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    power = _as_float((np.int64(np.int32(n)) + 1023) << 52)
    return p * power if s >= -708.0 else 0.0


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def rows_scalar(
    first, last, x, indptr, indices, log_weight, kind, factor, own_log, camp, out, entropy, mass, att, own_att
):
    """Rows first..last of a synchronous step with scalar opinions x (N,); optional arrays are empty when
    unwanted.
    """
    has_weight, has_camp = log_weight.size > 0, camp.size > 0
    has_entropy, has_att = entropy.size > 0, att.size > 0
    bounded = kind <= 2 and own_log == 0.0 and not has_weight  # then the largest score is the self edge's 0
    size = CHUNK
    for i in range(first, last):
        size = max(size, indptr[i + 1] - indptr[i])
    s, w, gap, own = np.empty(size), np.empty(size), np.empty(size), np.empty(CHUNK)
    same, theirs = np.empty(size if has_camp else 0), np.empty(size if has_camp else 0, camp.dtype)
    row = first
    while row < last:
        start = indptr[row]
        stop = row + 1
        while stop < last and stop - row < CHUNK and indptr[stop + 1] - start <= size:
            stop += 1
        count = indptr[stop] - start
        # gathered in flat loops of their own: short rows would not vectorise, nor the cache misses overlap
        for k in range(count):
            gap[k] = x[indices[start + k]]
        for i in range(row, stop):
            xi = x[i]
            for k in range(indptr[i] - start, indptr[i + 1] - start):
                gap[k] -= xi
        if has_camp:
            for k in range(count):
                theirs[k] = camp[indices[start + k]]
            for i in range(row, stop):
                ci = camp[i]
                for k in range(indptr[i] - start, indptr[i + 1] - start):
                    same[k] = 1.0 if theirs[k] == ci else 0.0
        if kind == 0:
            for k in range(count):
                s[k] = -gap[k] * gap[k] * factor
        elif kind == 1:
            for k in range(count):
                s[k] = 0.0
        elif kind == 2:
            for k in range(count):
                s[k] = 0.0 if abs(gap[k]) <= factor else -np.inf
        else:
            for i in range(row, stop):
                for k in range(indptr[i] - start, indptr[i + 1] - start):
                    s[k] = x[i] * (x[i] + gap[k]) * factor
        if has_weight:
            for k in range(count):
                s[k] += log_weight[start + k]
        for i in range(row, stop):
            own[i - row] = own_log + (x[i] * x[i] * factor if kind == 3 else 0.0)
        if not bounded:
            for i in range(row, stop):
                top = own[i - row]
                for k in range(indptr[i] - start, indptr[i + 1] - start):
                    top = max(top, s[k])
                if top > -np.inf:
                    own[i - row] -= top
                    for k in range(indptr[i] - start, indptr[i + 1] - start):
                        s[k] -= top
        for k in range(count):
            w[k] = _exp(s[k])
        for i in range(row, stop):
            low, high = indptr[i] - start, indptr[i + 1] - start
            w_own = _exp(own[i - row])
            total, moved = w_own, 0.0
            for k in range(low, high):
                total += w[k]
                moved += w[k] * gap[k]
            silent = total == 0.0  # nobody to listen to, not even oneself: the opinion stays
            share = 0.0 if silent else 1.0 / total
            out[i] = x[i] + moved * share
            if has_entropy:
                inner = w_own * max(own[i - row], -800.0)  # 0 * -inf must be 0
                for k in range(low, high):
                    inner += w[k] * max(s[k], -800.0)
                entropy[i] = 0.0 if silent else math.log(total) - inner * share
            if has_camp:
                within = w_own
                for k in range(low, high):
                    within += w[k] * same[k]
                mass[i] = within * share
            if has_att:
                own_att[i] = w_own * share
                for k in range(low, high):
                    att[start + k] = w[k] * share
        row = stop


@numba.njit(nogil=True, fastmath=FAST)
def _score(x, i, j, kind, factor):
    """Score of one pair of vector opinions."""
    if kind == 1:
        return 0.0
    total = 0.0
    if kind == 3:
        for d in range(x.shape[1]):
            total += x[i, d] * x[j, d]
        return total * factor
    for d in range(x.shape[1]):
        g = x[j, d] - x[i, d]
        total += g * g
    if kind == 2:
        return 0.0 if total <= factor * factor else -np.inf
    return -total * factor


@numba.njit(nogil=True, fastmath=FAST)
def _row_vector(i, x, indptr, indices, log_weight, kind, factor, own_log, s, moved):
    """Weights of row i into s (own one last), the unnormalised displacement into moved; returns (total,
    inner).
    """
    low, high = indptr[i], indptr[i + 1]
    count = high - low
    s[count] = own_log + _score(x, i, i, kind, factor)
    top = s[count]
    for k in range(count):
        s[k] = _score(x, i, indices[low + k], kind, factor)
        if log_weight.size > 0:
            s[k] += log_weight[low + k]
        top = max(top, s[k])
    for d in range(x.shape[1]):
        moved[d] = 0.0
    total, inner = 0.0, 0.0
    if top == -np.inf:
        for k in range(count + 1):
            s[k] = 0.0
        return total, inner
    for k in range(count + 1):
        v = max(s[k] - top, -800.0)
        s[k] = _exp(v)
        total += s[k]
        inner += s[k] * v
    for k in range(count):
        j = indices[low + k]
        for d in range(x.shape[1]):
            moved[d] += s[k] * (x[j, d] - x[i, d])
    return total, inner


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def rows_vector(
    first, last, x, indptr, indices, log_weight, kind, factor, own_log, camp, out, entropy, mass, att, own_att
):
    """Rows first..last of a synchronous step with vector opinions x (N, d)."""
    size = 0
    for i in range(first, last):
        size = max(size, indptr[i + 1] - indptr[i])
    s, moved = np.empty(size + 1), np.empty(x.shape[1])
    for i in range(first, last):
        low = indptr[i]
        count = indptr[i + 1] - low
        total, inner = _row_vector(i, x, indptr, indices, log_weight, kind, factor, own_log, s, moved)
        silent = total == 0.0
        share = 0.0 if silent else 1.0 / total
        for d in range(x.shape[1]):
            out[i, d] = x[i, d] + moved[d] * share
        if entropy.size > 0:
            entropy[i] = 0.0 if silent else math.log(total) - inner * share
        if camp.size > 0:
            same = s[count]
            for k in range(count):
                same += s[k] if camp[indices[low + k]] == camp[i] else 0.0
            mass[i] = same * share
        if att.size > 0:
            own_att[i] = s[count] * share
            for k in range(count):
                att[low + k] = s[k] * share


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def rows_async(order, x, indptr, indices, log_weight, kind, factor, own_log, pull, anchor):
    """One asynchronous sweep, in place: the nodes of ``order`` one after another."""
    size = 0
    for i in range(len(indptr) - 1):
        size = max(size, indptr[i + 1] - indptr[i])
    s, moved = np.empty(size + 1), np.empty(x.shape[1])
    for i in order:
        total, _ = _row_vector(i, x, indptr, indices, log_weight, kind, factor, own_log, s, moved)
        share = 0.0 if total == 0.0 else 1.0 / total
        for d in range(x.shape[1]):
            heard = x[i, d] + moved[d] * share
            x[i, d] = (1.0 - pull[i]) * heard + pull[i] * anchor[i, d]


@numba.njit(nogil=True, fastmath=FAST, cache=True)
def all_pairs(first, last, at, x, factor, sums):
    """sums[u] = (sum_j w, sum_j w (x_j - u), sum_j w s) for targets ``at``, w = exp(s), s = -(x_j - u)^2
    factor.
    """
    s, w, gap = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    n = len(x)
    for i in range(first, last):
        u, a, b, c = at[i], 0.0, 0.0, 0.0
        for low in range(0, n, CHUNK):
            count = min(CHUNK, n - low)
            for k in range(count):
                gap[k] = x[low + k] - u
                s[k] = -gap[k] * gap[k] * factor
            for k in range(count):
                w[k] = _exp(s[k])
            for k in range(count):
                a += w[k]
                b += w[k] * gap[k]
                c += w[k] * s[k]
        sums[i, 0], sums[i, 1], sums[i, 2] = a, b, c
