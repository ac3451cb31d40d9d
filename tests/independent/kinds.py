"""Kinds of rooms, state and motion (docs/PROTOCOL.md, section 2), from that page alone."""

import math
import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Plane:
    unit: str
    step: float

    def position(self, x, y):
        """Returns the latitude and longitude of a point."""
        i, j = round(x / self.step), round(y / self.step)
        return 7 * j - 1, 7 * i + 2

    def point(self, lat, lng):
        return (lng - 2) / 7 * self.step, (lat + 1) / 7 * self.step

    def zoom(self, steps):
        """Returns the zoom of a view whose CSS pixels are so many steps wide."""
        return round(10 * math.log2(3_600_000_000 / (512 * 7 * steps)))


EARTH = None
"""The space that is no plane."""


@dataclass(frozen=True)
class Flag:
    bits = 1

    def code(self, value):
        return int(bool(value))

    def value(self, code):
        return bool(code)


@dataclass(frozen=True)
class Unsigned:
    bits: int

    def code(self, value):
        return value

    def value(self, code):
        return code


@dataclass(frozen=True)
class Range:
    min: float
    step: float
    count: int

    @property
    def bits(self):
        return math.ceil(math.log2(self.count))

    def code(self, value):
        return round((value - self.min) / self.step)

    def value(self, code):
        return self.min + min(code, self.count - 1) * self.step


def state_bits(layout):
    return sum(values.bits for values in layout.values())


def pack(layout, state):
    """Returns the bits of a state, a dict of the fields' values; the rest is zero."""
    bits = at = 0
    for name, values in layout.items():
        if name in state:
            bits |= values.code(state[name]) << at
        at += values.bits
    return bits


def unpack(layout, bits):
    state = {}
    for name, values in layout.items():
        state[name] = values.value(bits & ((1 << values.bits) - 1))
        bits >>= values.bits
    return state


def motion(speed, course):
    """Returns the two codes of a speed and a course in degrees."""
    code = 0
    if speed >= 0.05:
        code = min(255, max(1, round(math.log(speed / 0.1, 1.05) + 1)))
    return code, round(course / 360 * 256) % 256


def speed_of(code):
    return 0.1 * 1.05 ** (code - 1) if code else 0.0


def number(value):
    return struct.pack("<d", value)
