/** Orientation of a device: quaternions and their 27-bit codes (docs/PROTOCOL.md, section 2). */

/** (w, x, y, z): rotates the device's axes to East, North, Up. */
export type Quaternion = readonly [w: number, x: number, y: number, z: number];

/** In place of a code: the device has no orientation sensor. */
export const NO_ORIENTATION = 0xffffffff;
/** Number of orientation codes. */
export const ORIENTATION_CODES = 4 * 322 ** 3;
const STEPS = 322;
const RAD = Math.PI / 180;

/** Tangent of the middle of each step, so that decoding needs no trigonometry. */
const TAN = Float64Array.from({ length: STEPS }, (_, n) =>
  Math.tan((((n + 0.5) / STEPS) * 2 - 1) * (Math.PI / 4)),
);

/** Orientation from the angles of a `deviceorientation` event, in degrees. */
export function fromEuler(alpha: number, beta: number, gamma: number): Quaternion {
  const [ca, sa] = [Math.cos((alpha * RAD) / 2), Math.sin((alpha * RAD) / 2)];
  const [cb, sb] = [Math.cos((beta * RAD) / 2), Math.sin((beta * RAD) / 2)];
  const [cg, sg] = [Math.cos((gamma * RAD) / 2), Math.sin((gamma * RAD) / 2)];
  return [
    ca * cb * cg - sa * sb * sg,
    ca * sb * cg - sa * cb * sg,
    ca * cb * sg + sa * sb * cg,
    sa * cb * cg + ca * sb * sg,
  ];
}

/** The rotation `b` followed by `a`. */
export function multiply(a: Quaternion, b: Quaternion): Quaternion {
  return [
    a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
    a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
    a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
    a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
  ];
}

/** A rotation about the third axis, anticlockwise as seen from its tip. */
export function aboutZ(degrees: number): Quaternion {
  return [Math.cos((degrees * RAD) / 2), 0, 0, Math.sin((degrees * RAD) / 2)];
}

/** Rotation about the vertical from `from` to `to`, in degrees, anticlockwise from above. */
export function yawBetween(from: Quaternion, to: Quaternion): number {
  const [w, , , z] = multiply(to, [from[0], -from[1], -from[2], -from[3]]);
  return (2 * Math.atan2(z, w)) / RAD;
}

/** The code nearest to an orientation. */
export function encodeOrientation(q: Quaternion): number {
  let i = 0;
  for (let c = 1; c < 4; c++) if (Math.abs(q[c]!) > Math.abs(q[i]!)) i = c;
  let code = i;
  for (let c = 0; c < 4; c++) {
    if (c === i) continue;
    const a = Math.atan(q[c]! / q[i]!) * (4 / Math.PI);
    code = code * STEPS + Math.min(STEPS - 1, Math.floor(((a + 1) / 2) * STEPS));
  }
  return code;
}

/** The orientation that a code stands for. */
export function decodeOrientation(code: number): Quaternion {
  const rest = (code / STEPS) | 0;
  const top = (rest / STEPS) | 0;
  const largest = (top / STEPS) | 0;
  const a = TAN[top - largest * STEPS]!;
  const b = TAN[rest - top * STEPS]!;
  const c = TAN[code - rest * STEPS]!;
  const s = 1 / Math.sqrt(1 + a * a + b * b + c * c);
  switch (largest) {
    case 0:
      return [s, a * s, b * s, c * s];
    case 1:
      return [a * s, s, b * s, c * s];
    case 2:
      return [a * s, b * s, s, c * s];
    default:
      return [a * s, b * s, c * s, s];
  }
}

/** The angle between two orientations, in degrees. */
export function angleBetween(a: Quaternion, b: Quaternion): number {
  const dot = Math.abs(a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]);
  return (2 * Math.acos(Math.min(1, dot))) / RAD;
}

/** The orientation at `t` (0 to 1) of the shorter way from `a` to `b`. */
export function slerp(a: Quaternion, b: Quaternion, t: number): Quaternion {
  let dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  // q and -q are the same orientation, and only the shorter way round looks right.
  const sign = dot < 0 ? -1 : 1;
  dot *= sign;
  let ka = 1 - t;
  let kb = t * sign;
  if (dot < 0.9995) {
    const angle = Math.acos(dot);
    ka = Math.sin((1 - t) * angle) / Math.sin(angle);
    kb = (sign * Math.sin(t * angle)) / Math.sin(angle);
  }
  const w = a[0] * ka + b[0] * kb;
  const x = a[1] * ka + b[1] * kb;
  const y = a[2] * ka + b[2] * kb;
  const z = a[3] * ka + b[3] * kb;
  const s = 1 / Math.hypot(w, x, y, z);
  return [w * s, x * s, y * s, z * s];
}

/** An orientation as people describe it, in degrees. */
export interface Attitude {
  /** Direction of the device's top (upright: its back), in degrees clockwise from north. */
  heading: number;
  /** Negative: the left edge is down; positive: the right edge is down. */
  leanLeftRight: number;
  /** Negative: the top edge is down, forwards; positive: the top edge is up, backwards. */
  leanFrontBack: number;
}

/** Describes an orientation. */
export function attitude([w, x, y, z]: Quaternion): Attitude {
  // Columns of the rotation matrix: the device's Y and Z axes in (East, North, Up), and X's Up.
  const yEast = 2 * (x * y - w * z);
  const yNorth = 1 - 2 * (x * x + z * z);
  const yUp = 2 * (y * z + w * x);
  const zEast = 2 * (x * z + w * y);
  const zNorth = 2 * (y * z - w * x);
  const zUp = 1 - 2 * (x * x + y * y);
  const xUp = 2 * (x * z - w * y);
  // An upright device's top points up, so its back tells where it looks. Tipped towards its user it
  // still looks there, while its top points the other way.
  const upright = Math.hypot(yEast, yNorth) < 0.2 || (zUp < 0 && yUp > 0.7);
  const heading = upright ? Math.atan2(-zEast, -zNorth) : Math.atan2(yEast, yNorth);
  return {
    heading: (heading / RAD + 360) % 360,
    leanLeftRight: Math.atan2(-xUp, zUp) / RAD,
    leanFrontBack: Math.asin(Math.max(-1, Math.min(1, yUp))) / RAD,
  };
}
