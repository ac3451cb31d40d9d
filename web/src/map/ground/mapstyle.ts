/** Fetches the style of an external map, and explains in words why it is not available. */
import type { StyleSpecification } from 'maplibre-gl';
import { visibleTimeout } from './timeout';

/** A style is a few kilobytes; a server that takes longer is down. */
const FETCH_MS = 8000;

/** The types of sources that MapLibre knows; on another it stops half-way, and says nothing of it. */
const SOURCE_TYPES = ['vector', 'raster', 'raster-dem', 'geojson', 'image', 'video'];

/** Why there is no map, in words that fit in parentheses. */
export class Trouble extends Error {}

export function hostOf(url: string): string {
  try {
    return new URL(url, globalThis.location?.href).host;
  } catch {
    return url;
  }
}

/** What is missing and what is shown instead, in one sentence. */
export function withoutMap(what: string, error: unknown, instead: string): string {
  const why = error instanceof Error ? error.message : String(error);
  return `${what} could not be loaded (${why.replace(/\.$/, '')}); ${instead}.`;
}

/** Fetches JSON within the time limit; any error is a `Trouble` that names the host. */
export async function fetchJson(url: string, limit = FETCH_MS): Promise<unknown> {
  const host = hostOf(url);
  const abort = new AbortController();
  const timer = visibleTimeout(() => abort.abort(), limit);
  const policy = watchPolicy(host);
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok) throw new Trouble(`HTTP ${response.status} from ${host}`);
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new Trouble(`the answer from ${host} is not JSON`);
    }
  } catch (error) {
    if (error instanceof Trouble) throw error;
    if (abort.signal.aborted) throw new Trouble(`no answer from ${host}`);
    throw new Trouble(policy.blocked ? notAllowed(host) : `${host} cannot be reached`);
  } finally {
    timer.cancel();
    policy.end();
  }
}

function notAllowed(host: string): string {
  return `this server's content security policy does not allow ${host}`;
}

/** Watches for policy violations: to the caller, a blocked request looks like a network failure. */
function watchPolicy(host: string): { readonly blocked: boolean; end(): void } {
  let blocked = false;
  const look = ({ blockedURI }: SecurityPolicyViolationEvent): void => {
    if (hostOf(blockedURI) === host) blocked = true;
  };
  document.addEventListener('securitypolicyviolation', look);
  return {
    get blocked() {
      return blocked;
    },
    end: () => document.removeEventListener('securitypolicyviolation', look),
  };
}

export async function loadStyle(url: string): Promise<StyleSpecification> {
  return checkStyle(await fetchJson(url), hostOf(url));
}

/** Checks what MapLibre does not survive; it checks the rest itself. */
export function checkStyle(found: unknown, host: string): StyleSpecification {
  const style = found as Partial<StyleSpecification> | null;
  const isObject = (it: unknown): boolean => typeof it === 'object' && it !== null;
  if (
    !isObject(style) ||
    style?.version !== 8 ||
    !isObject(style.sources) ||
    !Array.isArray(style.layers) ||
    !style.layers.every(isObject)
  ) {
    throw new Trouble(`the answer from ${host} is not a map style of version 8`);
  }
  for (const [name, source] of Object.entries(style.sources ?? {})) {
    const type = (source as { type?: unknown } | null)?.type;
    if (!SOURCE_TYPES.includes(type as string)) {
      throw new Trouble(`the style from ${host} is not valid: ${name} is a source of unknown type`);
    }
  }
  return style as StyleSpecification;
}
