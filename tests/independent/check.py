"""Checks a running server against docs/PROTOCOL.md: python check.py https://localhost:4433"""

import asyncio
import json
import os
import struct
import sys
import traceback

import wire
from gpys_client import Client, config
from room import check, LAT, LNG, metres, Room, still_there, VIEW, wrong_closing
from rooms import facts, frozen, plane, say
from view import View


async def welcome_and_roster(room):
    a = await room.join(name="Ada", viewport=VIEW)
    b = await room.join(name="Béla", presence=wire.SHARING)
    check(
        a.welcome["version"] == 2 and not a.welcome["resumed"],
        "the welcome has version 2 and is not resumed",
    )
    check(
        a.welcome["space"] == wire.EARTH and a.welcome["layout"] == {},
        "a room is on the earth, without state, unless its first peer says otherwise",
    )
    check(a.welcome["uuid"] != b.welcome["uuid"], "each peer has its own uuid")
    for me, other in (a, b), (b, a):
        id = other.welcome["id"]
        check(await me.until(lambda: id in me.view.people), "the other peer is on the roster")
        check(me.view.people[id]["uuid"] == other.welcome["uuid"], "with its uuid")
    check(a.view.people[b.welcome["id"]]["name"] == "Béla", "and its name")
    check(await a.until(lambda: a.view.online == (1, 1, 0, 0)), "two are online")
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

        check(await watcher.until(arrived, 2), f"the watcher sees move {step}")
        figure = watcher.view.figures[id]
        worst_place = max(worst_place, metres(figure, lat, lng))
        turn = wire.angle_between(wire.quaternion(figure.orientation), q)
        worst_turn = max(worst_turn, turn)
        await asyncio.sleep(0.04)
    check(worst_place <= 0.05, f"positions are exact to 5 cm, not {worst_place:.3f} m")
    check(worst_turn <= 0.5, f"orientation is exact to half a degree, not {worst_turn:.3f}")
    known = await watcher.until(
        lambda: watcher.view.figures[id].accuracy == wire.accuracy_code(4), 3
    )
    check(known, "the accuracy comes with a key chunk")
    return f"worst: {100 * worst_place:.1f} cm, {worst_turn:.2f} degrees"


async def no_sensor(room):
    watcher, sharer, id = await room.two()
    check(watcher.view.figures[id].orientation is None, "without a sensor there is no orientation")
    sharer.send_pose(LAT, LNG, orientation=wire.orientation_code((1, 0, 0, 0)))
    figures = watcher.view.figures
    check(await watcher.until(lambda: figures[id].orientation is not None), "a sensor appears")


async def order(room):
    watcher, sharer, id = await room.two()
    sharer.seq = 50
    sharer.send_pose(LAT + 500, LNG)
    figures = watcher.view.figures
    check(
        await watcher.until(lambda: figures[id].lat > LAT + 400), "the watcher sees the newer pose"
    )
    sharer.seq = 49
    sharer.send_pose(LAT, LNG)
    await asyncio.sleep(1.5)
    check(figures[id].lat > LAT + 400, "an older pose is dropped")


async def presence(room):
    watcher, sharer, id = await room.two()
    people, figures = watcher.view.people, watcher.view.figures
    sharer.session.send_message(wire.presence_message(wire.HIDDEN))
    check(
        await watcher.until(lambda: people[id]["presence"] == wire.HIDDEN), "the roster says hidden"
    )
    check(await watcher.until(lambda: figures[id].hidden, 3), "and the frames say hidden")
    sharer.session.send_message(wire.presence_message(wire.SHARING))
    check(await watcher.until(lambda: figures[id].hidden is False, 3), "and then no longer hidden")
    sharer.session.send_message(wire.presence_message(wire.WATCHING))
    check(await watcher.until(lambda: id not in figures, 3), "a watcher has no pin")
    check(await watcher.until(lambda: watcher.view.online == (0, 2, 0, 0)), "but is counted")


async def approximate(room):
    wide = wire.Viewport(LAT - 100_000, LNG - 150_000, LAT + 100_000, LNG + 150_000, 140)
    watcher = await room.join(name="Ada", viewport=wide)
    sharer = await room.join(presence=wire.SHARING, sharing=(True, 0))
    sharer.send_pose(LAT, LNG, accuracy=wire.accuracy_code(4))
    id, figures = sharer.welcome["id"], watcher.view.figures
    middle = wire.approximate(LAT, LNG)
    check(middle == (457_515_000, 143_545_203), "the cell matches the example in PROTOCOL.md")

    def shown(place):
        return id in figures and metres(figures[id], *place) < 0.5

    check(await watcher.until(lambda: shown(middle)), "an approximate peer is in its cell's middle")
    check(metres(figures[id], LAT, LNG) > 100, "and not at its position")
    check(await watcher.until(lambda: figures[id].accuracy == 35, 3), "the accuracy is 986 m")
    sharer.session.send_message(wire.sharing_message(False))
    await asyncio.sleep(0.2)
    sharer.send_pose(LAT, LNG)
    check(await watcher.until(lambda: shown((LAT, LNG))), "the next pose is exact again")
    sharer.session.send_message(wire.sharing_message(True))
    check(await watcher.until(lambda: shown(middle)), "new terms apply at once, without a pose")


async def timed(room):
    watcher, sharer, id = await room.two()
    people, figures = watcher.view.people, watcher.view.figures
    sharer.session.send_message(wire.sharing_message(False, 2))
    await asyncio.sleep(1)
    check(
        id in figures and people[id]["presence"] == wire.SHARING,
        "the sharer is still sharing after 1 of 2 s",
    )
    check(
        await watcher.until(lambda: people[id]["presence"] == wire.WATCHING, 3),
        "sharing ends after 2 s",
    )
    told = sharer.until(lambda: sharer.view.people[id]["presence"] == wire.WATCHING, 1)
    check(await told, "the sharer's own roster says so")
    sharer.send_pose(LAT, LNG)
    check(await watcher.until(lambda: id not in figures, 3), "the pin is gone")
    await asyncio.sleep(1.2)
    check(id not in figures, "a late pose does not restore it")


async def viewport(room):
    watcher, sharer, id = await room.two()
    far = wire.Viewport(0, 0, 10_000, 10_000, 170)
    watcher.session.send_message(wire.viewport_message(far))
    check(
        await watcher.until(lambda: id not in watcher.view.figures, 8), "the sharer is out of view"
    )
    watcher.session.send_message(wire.viewport_message(VIEW))
    check(
        await watcher.until(lambda: id in watcher.view.figures, 2),
        "the sharer is back in view at once",
    )


async def leave(room):
    watcher, sharer, id = await room.two()
    sharer.session.send_message(wire.LEAVE)
    check(await watcher.until(lambda: id in watcher.view.leaves, 1), "the roster reports the leave")
    check(id not in watcher.view.figures, "a peer that left is not drawn")
    check(await sharer.until(lambda: sharer.closing), "the server answers with Closing")
    check(sharer.closing["code"] == 0 and sharer.closing["retry_ms"] is None, "its code is Bye")
    check(await sharer.ended() == 0, "the connection's close code is 0")
    token = sharer.welcome["token"]
    again = await room.join(resume=token)
    check(not again.welcome["resumed"], "the token is void")
    check(again.welcome["id"] != id, "an id is never reused")


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
        not watcher.view.leaves and len(watcher.view.joins) == joins,
        "the watcher saw no leave and no join",
    )
    return again


async def replaced(room):
    watcher, sharer, id = await room.two()
    again = await room.join(presence=wire.SHARING, resume=sharer.welcome["token"])
    check(
        again.welcome["resumed"] and again.welcome["id"] == id,
        "the new link belongs to the same peer",
    )
    check(await sharer.until(lambda: sharer.closing), "the old link gets a Closing")
    check(sharer.closing["code"] == 7 and await sharer.ended() == 7, "its code is Replaced")
    check(not watcher.view.leaves, "the watcher saw no leave")


async def garbage(room):
    """Bad bytes end only their own session, with the code in PROTOCOL.md."""
    watcher, sharer, id = await room.two()
    now = sharer.now
    datagrams = [
        ("a short pose", b"\x50\1\2\3", 1),
        ("a short pose with motion", b"\x54" + wire.pose(1, now(), LAT, LNG)[1:] + b"\0", 1),
        ("nine bytes of state", wire.pose(1, now(), LAT, LNG) + bytes(9), 1),
        ("a message to nobody there is", b"\x55\0\0\0\0\4\1a\0", 1),
    ]
    messages = [
        ("bytes of no message", b"\x3f\xff", 1),
        ("a second hello", wire.hello(room.name), 1),
        ("a byte left over", wire.LEAVE + b"\0", 1),
        ("an unknown presence", wire.presence_message(4), 1),
        ("a budget of 8 bytes", b"\3\xfd" + b"\0" * 8, 1),
        ("a long message", wire.varint(0) + b"x" * 4096, 1),
        ("a message to nobody there is", b"\x09\4\1a\0", 1),
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
    """A value out of range is refused by field, and the link goes on."""
    watcher, sharer, id = await room.two()
    now, upside_down = sharer.now, wire.Viewport(1, 0, 0, 0, 1)
    datagrams = [
        (wire.pose(100, now(), 900_000_001, 0), wire.POSITION),
        (wire.pose(100, now(), 0, -1_800_000_001), wire.POSITION),
        (wire.pose(100, now(), 0, 0, accuracy=64), wire.ACCURACY),
        (wire.pose(100, now(), 0, 0, orientation=133_544_992), wire.ORIENTATION),
        (wire.pose(100, now(), 0, 0, state_bits=8), wire.STATE),
    ]
    messages = [
        (wire.viewport_message(upside_down), wire.VIEWPORT),
        (wire.presence_message(wire.GONE), wire.PRESENCE),
        (wire.profile_message('"' + "x" * 511 + '"'), wire.PROFILE),
        (wire.profile_message("{"), wire.PROFILE),
        (wire.say_message(wire.ROOM, "a topic", b""), wire.SAY),
        (wire.say_message(wire.ROOM, "a", bytes(513)), wire.SAY),
        (wire.say_message(wire.PEER, "a", b"", peer=4_000_000_000), wire.SAY),
        (wire.announce_message("hear me"), wire.HOSTING),
    ]
    for lane, cases in ("datagram", datagrams), ("message", messages):
        for data, field in cases:
            # The server reports one refusal a second, with a burst of five.
            await asyncio.sleep(1)
            told = len(sharer.refused)
            getattr(sharer.session, f"send_{lane}")(data)
            check(await sharer.until(lambda: len(sharer.refused) > told), f"{data!r} is refused")
            check(
                sharer.refused[-1]["field"] == field and sharer.refused[-1]["reason"],
                "and its field named",
            )
    check(id in watcher.view.figures, "the earlier pose stays")
    check(watcher.view.people[id]["presence"] == wire.SHARING, "and so does the presence")
    await still_there(watcher, sharer, id)
    odd = await room.join(name="odd", presence=wire.GONE, viewport=upside_down, profile="{")
    check(odd.messages[0]["kind"] == "welcome", "the server welcomes such a hello")
    fields = [wire.VIEWPORT, wire.PRESENCE, wire.PROFILE]
    told = await odd.until(lambda: sorted(it["field"] for it in odd.refused) == fields)
    check(told, "and refuses its bad fields")
    own = odd.view.people
    check(await odd.until(lambda: odd.welcome["id"] in own), "the client is on its own roster")
    check(own[odd.welcome["id"]]["presence"] == wire.WATCHING, "as watching")
    # Bad values at the full pose rate get few refusals.
    told = len(sharer.refused)
    for seq in range(200, 260):
        sharer.session.send_datagram(wire.pose(seq, now(), 900_000_001, 0))
        await asyncio.sleep(0.04)
    told = len(sharer.refused) - told
    check(told <= 9, f"{told} refusals are too many")
    await still_there(watcher, sharer, id)


async def longer_numbers(room):
    """A number may take more bytes than it needs."""
    data = wire.hello(room.name, name="long")
    # Writes the length of the room's name in three and in five bytes.
    for form in b"\xfb" + struct.pack("<H", data[2]), b"\xfc" + struct.pack("<I", data[2]):
        client = Client(room.settings)
        room.clients.append(client)
        await client.open()
        client.session.send_message(data[:2] + form + data[3:])
        check(
            await client.until(lambda: client.welcome), f"the server accepts {form!r} as a length"
        )


async def restarted(room):
    """A welcome as a new peer voids the view; a resumed one does not."""
    path = os.path.join(os.path.dirname(__file__), "../vectors/frames.json")
    with open(path, encoding="utf-8") as file:
        frames = {vector["name"]: bytes.fromhex(vector["hex"]) for vector in json.load(file)}
    late = next(it for name, it in frames.items() if name.startswith("time just before its wrap"))
    early = late[:1] + struct.pack("<I", 70) + late[5:]
    view = View()
    welcome = {"kind": "welcome", "id": 77, "resumed": False}
    view.message(welcome)
    view.frame(late)
    check(0 in view.figures, "the figure is there")
    view.message(welcome | {"resumed": True})
    check(0 in view.figures, "and stays after a resume")
    view.message(welcome)
    check(0 not in view.figures, "but not after a welcome as a new peer")
    view.frame(early)
    check(view.newest == 70 and 0 in view.figures, "frames of the restarted clock count")


async def bad_hello(room):
    hellos = [
        ("another version", b"\0\x09\xff\xff\xff", 2),
        ("version 1", b"\0\1\4room\0\1\0\0\0\0\0\0", 2),
        ("a step of nothing", wire.hello(room.name, space=wire.Plane("m", 0.0)), 13),
        ("a nameless unit", wire.hello(room.name, space=wire.Plane("", 1.0)), 13),
        ("33 bits", wire.hello(room.name, layout={"a": wire.Unsigned(33)}), 13),
        ("a range of one", wire.hello(room.name, layout={"a": wire.Range(0.0, 1.0, 1)}), 13),
        ("96 bits in all", wire.hello(room.name, layout={n: wire.Unsigned(32) for n in "abc"}), 13),
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
    """Every text of the vectors reaches others as PROTOCOL.md says, and locks no client out."""
    watcher = await room.join(name="Ada")
    path = os.path.join(os.path.dirname(__file__), "../vectors/texts.json")
    with open(path, encoding="utf-8") as file:
        texts = json.load(file)
    for text in texts:
        # JSON allows texts that UTF-8 does not.
        client = await room.join(name=text["text"].encode("utf-8", "replace").decode())
        id, people = client.welcome["id"], watcher.view.people
        check(
            await watcher.until(lambda: id in people),
            f"a client named {text['name']!r} is admitted",
        )
        told = people[id]["name"]
        check(told == text["cleaned"], f"{text['name']}: {told!a}")
        client.session.send_message(wire.LEAVE)
        await client.close()
        room.clients.remove(client)
    return f"{len(texts)} texts"


async def dropped_quietly(room):
    watcher, sharer, id = await room.two()
    for kind in (0x53, 0x56, 0x80, 0xFF):
        sharer.session.send_datagram(bytes([kind, 1, 2]))
    old = wire.pose(sharer.seq, sharer.now() - 70_000, LAT + 300, LNG)
    sharer.seq += 1
    sharer.session.send_datagram(old)
    figures = watcher.view.figures
    check(
        await watcher.until(lambda: figures[id].lat > LAT + 200), "the server takes an old sample"
    )
    await still_there(watcher, sharer, id)


async def split_message(room):
    client = Client(room.settings)
    room.clients.append(client)
    await client.open()
    data = wire.hello(room.name, name="slow")
    for byte in struct.pack("<H", len(data)) + data:
        client.session.send_raw(bytes([byte]))
        await asyncio.sleep(0.002)
    check(
        await client.until(lambda: client.welcome), "the server accepts a hello sent byte by byte"
    )


async def origin(room):
    client = Client(room.settings)
    room.clients.append(client)
    status = await client.open(origin="https://evil.example")
    check(status == 403, f"a foreign origin gets 403, not {status}")


CHECKS = [
    welcome_and_roster, move_and_tilt, no_sensor, order, presence, approximate, timed, viewport,
    leave, resume, replaced, garbage, refused, longer_numbers, restarted, bad_hello, names, dropped_quietly, split_message, plane, facts, say, frozen, origin,
]  # fmt: skip


async def run(url):
    settings = await asyncio.to_thread(config, url)
    check(settings["protocol"] == 2, "the protocol's version is 2")
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
