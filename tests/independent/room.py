"""A room for one check, and the clients in it."""

import math
import os

import wire
from gpys_client import Client

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
    """A fresh room, and the clients that joined it for one check."""

    def __init__(self, settings):
        self.settings, self.clients = settings, []
        self.name = "check-" + os.urandom(6).hex()

    async def join(self, **hello):
        client = Client(self.settings)
        self.clients.append(client)
        return await client.join(self.name, **hello)

    async def two(self):
        """Returns a watcher, a sharer that the watcher sees, and the sharer's id."""
        watcher = await self.join(name="Ada", viewport=VIEW)
        sharer = await self.join(name="Béla", presence=wire.SHARING, viewport=VIEW)
        sharer.send_pose(LAT, LNG)
        id = sharer.welcome["id"]
        check(await watcher.until(lambda: id in watcher.view.figures), "the watcher sees a pose")
        # The roster may arrive after the first frame.
        check(
            await watcher.until(lambda: id in watcher.view.people), "and the roster names its peer"
        )
        return watcher, sharer, id

    async def close(self):
        for client in self.clients:
            check(not client.bad, f"every frame decodes: {client.bad[:1]}")
            await client.close()


async def wrong_closing(client, what, code):
    """Lists what is wrong with how a session ended; it should end with this code."""
    await client.until(lambda: client.closing, 3)
    told, ended = client.closing and client.closing["code"], await client.ended(3)
    if told == ended == code:
        return []
    return [f"{what} is code {code}, but the closing says {told} and the connection {ended}"]


async def still_there(watcher, sharer, id):
    for other in watcher, sharer:
        check(
            not other.closing and not other.session.ended.done(), "the other sessions are untouched"
        )
    sharer.send_pose(LAT + 700, LNG)
    moved = await watcher.until(lambda: watcher.view.figures[id].lat > LAT + 600)
    check(moved, "the watcher still sees the sharer")
