/** A real nginx with the configuration from packaging/proxies, adapted as an operator would. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BINARY } from './server.mjs';

const CONFIG = new URL('../../../packaging/proxies/nginx.conf', import.meta.url);
const START_MS = 20_000;

/** Starts nginx; undefined if it is not installed. */
export async function nginx(server, change = (text) => text) {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' });
  } catch {
    if (process.env.GPYS_REQUIRE_PROXIES) throw new Error('nginx is missing');
    return undefined;
  }
  const dir = mkdtempSync(join(tmpdir(), 'gpys-nginx-'));
  execFileSync(BINARY, ['certs', '--dir', dir], { stdio: 'ignore' });
  const [port, plain] = [await freePort(), await freePort()];
  const changes = [
    ['127.0.0.1:8080', `127.0.0.1:${server.http}`],
    ['    listen [::]:443 ssl http2;\n', ''],
    ['    listen [::]:80;\n', ''],
    ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
    ['listen 80;', `listen 127.0.0.1:${plain};`],
    ['/etc/letsencrypt/live/map.example/fullchain.pem', join(dir, 'gpys.pem')],
    ['/etc/letsencrypt/live/map.example/privkey.pem', join(dir, 'gpys.key')],
  ];
  let site = readFileSync(CONFIG, 'utf8');
  for (const [from, to] of changes) {
    if (!site.includes(from)) throw new Error(`${from} is not in nginx.conf`);
    site = site.replaceAll(from, to);
  }
  writeFileSync(join(dir, 'site.conf'), change(site));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${dir}/${kind};`,
  );
  const main = `daemon off; pid ${dir}/pid; error_log ${dir}/log; events {}
http { access_log off; ${temporary.join(' ')} include ${dir}/site.conf; }`;
  writeFileSync(join(dir, 'nginx.conf'), main);
  const args = ['-e', join(dir, 'log'), '-c', join(dir, 'nginx.conf')];
  const child = spawn('nginx', args, { stdio: 'ignore' });
  const kill = () => child.kill('SIGTERM');
  process.once('exit', kill);
  await listens(port, child);
  return {
    url: `https://map.example:${port}`,
    async stop() {
      process.off('exit', kill);
      const ended = once(child, 'exit');
      kill();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function listens(port, child) {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    if (child.exitCode !== null || Date.now() > deadline) throw new Error('nginx did not start');
    await pause(20);
  }
}
