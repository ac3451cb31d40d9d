"""Checks of what goes on in a room: its kind, what peers say of themselves and to others."""

import asyncio

import kinds
import wire
from gpys_client import Client
from room import check, still_there, wrong_closing

PLANE = wire.Plane("px", 0.5)
LAYOUT = {
    "tool": wire.Unsigned(5),
    "down": wire.Flag(),
    "zoom": wire.Range(-2.0, 0.25, 17),
    "ink": wire.Unsigned(32),
}


async def plane(room):
    """A room on a plane with state: exact points, exact bits, motion, and only one kind."""
    edges = PLANE.position(-100, -100) + PLANE.position(100, 100)
    view = wire.Viewport(edges[0], edges[1], edges[2], edges[3], PLANE.zoom(2))
    drawer = await room.join(presence=wire.SHARING, viewport=view, space=PLANE, layout=LAYOUT)
    watcher = await room.join(viewport=view)
    for client in drawer, watcher:
        check(client.welcome["space"] == PLANE, "the room is on the plane of its first peer")
        check(client.welcome["layout"] == LAYOUT, "and has its layout")
    id, figures = drawer.welcome["id"], watcher.view.figures
    points = [(0, 0), (0.5, -0.5), (-99.5, 77), (12, -3.5)]
    for step, (x, y) in enumerate(points):
        state = {"tool": 7 * step, "down": step % 2 == 1, "zoom": -2 + step / 2, "ink": 2**32 - 1}
        codes = kinds.motion(40 + step, 90 * step) if step != 2 else None
        bits = kinds.pack(LAYOUT, state)
        drawer.send_pose(*PLANE.position(x, y), motion=codes, state=bits)

        def arrived():
            figure = figures.get(id)
            return figure and PLANE.point(figure.lat, figure.lng) == (x, y)

        check(await watcher.until(arrived, 2), f"point {step} is exact")
        check(kinds.unpack(LAYOUT, figures[id].state) == state, f"state {step} is exact")
        check(figures[id].motion == codes, f"motion {step} is what was sent")
        await asyncio.sleep(0.04)
    # A change of state alone.
    drawer.send_pose(*PLANE.position(x, y), state=bits ^ 1)
    check(await watcher.until(lambda: figures[id].state == bits ^ 1, 2), "a change of state comes")
    drawer.session.send_message(wire.sharing_message(True))
    told = await drawer.until(lambda: drawer.refused)
    check(told and drawer.refused[-1]["field"] == wire.TERMS, "a plane has no approximate places")
    wrong = []
    for what, claim in [
        ("the earth", {"space": wire.EARTH}),
        ("another step", {"space": wire.Plane("px", 1.0)}),
        ("no state", {"layout": {}}),
        ("another order", {"layout": dict(reversed(LAYOUT.items()))}),
    ]:
        client = Client(room.settings)
        room.clients.append(client)
        await client.open()
        client.session.send_message(wire.hello(room.name, **claim))
        wrong += await wrong_closing(client, what, 13)
    check(not wrong, "; ".join(wrong))
    await room.join(space=PLANE, layout=LAYOUT)
    shy = await room.join(presence=wire.SHARING, sharing=(True, 0))
    told = await shy.until(lambda: shy.refused and shy.welcome["id"] in shy.view.people)
    check(told and shy.refused[0]["field"] == wire.TERMS, "a hello with approximate terms is told")
    own = shy.view.people[shy.welcome["id"]]
    check(own["presence"] == wire.WATCHING, "and joins as watching")


async def facts(room):
    """A name and a profile change without a new link."""
    watcher, sharer, id = await room.two()
    people = watcher.view.people
    check(people[id]["role"] == wire.GUEST and people[id]["subject"] is None, "a guest is a guest")
    check(people[id]["profile"] == "", "without a profile at first")
    sharer.session.send_message(wire.name_message("Cy\t\u202eD"))
    sharer.session.send_message(wire.profile_message('{"hue":7}'))

    def changed():
        return (people[id]["name"], people[id]["profile"]) == ("Cy D", '{"hue":7}')

    check(await watcher.until(changed, 3), "the roster has the new name and profile")
    late = await room.join(profile='"late"')
    other = late.welcome["id"]
    check(await watcher.until(lambda: other in people), "a newcomer is on the roster")
    check(people[other]["profile"] == '"late"', "with the profile of its hello")
    check(not watcher.view.leaves and not sharer.closing, "and nobody left")


async def say(room):
    """Messages reach whom they are for, in order, on both lanes."""
    watcher, sharer, id = await room.two()
    far = wire.Viewport(0, 0, 10_000, 10_000, 170)
    other = await room.join(viewport=far)
    mine = watcher.welcome["id"]
    for number in range(5):
        sharer.say(wire.ROOM, "chat/1", bytes([number]))
    for client in watcher, other:
        check(await client.until(lambda: len(client.said) == 5), "everybody else hears the room")
        check([it["body"] for it in client.said] == [bytes([n]) for n in range(5)], "in order")
        check(client.said[0]["from"] == id, "from its sender")
        check(client.said[0]["to"] == wire.ROOM, "as for the room")
        client.said.clear()
    sharer.say(wire.PEER, "psst", bytes(512), peer=mine)
    check(await watcher.until(lambda: watcher.said), "one peer hears what is for it")
    check(watcher.said[0]["peer"] == mine and watcher.said[0]["body"] == bytes(512), "all of it")
    watcher.said.clear()
    # The sharer has a pose, and the watcher sees its place: the watcher says it nearby.
    watcher.say(wire.NEAR, "wave", b"hi")
    check(await sharer.until(lambda: sharer.said), "those in the sender's view hear it")
    sharer.said.clear()
    sharer.say_by_datagram(wire.PEER, "q", b"1", peer=mine)
    check(await watcher.until(lambda: watcher.said), "a message comes by datagram")
    check("time" in watcher.said[0] and watcher.said[0]["body"] == b"1", "with its time")
    for number in range(2, 9):
        sharer.say_by_datagram(wire.ROOM, "q", bytes([number]))

    def newest():
        return watcher.said[-1]["body"] == b"\x08"

    check(await watcher.until(newest), "the newest arrives")
    times = [it["time"] for it in watcher.said]
    check(times == sorted(set(times)), "and times only grow")
    sharer.sayings = 0
    sharer.say_by_datagram(wire.ROOM, "q", b"old")
    sharer.say_by_datagram(wire.ROOM, "other", b"new")
    check(await watcher.until(lambda: watcher.said[-1]["topic"] == "other"), "topics are apart")
    check(all(it["body"] != b"old" for it in watcher.said), "an older message is dropped")
    check(not sharer.said, "nobody hears oneself")
    check(len(other.said) <= 9 and not any("peer" in it for it in other.said), "nor another's")
    for _ in range(25):
        sharer.say(wire.ROOM, "flood", b"")
    told = await sharer.until(lambda: any(it["field"] == wire.SAY for it in sharer.refused))
    check(told, "too many messages are refused")
    await still_there(watcher, sharer, id)


async def frozen(room):
    """A program that is silent on a living link is hidden from others, until it says something."""
    watcher, sharer, id = await room.two()
    people, figures = watcher.view.people, watcher.view.figures
    hidden = await watcher.until(lambda: people[id]["presence"] == wire.HIDDEN, 25)
    check(hidden, "a peer is hidden whose program says nothing for 15 s")
    check(not sharer.closing and not sharer.session.ended.done(), "its link lives on")
    check(await watcher.until(lambda: figures[id].hidden, 3), "and its figure is drawn faded")
    sharer.session.send_datagram(wire.ping(1))
    back = await watcher.until(lambda: people[id]["presence"] == wire.SHARING, 5)
    check(back, "a ping is enough to be there again")
