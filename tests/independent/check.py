"""Checks a running server against docs/PROTOCOL.md: python check.py https://localhost:4433"""

import asyncio
import json
import math
import os
import struct
import sys
import traceback

import wire
from gpys_client import Client, config
from view import View

LAT, LNG = 457_500_000, 143_600_000
VIEW = wire.Viewport(LAT - 20_000, LNG - 20_000, LAT + 20_000, LNG + 20_000, 170)


def metres(figure, lat, lng):
    north = (figure.lat - lat) * 1e-7 * 111_320
    east = (figure.lng - lng) * 1e-7 * 111_320 * math.cos(math.radians(lat * 1e-7))
    return math.hypot(north, east)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


class Room:
    """A fresh room, and everybody who joined it for one check."""

    def __init__(self, settings):
        self.settings, self.clients = settings, []
        self.name = "check-" + os.urandom(6).hex()

    async def join(self, **hello):
        client = Client(self.settings)
        self.clients.append(client)
        return await client.join(self.name, **hello)

    async def two(self):
        """Somebody who watches, and somebody who shares and is seen."""
        watcher = await self.join(name="Ada", viewport=VIEW)
        sharer = await self.join(name="Béla", presence=wire.SHARING, viewport=VIEW)
        sharer.send_pose(LAT, LNG)
        id = sharer.welcome["id"]
        check(await watcher.until(lambda: id in watcher.view.figures), "a pose is seen")
        # A roster may come later than the first frame.
        check(await watcher.until(lambda: id in watcher.view.people), "and who it is is told")
        return watcher, sharer, id

    async def close(self):
        for client in self.clients:
            check(not client.bad, f"every frame decodes: {client.bad[:1]}")
            await client.close()


async def welcome_and_roster(room):
    a = await room.join(name="Ada", viewport=VIEW)
    b = await room.join(name="Béla", presence=wire.SHARING)
    check(a.welcome["version"] == 1 and not a.welcome["resumed"], "the welcome is right")
    check(a.welcome["uuid"] != b.welcome["uuid"], "everybody has a uuid of their own")
    for me, other in (a, b), (b, a):
        id = other.welcome["id"]
        check(await me.until(lambda: id in me.view.people), "the other is on the roster")
        check(me.view.people[id]["uuid"] == other.welcome["uuid"], "with its uuid")
    check(a.view.people[b.welcome["id"]]["name"] == "Béla", "and its name")
    check(await a.until(lambda: a.view.online == (1, 1, 0)), "two are online")
    check(a.messages[0]["kind"] == "welcome", "the welcome is first")


async def move_and_tilt(room):
    watcher, sharer, id = await room.two()
    worst_place = worst_turn = 0
    for step in range(25):
        lat, lng = LAT + 137 * step, LNG - 211 * step
        q = wire.from_angles(-13 * step, 40 + 7 * step, -60 + 5 * step)
        sharer.send_pose(
            lat, lng, accuracy=wire.accuracy_code(4), orientation=wire.orientation_code(q)
        )

        def arrived():
            figure = watcher.view.figures.get(id)
            return figure and figure.orientation is not None and metres(figure, lat, lng) < 0.3

        check(await watcher.until(arrived, 2), f"move {step} is seen")
        figure = watcher.view.figures[id]
        worst_place = max(worst_place, metres(figure, lat, lng))
        turn = wire.angle_between(wire.quaternion(figure.orientation), q)
        worst_turn = max(worst_turn, turn)
        await asyncio.sleep(0.04)
    check(worst_place <= 0.05, f"places are right to 5 cm, not {worst_place:.3f} m")
    check(worst_turn <= 0.5, f"turns are right to half a degree, not {worst_turn:.3f}")
    known = await watcher.until(
        lambda: watcher.view.figures[id].accuracy == wire.accuracy_code(4), 3
    )
    check(known, "the accuracy comes with a key chunk")
    return f"worst: {100 * worst_place:.1f} cm, {worst_turn:.2f} degrees"


async def no_sensor(room):
    watcher, sharer, id = await room.two()
    check(watcher.view.figures[id].orientation is None, "no orientation is no orientation")
    sharer.send_pose(LAT, LNG, orientation=wire.orientation_code((1, 0, 0, 0)))
    figures = watcher.view.figures
    check(await watcher.until(lambda: figures[id].orientation is not None), "a sensor appears")


async def order(room):
    watcher, sharer, id = await room.two()
    sharer.seq = 50
    sharer.send_pose(LAT + 500, LNG)
    figures = watcher.view.figures
    check(await watcher.until(lambda: figures[id].lat > LAT + 400), "the newer pose is seen")
    sharer.seq = 49
    sharer.send_pose(LAT, LNG)
    await asyncio.sleep(1.5)
    check(figures[id].lat > LAT + 400, "an older pose is dropped")


async def presence(room):
    watcher, sharer, id = await room.two()
    people, figures = watcher.view.people, watcher.view.figures
    sharer.session.send_message(wire.presence_message(wire.HIDDEN))
    check(await watcher.until(lambda: people[id]["presence"] == wire.HIDDEN), "hidden is told")
    check(await watcher.until(lambda: figures[id].hidden, 3), "and drawn")
    sharer.session.send_message(wire.presence_message(wire.SHARING))
    check(await watcher.until(lambda: figures[id].hidden is False, 3), "and taken back")
    sharer.session.send_message(wire.presence_message(wire.WATCHING))
    check(await watcher.until(lambda: id not in figures, 3), "who watches has no pin")
    check(await watcher.until(lambda: watcher.view.online == (0, 2, 0)), "but is counted")


async def approximate(room):
    wide = wire.Viewport(LAT - 100_000, LNG - 150_000, LAT + 100_000, LNG + 150_000, 140)
    watcher = await room.join(name="Ada", viewport=wide)
    sharer = await room.join(presence=wire.SHARING, sharing=(True, 0))
    sharer.send_pose(LAT, LNG, accuracy=wire.accuracy_code(4))
    id, figures = sharer.welcome["id"], watcher.view.figures
    middle = wire.approximate(LAT, LNG)
    check(middle == (457_515_000, 143_545_203), "the page's example is computed")

    def shown(place):
        return id in figures and metres(figures[id], *place) < 0.5

    check(await watcher.until(lambda: shown(middle)), "who is approximate is in the cell's middle")
    check(metres(figures[id], LAT, LNG) > 100, "and not where they are")
    check(await watcher.until(lambda: figures[id].accuracy == 35, 3), "986 m is the accuracy")
    sharer.session.send_message(wire.sharing_message(False))
    await asyncio.sleep(0.2)
    sharer.send_pose(LAT, LNG)
    check(await watcher.until(lambda: shown((LAT, LNG))), "the next pose is exact again")
    sharer.session.send_message(wire.sharing_message(True))
    check(await watcher.until(lambda: shown(middle)), "new terms hold at once, without a pose")


async def timed(room):
    watcher, sharer, id = await room.two()
    people, figures = watcher.view.people, watcher.view.figures
    sharer.session.send_message(wire.sharing_message(False, 2))
    await asyncio.sleep(1)
    check(id in figures and people[id]["presence"] == wire.SHARING, "it shares for 2 s")
    check(await watcher.until(lambda: people[id]["presence"] == wire.WATCHING, 3), "then it ends")
    told = sharer.until(lambda: sharer.view.people[id]["presence"] == wire.WATCHING, 1)
    check(await told, "the sharer is told")
    sharer.send_pose(LAT, LNG)
    check(await watcher.until(lambda: id not in figures, 3), "the pin is gone")
    await asyncio.sleep(1.2)
    check(id not in figures, "a late pose does not bring it back")


async def viewport(room):
    watcher, sharer, id = await room.two()
    far = wire.Viewport(0, 0, 10_000, 10_000, 170)
    watcher.session.send_message(wire.viewport_message(far))
    check(await watcher.until(lambda: id not in watcher.view.figures, 8), "out of view")
    watcher.session.send_message(wire.viewport_message(VIEW))
    check(await watcher.until(lambda: id in watcher.view.figures, 2), "back in view at once")


async def leave(room):
    watcher, sharer, id = await room.two()
    sharer.session.send_message(wire.LEAVE)
    check(await watcher.until(lambda: id in watcher.view.leaves, 1), "a leave is told")
    check(id not in watcher.view.figures, "who left is not drawn")
    check(await sharer.until(lambda: sharer.closing), "the answer is a closing")
    check(sharer.closing["code"] == 0 and sharer.closing["retry_ms"] is None, "it is bye")
    check(await sharer.ended() == 0, "the connection's close code is 0")
    token = sharer.welcome["token"]
    again = await room.join(resume=token)
    check(not again.welcome["resumed"], "the token is void")
    check(again.welcome["id"] != id, "an id is never given out again")


async def resume(room):
    watcher, sharer, id = await room.two()
    joins = len(watcher.view.joins)
    await sharer.close()
    room.clients.remove(sharer)
    await asyncio.sleep(1)
    again = await room.join(presence=wire.SHARING, resume=sharer.welcome["token"], viewport=VIEW)
    check(again.welcome["resumed"], "the welcome says resumed")
    check(again.welcome["id"] == id, "the id is the same")
    check(again.welcome["uuid"] == sharer.welcome["uuid"], "the uuid is the same")
    again.send_pose(LAT + 900, LNG)
    figures = watcher.view.figures
    check(
        await watcher.until(lambda: id in figures and figures[id].lat > LAT + 800),
        "seq starts again",
    )
    check(
        not watcher.view.leaves and len(watcher.view.joins) == joins, "nobody saw a leave or join"
    )
    return again


async def replaced(room):
    watcher, sharer, id = await room.two()
    again = await room.join(presence=wire.SHARING, resume=sharer.welcome["token"])
    check(again.welcome["resumed"] and again.welcome["id"] == id, "the new link is the peer's")
    check(await sharer.until(lambda: sharer.closing), "the old link is told")
    check(sharer.closing["code"] == 7 and await sharer.ended() == 7, "it is replaced")
    check(not watcher.view.leaves, "nobody saw a leave")


async def garbage(room):
    """Bad bytes end their session with the code that the page names, and no other session."""
    watcher, sharer, id = await room.two()
    now = sharer.now
    datagrams = [
        ("a short pose", b"\x50\1\2\3", 1),
        ("a long pose", wire.pose(1, now(), LAT, LNG) + b"\0", 1),
    ]
    messages = [
        ("no message", b"\x3f\xff", 1),
        ("a second hello", wire.hello(room.name), 1),
        ("a byte too many", wire.LEAVE + b"\0", 1),
        ("an unknown presence", wire.presence_message(4), 1),
        ("a budget of 8 bytes", b"\3\xfd" + b"\0" * 8, 1),
        ("a long message", wire.varint(0) + b"x" * 1100, 1),
    ]
    wrong = []
    for lane, cases in ("datagram", datagrams), ("message", messages):
        for what, data, code in cases:
            client = await room.join(presence=wire.SHARING)
            getattr(client.session, f"send_{lane}")(data)
            wrong += await wrong_closing(client, what, code)
    check(not wrong, "; ".join(wrong))
    await still_there(watcher, sharer, id)


async def refused(room):
    """A value out of its range is refused by its field, and the link goes on."""
    watcher, sharer, id = await room.two()
    now, upside_down = sharer.now, wire.Viewport(1, 0, 0, 0, 1)
    datagrams = [
        (wire.pose(100, now(), 900_000_001, 0), wire.POSITION),
        (wire.pose(100, now(), 0, -1_800_000_001), wire.POSITION),
        (wire.pose(100, now(), 0, 0, accuracy=64), wire.ACCURACY),
        (wire.pose(100, now(), 0, 0, orientation=133_544_992), wire.ORIENTATION),
    ]
    messages = [
        (wire.viewport_message(upside_down), wire.VIEWPORT),
        (wire.presence_message(wire.GONE), wire.PRESENCE),
    ]
    for lane, cases in ("datagram", datagrams), ("message", messages):
        for data, field in cases:
            # One a second is told of, and five at once.
            await asyncio.sleep(1)
            told = len(sharer.refused)
            getattr(sharer.session, f"send_{lane}")(data)
            check(await sharer.until(lambda: len(sharer.refused) > told), f"{data!r} is refused")
            check(sharer.refused[-1]["field"] == field and sharer.refused[-1]["reason"], "and named")
    check(id in watcher.view.figures, "the pose before stays")
    check(watcher.view.people[id]["presence"] == wire.SHARING, "and the presence")
    await still_there(watcher, sharer, id)
    odd = await room.join(name="odd", presence=wire.GONE, viewport=upside_down)
    check(odd.messages[0]["kind"] == "welcome", "such a hello is welcomed")
    fields = [wire.VIEWPORT, wire.PRESENCE]
    told = await odd.until(lambda: sorted(it["field"] for it in odd.refused) == fields)
    check(told, "and told what it lost")
    own = odd.view.people
    check(await odd.until(lambda: odd.welcome["id"] in own), "who asks is on the own roster")
    check(own[odd.welcome["id"]]["presence"] == wire.WATCHING, "as watching")
    # Nonsense at a full rate hears of it seldom.
    for seq in range(200, 260):
        sharer.session.send_datagram(wire.pose(seq, now(), 900_000_001, 0))
        await asyncio.sleep(0.04)
    check(len(sharer.refused) <= 6 + 9, f"{len(sharer.refused)} refusals are not many")
    await still_there(watcher, sharer, id)


async def longer_numbers(room):
    """A number in more bytes than it needs is the same number."""
    data = wire.hello(room.name, name="long")
    # The length of the room's name in three and in five bytes.
    for form in b"\xfb" + struct.pack("<H", data[2]), b"\xfc" + struct.pack("<I", data[2]):
        client = Client(room.settings)
        room.clients.append(client)
        await client.open()
        client.session.send_message(data[:2] + form + data[3:])
        check(await client.until(lambda: client.welcome), f"{form!r} is a length")


async def restarted(room):
    """What a welcome as somebody new voids, and one as the same does not."""
    path = os.path.join(os.path.dirname(__file__), "../vectors/frames.json")
    with open(path, encoding="utf-8") as file:
        frames = {vector["name"]: bytes.fromhex(vector["hex"]) for vector in json.load(file)}
    late = next(it for name, it in frames.items() if name.startswith("time just before its wrap"))
    early = late[:1] + struct.pack("<I", 70) + late[5:]
    view = View()
    welcome = {"kind": "welcome", "id": 77, "resumed": False}
    view.message(welcome)
    view.frame(late)
    check(0 in view.figures, "somebody is there")
    view.message(welcome | {"resumed": True})
    check(0 in view.figures, "and stays for who is resumed")
    view.message(welcome)
    check(0 not in view.figures, "but not for who is new")
    view.frame(early)
    check(view.newest == 70 and 0 in view.figures, "a clock that began anew counts")


async def wrong_closing(client, what, code):
    """What is wrong with how a session ends, which is to be with this code."""
    await client.until(lambda: client.closing, 3)
    told, ended = client.closing and client.closing["code"], await client.ended(3)
    if told == ended == code:
        return []
    return [f"{what} is code {code}, but the closing says {told} and the connection {ended}"]


async def still_there(watcher, sharer, id):
    for other in watcher, sharer:
        check(not other.closing and not other.session.ended.done(), "others are not touched")
    sharer.send_pose(LAT + 700, LNG)
    moved = await watcher.until(lambda: watcher.view.figures[id].lat > LAT + 600)
    check(moved, "others are still seen")


async def bad_hello(room):
    hellos = [
        ("another version", b"\0\x09\xff\xff\xff", 2),
        ("a room with capitals", wire.hello("Lobby"), 3),
        ("a room without a name", wire.hello(""), 3),
        ("something before hello", wire.LEAVE, 1),
        ("a datagram in the stream", wire.ping(1), 1),
    ]
    wrong = []
    for what, data, code in hellos:
        client = Client(room.settings)
        room.clients.append(client)
        await client.open()
        client.session.send_message(data)
        wrong += await wrong_closing(client, what, code)
    check(not wrong, "; ".join(wrong))


async def names(room):
    """Every text of the vectors comes to the others as the page says, and keeps nobody out."""
    watcher = await room.join(name="Ada")
    path = os.path.join(os.path.dirname(__file__), "../vectors/texts.json")
    with open(path, encoding="utf-8") as file:
        texts = json.load(file)
    for text in texts:
        # Not every text of JSON is one of UTF-8.
        client = await room.join(name=text["text"].encode("utf-8", "replace").decode())
        id, people = client.welcome["id"], watcher.view.people
        check(await watcher.until(lambda: id in people), f"who is called {text['name']!r} is let in")
        told = people[id]["name"]
        check(told == text["cleaned"], f"{text['name']}: {told!a}")
        client.session.send_message(wire.LEAVE)
        await client.close()
        room.clients.remove(client)
    return f"{len(texts)} texts"


async def dropped_quietly(room):
    watcher, sharer, id = await room.two()
    for kind in (0x53, 0x80, 0xFF):
        sharer.session.send_datagram(bytes([kind, 1, 2]))
    old = wire.pose(sharer.seq, sharer.now() - 70_000, LAT + 300, LNG)
    sharer.seq += 1
    sharer.session.send_datagram(old)
    figures = watcher.view.figures
    check(await watcher.until(lambda: figures[id].lat > LAT + 200), "an old sample is taken")
    await still_there(watcher, sharer, id)


async def split_message(room):
    client = Client(room.settings)
    room.clients.append(client)
    await client.open()
    data = wire.hello(room.name, name="slow")
    for byte in struct.pack("<H", len(data)) + data:
        client.session.send_raw(bytes([byte]))
        await asyncio.sleep(0.002)
    check(await client.until(lambda: client.welcome), "a hello byte by byte is a hello")


async def origin(room):
    client = Client(room.settings)
    room.clients.append(client)
    status = await client.open(origin="https://evil.example")
    check(status == 403, f"a foreign origin is answered with 403, not {status}")


CHECKS = [
    welcome_and_roster, move_and_tilt, no_sensor, order, presence, approximate, timed, viewport,
    leave, resume, replaced, garbage, refused, longer_numbers, restarted, bad_hello, names, dropped_quietly, split_message, origin,
]  # fmt: skip


async def run(url):
    settings = await asyncio.to_thread(config, url)
    check(settings["protocol"] == 1, "the protocol's version is 1")
    failed = 0
    for one in CHECKS:
        room = Room(settings)
        try:
            note = await asyncio.wait_for(one(room), 90)
            await room.close()
            print(f"ok      {one.__name__}" + (f"  ({note})" if isinstance(note, str) else ""))
        except Exception as error:
            failed += 1
            print(f"FAILED  {one.__name__}: {error!r}")
            if not isinstance(error, AssertionError):
                traceback.print_exc()
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(1 if asyncio.run(run(sys.argv[1])) else 0)
