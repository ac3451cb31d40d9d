/** The real server and swarm, as child processes that end with the test. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
export const BINARY = resolve(process.env.GPYS ?? join(TARGET, 'debug/gpys'));
/** The page inside the program is used, unless this names a directory. */
const PAGE = process.env.WEB_DIR ? ['--web-dir', resolve(process.env.WEB_DIR)] : [];
const START_MS = 20_000;
const STOP_MS = 12_000;

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts the program where it finds no settings of this computer's owner. */
function start(args) {
  if (!existsSync(BINARY)) {
    throw new Error(`${BINARY} is not there: run \`cargo build\`, or name it in GPYS`);
  }
  const cwd = mkdtempSync(join(tmpdir(), 'gpys-browser-'));
  const env = Object.entries(process.env).filter(([name]) => !name.startsWith('GPYS'));
  const options = { cwd, env: Object.fromEntries(env), stdio: ['ignore', 'pipe', 'pipe'] };
  const child = spawn(BINARY, args, options);
  running.add(child);
  child.words = '';
  child.stdout.on('data', (data) => (child.words += data));
  child.stderr.on('data', (data) => (child.words += data));
  child.ended = once(child, 'exit').then(() => {
    running.delete(child);
    rmSync(cwd, { recursive: true, force: true });
  });
  return child;
}

async function stop(child) {
  child.kill('SIGTERM');
  const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await child.ended;
  clearTimeout(patience);
  if (child.signalCode === 'SIGKILL') throw new Error(`it did not stop in time:\n${child.words}`);
}

/** Resolves once the program has printed what `pattern` matches. */
function said(child, pattern) {
  return new Promise((done, fail) => {
    const look = () => {
      if (!pattern.test(child.words)) return;
      clearTimeout(patience);
      done(child.words);
    };
    const give = (why) => fail(new Error(`${why}:\n${child.words}`));
    const patience = setTimeout(() => give('it did not start in time'), START_MS);
    child.stdout.on('data', look);
    child.once('exit', () => {
      clearTimeout(patience);
      give('it ended by itself');
    });
    look();
  });
}

export class Server {
  #child;
  #flags;
  #host;

  static start(...flags) {
    return Server.at('127.0.0.1', ...flags);
  }

  /** Starts a server at `host`, an address of this computer as written in URLs. */
  static async at(host, ...flags) {
    const server = new Server();
    server.#host = host;
    server.#flags = flags;
    await server.#run(`${host}:0`, `${host}:0`);
    return server;
  }

  async #run(listen, http) {
    const page = this.#flags.includes('--web-dir') ? [] : PAGE;
    const flags = ['--listen', listen, '--http', http, '--log', 'warn', ...page, ...this.#flags];
    this.#child = start(flags);
    const banner = await said(this.#child, /Ctrl-C stops/);
    const port = (pattern) => Number(pattern.exec(banner)[1]);
    this.http = port(/http:\/\/localhost:(\d+)\//);
    this.https = port(/https:\/\/localhost:(\d+)\//);
    this.udp = port(/UDP port (\d+)/);
    const ready = await fetch(`${this.url}/readyz`);
    if (!ready.ok) throw new Error(`/readyz says ${ready.status}`);
  }

  get url() {
    return `http://${this.#host}:${this.http}`;
  }

  get secureUrl() {
    return `https://${this.#host}:${this.https}`;
  }

  stop() {
    return stop(this.#child);
  }

  /** Restarts it at the same ports, with new flags if given. */
  again(...flags) {
    if (flags.length > 0) this.#flags = flags;
    return this.#run(`${this.#host}:${this.udp}`, `${this.#host}:${this.http}`);
  }
}

/** A file of keys, and access tokens signed with them. */
export class Keys {
  #dir = mkdtempSync(join(tmpdir(), 'gpys-keys-'));
  file = join(this.#dir, 'keys.toml');

  constructor() {
    execFileSync(BINARY, ['token', '--new-keys', this.file]);
  }

  token(room, ...flags) {
    const args = ['token', '--keys', this.file, '--room', room, ...flags];
    return execFileSync(BINARY, args, { encoding: 'utf8' }).trim();
  }

  remove() {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Simulated people who walk about in a room until `stop`. */
export class Swarm {
  #child;

  constructor(server, room, ...flags) {
    const args = ['swarm', server.secureUrl, '--room', room, '--for', '1h', ...flags];
    this.#child = start(args);
  }

  async stop() {
    this.#child.kill('SIGKILL');
    await this.#child.ended;
  }
}
