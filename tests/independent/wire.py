"""The bytes of docs/PROTOCOL.md, written from that page alone, without src/."""

import math
import struct
from dataclasses import dataclass

import kinds
from kinds import EARTH, Flag, Plane, Range, Unsigned

VERSION = 2
SHARING, WATCHING, HIDDEN, GONE = range(4)
GUEST, HOST, THING = range(3)
POSITION, ACCURACY, ORIENTATION, VIEWPORT, PRESENCE = range(5)
STATE, TERMS, PROFILE, SAY, HOSTING = range(5, 10)
ROOM, NEAR, HOSTS, PEER = range(4)
ANY = object()
"""The space or the layout of a hello that takes the room as it is."""


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


def space_fields(space):
    if space is EARTH:
        return varint(0)
    return varint(1) + string(space.unit) + kinds.number(space.step)


def layout_fields(layout):
    """Encodes a layout, which is a dict of names and values."""
    fields = [varint(len(layout))]
    for name, values in layout.items():
        fields.append(string(name))
        if isinstance(values, Flag):
            fields.append(varint(0))
        elif isinstance(values, Unsigned):
            fields.append(varint(1) + bytes([values.bits]))
        else:
            numbers = kinds.number(values.min) + kinds.number(values.step)
            fields.append(varint(2) + numbers + varint(values.count))
    return b"".join(fields)


def hello(
    room, name="", presence=WATCHING, resume=None, budget=0, viewport=None, version=VERSION,
    access=None, sharing=(False, 0), space=ANY, layout=ANY, profile="",
):  # fmt: skip
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
            b"\0" if space is ANY else b"\1" + space_fields(space),
            b"\0" if layout is ANY else b"\1" + layout_fields(layout),
            string(profile),
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


def name_message(name):
    return varint(7) + string(name)


def profile_message(profile):
    return varint(8) + string(profile)


def say_fields(to, topic, body, peer=None):
    whom = varint(to) + (varint(peer) if to == PEER else b"")
    return whom + string(topic) + varint(len(body)) + body


def say_message(*say, **rest):
    return varint(9) + say_fields(*say, **rest)


def announce_message(text):
    return varint(10) + varint(0) + string(text)


def remove_message(peer, reason=""):
    return varint(10) + varint(1) + varint(peer) + string(reason)


def close_message(reason=""):
    return varint(10) + varint(2) + string(reason)


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

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def f64(self):
        return struct.unpack("<d", self.take(8))[0]

    def list(self, item):
        return [item() for _ in range(self.varint())]

    def option(self, item):
        return item() if self.bool() else None

    def end(self):
        if self.at != len(self.data):
            raise Bad("bytes are left over")


def read_space(r):
    return EARTH if r.varint(1) == 0 else Plane(r.string(), r.f64())


def read_field(r):
    name, kind = r.string(), r.varint(2)
    if kind == 0:
        return name, Flag()
    return name, Unsigned(r.u8()) if kind == 1 else Range(r.f64(), r.f64(), r.varint())


def read_said(r):
    said = {"kind": "said", "from": r.varint(), "to": r.varint(3)}
    if said["to"] == PEER:
        said["peer"] = r.varint()
    return said | {"topic": r.string(), "body": r.take(r.varint())}


def server_message(data):
    """
    Decodes into a dict whose "kind" is welcome, roster, closing, refused, copies, said or
    announcement.
    """
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
            "space": read_space(r),
            "layout": dict(r.list(lambda: read_field(r))),
            "rosters": r.u16(),
        }
    elif kind == 1:

        def person():
            who = {"id": r.varint(), "uuid": r.take(16), "name": r.string()}
            who |= {"presence": r.varint(3), "role": r.varint(2)}
            return who | {"subject": r.option(lambda: r.take(16)), "profile": r.string()}

        message = {
            "kind": "roster",
            "time": r.varint(),
            "joined": r.list(person),
            "left": r.list(r.varint),
            "presence": r.list(lambda: (r.varint(), r.varint(3))),
            "online": (r.varint(), r.varint(), r.varint(), r.varint()),
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
    elif kind == 5:
        message = read_said(r)
    elif kind == 6:
        message = {"kind": "announcement", "text": r.string()}
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


def pose(seq, time, lat, lng, accuracy=0, orientation=None, motion=None, state=0, state_bits=0):
    """Encodes a pose; `motion` is a pair of codes."""
    code = 0xFFFFFFFF if orientation is None else orientation
    tag = 0x50 if motion is None else 0x54
    head = struct.pack("<BIIiiBI", tag, seq, time & 0xFFFFFFFF, lat, lng, accuracy, code)
    return head + bytes(motion or ()) + state.to_bytes((state_bits + 7) // 8, "little")


def say(seq, *say, **rest):
    """Encodes a message to others for the datagram lane."""
    return struct.pack("<BI", 0x55, seq) + say_fields(*say, **rest)


def said(data):
    """Decodes a message of the datagram lane, with its "time"."""
    r = Reader(data)
    if r.u8() != 0x56:
        raise Bad("not a message from another")
    time = r.u32()
    message = read_said(r) | {"time": time}
    r.end()
    return message


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
