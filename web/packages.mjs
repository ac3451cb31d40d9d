/** Checks the packages as a registry would get them: their shape, their types, and what they weigh. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** What an import may weigh in a page, minified and by gzip, in bytes. */
const WEIGHTS = [
  { code: "export { join } from '@gpys/client'", most: 18_200 },
  { code: "export * from '@gpys/react'", most: 1024, external: ['react', '@gpys/client'] },
];

const ENTRY = 'virtual:entry';
const execute = promisify(execFile);

async function run(...command) {
  try {
    await execute('npx', ['--no-install', ...command]);
  } catch (error) {
    throw new Error(`${command.join(' ')}:\n${error.stdout}${error.stderr}`);
  }
}

/** Bytes of this code with all that it imports from the built packages. */
async function weigh(code, external = []) {
  const plugin = {
    name: 'entry',
    resolveId: (id) => (id === ENTRY ? id : null),
    load: (id) => (id === ENTRY ? code : null),
  };
  const { output } = await build({
    configFile: false,
    logLevel: 'error',
    plugins: [plugin],
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      rolldownOptions: { input: ENTRY, external, preserveEntrySignatures: 'strict' },
    },
  });
  return gzipSync(output[0].code, { level: 9 }).length;
}

let isGood = true;
const checks = ['client', 'react', 'testing', 'debug'].flatMap((name) => [
  run('publint', '--strict', name),
  run('attw', '--pack', name, '--profile', 'esm-only'),
]);
await Promise.all(checks);
for (const { code, most, external } of WEIGHTS) {
  const bytes = await weigh(code, external);
  console.log(`${code}: ${bytes} bytes by gzip, of ${most}`);
  isGood &&= bytes <= most;
}
if (!isGood) {
  console.error('A package is too heavy: see which module has grown.');
  process.exitCode = 1;
}
