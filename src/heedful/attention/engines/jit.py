"""The only file that knows numba: the passes over a tile of scores, compiled on first use.

Scores arrive in base 2 (q is scaled by log2 e), so that 2**x is a polynomial and a shift of the exponent.
Fast-math is limited to flags that keep NaN and infinity; the threads that call release the GIL. Imported by
`compiled` alone, which does without where numba is missing.
"""

from __future__ import annotations

import math

import numba
import numpy as np

LN2 = math.log(2.0)
_SAFE = {"contract", "reassoc", "nsz", "arcp"}
_ln2 = np.float32(LN2)


def compiled(**options):
    def wrap(function):
        try:
            return numba.njit(nogil=True, fastmath=_SAFE, cache=True, **options)(function)
        except RuntimeError:  # no folder for the cache can be written
            return numba.njit(nogil=True, fastmath=_SAFE, **options)(function)

    return wrap


i32, f32 = np.int32, np.float32
# minimax polynomial of 2**f on [-1/2, 1/2], relative error 9.7e-8
d1, d2, d3 = f32(0.6931472057372018), f32(0.24022646890487143), f32(0.05550328777071721)
d4, d5, d6 = f32(0.009618488973027015), f32(0.0013399931185167357), f32(0.000153458077350723)
low, bias, shift, one, zero = f32(-126.0), i32(127), i32(23), f32(1.0), f32(0.0)


@compiled(inline="always")
def exp2(z):
    """2**z for z <= 0, exactly 0 below -126 and for -inf; NaN stays NaN."""
    y = low if z < low else z
    n = np.rint(y)
    f = y - n
    p = ((((d6 * f + d5) * f + d4) * f + d3) * f + d2) * f + d1
    p = p * f + one
    e = p * i32(i32(i32(n) + bias) << shift).view(f32)
    return zero if z < low else e


@compiled()
def insert(value, index, values, places, k):
    """Put a score into a descending list of k."""
    if not value > values[k - 1]:
        return
    at = k - 1
    while at > 0 and values[at - 1] < value:
        values[at] = values[at - 1]
        places[at] = places[at - 1]
        at -= 1
    values[at] = value
    places[at] = index


@compiled()
def maxima(x, m, chunk):
    """Maxima of 16 chunks in each block of 256 scores, lane by lane: no reduction across lanes."""
    for b in range(m // 256):
        base = b * 256
        for l in range(16):
            j = base + l
            a0, a1 = max(x[j], x[j + 16]), max(x[j + 32], x[j + 48])
            a2, a3 = max(x[j + 64], x[j + 80]), max(x[j + 96], x[j + 112])
            a4, a5 = max(x[j + 128], x[j + 144]), max(x[j + 160], x[j + 176])
            a6, a7 = max(x[j + 192], x[j + 208]), max(x[j + 224], x[j + 240])
            chunk[b * 16 + l] = max(max(max(a0, a1), max(a2, a3)), max(max(a4, a5), max(a6, a7)))


@compiled()
def fold(chunk, n, lanes):
    """Maxima of ``n`` chunk maxima by lane of 32, and the largest of all."""
    for g in range(32):
        lanes[g] = -np.inf
    for u in range(0, n - n % 32, 32):
        for g in range(32):
            lanes[g] = max(lanes[g], chunk[u + g])
    for u in range(n - n % 32, n):
        lanes[u % 32] = max(lanes[u % 32], chunk[u])
    top = lanes[0]
    for g in range(1, 32):
        top = max(top, lanes[g])
    return top


@compiled()
def powers(x, top, entropy):
    """x becomes 2**(x - top); its sum, and the sum of 2**y y where that is wanted."""
    part, moment = zero, zero
    if entropy:
        for j in range(x.shape[0]):
            z = x[j] - top
            e = exp2(z)
            y = low if z < low else z
            x[j] = e
            part += e
            moment += e * y
    else:
        for j in range(x.shape[0]):
            e = exp2(x[j] - top)
            x[j] = e
            part += e
    return part, moment


@compiled()
def rows(s, first, last, k, entropy, lse, ent, inverse, values, places, chunk):
    """Scores (rows, m) become 2**(score - row maximum) in place; lse, entropy, 1/sum and top-k by row.

    ``values, places`` (rows, k) get the largest weights and their columns, 0 and -1 beyond the live keys.
    """
    m = s.shape[1]
    whole = m // 256
    head = whole * 256
    lanes, rank = np.empty(32, np.float32), np.empty(32, np.int32)
    candidates = np.empty(whole * 16 + 1, np.int32)
    for r in range(first, last):
        x = s[r]
        maxima(x, m, chunk)
        n = whole * 16
        top = fold(chunk, n, lanes)
        if k > 0:
            vals, where = values[r], places[r]
            for a in range(k):
                vals[a] = -np.inf
                where[a] = -1
            if n >= 2 * k:
                # of 32 lane maxima the k-th largest is reached by at least k scores
                for g in range(32):
                    rank[g] = i32(0)
                for a in range(32):
                    lane = lanes[a]
                    for g in range(32):
                        rank[g] += i32(1) if lane > lanes[g] else i32(0)
                threshold = top
                for g in range(32):
                    if rank[g] < k:
                        threshold = min(threshold, lanes[g])
                found = 0
                for u in range(n):
                    candidates[found] = u
                    found += 1 if chunk[u] >= threshold else 0
                for c in range(found):
                    u = candidates[c]
                    base = (u >> 4) * 256 + (u & 15)
                    for t in range(16):
                        y = x[base + 16 * t]
                        if y >= threshold and y > vals[k - 1]:
                            insert(y, base + 16 * t, vals, where, k)
            else:
                for j in range(head):
                    insert(x[j], j, vals, where, k)
            for j in range(head, m):
                insert(x[j], j, vals, where, k)
        for j in range(head, m):
            top = max(top, x[j])
        if top == -np.inf:
            top = np.float32(0.0)
        total, mean = 0.0, 0.0  # float64 over blocks of float32 sums
        for a in range(0, m, 2048):
            part, moment = powers(x[a : min(a + 2048, m)], top, entropy)
            total += part
            mean += moment
        if total == 0.0:
            inverse[r], lse[r], ent[r] = zero, -np.inf, zero
        else:  # NaN comes here, and is reported by the caller
            inverse[r] = 1.0 / total
            lse[r] = top * LN2 + np.log(total)
            ent[r] = max(np.log(total) - LN2 * mean / total, 0.0)
        if k > 0:
            weigh(values[r], places[r], top, inverse[r])


@compiled()
def weigh(values, places, top, inverse):
    """Base-2 scores of a list become weights; 0 and -1 where there is no key."""
    for a in range(values.shape[0]):
        if values[a] == -np.inf:
            values[a] = zero
            places[a] = -1
        else:
            values[a] = exp2(values[a] - top) * inverse


@compiled()
def best(s, k, values, places):
    """The k largest of each short row of s (rows, m), base-2 scores and columns; ties by place.

    Sixty-four rows at a time, a row to a lane: a score sinks through the lists by comparison and exchange, so
    that no branch depends on it.
    """
    n, m = s.shape
    across = np.empty((m, 64), np.float32)
    held, where = np.empty((k, 64), np.float32), np.empty((k, 64), np.int32)
    score, place = np.empty(64, np.float32), np.empty(64, np.int32)
    for first in range(0, n, 64):
        count = min(64, n - first)
        for r in range(count):
            x = s[first + r]
            for j in range(m):
                across[j, r] = x[j]
        held[:] = -np.inf
        where[:] = -1
        for j in range(m):
            y = across[j]
            for l in range(64):
                score[l] = y[l]
                place[l] = j
            for a in range(min(k, j + 1)):
                h, w = held[a], where[a]
                for l in range(64):
                    new, old, here, there = score[l], h[l], place[l], w[l]
                    above = new > old
                    h[l] = new if above else old
                    w[l] = here if above else there
                    score[l] = old if above else new
                    place[l] = there if above else here
        for r in range(count):
            for a in range(k):
                values[first + r, a] = held[a, r]
                places[first + r, a] = where[a, r]


@compiled()
def columns(s, scale, weight, first, last, held):
    """held[j] += sum over rows of s[r, j] scale[r] weight[r], in float64, eight rows at a time."""
    m = s.shape[1]
    r = first
    while r + 8 <= last:
        a0, a1 = scale[r] * weight[r], scale[r + 1] * weight[r + 1]
        a2, a3 = scale[r + 2] * weight[r + 2], scale[r + 3] * weight[r + 3]
        a4, a5 = scale[r + 4] * weight[r + 4], scale[r + 5] * weight[r + 5]
        a6, a7 = scale[r + 6] * weight[r + 6], scale[r + 7] * weight[r + 7]
        x0, x1, x2, x3 = s[r], s[r + 1], s[r + 2], s[r + 3]
        x4, x5, x6, x7 = s[r + 4], s[r + 5], s[r + 6], s[r + 7]
        for j in range(m):
            held[j] += np.float64(
                (x0[j] * a0 + x1[j] * a1 + x2[j] * a2 + x3[j] * a3)
                + (x4[j] * a4 + x5[j] * a5 + x6[j] * a6 + x7[j] * a7)
            )
        r += 8
    while r < last:
        a, x = scale[r] * weight[r], s[r]
        for j in range(m):
            held[j] += np.float64(x[j] * a)
        r += 1


@compiled()
def many_columns(s, weight, ones, held):
    """Column sums of many small matrices (b, n, m) with row weights (b or 1, n)."""
    for b in range(s.shape[0]):
        columns(s[b], ones, weight[b if weight.shape[0] > 1 else 0], 0, s.shape[1], held[b])


@compiled()
def small(s, k, entropy, lse, ent, values, places):
    """Many short rows (rows, m): as `rows`, but one exponential loop over the whole buffer; s becomes P."""
    n, m = s.shape
    flat = s.reshape(n * m)
    if k > 0:
        best(s, k, values, places)
    for r in range(n):
        x = s[r]
        top = np.float32(-np.inf)
        for j in range(m):
            top = max(top, x[j])
        if top == -np.inf:
            top = np.float32(0.0)
        lse[r] = top
        for j in range(m):
            x[j] -= top
    if entropy:
        for r in range(n):
            x = s[r]
            total, mean = np.float32(0.0), np.float32(0.0)
            for j in range(m):
                z = x[j]
                e = exp2(z)
                y = low if z < low else z
                x[j] = e
                total += e
                mean += e * y
            if total != zero:
                ent[r] = max(np.log(total) - _ln2 * mean / total, zero)
            else:
                ent[r] = zero
    else:
        for j in range(n * m):
            flat[j] = exp2(flat[j])
    for r in range(n):
        x = s[r]
        total = np.float32(0.0)
        for j in range(m):
            total += x[j]
        if total != zero:
            inverse = one / total
            for j in range(m):
                x[j] *= inverse
            if k > 0:
                weigh(values[r], places[r], lse[r], inverse)
            lse[r] = lse[r] * _ln2 + np.log(total)
        else:
            lse[r] = -np.inf
            if k > 0:
                weigh(values[r], places[r], zero, zero)


@compiled()
def gradient(s, dp, lse2, delta, g_entropy, ent, first, last):
    """Scores become P and dp becomes dL/dlogit in place; lse2 in base 2.

    dL/dlogit = P (dp - delta) - P g_entropy (log P + H), the entropy's own gradient included.
    """
    m = s.shape[1]
    for r in range(first, last):
        x, g = s[r], dp[r]
        if lse2[r] == -np.inf:
            for j in range(m):
                x[j] = zero
                g[j] = zero
            continue
        shift_by, d, h, gh = lse2[r], delta[r], ent[r], g_entropy[r]
        if gh == zero:
            for j in range(m):
                e = exp2(x[j] - shift_by)
                g[j] = e * (g[j] - d)
                x[j] = e
        else:
            for j in range(m):
                z = x[j] - shift_by
                e = exp2(z)
                y = low if z < low else z
                g[j] = e * (g[j] - d - gh * (y * _ln2 + h))
                x[j] = e


@compiled()
def decay(s, t_q, t_k, rate2, past_only, first, last):
    """Subtract rate2 |t_q - t_k| (base 2) from scores; -inf where the key is later than the query."""
    m = s.shape[1]
    for r in range(first, last):
        x, t = s[r], t_q[r]
        if past_only:
            for j in range(m):
                dt = t - t_k[j]
                x[j] = x[j] - rate2 * np.float32(dt) if dt >= 0 else -np.inf
        else:
            for j in range(m):
                x[j] -= rate2 * np.float32(abs(t - t_k[j]))


@compiled()
def decay_slope(g, t_q, t_k, first, last):
    """sum over pairs of g |t_q - t_k|, rows in float32, their total in float64."""
    held = 0.0
    for r in range(first, last):
        x, t = g[r], t_q[r]
        row = np.float32(0.0)
        for j in range(g.shape[1]):
            row += x[j] * np.float32(abs(t - t_k[j]))
        held += np.float64(row)
    return held
