/** Compares the names of the wire with the Rust source in `src/proto/`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as wire from './index.ts';

const PROTO = join(import.meta.dirname, '../../../../src/proto');
/** Constants that only TypeScript needs. */
const OWN = ['UNIT', 'CELL', 'AGES', 'NO_MOTION', 'CARRY_MS'];

const withoutComments = (source: string): string =>
  source.replace(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*/g, '');

/** Source of a directory's files with this ending, without tests and comments. */
function sourceIn(directory: string, ending: string): string {
  const names = readdirSync(directory).filter((it) => it.endsWith(ending) && !/test/.test(it));
  return names.map((it) => withoutComments(readFileSync(join(directory, it), 'utf8'))).join('\n');
}

const single = ['wire', 'geo', 'kind', 'motion', 'pose', 'text', 'frame', 'bits'].map(
  (it) => `${it}.rs`,
);
const rust = [
  ...single
    .filter((it) => existsSync(join(PROTO, it)))
    .map((it) => withoutComments(readFileSync(join(PROTO, it), 'utf8'))),
  sourceIn(join(PROTO, 'wire'), '.rs'),
]
  .join('\n')
  .replace(/#\[cfg\(test\)\]\s(?:#\[.*\]\s)*mod \w+;\n/g, '')
  .replace(/#\[cfg\(test\)\]\s[\s\S]*?\n}\n/g, '')
  // Variants with fields of their own names, whose braces would end their enum.
  .replace(/^ {4}(\w+) \{[^{}]*^ {4}\},/gm, '    $1(Fields),');
const typescript = sourceIn(import.meta.dirname, '.ts');

const sameName = (name: string): string => name.replaceAll('_', '').toLowerCase();
const numberOf = (literal: string): number => Number(literal.replaceAll('_', ''));

/** Bodies of Rust's structs or enums that are serialised or are codes on the wire. */
function rustItems(kind: 'struct' | 'enum'): Map<string, string> {
  const pattern = new RegExp(`((?:#\\[.*\\]\\s*)+)pub ${kind} (\\w+) \\{([^}]*)\\}`, 'g');
  return new Map(
    [...rust.matchAll(pattern)]
      .filter(([, attributes]) => /Serialize|repr\(u8\)/.test(attributes!))
      .map(([, , name, body]) => [name!, body!.replace(/#\[.*?\]/g, '')]),
  );
}

/** A Rust enum's variants and their numbers. */
function variantsOf(body: string): [string, number][] {
  let next = 0;
  return [...body.matchAll(/(\w+)(?:\(\w+\))?(?:\s*=\s*(\d+))?\s*(?:,|$)/g)].map(
    ([, name, number]) => {
      next = (number === undefined ? next : Number(number)) + 1;
      return [name!, next - 1];
    },
  );
}

/** Members of a union of messages, each a name or an object with a `type`. */
function unionOf(name: string): string[] {
  const [, members] = new RegExp(`export type ${name} =([^;]*?(?:\\{[^}]*\\}[^;]*?)*);`).exec(
    typescript,
  )!;
  return members!
    .split('|')
    .filter((it) => it.trim())
    .map((it) => /type: '(\w+)'/.exec(it)?.[1] ?? it.trim());
}

function interfaceOf(name: string): string[] | undefined {
  const found = new RegExp(`export interface ${name} \\{([^}]*)\\}`).exec(typescript);
  return found?.[1]
    ?.match(/^\s*\w+\??:/gm)
    ?.map((it) => it.trim().replace(/\??:/, ''))
    .filter((it) => it !== 'type');
}

describe('names of the wire', () => {
  const constants = new Map(
    [...rust.matchAll(/\bconst (\w+): [^=]+= ([^;]+);/g)].map(([, name, value]) => [name!, value!]),
  );
  const exported = Object.entries(wire).filter(
    ([name]) => /^[A-Z][A-Z_]+$/.test(name) && !OWN.includes(name),
  );

  it.each(exported)('include the constant %s in both languages', (name, value) => {
    const literal = constants.get(name);
    expect(literal).toBeDefined();
    if (/^(0x)?[\d_a-fA-F]+$/.test(literal!)) expect(value).toBe(numberOf(literal!));
  });

  const enums = [...rustItems('enum')].filter(([, body]) => !body.includes('('));
  it.each(enums)('include the same codes in %s', (name, body) => {
    const codes = (wire as unknown as Record<string, Record<string, unknown>>)[name] ?? {};
    const numbers = Object.entries(codes).filter(([, number]) => typeof number === 'number');
    expect(numbers).toEqual(variantsOf(body));
  });

  const messages = [...rustItems('enum')].filter(([, body]) => body.includes('('));
  it.each(messages)('include the same messages in %s', (name, body) => {
    expect(unionOf(name)).toEqual(variantsOf(body).map(([variant]) => variant));
  });

  it.each([...rustItems('struct')])('include the same fields in %s', (name, body) => {
    const fields = [...body.matchAll(/pub (\w+):/g)].map(([, field]) => sameName(field!));
    expect(interfaceOf(name)?.map(sameName)).toEqual(fields);
  });

  it('are all found', () => {
    expect(enums.map(([name]) => name).sort()).toEqual(['CloseCode', 'Field', 'Presence', 'Role']);
    expect(messages.map(([name]) => name).sort()).toEqual([
      ...['ClientMessage', 'HostAction', 'ServerMessage', 'Space', 'To', 'Values'],
    ]);
    expect(rustItems('struct').size).toBeGreaterThan(9);
    expect(exported.length).toBeGreaterThan(12);
  });
});
