/** A real GPyS server for a test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How to start a server. */
export interface ServeOptions {
  /** The program; by default what the variable `GPYS` names, or `gpys` in the `PATH`. */
  binary?: string;
  /** Further arguments, such as `--max-people 3`; see `gpys serve --help`. */
  args?: readonly string[];
}

/** A running server. */
export interface Served extends AsyncDisposable {
  /** Its URL over plain HTTP: for {@link https://nodejs.org Node} and pages at `localhost`. */
  readonly url: string;
  /** Its URL over HTTPS, with a certificate of its own making. */
  readonly secureUrl: string;
  /** The port of WebTransport. */
  readonly udp: number;
  /** What it has printed. */
  readonly output: string;
  /** Stops it, and starts it again at the same ports. */
  restart(): Promise<void>;
  /** Stops it. */
  stop(): Promise<void>;
}

/** How long a server may take to start, in ms. */
const START_MS = 20_000;
/** How long it may take to stop before it is killed, in ms: it says goodbye to its people. */
const STOP_MS = 12_000;

/**
 * Starts a server on free ports of this computer. It reads no settings but `args`.
 *
 * ```ts
 * const server = await serve();
 * const room = await join(server.url);
 * await server.stop();
 * ```
 *
 * @throws Error with what the program has printed if it does not start.
 */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const { binary = process.env.GPYS ?? 'gpys', args = [] } = options;
  let running = await run(binary, ['127.0.0.1:0', '127.0.0.1:0'], args);
  const { http, https, udp } = running;
  const stop = (): Promise<void> => running.stop();
  return {
    url: `http://127.0.0.1:${http}`,
    secureUrl: `https://127.0.0.1:${https}`,
    udp,
    get output() {
      return running.output();
    },
    async restart() {
      await stop();
      running = await run(binary, [`127.0.0.1:${udp}`, `127.0.0.1:${http}`], args);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Running {
  http: number;
  https: number;
  udp: number;
  output(): string;
  stop(): Promise<void>;
}

async function run(
  binary: string,
  [listen, plain]: [string, string],
  args: readonly string[],
): Promise<Running> {
  const cwd = mkdtempSync(join(tmpdir(), 'gpys-testing-'));
  // Settings of this computer's owner are no part of a test.
  const env = Object.fromEntries(Object.entries(process.env).filter(([it]) => !/^GPYS/.test(it)));
  const flags = ['--listen', listen, '--http', plain, '--log', 'warn', ...args];
  const child = spawn(binary, flags, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  const ended = new Promise<string>((done) => {
    child.once('exit', () => done('it ended by itself'));
    child.once('error', (error) => done(error.message));
  }).finally(() => rmSync(cwd, { recursive: true, force: true }));
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  void ended.then(() => process.off('exit', kill));
  const said = new Promise<undefined>((done) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (data) => {
        words += data;
        if (/Ctrl-C stops/.test(words)) done(undefined);
      });
    }
  });
  const trouble = await within(START_MS, Promise.race([said, ended]), 'it did not start in time');
  if (trouble) {
    kill();
    throw new Error(`${binary} did not start: ${trouble}\n${words}`);
  }
  const port = (pattern: RegExp): number => Number(pattern.exec(words)?.[1]);
  return {
    http: port(/http:\/\/localhost:(\d+)\//),
    https: port(/https:\/\/localhost:(\d+)\//),
    udp: port(/UDP port (\d+)/),
    output: () => words,
    stop: () => stop(child, ended),
  };
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, 'exit');
  child.kill('SIGTERM');
  if ((await within(STOP_MS, over, 'late')) === 'late') child.kill('SIGKILL');
  await ended;
}

/** What `promise` resolves to, or `late` after so many ms. */
async function within<T, L>(ms: number, promise: Promise<T>, late: L): Promise<T | L> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<L>((done) => {
    timer = setTimeout(() => done(late), ms);
  });
  return Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
