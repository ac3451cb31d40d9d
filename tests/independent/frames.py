"""Frames (docs/PROTOCOL.md, sections 5 and 7), from that page alone."""

import math
from dataclasses import dataclass, field

from wire import Bad

AGES = [4 * code for code in range(16)]
AGES += [64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096, 5793, 8192, 11585]


class Bits:
    def __init__(self, data):
        self.value, self.length, self.at = int.from_bytes(data, "little"), 8 * len(data), 0

    def read(self, n):
        if self.at + n > self.length:
            raise Bad("the frame ends within a field")
        self.at += n
        return self.value >> (self.at - n) & ((1 << n) - 1)

    def unary(self):
        q = 0
        while self.read(1):
            q += 1
            if q > 4096:
                raise Bad("a unary number is above 4,096")
        return q

    def gamma(self):
        m = self.unary()
        n = (1 << m) + self.read(m) if m <= 32 else 0
        if not 1 <= n <= 1 << 32:
            raise Bad("a gamma number is out of range")
        return n

    def rice(self, k):
        return (self.unary() << k) + self.read(k)


def size(level):
    return 7 << (10 + level)


def columns(level):
    return -(-3_600_000_000 // size(level))


def rows(level):
    return -(-1_800_000_001 // size(level))


def cell_of(level, lat, lng):
    return (level, (lng + 1_800_000_000) // size(level), (lat + 900_000_000) // size(level))


@dataclass
class Entry:
    id: int
    lat: int
    lng: int
    orientation: int | None
    age: int
    motion: tuple | None = None
    accuracy: int | None = None
    hidden: bool | None = None
    state: int = 0


@dataclass
class Chunk:
    kind: str
    cell: tuple
    page_bits: int
    page: int
    counts: list
    entries: list = field(default_factory=list)


@dataclass
class Frame:
    time: int
    base: int
    state_bits: int
    chunks: list


def frame(data):
    b = Bits(data)
    if b.read(8) != 0x47:
        raise Bad("not a frame")
    time, level = b.read(32), b.read(5)
    if level > 19:
        raise Bad("the level is above 19")
    x0, y0 = b.read(max(0, 19 - level)), b.read(max(0, 18 - level))
    width, base, span, state_bits = b.read(5) + 1, b.gamma() - 1, b.read(5), b.read(7)
    if state_bits > 64:
        raise Bad("a state has at most 64 bits")
    chunks, index = [], 0
    while b.read(1):
        index += b.unary()
        if index > 63:
            raise Bad("a cell index is above 63")
        cell = (level, (x0 + index % width) % columns(level), y0 + index // width)
        if cell[2] >= rows(level) or x0 >= columns(level):
            raise Bad("a cell is outside the grid")
        chunks.append(_chunk(b, cell, base, span, state_bits))
    if b.length - b.at >= 8 or b.read(b.length - b.at):
        raise Bad("something follows the last chunk")
    return Frame(time, base, state_bits, chunks)


def _chunk(b, cell, base, span, state_bits):
    kind = ("crowd" if b.read(1) else "key") if b.read(1) else "delta"
    p, page = 0, 0
    if b.read(1):
        p = b.read(4) + 1
        page = b.read(p)
    counts = [b.gamma() - 1 for _ in range(4)] if kind == "crowd" else []
    n = b.gamma() - 1
    # Of each entry: True, False, or None if it says so itself.
    oriented = moving = None
    if n > 0:
        oriented = (None if b.read(1) else False) if b.read(1) else True
        moving = (None if b.read(1) else True) if b.read(1) else False
    chunk = Chunk(kind, cell, p, page, counts)
    k = max(0, span - p - math.ceil(math.log2(n + 1)))
    v = -1
    for _ in range(n):
        v += b.rice(k) + 1
        id = base + (v << p | page)
        chunk.entries.append(_entry(b, cell, id, kind, (oriented, moving), state_bits))
        if chunk.entries[-1].id >= base + (1 << span):
            raise Bad("an id is outside the span")
    return chunk


def _entry(b, cell, id, kind, has, state_bits):
    level, x, y = cell
    bits = min(10 + level, 13)
    step = size(level) >> bits
    east = x * size(level) + b.read(bits) * step + step // 2
    north = y * size(level) + b.read(bits) * step + step // 2
    lat = min(north - 900_000_000, 900_000_000)
    lng = min(east - 1_800_000_000, 1_799_999_999)
    oriented, moving = has
    orientation = b.read(27) if oriented or (oriented is None and b.read(1)) else None
    if orientation is not None and orientation >= 4 * 322**3:
        raise Bad("an orientation is out of range")
    entry = Entry(id, lat, lng, orientation, AGES[b.read(5)])
    if moving or (moving is None and b.read(1)):
        entry.motion = b.read(8), b.read(8)
    if kind != "delta":
        entry.accuracy, entry.hidden = b.read(6), bool(b.read(1))
    entry.state = b.read(state_bits)
    return entry
