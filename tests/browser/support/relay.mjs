/** The way that UDP takes from the browser to the server, so that a test can block it for real. */
import dgram from 'node:dgram';
import { once } from 'node:events';

async function bound() {
  const socket = dgram.createSocket('udp4');
  // Whoever sends to a port that is closed by now hears of it here; there is nothing to do.
  socket.on('error', () => undefined);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

export class Relay {
  /** What has come by, in packets. */
  passed = 0;
  #open = true;
  #front;
  #to = 0;
  /** One socket per client, so that the answers find their way back. */
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

  /** From now on packets go to this port. */
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

  /** A firewall that drops everything, both ways, without a word. */
  block() {
    this.#open = false;
  }

  /** From now on the computer answers that nobody listens. */
  async close() {
    this.#open = false;
    this.#front?.close();
    this.#front = undefined;
    for (const back of this.#backs.values()) (await back).close();
    this.#backs.clear();
  }
}
