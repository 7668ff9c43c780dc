"""Passes over lists of pairs, compiled on first use: no gathered copies, a streaming softmax in each row.

Arrays are (heads, N, features), as users hold them; weights are kept flat by head, (heads, E).
"""

from __future__ import annotations

import numpy as np

from .jit import LN2, compiled, exp2, low, zero

BLOCK = 2048  # scores that go through one exponential loop


@compiled()
def powers(x, y, n):
    """x becomes 2**x, y becomes x 2**x, over the first n of two buffers."""
    for a in range(n):
        z = x[a]
        e = exp2(z)
        x[a] = e
        y[a] = e * (low if z < low else z)


@compiled()
def forward(q, k, v, bias, indptr, indices, first, last, p, out, lse, ent):
    """Queries first..last - 1: weights p (H, E), out (H, Nq, C), lse and entropy (H, Nq).

    q is in base 2; ``bias`` (1 or H, E) in base 2 is added to the scores, or has no column; p may have none,
    and is not kept then.
    """
    heads, width, channels = q.shape[0], q.shape[2], v.shape[2]
    biased, kept = bias.shape[1] > 0, p.shape[1] > 0
    longest = 0
    for i in range(first, last):
        longest = max(longest, indptr[i + 1] - indptr[i])
    x = np.empty(max(BLOCK, longest), np.float32)
    y = np.empty(max(BLOCK, longest), np.float32)
    for h in range(heads):
        g = h if bias.shape[0] > 1 else 0
        a = first
        while a < last:
            b = a + 1
            while b < last and indptr[b + 1] - indptr[a] <= BLOCK:
                b += 1
            origin = indptr[a]
            for i in range(a, b):
                start, stop = indptr[i], indptr[i + 1]
                top = np.float32(-np.inf)
                for e in range(start, stop):
                    j = indices[e]
                    s = zero
                    for d in range(width):
                        s += q[h, i, d] * k[h, j, d]
                    if biased:
                        s += bias[g, e]
                    x[e - origin] = s
                    top = max(top, s)
                if top == -np.inf:
                    top = zero
                lse[h, i] = top
                for e in range(start, stop):
                    x[e - origin] -= top
            powers(x, y, indptr[b] - origin)
            for i in range(a, b):
                start, stop = indptr[i], indptr[i + 1]
                total, mean = zero, zero
                for e in range(start, stop):
                    total += x[e - origin]
                    mean += y[e - origin]
                for c in range(channels):
                    out[h, i, c] = zero
                if total == zero:
                    lse[h, i], ent[h, i] = -np.inf, zero
                    if kept:
                        for e in range(start, stop):
                            p[h, e] = zero
                else:
                    inverse = np.float32(1.0) / total
                    lse[h, i] = lse[h, i] * LN2 + np.log(np.float64(total))
                    ent[h, i] = max(np.log(np.float64(total)) - LN2 * mean * inverse, 0.0)
                    for e in range(start, stop):
                        w = x[e - origin] * inverse
                        if kept:
                            p[h, e] = w
                        j = indices[e]
                        for c in range(channels):
                            out[h, i, c] += w * v[h, j, c]
            a = b


@compiled()
def backward(q, k, v, indptr, indices, first, last, p, out, ent, g_out, g_lse, g_ent, g_q, g_k, g_v, g_bias):
    """Gradients of queries first..last - 1 in natural base; g_k and g_v are this thread's own to add to."""
    heads, width, channels = q.shape[0], q.shape[2], v.shape[2]
    biased = g_bias.shape[1] > 0
    for h in range(heads):
        for i in range(first, last):
            delta = -g_lse[h, i]
            for c in range(channels):
                delta += g_out[h, i, c] * out[h, i, c]
            gh, entropy = g_ent[h, i], ent[h, i]
            for d in range(width):
                g_q[h, i, d] = zero
            for e in range(indptr[i], indptr[i + 1]):
                j = indices[e]
                w = p[h, e]
                s = zero
                for c in range(channels):
                    s += g_out[h, i, c] * v[h, j, c]
                s = w * (s - delta)
                if gh != zero and w > zero:
                    s -= gh * w * (np.log(w) + entropy)
                for d in range(width):
                    g_q[h, i, d] += s * k[h, j, d]
                for d in range(width):
                    g_k[h, j, d] += s * q[h, i, d]
                for c in range(channels):
                    g_v[h, j, c] += w * g_out[h, i, c]
                if biased:
                    g_bias[h, e] = s


@compiled()
def columns(p, weight, indptr, indices, held):
    """held[h, j] += p[h, e] weight[h, i] over pairs e = (i, j), in float64; weight (1 or H, Nq)."""
    for h in range(p.shape[0]):
        g = h if weight.shape[0] > 1 else 0
        for i in range(indptr.shape[0] - 1):
            for e in range(indptr[i], indptr[i + 1]):
                held[h, indices[e]] += np.float64(p[h, e]) * np.float64(weight[g, i])


@compiled()
def largest(p, indptr, indices, k, values, places):
    """The k largest weights of each head and row (H, Nq, k), with their keys; index -1 where there are fewer.

    A pair of weight 0 is not listed.
    """
    for h in range(p.shape[0]):
        for i in range(indptr.shape[0] - 1):
            for a in range(k):
                values[h, i, a] = zero
                places[h, i, a] = -1
            for e in range(indptr[i], indptr[i + 1]):
                w = p[h, e]
                if w > values[h, i, k - 1]:
                    at = k - 1
                    while at > 0 and values[h, i, at - 1] < w:
                        values[h, i, at] = values[h, i, at - 1]
                        places[h, i, at] = places[h, i, at - 1]
                        at -= 1
                    values[h, i, at] = w
                    places[h, i, at] = indices[e]
