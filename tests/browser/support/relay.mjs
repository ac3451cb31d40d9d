/** A relay for UDP between browser and server, which a test can block for real. */
import dgram from 'node:dgram';
import { once } from 'node:events';

async function bound() {
  const socket = dgram.createSocket('udp4');
  // Sending to a port closed by now reports an error here, which does not matter.
  socket.on('error', () => undefined);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

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
