"""Each row's own temperature, compiled: the whole of Newton's method on a row while it is in cache."""

from __future__ import annotations

import math

import numpy as np

from .jit import compiled, exp2, f32, zero

LOG2E = math.log2(math.e)
i32, i64, f64 = np.int32, np.int64, np.float64
# Taylor's polynomial of 2**f on [-1/2, 1/2]; the first term left out is below 1e-17
t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13 = (
    math.log(2.0) ** n / math.factorial(n) for n in range(1, 14)
)
deep, wide_bias, wide_shift = f64(-1000.0), i64(1023), i64(52)


@compiled(inline="always")
def wide_exp2(z):
    """2**z for z <= 0 in float64, exactly 0 below -1000 and for -inf."""
    y = deep if z < deep else z
    n = np.rint(y)
    f = y - n
    p = ((((((t13 * f + t12) * f + t11) * f + t10) * f + t9) * f + t8) * f + t7) * f + t6
    p = (((((p * f + t5) * f + t4) * f + t3) * f + t2) * f + t1) * f + 1.0
    e = p * i64((i64(i32(n)) + wide_bias) << wide_shift).view(f64)
    return 0.0 if z < deep else e


@compiled()
def coarse(x, highest, base, beta2, top):
    """Sums over a row of e, e y, e y^2; y = x - highest, e = 2**(beta2 y + base - top); float32 by blocks."""
    total, first, second = 0.0, 0.0, 0.0
    b, t, h, m = f32(beta2), f32(top), f32(highest), x.shape[0]
    for a in range(0, m, 2048):
        s0, s1, s2 = zero, zero, zero
        if base.shape[0]:
            for j in range(a, min(a + 2048, m)):
                y = x[j] - h
                e = exp2(y * b + (base[j] - t))
                s0 += e
                s1 += e * y
                s2 += e * y * y
        else:
            for j in range(a, min(a + 2048, m)):
                y = x[j] - h
                e = exp2(y * b - t)
                s0 += e
                s1 += e * y
                s2 += e * y * y
        total += f64(s0)
        first += f64(s1)
        second += f64(s2)
    return total, first, second


@compiled()
def fine(x, highest, base, beta2, top):
    """As `coarse`, in float64."""
    total, first, second = 0.0, 0.0, 0.0
    if base.shape[0]:
        for j in range(x.shape[0]):
            y = f64(x[j]) - highest
            e = wide_exp2(y * beta2 + (f64(base[j]) - top))
            total += e
            first += e * y
            second += e * y * y
    else:
        for j in range(x.shape[0]):
            y = f64(x[j]) - highest
            e = wide_exp2(y * beta2 - top)
            total += e
            first += e * y
            second += e * y * y
    return total, first, second


@compiled()
def peak(x, highest, base, beta2):
    """The largest of beta2 (x - highest) + base."""
    top = -np.inf
    for j in range(x.shape[0]):
        top = max(top, (f64(x[j]) - highest) * beta2 + f64(base[j]))
    return top


@compiled()
def divergence(x, highest, base, beta2, log2_base, narrow):
    """KL(p || pi) in bits and its slope in log beta, for p ~ pi 2**(beta2 x)."""
    top = peak(x, highest, base, beta2) if base.shape[0] else 0.0
    if narrow:
        total, first, second = coarse(x, highest, base, beta2, top)
    else:
        total, first, second = fine(x, highest, base, beta2, top)
    mean = first / total
    variance = max(second / total - mean * mean, 0.0)
    return beta2 * mean - (top + math.log2(total) - log2_base), variance * beta2 * beta2 / LOG2E


@compiled()
def rows(s, base, log2_k, tolerance, iterations, narrow, first, last, out):
    """Rows first..last - 1 into ``out`` (rows, 4): beta = 1 / T, H(pi), KL's ceiling and its slope.

    s (rows, m) content scores, overwritten where excluded; base (rows, m) or (rows, 0) log2 pi up to a
    constant, -inf where excluded; ``log2_k`` (rows,) log2 K. beta is -1 where there is no key, -2 where K is
    beyond what the priors leave, -3 where ties do not let it be reached; all of ``out`` but beta is in bits.
    """
    m = s.shape[1]
    for r in range(first, last):
        x, b = s[r], base[r]
        top, low, log2_base, entropy, held = -np.inf, np.inf, math.log2(m), math.log2(m), 0.0
        if b.shape[0]:
            peak_base = -np.inf
            for j in range(m):
                peak_base = max(peak_base, f64(b[j]))
                if b[j] > -np.inf:
                    top = max(top, f64(x[j]))
                    low = min(low, f64(x[j]))
            if peak_base == -np.inf:
                out[r, 0] = -1.0
                continue
            total, moment = 0.0, 0.0
            for j in range(m):
                e = wide_exp2(f64(b[j]) - peak_base)
                total += e
                if e > 0.0:
                    moment += e * (f64(b[j]) - peak_base)
            log2_base = peak_base + math.log2(total)
            entropy = math.log2(total) - moment / total
            for j in range(m):
                if b[j] == -np.inf:
                    x[j] = top
                elif x[j] == top:
                    held += wide_exp2(f64(b[j]) - log2_base)
        else:
            for j in range(m):
                top = max(top, f64(x[j]))
                low = min(low, f64(x[j]))
            for j in range(m):
                if x[j] == top:
                    held += 1.0
            held /= m
        want, ceiling, spread = entropy - log2_k[r], -math.log2(held), top - low
        tight = 64 * np.finfo(s.dtype).eps * max(entropy, 1.0)
        out[r, 1], out[r, 2], out[r, 3] = entropy, ceiling, 0.0
        if want < -tight:
            out[r, 0] = -2.0
        elif want > tight and want >= ceiling:
            out[r, 0] = -3.0
        elif spread == 0.0 or want <= tight:
            out[r, 0] = 0.0
        else:
            out[r, 0], out[r, 3] = newton(x, top, b, want, log2_base, spread, tolerance, iterations, narrow)


@compiled()
def newton(x, highest, base, want, log2_base, spread, tolerance, iterations, narrow):
    """beta (natural base) with KL(p || pi) = want, and the slope there; Newton in log beta on log KL."""
    good = tolerance * max(want, 1.0)
    rough = 1e-5 * max(want, 1.0)
    below, above, u = -40.0, 60.0, 0.0  # log(beta spread)
    slope = 0.0
    for _ in range(iterations):
        beta2 = math.exp(u) / spread * LOG2E
        value, slope = divergence(x, highest, base, beta2, log2_base, narrow)
        gap = value - want
        if narrow and abs(gap) <= rough:
            narrow = False
            value, slope = divergence(x, highest, base, beta2, log2_base, narrow)
            gap = value - want
        if abs(gap) <= good:
            break
        if gap > 0.0:
            above = u
        else:
            below = u
        step = 0.5 * (below + above)
        if slope > 0.0 and value > 0.0:
            moved = u - math.log(value / want) * value / slope
            if below < moved < above:
                step = moved
        if step == u:
            break
        u = step
    return math.exp(u) / spread, slope
