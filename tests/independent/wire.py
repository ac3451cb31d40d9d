"""The bytes of docs/PROTOCOL.md, written from that page alone, without src/."""

import math
import struct
from dataclasses import dataclass, field

SHARING, WATCHING, HIDDEN, GONE = range(4)
POSITION, ACCURACY, ORIENTATION, VIEWPORT, PRESENCE = range(5)


class Bad(Exception):
    """Bytes that PROTOCOL.md does not allow."""


# Section 3: messages of the reliable lane.


def varint(n):
    if n < 251:
        return bytes([n])
    if n <= 0xFFFF:
        return b"\xfb" + struct.pack("<H", n)
    return b"\xfc" + struct.pack("<I", n)


def zigzag(n):
    return varint(((n << 1) ^ (n >> 31)) & 0xFFFFFFFF)


def string(text):
    data = text.encode()
    return varint(len(data)) + data


@dataclass
class Viewport:
    south: int
    west: int
    north: int
    east: int
    zoom: int

    def fields(self):
        edges = (self.south, self.west, self.north, self.east)
        return b"".join(map(zigzag, edges)) + bytes([self.zoom])


def sharing_fields(approximate, seconds):
    return bytes([approximate]) + varint(seconds)


def hello(room, name="", presence=WATCHING, resume=None, budget=0, viewport=None, version=1, access=None, sharing=(False, 0)):
    return b"".join(
        [
            varint(0),
            varint(version),
            string(room),
            string(name),
            varint(presence),
            b"\1" + resume if resume else b"\0",
            varint(budget),
            b"\1" + viewport.fields() if viewport else b"\0",
            b"\1" + string(access) if access else b"\0",
            sharing_fields(*sharing),
        ]
    )


def viewport_message(viewport):
    return varint(1) + viewport.fields()


def presence_message(presence):
    return varint(2) + varint(presence)


LEAVE = varint(4)


def sharing_message(approximate, seconds=0):
    return varint(5) + sharing_fields(approximate, seconds)


def pace_message(max_frames_hz):
    return varint(6) + bytes([max_frames_hz])


class Reader:
    """Reads bincode 2's standard configuration, as section 3 defines it."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise Bad("the message ends within a field")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def bool(self):
        value = self.u8()
        if value > 1:
            raise Bad("a bool is 0 or 1")
        return value == 1

    def varint(self, most=0xFFFFFFFF, widest=0xFC):
        first = self.u8()
        if first < 251:
            value = first
        elif first == 0xFB:
            value = struct.unpack("<H", self.take(2))[0]
        elif first == 0xFC and widest == 0xFC:
            value = struct.unpack("<I", self.take(4))[0]
        else:
            raise Bad("not a varint of its type")
        if value > most:
            raise Bad("a varint is out of range")
        return value

    def u16(self):
        return self.varint(0xFFFF, 0xFB)

    def string(self):
        return self.take(self.varint()).decode()

    def list(self, item):
        return [item() for _ in range(self.varint())]

    def option(self, item):
        return item() if self.bool() else None

    def end(self):
        if self.at != len(self.data):
            raise Bad("bytes are left over")


def server_message(data):
    """Decodes into a dict whose "kind" is welcome, roster, closing, refused or copies."""
    r = Reader(data)
    kind = r.u8()
    if kind == 0:
        message = {
            "kind": "welcome",
            "version": r.u16(),
            "id": r.varint(),
            "uuid": r.take(16),
            "token": r.take(16),
            "resumed": r.bool(),
            "time": r.varint(),
            "tick_hz": r.u8(),
            "limits": {
                "max_message": r.u16(),
                "pose_hz": r.u8(),
                "max_frame": r.u16(),
                "min_budget": r.varint(),
                "max_budget": r.varint(),
                "refresh_ms": r.u16(),
                "resume_ms": r.varint(),
            },
            "may_share": r.bool(),
        }
    elif kind == 1:

        def person():
            who = {"id": r.varint(), "uuid": r.take(16), "name": r.string()}
            return who | {"presence": r.varint(3)}

        message = {
            "kind": "roster",
            "time": r.varint(),
            "joined": r.list(person),
            "left": r.list(r.varint),
            "presence": r.list(lambda: (r.varint(), r.varint(3))),
            "online": (r.varint(), r.varint(), r.varint()),
        }
    elif kind == 2:
        message = {
            "kind": "closing",
            "code": r.u8(),
            "retry_ms": r.option(r.varint),
            "reason": r.string(),
        }
    elif kind == 3:
        message = {"kind": "refused", "field": r.u8(), "reason": r.string()}
    elif kind == 4:
        message = {"kind": "copies", "wanted": r.bool()}
    else:
        raise Bad(f"no message has the number {kind}")
    r.end()
    return message


# Sections 2, 4 and 6: values, poses, pings.


def orientation_code(q):
    """Encodes the quaternion (w, x, y, z)."""
    i = max(range(4), key=lambda k: (abs(q[k]), -k))
    if q[i] < 0:
        q = [-c for c in q]
    code = i
    for k in range(4):
        if k != i:
            a = math.atan(q[k] / q[i]) * 4 / math.pi
            code = code * 322 + min(321, math.floor((a + 1) / 2 * 322))
    return code


def quaternion(code):
    parts = []
    for _ in range(3):
        code, n = divmod(code, 322)
        parts.append(math.tan(((n + 0.5) / 322 * 2 - 1) * math.pi / 4))
    parts.reverse()
    parts.insert(code, 1.0)
    length = math.sqrt(sum(c * c for c in parts))
    return [c / length for c in parts]


def from_angles(alpha, beta, gamma):
    """Returns the quaternion of a browser's deviceorientation angles, in degrees."""

    def times(p, q):
        (a, b, c, d), (e, f, g, h) = p, q
        return (
            a * e - b * f - c * g - d * h,
            a * f + b * e + c * h - d * g,
            a * g - b * h + c * e + d * f,
            a * h + b * g - c * f + d * e,
        )

    def turn(degrees, axis):
        half = math.radians(degrees) / 2
        return (math.cos(half), *(math.sin(half) * (k == axis) for k in range(3)))

    return times(times(turn(alpha, 2), turn(beta, 0)), turn(gamma, 1))


def angle_between(p, q):
    """Returns the angle between two unit quaternions, in degrees."""
    return math.degrees(2 * math.acos(min(1.0, abs(sum(a * b for a, b in zip(p, q))))))


def accuracy_code(metres):
    return next((c for c in range(1, 63) if 0.5 * 1.25 ** (c - 1) >= metres), 63)


def pose(seq, time, lat, lng, accuracy=0, orientation=None):
    code = 0xFFFFFFFF if orientation is None else orientation
    return struct.pack("<BIIiiBI", 0x50, seq, time & 0xFFFFFFFF, lat, lng, accuracy, code)


def approximate(lat, lng):
    """Returns the middle of the cell of about 1 km around a place (section 4)."""
    row = min((lat + 900_000_000) // 90_000, 19_999)
    h = 2 * min(row, 19_999 - row) + 1
    p = h * (40_000 - h)
    n = 160_000 * p // (2_000_000_000 - p)
    column = (lng + 1_800_000_000) * n // 3_600_000_000
    middle = (2 * column + 1) * 3_600_000_000 // (2 * n)
    return row * 90_000 + 45_000 - 900_000_000, middle - 1_800_000_000


def ping(echo):
    return struct.pack("<BI", 0x51, echo)


def pong(data):
    if len(data) != 9 or data[0] != 0x52:
        raise Bad("not a pong")
    return struct.unpack("<II", data[1:])


# Sections 5 and 7: frames.

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
    accuracy: int | None = None
    hidden: bool | None = None


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
    chunks: list


def frame(data):
    b = Bits(data)
    if b.read(8) != 0x46:
        raise Bad("not a frame")
    time, level = b.read(32), b.read(5)
    if level > 19:
        raise Bad("the level is above 19")
    x0, y0 = b.read(max(0, 19 - level)), b.read(max(0, 18 - level))
    width, base, span = b.read(5) + 1, b.gamma() - 1, b.read(5)
    chunks, index = [], 0
    while b.read(1):
        index += b.unary()
        if index > 63:
            raise Bad("a cell index is above 63")
        cell = (level, (x0 + index % width) % columns(level), y0 + index // width)
        if cell[2] >= rows(level) or x0 >= columns(level):
            raise Bad("a cell is outside the grid")
        chunks.append(_chunk(b, cell, base, span))
    if b.length - b.at >= 8 or b.read(b.length - b.at):
        raise Bad("something follows the last chunk")
    return Frame(time, base, chunks)


def _chunk(b, cell, base, span):
    kind = ("crowd" if b.read(1) else "key") if b.read(1) else "delta"
    p, page = 0, 0
    if b.read(1):
        p = b.read(4) + 1
        page = b.read(p)
    counts = [b.gamma() - 1 for _ in range(4)] if kind == "crowd" else []
    n = b.gamma() - 1
    oriented = n > 0 and b.read(1)
    chunk = Chunk(kind, cell, p, page, counts)
    k = max(0, span - p - math.ceil(math.log2(n + 1)))
    v = -1
    for _ in range(n):
        v += b.rice(k) + 1
        chunk.entries.append(_entry(b, cell, base + (v << p | page), kind, oriented))
        if chunk.entries[-1].id >= base + (1 << span):
            raise Bad("an id is outside the span")
    return chunk


def _entry(b, cell, id, kind, oriented):
    level, x, y = cell
    bits = min(10 + level, 13)
    step = size(level) >> bits
    east = x * size(level) + b.read(bits) * step + step // 2
    north = y * size(level) + b.read(bits) * step + step // 2
    lat = min(north - 900_000_000, 900_000_000)
    lng = min(east - 1_800_000_000, 1_799_999_999)
    orientation = b.read(27) if oriented or b.read(1) else None
    if orientation is not None and orientation >= 4 * 322**3:
        raise Bad("an orientation is out of range")
    entry = Entry(id, lat, lng, orientation, AGES[b.read(5)])
    if kind != "delta":
        entry.accuracy, entry.hidden = b.read(6), bool(b.read(1))
    return entry
