/** The GL layer that draws all people, instanced: a mesh per kind, one draw call each. */
import type { CustomLayerInterface } from 'maplibre-gl';
import { coarseFigure, disc, FLOATS_PER_VERTEX, fineFigure, pin, ring } from './mesh';
import type { Drawn, Scene, SceneFrame } from './scene';

/** Figures up to this height, in device pixels, are drawn from fewer triangles. */
const COARSE_UP_TO = 40;
const FLOATS_PER_INSTANCE = 11;
const BLUE = [0.16, 0.47, 0.98] as const;
const ORANGE = [0.96, 0.36, 0.08] as const;
const SLATE = [0.2, 0.29, 0.39] as const;

type Instance = Pick<Drawn, 'dx' | 'dy' | 'q' | 'colour' | 'opacity'> & { scale: number };

const VERTEX = `#version 300 es
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in float part;
layout(location = 3) in vec2 at;       // pixels from the middle of the map, y upwards
layout(location = 4) in vec4 q;        // (x, y, z, w)
layout(location = 5) in vec4 tint;     // colour, and opacity
layout(location = 6) in float scale;   // of the mesh, in figures' heights
uniform vec2 viewport;
uniform float size;
uniform vec3 eyeColour;
out vec4 colour;
out vec3 bent;

// People are seen from the south, 42 degrees above.
const float SIN = 0.669;
const float COS = 0.743;

vec3 turn(vec3 v) { return v + 2.0 * cross(q.xyz, cross(q.xyz, v) + q.w * v); }

void main() {
  int kind = int(part + 0.5);
  bool onGround = (kind >= 2 && kind <= 4) || kind == 6;
  vec3 p;
  vec3 n = vec3(0.0, 0.0, 1.0);
  if (onGround) {
    vec2 ahead = turn(vec3(0.0, 1.0, 0.0)).xy;
    // An upright device faces where its back points.
    if (length(ahead) < 0.2) ahead = -turn(vec3(0.0, 0.0, 1.0)).xy;
    ahead = normalize(ahead + vec2(0.0, 1e-6));
    p = vec3(position.x * ahead.y + position.y * ahead.x, -position.x * ahead.x + position.y * ahead.y, 0.0);
    p *= scale;
  } else {
    p = turn(position) * scale;
    n = turn(normal);
  }
  bent = n;
  if (kind == 1) colour = vec4(eyeColour, tint.a);
  else if (kind == 2) colour = vec4(0.0, 0.0, 0.0, 0.28 * tint.a);
  else if (kind == 3) colour = vec4(tint.rgb * 0.72, 0.9 * tint.a);
  else if (kind == 4) colour = vec4(tint.rgb, 0.95);
  else if (kind == 5) colour = vec4(1.0, 1.0, 1.0, tint.a);
  else colour = tint;
  vec2 screen = at + vec2(p.x, p.y * SIN + p.z * COS) * size;
  // Depth as if the map were the ground of the same slanted view, so that nearer figures are in
  // front.
  float depth = at.y * COS / SIN + (p.y * COS - p.z * SIN) * size;
  gl_Position = vec4(screen * 2.0 / viewport, depth / viewport.y / 1.5, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
in vec3 bent;
out vec4 fragment;
const vec3 LIGHT = vec3(-0.42, -0.5, 0.757);
const vec3 CAMERA = vec3(0.0, -0.743, 0.669);

void main() {
  vec3 n = normalize(bent);
  float light = 0.66 + 0.42 * max(0.0, dot(n, LIGHT));
  // A dark rim separates people from a light map and from each other.
  float rim = smoothstep(0.0, 0.42, abs(dot(n, CAMERA)));
  bool flat_ = bent.z > 0.999 && colour.a < 0.96;
  vec3 shaded = flat_ ? colour.rgb : min(vec3(1.0), colour.rgb * light) * mix(0.5, 1.0, rim);
  fragment = vec4(shaded * colour.a, colour.a);
}`;

interface Batch {
  vao: WebGLVertexArrayObject;
  instances: WebGLBuffer;
  mesh: WebGLBuffer;
  vertices: number;
}

export class FigureLayer implements CustomLayerInterface {
  readonly id = 'people';
  readonly type = 'custom';
  private program: WebGLProgram | undefined;
  private batches:
    | { fine: Batch; coarse: Batch; pins: Batch; rings: Batch; discs: Batch }
    | undefined;
  private room = new Float32Array(FLOATS_PER_INSTANCE * 256);

  constructor(
    private readonly scene: Scene,
    private readonly painted: (frame: SceneFrame) => void,
  ) {}

  onAdd(_map: unknown, gl: WebGL2RenderingContext): void {
    this.program = link(gl);
    this.batches = {
      fine: makeBatch(gl, fineFigure().vertices),
      coarse: makeBatch(gl, coarseFigure().vertices),
      pins: makeBatch(gl, pin().vertices),
      rings: makeBatch(gl, ring().vertices),
      discs: makeBatch(gl, disc().vertices),
    };
  }

  onRemove(_map: unknown, gl: WebGL2RenderingContext): void {
    for (const batch of Object.values(this.batches ?? {})) {
      gl.deleteVertexArray(batch.vao);
      gl.deleteBuffer(batch.instances);
      gl.deleteBuffer(batch.mesh);
    }
    if (this.program) gl.deleteProgram(this.program);
  }

  render(gl: WebGL2RenderingContext): void {
    const { program, batches } = this;
    if (!program || !batches) return;
    const frame = this.scene.prepare(performance.now());
    const { drawn, width, height, size } = frame;
    gl.useProgram(program);
    gl.uniform2f(gl.getUniformLocation(program, 'viewport'), width, height);
    gl.uniform1f(gl.getUniformLocation(program, 'size'), size);
    gl.uniform3f(gl.getUniformLocation(program, 'eyeColour'), 0.16, 0.11, 0.05);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LEQUAL);
    gl.depthMask(true);
    gl.depthRange(0, 1);
    gl.disable(gl.STENCIL_TEST);
    gl.clearDepth(1);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.disable(gl.CULL_FACE);
    // Below all people, whose faces they must not hide.
    gl.depthMask(false);
    this.draw(gl, batches.discs, discsOf(frame));
    gl.depthMask(true);
    const fine = size * window.devicePixelRatio > COARSE_UP_TO;
    const draw = (some: readonly Drawn[]): void => {
      const of = (fits: (it: Drawn) => boolean): Instance[] =>
        some.filter(fits).map((it) => ({ ...it, scale: 1 }));
      this.draw(
        gl,
        fine ? batches.fine : batches.coarse,
        of(({ kind }) => kind === 'figure'),
      );
      this.draw(
        gl,
        batches.pins,
        of(({ kind }) => kind !== 'figure'),
      );
    };
    draw(drawn.filter((it) => !isMarked(it)));
    // In front of all people, however near the others stand.
    gl.clear(gl.DEPTH_BUFFER_BIT);
    this.draw(gl, batches.rings, ringsOf(drawn));
    draw(drawn.filter(isMarked));
    gl.bindVertexArray(null);
    this.painted(frame);
  }

  private draw(gl: WebGL2RenderingContext, batch: Batch, drawn: readonly Instance[]): void {
    if (drawn.length === 0) return;
    const floats = drawn.length * FLOATS_PER_INSTANCE;
    if (this.room.length < floats) this.room = new Float32Array(floats * 2);
    let i = 0;
    for (const d of drawn) {
      const [w, x, y, z] = d.q;
      const [red, green, blue] = d.colour;
      this.room.set([d.dx, -d.dy, x, y, z, w, red, green, blue, d.opacity, d.scale], i);
      i += FLOATS_PER_INSTANCE;
    }
    gl.bindVertexArray(batch.vao);
    gl.bindBuffer(gl.ARRAY_BUFFER, batch.instances);
    gl.bufferData(gl.ARRAY_BUFFER, this.room.subarray(0, floats), gl.STREAM_DRAW);
    gl.drawArraysInstanced(gl.TRIANGLES, 0, batch.vertices, drawn.length);
  }
}

function discsOf({ many, size }: SceneFrame): Instance[] {
  return many
    .filter(({ radius }) => radius > 0)
    .map(({ dx, dy, radius }) => ({
      dx,
      dy,
      q: [1, 0, 0, 0],
      colour: SLATE,
      opacity: 0.3,
      scale: radius / size,
    }));
}

function isMarked({ own, picked }: Drawn): boolean {
  return own || picked;
}

function ringsOf(drawn: readonly Drawn[]): Instance[] {
  return drawn
    .filter(isMarked)
    .map((it) => ({ ...it, colour: it.own ? BLUE : ORANGE, scale: it.picked ? 1.25 : 1 }));
}

function makeBatch(gl: WebGL2RenderingContext, vertices: Float32Array): Batch {
  const vao = gl.createVertexArray();
  const mesh = gl.createBuffer();
  const instances = gl.createBuffer();
  gl.bindVertexArray(vao);
  gl.bindBuffer(gl.ARRAY_BUFFER, mesh);
  gl.bufferData(gl.ARRAY_BUFFER, vertices, gl.STATIC_DRAW);
  attributes(gl, [3, 3, 1], 0, FLOATS_PER_VERTEX, 0);
  gl.bindBuffer(gl.ARRAY_BUFFER, instances);
  attributes(gl, [2, 4, 4, 1], 3, FLOATS_PER_INSTANCE, 1);
  gl.bindVertexArray(null);
  return { vao, mesh, instances, vertices: vertices.length / FLOATS_PER_VERTEX };
}

function attributes(
  gl: WebGL2RenderingContext,
  sizes: number[],
  from: number,
  stride: number,
  divisor: number,
): void {
  let offset = 0;
  sizes.forEach((size, i) => {
    gl.enableVertexAttribArray(from + i);
    gl.vertexAttribPointer(from + i, size, gl.FLOAT, false, stride * 4, offset);
    gl.vertexAttribDivisor(from + i, divisor);
    offset += size * 4;
  });
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`The people cannot be drawn: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}
