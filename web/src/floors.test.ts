import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** The floors from the top; a file may import its own floor and those below. */
const FLOORS: readonly RegExp[] = [
  /^src\/main\.ts$/,
  /^src\/app\.ts$/,
  /^src\/bench\//,
  /^src\/panel\//,
  /^src\/map\/(?!ground\/|camera\/|geo\.ts)/,
  /^src\/map\/(ground\/|camera\/|geo\.ts)/,
  /^src\/device\//,
  /^client\/src\//,
];

/** Globals of a page, which the client must not use. */
const GLOBALS =
  /(?<![\w'"-]|(?<!globalThis)\.)(document|window|localStorage|sessionStorage|location)\b(?!:)/;

const files = ['src', 'client/src']
  .flatMap((top) =>
    readdirSync(join(ROOT, top), { recursive: true }).map((it) => join(top, `${it}`)),
  )
  .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|\/testing\//.test(file));

const withoutComments = (source: string): string =>
  source.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*/g, '');

/** Files of this project that a file imports. */
function importsOf(file: string): string[] {
  const source = withoutComments(readFileSync(join(ROOT, file), 'utf8'));
  return [...source.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].flatMap(([, name]) => {
    if (name === '@gpys/client') return 'client/src/index.ts';
    if (name === '@gpys/client/parts') return 'client/src/parts.ts';
    if (!name!.startsWith('.')) return [];
    const path = relative(ROOT, join(ROOT, dirname(file), name!));
    return [path, `${path}.ts`, `${path}/index.ts`].find((it) => files.includes(it)) ?? [];
  });
}

const graph = new Map(files.map((file) => [file, importsOf(file)]));
const floorOf = (file: string): number => FLOORS.findIndex((floor) => floor.test(file));

function circlesFrom(file: string, path: string[], done: Set<string>): string[] {
  const at = path.indexOf(file);
  if (at >= 0) return [[...path.slice(at), file].join(' → ')];
  if (done.has(file)) return [];
  const found = graph.get(file)!.flatMap((next) => circlesFrom(next, [...path, file], done));
  done.add(file);
  return found;
}

describe('the floors', () => {
  it('include every file', () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([]);
  });

  it('are never imported upwards', () => {
    const edges = [...graph].flatMap(([file, imports]) => imports.map((it) => [file, it] as const));
    expect(edges.filter(([file, it]) => floorOf(it) < floorOf(file))).toEqual([]);
  });

  it('have no circular imports', () => {
    const done = new Set<string>();
    expect(files.flatMap((file) => circlesFrom(file, [], done))).toEqual([]);
  });

  it('keep page globals out of the client', () => {
    const found = files.filter(
      (file) =>
        file.startsWith('client/') &&
        GLOBALS.test(withoutComments(readFileSync(join(ROOT, file), 'utf8'))),
    );
    expect(found).toEqual([]);
  });
});
