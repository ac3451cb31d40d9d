/**
 * The shapes of people: a small figure and a pin, as triangles. X is right, Y is front, Z is up,
 * the feet are at the origin and the figure is about 1 high. Seven floats per vertex.
 */

/** The part a vertex belongs to, which decides its colour. */
export enum Part {
  Body = 0,
  Eye = 1,
  Shadow = 2,
  Wedge = 3,
  Ring = 4,
  White = 5,
  Disc = 6,
}

export const FLOATS_PER_VERTEX = 7;

type Vec = readonly [number, number, number];

export class Mesh {
  private readonly data: number[] = [];

  get vertices(): Float32Array {
    return Float32Array.from(this.data);
  }

  /** Rotates a profile of (radius, height) around the Z axis, then moves it. */
  lathe(part: Part, segments: number, profile: [number, number][], at: Vec = [0, 0, 0]): this {
    const ring = (j: number, s: number): [Vec, Vec] => {
      const [r, z] = profile[j]!;
      const [r0, z0] = profile[Math.max(0, j - 1)]!;
      const [r1, z1] = profile[Math.min(profile.length - 1, j + 1)]!;
      const angle = (s / segments) * 2 * Math.PI;
      const [c, si] = [Math.cos(angle), Math.sin(angle)];
      const length = Math.hypot(r1 - r0, z1 - z0) || 1;
      const [nr, nz] = [(z1 - z0) / length, (r0 - r1) / length];
      return [
        [at[0] + r * c, at[1] + r * si, at[2] + z],
        [nr * c, nr * si, nz],
      ];
    };
    for (let j = 0; j + 1 < profile.length; j++) {
      for (let s = 0; s < segments; s++) {
        this.quad(part, ring(j, s), ring(j, s + 1), ring(j + 1, s + 1), ring(j + 1, s));
      }
    }
    return this;
  }

  sphere(part: Part, segments: number, rings: number, radius: number, at: Vec): this {
    const profile = Array.from({ length: rings + 1 }, (_, j): [number, number] => {
      const angle = -Math.PI / 2 + (j / rings) * Math.PI;
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    });
    return this.lathe(part, segments, profile, at);
  }

  /** A limb: a cone from `a` (thick) to `b` (thin), with or without a hand. */
  limb(
    part: Part,
    segments: number,
    a: Vec,
    b: Vec,
    thick: number,
    thin: number,
    hand: boolean,
  ): this {
    const along: Vec = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
    const length = Math.hypot(...along);
    const w: Vec = [along[0] / length, along[1] / length, along[2] / length];
    const side: Vec = cross(w, Math.abs(w[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0]);
    const s = Math.hypot(...side);
    const u: Vec = [side[0] / s, side[1] / s, side[2] / s];
    const v = cross(w, u);
    const point = (end: Vec, radius: number, i: number): [Vec, Vec] => {
      const angle = (i / segments) * 2 * Math.PI;
      const [c, si] = [Math.cos(angle), Math.sin(angle)];
      const n: Vec = [u[0] * c + v[0] * si, u[1] * c + v[1] * si, u[2] * c + v[2] * si];
      return [[end[0] + n[0] * radius, end[1] + n[1] * radius, end[2] + n[2] * radius], n];
    };
    for (let i = 0; i < segments; i++) {
      this.quad(
        part,
        point(a, thick, i),
        point(a, thick, i + 1),
        point(b, thin, i + 1),
        point(b, thin, i),
      );
    }
    return hand ? this.sphere(part, segments, 4, thin * 1.25, b) : this;
  }

  /** A flat ring (or, with an inner radius of 0, a disc) on the ground. */
  ground(part: Part, segments: number, inner: number, outer: number): this {
    const up: Vec = [0, 0, 1];
    const at = (r: number, i: number): [Vec, Vec] => {
      const angle = (i / segments) * 2 * Math.PI;
      return [[r * Math.cos(angle), r * Math.sin(angle), 0], up];
    };
    for (let i = 0; i < segments; i++) {
      this.quad(part, at(outer, i), at(outer, i + 1), at(inner, i + 1), at(inner, i));
    }
    return this;
  }

  triangle(part: Part, a: Vec, b: Vec, c: Vec): this {
    for (const p of [a, b, c]) this.data.push(...p, 0, 0, 1, part);
    return this;
  }

  private quad(part: Part, ...corners: [[Vec, Vec], [Vec, Vec], [Vec, Vec], [Vec, Vec]]): void {
    for (const i of [0, 1, 2, 0, 2, 3]) {
      const [p, n] = corners[i]!;
      this.data.push(...p, ...n, part);
    }
  }
}

function cross(a: Vec, b: Vec): Vec {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

/** A round figure, for large ones on the screen. */
export function fineFigure(): Mesh {
  return new Mesh()
    .ground(Part.Shadow, 14, 0, 0.27)
    .triangle(Part.Wedge, [-0.17, 0.42, 0], [0.17, 0.42, 0], [0, 0.68, 0])
    .lathe(Part.Body, 14, [
      [0, 0],
      [0.17, 0.01],
      [0.2, 0.08],
      [0.18, 0.3],
      [0.165, 0.46],
      [0.11, 0.57],
      [0, 0.6],
    ])
    .limb(Part.Body, 7, [0.13, 0, 0.5], [0.33, 0.08, 0.36], 0.065, 0.05, true)
    .limb(Part.Body, 7, [-0.13, 0, 0.5], [-0.33, 0.08, 0.36], 0.065, 0.05, true)
    .sphere(Part.Body, 14, 7, 0.2, [0, 0, 0.78])
    .sphere(Part.Eye, 7, 4, 0.042, [0.075, 0.175, 0.82])
    .sphere(Part.Eye, 7, 4, 0.042, [-0.075, 0.175, 0.82]);
}

/** The same figure with a third of the triangles, for small ones on the screen. */
export function coarseFigure(): Mesh {
  return new Mesh()
    .ground(Part.Shadow, 6, 0, 0.27)
    .triangle(Part.Wedge, [-0.17, 0.42, 0], [0.17, 0.42, 0], [0, 0.68, 0])
    .lathe(Part.Body, 6, [
      [0.19, 0],
      [0.18, 0.3],
      [0.09, 0.6],
    ])
    .limb(Part.Body, 3, [0.13, 0, 0.5], [0.36, 0.09, 0.34], 0.07, 0.05, false)
    .limb(Part.Body, 3, [-0.13, 0, 0.5], [-0.36, 0.09, 0.34], 0.07, 0.05, false)
    .sphere(Part.Body, 6, 4, 0.21, [0, 0, 0.78])
    .sphere(Part.Eye, 4, 2, 0.05, [0.075, 0.175, 0.82])
    .sphere(Part.Eye, 4, 2, 0.05, [-0.075, 0.175, 0.82]);
}

export function pin(): Mesh {
  return new Mesh()
    .ground(Part.Shadow, 10, 0, 0.14)
    .lathe(Part.Body, 14, [
      [0, 0],
      [0.07, 0.2],
      [0.18, 0.45],
      [0.25, 0.62],
      [0.265, 0.72],
      [0.23, 0.86],
      [0.14, 0.95],
      [0, 0.985],
    ])
    .sphere(Part.White, 14, 7, 0.1, [0, -0.19, 0.84]);
}

/** The disc under a crowd: radius 1, with a rim. */
export function disc(): Mesh {
  return new Mesh().ground(Part.Disc, 40, 0, 1).ground(Part.Disc, 40, 0.93, 1);
}

/** The ring around the feet of the user and of a picked person. */
export function ring(): Mesh {
  return new Mesh().ground(Part.Ring, 32, 0.36, 0.45);
}
