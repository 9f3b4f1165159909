"""Golden numbers of packages/core/src/evaluate: SciPy, NumPy, exact fractions, and a second xoshiro128** in Python.

    python3 tools/golden/statistics.py > packages/core/src/evaluate/fixtures/statistics.json

Needs scipy and numpy; see fixtures/PROVENANCE.md for the versions that made the committed file.
"""

import json
import math
from fractions import Fraction

import numpy as np
from scipy import stats

MASK = 0xFFFFFFFF


def splitmix32(seed):
    state = seed & MASK
    while True:
        state = (state + 0x9E3779B9) & MASK
        z = state
        z = ((z ^ (z >> 16)) * 0x21F0AAAD) & MASK
        z = ((z ^ (z >> 15)) * 0x735A2D97) & MASK
        yield z ^ (z >> 15)


def rotl(x, k):
    return ((x << k) | (x >> (32 - k))) & MASK


def xoshiro128(words):
    s = list(words)
    while True:
        yield (rotl((s[1] * 5) & MASK, 7) * 9) & MASK
        t = (s[1] << 9) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 11)


def stream(seed):
    words = splitmix32(seed)
    return xoshiro128([next(words) for _ in range(4)])


def take(generator, n):
    return [next(generator) for _ in range(n)]


def bootstrap(observations, resamples, seed):
    sums = {}
    for cluster, value, weight in observations:
        total = sums.setdefault(cluster, [0.0, 0.0])
        total[0] += value
        total[1] += weight
    ordered = [sums[name] for name in sorted(sums)]
    random = stream(seed)
    draws = []
    for _ in range(resamples):
        picked = [ordered[(next(random) * len(ordered)) >> 32] for _ in ordered]
        weight = sum(p[1] for p in picked)
        if weight:
            draws.append(sum(p[0] for p in picked) / weight)
    return [float(np.quantile(draws, q)) for q in (0.025, 0.975)]


def pass_at_k(n, c, k):
    return float(1 - Fraction(math.comb(n - c, k), math.comb(n, k)))


def kappa(table):
    total = sum(map(sum, table))
    observed = Fraction(sum(table[i][i] for i in range(len(table))), total)
    chance = sum(Fraction(sum(row) * sum(r[i] for r in table), total * total) for i, row in enumerate(table))
    return float((observed - chance) / (1 - chance))


def mcnemar(b, c):
    n, fewer = b + c, min(b, c)
    below = stats.binom.cdf(fewer - 1, n, 0.5)
    return {
        "b": b,
        "c": c,
        "pValue": float(stats.binomtest(b, n, 0.5).pvalue),
        "midP": float(min(1.0, 2 * below + stats.binom.pmf(fewer, n, 0.5))),
    }


BINOMIAL = [
    (0, 1, 0.5), (1, 1, 0.5), (0, 10, 0.5), (3, 10, 0.5), (5, 10, 0.5), (9, 10, 0.5), (7, 20, 0.1), (2, 20, 0.3),
    (51, 235, 1 / 6), (899, 1250, 0.5), (600, 1250, 0.5), (1300, 2500, 0.5), (50000, 100000, 0.5), (50300, 100000, 0.5),
    (52000, 100000, 0.5), (30, 100000, 0.0002), (99990, 100000, 0.9999),
]  # fmt: skip
WILSON = [(0, 1), (1, 1), (0, 10), (5, 10), (10, 10), (137, 170), (899, 1250), (384, 448), (1, 100000), (99999, 100000)]
OBSERVATIONS = [(f"image-{i % 17}", float((i * 7919) % 3 == 0), 1.0) for i in range(60)]

golden = {
    "binomialTest": [{"k": k, "n": n, "p": p, "pValue": float(stats.binomtest(k, n, p).pvalue)} for k, n, p in BINOMIAL],
    "logPmf": [{"k": k, "n": n, "p": p, "logp": float(stats.binom.logpmf(k, n, p))} for k, n, p in BINOMIAL],
    "wilson": [
        {"k": k, "n": n, "interval": [float(x) for x in stats.binomtest(k, n).proportion_ci(0.95, "wilson")]}
        for k, n in WILSON
    ],
    "mcnemar": [mcnemar(b, c) for b, c in [(1, 0), (0, 5), (5, 5), (10, 25), (25, 10), (101, 60), (4000, 4100)]],
    "passAtK": [
        {"n": n, "c": c, "k": k, "rate": pass_at_k(n, c, k)}
        for n, c, k in [(1, 0, 1), (1, 1, 1), (10, 3, 1), (10, 3, 5), (10, 3, 8), (15, 7, 5), (200, 1, 100), (1000, 13, 40)]
    ],
    "quantile": [
        {"values": values, "q": q, "value": float(np.quantile(values, q))}
        for values in ([3.0], [1.0, 2.0], [1.0, 2.0, 4.0, 8.0, 16.0])
        for q in (0.0, 0.05, 0.5, 0.95, 1.0)
    ],
    "kappa": [{"table": t, "kappa": kappa(t)} for t in ([[20, 5], [10, 15]], [[5, 0], [0, 5]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]])],
    "xoshiro128": take(xoshiro128([1, 2, 3, 4]), 10),
    "stream": [{"seed": seed, "first": take(stream(seed), 5)} for seed in (0, 1, 2**31, 123456789)],
    "bootstrap": {
        "observations": [{"cluster": c, "value": v, "weight": w} for c, v, w in OBSERVATIONS],
        "runs": [
            {"resamples": r, "seed": s, "interval": bootstrap(OBSERVATIONS, r, s)} for r, s in ((200, 0), (1000, 7), (2000, 0))
        ],
    },
}

print(json.dumps(golden, indent=1))
