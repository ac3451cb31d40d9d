/** Shared by the compared servers: flags, TLS, the line with the address, and shutdown. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '0' },
  cert: { type: 'string' },
  key: { type: 'string' },
};

function refuse(why) {
  const name = basename(process.argv[1]);
  console.error(`${why}\nusage: node ${name} --cert PEM --key PEM [--host ADDRESS] [--port PORT]`);
  process.exit(2);
}

function flags() {
  let values;
  try {
    ({ values } = parseArgs({ options: OPTIONS }));
  } catch (error) {
    refuse(error.message);
  }
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse('--port is not a port');
  if (!values.cert || !values.key) refuse('--cert and --key are required');
  return { ...values, port };
}

/**
 * Serves HTTPS with the handlers that `attach` adds to the server. Node's HTTPS servers set
 * TCP_NODELAY by default; so do all three libraries on the sockets they take over.
 */
export function serve(attach) {
  const { host, port, cert, key } = flags();
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
  // Registered before any library, because one of them would throw the error instead.
  server.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  attach(server);
  server.listen(port, host, () => {
    const { address, family, port: bound } = server.address();
    const shown = family === 'IPv6' ? `[${address}]` : address;
    console.log(JSON.stringify({ listening: `${shown}:${bound}` }));
  });
  process.once('SIGTERM', () => process.exit(0));
}
