/** `window.gpys`, read only: what the page shows, for tests and for the curious. */
import type { Quarters } from './frame';
import type { Place } from './scene';

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
  /** Everybody that is drawn, glided, but this device's own figure. */
  figures: DebugFigure[];
  clusters: { level: number; column: number; row: number; counts: Quarters }[];
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
