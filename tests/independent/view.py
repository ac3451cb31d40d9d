"""A receiver's view of the other peers (docs/PROTOCOL.md, sections 3 and 7)."""

from dataclasses import dataclass

import frames
import wire


def after(a, b):
    """Returns the milliseconds from b to a on a clock that wraps."""
    return (a - b + 0x80000000) % 0x100000000 - 0x80000000


@dataclass
class Figure:
    lat: int
    lng: int
    orientation: int | None
    accuracy: int | None
    hidden: bool | None
    motion: tuple | None
    state: int
    sampled: int
    shown: int


class View:
    def __init__(self):
        self.own, self.people, self.figures, self.gone = None, {}, {}, set()
        self.clusters, self.removed, self.online, self.newest = {}, {}, None, None
        self.joins, self.leaves = [], []

    def message(self, message):
        if message["kind"] == "welcome":
            if not message["resumed"]:
                self.__init__()
            self.own, self.people = message["id"], {}
        elif message["kind"] == "roster":
            self.online = message["online"]
            for person in message["joined"]:
                if person["id"] not in self.people:
                    self.joins.append(person["id"])
                self.people[person["id"]] = person
                self._presence(person["id"], person["presence"], message["time"])
            for id, presence in message["presence"]:
                if id in self.people:
                    self.people[id]["presence"] = presence
                self._presence(id, presence, message["time"])
            for id in message["left"]:
                self.leaves.append(id)
                self.people.pop(id, None)
                self.figures.pop(id, None)
                self.gone.add(id)

    def _presence(self, id, presence, time):
        figure = self.figures.get(id)
        if presence in (wire.WATCHING, wire.GONE):
            if figure and after(time, figure.shown) > 0:
                del self.figures[id]
            if id not in self.removed or after(time, self.removed[id]) > 0:
                self.removed[id] = time
        elif figure:
            figure.hidden = presence == wire.HIDDEN

    def frame(self, data):
        frame = frames.frame(data)
        if self.newest is not None and after(self.newest, frame.time) > 5000:
            return
        if self.newest is None or after(frame.time, self.newest) > 0:
            self.newest = frame.time
        for chunk in frame.chunks:
            for entry in chunk.entries:
                self._entry(frame.time, chunk, entry)
            if chunk.kind != "delta":
                self._whole(frame, chunk)
        for known in (self.figures, self.clusters):
            for key in [k for k, v in known.items() if after(self.newest, v.shown) > 5000]:
                del known[key]

    def _entry(self, time, chunk, entry):
        if entry.id == self.own or entry.id in self.gone:
            return
        known = self.figures.get(entry.id)
        if known and after(time, known.shown) <= 0:
            return
        removed = self.removed.get(entry.id)
        if removed is not None and after(removed, time) > 0:
            return
        accuracy, hidden = entry.accuracy, entry.hidden
        if chunk.kind == "delta" and known:
            accuracy, hidden = known.accuracy, known.hidden
        if entry.id in self.people:
            hidden = self.people[entry.id]["presence"] == wire.HIDDEN
        sampled = (time - entry.age) % 0x100000000
        self.figures[entry.id] = Figure(
            entry.lat,
            entry.lng,
            entry.orientation,
            accuracy,
            hidden,
            entry.motion,
            entry.state,
            sampled,
            time,
        )

    def _whole(self, frame, chunk):
        for id, figure in list(self.figures.items()):
            here = frames.cell_of(chunk.cell[0], figure.lat, figure.lng) == chunk.cell
            mine = (id - frame.base) % (1 << chunk.page_bits) == chunk.page
            if here and mine and after(frame.time, figure.shown) > 0:
                del self.figures[id]
                self.removed[id] = frame.time
