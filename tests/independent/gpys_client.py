"""A client over WebTransport on HTTP/3, using aioquic."""

import asyncio
import base64
import hashlib
import json
import ssl
import struct
import time
import urllib.request
from urllib.parse import urlsplit

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DatagramReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, StreamDataReceived
from cryptography.hazmat.primitives.serialization import Encoding

import kinds
import wire
from view import after, View

PATIENCE = 10


def config(url):
    """Fetches /config.json without verifying the certificate: tests use a self-signed one."""
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(url.rstrip("/") + "/config.json", context=context) as answer:
        return json.load(answer)


class Session(QuicConnectionProtocol):
    """The HTTP/3 connection below a client."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h3, self.stream = None, None
        self.status = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()
        self.on_stream = self.on_datagram = lambda data: None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.h3 = H3Connection(self._quic, enable_webtransport=True)
        if isinstance(event, ConnectionTerminated):
            if not self.ended.done():
                self.ended.set_result(event.error_code)
            return
        if isinstance(event, StreamDataReceived) and event.stream_id == self.stream:
            self.on_stream(event.data)
            return
        for happened in self.h3.handle_event(event) if self.h3 else []:
            if isinstance(happened, HeadersReceived) and not self.status.done():
                self.status.set_result(int(dict(happened.headers)[b":status"]))
            elif isinstance(happened, DatagramReceived):
                self.on_datagram(happened.data)

    async def open(self, url, origin=None):
        """Requests the session, and opens its one stream if the server grants it."""
        parts = urlsplit(url)
        self.session = self._quic.get_next_available_stream_id()
        headers = [
            (b":method", b"CONNECT"),
            (b":scheme", b"https"),
            (b":authority", parts.netloc.encode()),
            (b":path", parts.path.encode()),
            (b":protocol", b"webtransport"),
        ]
        if origin:
            headers.append((b"origin", origin.encode()))
        self.h3.send_headers(self.session, headers)
        self.transmit()
        status = await asyncio.wait_for(self.status, PATIENCE)
        if status == 200:
            self.stream = self.h3.create_webtransport_stream(self.session)
        return status

    def send_message(self, data):
        self.send_raw(struct.pack("<H", len(data)) + data)

    def send_raw(self, data):
        self._quic.send_stream_data(self.stream, data)
        self.transmit()

    def send_datagram(self, data):
        self.h3.send_datagram(self.session, data)
        self.transmit()

    def certificate_digest(self):
        certificate = self._quic.tls._peer_certificate
        return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


class Client:
    """One peer on one link."""

    def __init__(self, config):
        self.config, self.view = config, View()
        self.welcome = self.closing = None
        self.messages, self.frames, self.bad = [], 0, []
        self.refused, self.said, self.announcement = [], [], ""
        self.pending, self.changed = b"", asyncio.Event()
        self.offset, self.best, self.pongs, self.seq, self.sayings = 0.0, None, 0, 0, 0
        self.newest = {}

    async def open(self, origin=None):
        """Opens the link and returns the HTTP status."""
        parts = urlsplit(self.config["webtransport"])
        quic = QuicConfiguration(
            is_client=True,
            alpn_protocols=H3_ALPN,
            verify_mode=ssl.CERT_NONE,
            max_datagram_frame_size=65536,
        )
        self._context = connect(
            parts.hostname, parts.port, configuration=quic, create_protocol=Session
        )
        self.session = await self._context.__aenter__()
        self._verify()
        self.session.on_stream, self.session.on_datagram = self._stream, self._datagram
        return await self.session.open(self.config["webtransport"], origin)

    def _verify(self):
        hashes = self.config.get("serverCertificateHashes", [])
        digests = [base64.b64decode(h["value"]) for h in hashes if h["algorithm"] == "sha-256"]
        if digests and self.session.certificate_digest() not in digests:
            raise wire.Bad("the certificate is not in /config.json")

    async def join(self, room, **hello):
        """Opens the link, sends Hello, waits for the welcome and learns the clock."""
        assert await self.open() == 200
        self.session.send_message(wire.hello(room, **hello))
        await self.until(lambda: self.welcome or self.closing)
        if self.welcome:
            for echo in range(3):
                self.session.send_datagram(wire.ping(int(self._local()) & 0xFFFFFFFF))
                await self.until(lambda: self.pongs > echo)
        return self

    def _local(self):
        return time.monotonic() * 1000

    def now(self):
        """Returns the server's time."""
        return int(self._local() + self.offset) & 0xFFFFFFFF

    def send_pose(self, lat, lng, **rest):
        bits = kinds.state_bits(self.welcome["layout"])
        data = wire.pose(self.seq, self.now(), lat, lng, state_bits=bits, **rest)
        self.seq += 1
        self.session.send_datagram(data)

    def say(self, *say, **rest):
        self.session.send_message(wire.say_message(*say, **rest))

    def say_by_datagram(self, *say, **rest):
        self.session.send_datagram(wire.say(self.sayings, *say, **rest))
        self.sayings += 1

    def _stream(self, data):
        self.pending += data
        while len(self.pending) >= 2:
            length = struct.unpack("<H", self.pending[:2])[0]
            if len(self.pending) < 2 + length:
                break
            self._message(wire.server_message(self.pending[2 : 2 + length]))
            self.pending = self.pending[2 + length :]
        self.changed.set()

    def _message(self, message):
        self.messages.append(message)
        self.view.message(message)
        if message["kind"] == "welcome":
            self.welcome = message
            self.offset = message["time"] - self._local()
        elif message["kind"] == "closing":
            self.closing = message
        elif message["kind"] == "refused":
            self.refused.append(message)
        elif message["kind"] == "said":
            self.said.append(message)
        elif message["kind"] == "announcement":
            self.announcement = message["text"]

    def _datagram(self, data):
        try:
            if data[0] == 0x47:
                self.frames += 1
                self.view.frame(data)
            elif data[0] == 0x52:
                self._pong(*wire.pong(data))
            elif data[0] == 0x56:
                self._said(wire.said(data))
        except wire.Bad as error:
            self.bad.append((str(error), data.hex()))
        self.changed.set()

    def _said(self, message):
        key = message["from"], message["topic"]
        if key not in self.newest or after(message["time"], self.newest[key]) > 0:
            self.newest[key] = message["time"]
            self.said.append(message)

    def _pong(self, echo, stamp):
        self.pongs += 1
        trip = (int(self._local()) - echo) & 0xFFFFFFFF
        if self.best is None or trip <= self.best:
            self.best, self.offset = trip, stamp + trip / 2 - self._local()

    async def until(self, condition, patience=PATIENCE):
        """Waits for the condition and returns whether it came to hold."""
        deadline = time.monotonic() + patience
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), min(left, 0.05))
            except TimeoutError:
                pass
        return True

    async def ended(self, patience=PATIENCE):
        """Waits for the connection's close code; None if it does not end."""
        try:
            return await asyncio.wait_for(asyncio.shield(self.session.ended), patience)
        except TimeoutError:
            return None

    async def close(self):
        """Drops the link without sending Leave."""
        await self._context.__aexit__(None, None, None)
