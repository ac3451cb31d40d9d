#!/usr/bin/env python3
"""Writes lte-walk.up and lte-walk.down: a made-up walk through LTE, as delivery traces.

Nobody recorded it. A device shares a cell with others, so its mean rate is 0.7 Mbit/s up and
1.5 down. Shadowing (a standard deviation of 5 dB, correlated over 2 s) moves both together; grants
come 8 ms apart on average; two handovers take 0.25 and 0.4 s. Recorded traces of the same format:
github.com/ravinet/mahimahi/tree/master/traces.
"""

import math
import random
from pathlib import Path

SECONDS = 30
SHADOW_DB = 5.0
CORRELATED_S = 2.0
GRANT_MS = 8.0
HANDOVERS_MS = [(11_000, 11_250), (23_000, 23_400)]
BITS = 1_500 * 8


def shadows(rng):
    """The rate of each millisecond, as a factor with a mean of about 1."""
    keep = math.exp(-1 / (CORRELATED_S * 1_000))
    fresh = SHADOW_DB * math.sqrt(1 - keep * keep)
    shadow = rng.gauss(0, SHADOW_DB)
    # The mean of a log-normal variable is above that of its logarithm.
    mean = math.exp((SHADOW_DB * math.log(10) / 10) ** 2 / 2)
    for _ in range(SECONDS * 1_000):
        yield 10 ** (shadow / 10) / mean
        shadow = keep * shadow + fresh * rng.gauss(0, 1)


def trace(factors, rate, rng):
    """The opportunities of a link of this many bits a second on average."""
    credit, grant = 0.0, 0.0
    for ms, factor in enumerate(factors, start=1):
        credit += rate / 1_000 * factor
        if any(start <= ms < end for start, end in HANDOVERS_MS):
            credit = 0.0
            continue
        if ms < grant:
            continue
        grant = ms + rng.expovariate(1 / GRANT_MS)
        while credit >= BITS:
            credit -= BITS
            yield ms


def main():
    rng = random.Random(1)
    factors = list(shadows(rng))
    for name, rate in [("up", 700_000), ("down", 1_500_000)]:
        times = list(trace(factors, rate, rng))
        file = Path(__file__).with_name(f"lte-walk.{name}")
        file.write_text("".join(f"{ms}\n" for ms in times))
        print(f"{file.name}: {len(times)} opportunities, {len(times) * BITS / SECONDS / 1e6:.2f} Mbit/s")


if __name__ == "__main__":
    main()
