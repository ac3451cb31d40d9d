/** `window.gpys`, read only: what the page shows, for tests and the curious. */
import { type Client, decodeAccuracy, type Quarters, type View } from '@gpys/client/parts';
import type { Place, Scene } from '../map/scene';

export interface DebugFigure extends Place {
  id: number;
  uuid: string | null;
  name: string;
  kind: 'figure' | 'pin';
  hidden: boolean;
  gone: boolean;
  accuracy_m: number | null;
}

export interface DebugState {
  transport: 'webtransport' | 'websocket' | null;
  connected: boolean;
  id: number | null;
  uuid: string | null;
  online: number;
  rtt_ms: number | null;
  age_ms: number | null;
  /** People as drawn, in mid-glide, without the user. */
  figures: DebugFigure[];
  clusters: { level: number; x: number; y: number; counts: Quarters }[];
  self: (Place & { sharing: boolean; kind: 'figure' | 'pin' }) | { sharing: boolean };
}

declare global {
  interface Window {
    readonly gpys: { state(): DebugState };
  }
}

export function exposeDebug(state: () => DebugState): void {
  Object.defineProperty(window, 'gpys', { value: Object.freeze({ state }) });
}

export interface DebugParts {
  client: Client;
  scene: Scene;
  online: number;
  sharing: boolean;
  age: number | undefined;
}

export function debugState(parts: DebugParts, now: number): DebugState {
  const { client, scene, online, sharing } = parts;
  const { state, view, welcome: me } = client;
  const own = scene.place(undefined, now);
  return {
    transport: state.phase === 'live' ? state.transport : null,
    connected: state.phase === 'live',
    id: me?.id ?? null,
    uuid: me?.uuid ?? null,
    online,
    rtt_ms: client.roundTrip ?? null,
    age_ms: parts.age ?? null,
    figures: [...view.figures.keys()].flatMap((id) => debugFigure(view, scene, id, now)),
    clusters: [...view.clusters.values()].map(({ cell, counts }) => ({ ...cell, counts })),
    self: own ? { sharing, kind: own.heading === null ? 'pin' : 'figure', ...own } : { sharing },
  };
}

function debugFigure(view: View, scene: Scene, id: number, now: number): DebugFigure[] {
  const place = scene.place(id, now);
  const figure = view.figures.get(id);
  if (!place || !figure) return [];
  const person = view.people.get(id);
  return [
    {
      id,
      uuid: person?.uuid ?? null,
      name: person?.name ?? '',
      kind: place.heading === null ? 'pin' : 'figure',
      hidden: figure.hidden,
      gone: scene.lost,
      accuracy_m: decodeAccuracy(figure.accuracy),
      ...place,
    },
  ];
}
