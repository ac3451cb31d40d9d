/** Relays between browser and server, which a test can block. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';

async function bound() {
  const socket = dgram.createSocket('udp4');
  // Sending to a port closed by now reports an error here, which does not matter.
  socket.on('error', () => undefined);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** For UDP. */
export class Relay {
  /** Number of packets relayed. */
  passed = 0;
  #open = true;
  #front;
  #to = 0;
  /** One socket per client, so that answers find their way back. */
  #backs = new Map();

  static async start() {
    const relay = new Relay();
    relay.#front = await bound();
    relay.#front.on('message', (packet, from) => void relay.#forward(packet, from));
    return relay;
  }

  get port() {
    return this.#front.address().port;
  }

  /** Directs packets to this port. */
  lead(to) {
    this.#to = to;
  }

  async #forward(packet, { port }) {
    if (!this.#open || this.#to === 0) return;
    if (!this.#backs.has(port)) this.#backs.set(port, this.#back(port));
    const back = await this.#backs.get(port);
    if (this.#open) back.send(packet, this.#to, '127.0.0.1');
    this.passed++;
  }

  async #back(port) {
    const back = await bound();
    back.on('message', (packet) => this.#open && this.#front.send(packet, port, '127.0.0.1'));
    return back;
  }

  /** Drops everything silently in both directions, like a firewall. */
  block() {
    this.#open = false;
  }

  /** Closes the port, so that the computer answers that it is unreachable. */
  async close() {
    this.#open = false;
    this.#front?.close();
    this.#front = undefined;
    for (const back of this.#backs.values()) (await back).close();
    this.#backs.clear();
  }
}

/** For TCP, over which connections that were blocked once stay silent, like those that back off. */
export class Line {
  #blocked = false;
  #sockets = new Set();
  #server;

  static async start(to) {
    const line = new Line();
    line.#server = net.createServer((front) => line.#forward(front, to));
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get port() {
    return this.#server.address().port;
  }

  #forward(front, to) {
    this.#keep(front);
    if (this.#blocked) return;
    const back = this.#keep(net.connect(to, '127.0.0.1'));
    const pair = [front, back];
    for (const [one, other] of [pair, [back, front]]) {
      one.on('data', (bytes) => one.silent || other.write(bytes));
      one.on('close', () => one.silent || other.destroy());
    }
  }

  #keep(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    return socket;
  }

  /** Silences all connections there are, for good, and those that come before `open`. */
  block() {
    this.#blocked = true;
    for (const socket of this.#sockets) socket.silent = true;
  }

  /** Lets new connections through. */
  open() {
    this.#blocked = false;
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
