/**
 * The ground under the people: the operator's style or street file if it works, else the built-in
 * map. People never wait for it; they are drawn from the first moment.
 */

import type { Config } from '@gpys/client/parts';
import type { ErrorEvent, Map as MapLibre, StyleSpecification } from 'maplibre-gl';
import { builtInStyle, drawGrid, fillCountries, loadCountries } from './basemap';
import { hostOf, loadStyle, Trouble, withoutMap } from './mapstyle';
import { SourceWatch } from './sources';
import { type Timeout, visibleTimeout } from './timeout';

/** A style is set up within a frame; one that takes this long will not come. */
const SET_UP_MS = 4000;

/** Time for the driver to recover, which most do within a second. */
const RESTORE_MS = 2000;
const CONTEXT_LOST =
  "This device's graphics stopped drawing the map; reload the page if it stays empty.";

export interface BaseEvents {
  /** A style is set up, without people. */
  ready(): void;
  /** What is missing, in a sentence; undefined if nothing is. */
  trouble(words: string | undefined): void;
}

export class Base {
  /** Whether the operator's map has failed; it is not tried again before a reload. */
  private failed = false;
  private turn = 0;
  private words: string | undefined;
  private readonly watch: SourceWatch;

  constructor(
    private readonly map: MapLibre,
    private readonly chosen: Config['map'],
    private readonly events: BaseEvents,
  ) {
    this.watch = new SourceWatch(map);
    map.on('style.load', () => {
      // Whatever the style says, north is up and the map is flat.
      map.setProjection({ type: 'mercator' });
      map.setBearing(0);
      events.ready();
      drawGrid(map);
    });
    map.on('moveend', () => drawGrid(map));
    map.on('zoom', () => drawGrid(map));
    map.on('error', ({ error }) => console.warn('The map reports:', error.message));
    this.watchContext();
  }

  private get foreign(): boolean {
    return !this.failed && Boolean(this.chosen.style || this.chosen.pmtiles);
  }

  private tell(words: string | undefined): void {
    this.words = words;
    this.events.trouble(words);
  }

  /** Watches the graphics driver, which may take the map away; MapLibre rebuilds it afterwards. */
  private watchContext(): void {
    let timer: Timeout | undefined;
    this.map.on('webglcontextlost', () => {
      timer ??= visibleTimeout(() => this.events.trouble(CONTEXT_LOST), RESTORE_MS);
    });
    this.map.on('webglcontextrestored', () => {
      timer?.cancel();
      timer = undefined;
      this.events.trouble(this.words);
    });
  }

  /** Sets the map's colours for light or dark, at the start and on changes. */
  async dress(dark: boolean): Promise<void> {
    // An external style has its own colours.
    if (this.turn > 0 && this.foreign && this.chosen.style) return;
    const turn = ++this.turn;
    const isOld = (): boolean => turn !== this.turn;
    this.watch.stop();
    this.map.setStyle(builtInStyle(dark), { diff: false });
    if (this.foreign) {
      try {
        await this.dressForeign(dark, isOld);
        return;
      } catch (error) {
        if (isOld()) return;
        this.failed = true;
        this.watch.stop();
        const instead = 'people are shown on the built-in map';
        this.tell(withoutMap('The street map', error, instead));
        this.map.setStyle(builtInStyle(dark), { diff: false });
      }
    }
    await this.dressBuiltIn(isOld);
  }

  private async dressForeign(dark: boolean, isOld: () => boolean): Promise<void> {
    const { style, pmtiles } = this.chosen;
    const found = style
      ? await loadStyle(style)
      : await (await import('./streets')).streetStyle(pmtiles!, dark);
    if (isOld()) return;
    this.watch.begin(found, hostOf(style ?? pmtiles!));
    await this.setUp(found);
    if (isOld()) return;
    await this.watch.settled(found, (words) => this.tell(words));
  }

  /** Resolves when the style is set up; rejects with what is wrong with it. */
  private setUp(style: StyleSpecification): Promise<void> {
    const { map } = this;
    return new Promise((done, fail) => {
      const wrong = ({ error }: ErrorEvent): void => {
        end();
        fail(new Trouble(`its style is not valid: ${error.message}`));
      };
      const right = (): void => {
        end();
        done();
      };
      const timer = visibleTimeout(() => {
        end();
        fail(new Trouble('its style cannot be used'));
      }, SET_UP_MS);
      const end = (): void => {
        timer.cancel();
        map.off('error', wrong);
        map.off('style.load', right);
      };
      map.on('error', wrong);
      map.on('style.load', right);
      map.setStyle(style, { diff: false });
    });
  }

  private async dressBuiltIn(isOld: () => boolean): Promise<void> {
    try {
      const world = await loadCountries();
      if (!isOld()) fillCountries(this.map, world);
    } catch (error) {
      if (isOld()) return;
      const what = this.failed ? 'Neither the street map nor the built-in one' : 'The map';
      this.tell(withoutMap(what, error, 'people are shown without it'));
    }
  }
}
