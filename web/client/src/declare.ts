/** What a room is for, as a program declares it: its space and the state of its people. */
import {
  type Layout,
  MAX_STATE_BITS,
  type Plane,
  packState,
  type StateBits,
  stateBits,
  unpackState,
  type Values,
} from './wire/kind.ts';

/** A field of a state, whose values are of type `T`. */
export interface Field<T extends number | boolean> {
  /** How the wire carries it. */
  readonly values: Values;
  /** Exists in types only. */
  readonly type?: T;
}

/** Fields by name. */
export type Fields = Record<string, Field<number> | Field<boolean>>;

/** The values of a state with these fields. */
export type StateOf<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends Field<boolean> ? boolean : number;
};

/** A declared state. */
export interface Declared<S> {
  /** How the wire divides it. */
  readonly layout: Layout;
  /** The bits of these values, each the nearest that there is. */
  pack(values: S): StateBits;
  /** The values in these bits. */
  unpack(bits: StateBits): S;
}

/** Yes or no: 1 bit. */
export const flag: Field<boolean> = { values: { type: 'Flag' } };

/** A whole number from 0 to 2^bits - 1, of 1 to 32 bits. */
export const u = (bits: number): Field<number> => ({ values: { type: 'Unsigned', bits } });

/** A whole number from 0 to 255: 8 bits. */
export const u8: Field<number> = u(8);

/**
 * A number from `min` to `max`, in steps of `step`: as many bits as the number of steps needs.
 *
 * @throws RangeError if there is no such range.
 */
export function q(min: number, max: number, step: number): Field<number> {
  const count = Math.round((max - min) / step) + 1;
  if (!(count >= 2 && count < 2 ** 32)) throw new RangeError(`no range: ${min}, ${max}, ${step}`);
  return { values: { type: 'Range', min, step, count } };
}

/**
 * Declares the state of a room's people, from which its type follows:
 *
 * ```ts
 * const Look = state({ x: q(0, 4096, 0.5), tool: u8, on: flag });
 * ```
 *
 * @throws RangeError if the fields need more than 64 bits.
 */
export function state<F extends Fields>(fields: F): Declared<StateOf<F>> {
  const names = Object.keys(fields);
  const layout = { fields: names.map((name) => ({ name, values: fields[name]!.values })) };
  const bits = stateBits(layout);
  if (!(bits <= MAX_STATE_BITS)) throw new RangeError(`a state of ${bits} bits; 64 are the most`);
  return {
    layout,
    pack: (values) =>
      packState(
        layout,
        names.map((name) => Number(values[name])),
      ),
    unpack: (packed) => {
      const values = unpackState(layout, packed);
      const entries = names.map((name, i) => [
        name,
        fields[name]!.values.type === 'Flag' ? values[i] === 1 : values[i],
      ]);
      return Object.fromEntries(entries) as StateOf<F>;
    },
  };
}

/** Where a room's people are: on the earth, or on a plane. */
export type SpaceOption = 'earth' | PlaneOption;

/** A declared plane. */
export interface PlaneOption extends Plane {
  /** Tells it from the earth. */
  readonly type: 'Plane';
}

/** Declares a plane: x to the right, y upwards. Positions are multiples of `step`, 1 by default. */
export function plane({ unit = 'px', step = 1 }: Partial<Plane> = {}): PlaneOption {
  return { type: 'Plane', unit, step };
}
