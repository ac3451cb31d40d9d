/** Connects presses, keys and browser events to what they do. */
import { type Client, cleanName } from '@gpys/client/parts';
import type { Sharer } from '../device/sharer';
import { device } from '../device/storage';
import { middleOf } from '../map/camera/fit';
import type { LiveMap } from '../map/map';
import type { Sight } from '../map/sight';
import { Page } from './page';

const NAME = 'gpys.name';

export interface ControlParts {
  page: Page;
  map: LiveMap;
  sight: Sight;
  sharer: Sharer;
  client: Client;
  /** Called when what is shown may have changed. */
  changed(): void;
}

export class Controls {
  constructor(private readonly parts: ControlParts) {
    const { page } = parts;
    page.name.value = cleanName(device.getItem(NAME) ?? '');
    this.listenToSharing();
    this.listenToMap();
    this.listenToBrowser();
    page.ready();
  }

  private listenToSharing(): void {
    const { page, sight, sharer, client, changed } = this.parts;
    page.name.addEventListener('change', () => {
      page.name.value = cleanName(page.name.value);
      device.setItem(NAME, page.name.value);
      client.setName(page.name.value);
    });
    page.offer(sharer.terms.wish);
    for (const choice of [page.precision, page.duration]) {
      choice.addEventListener('change', () => {
        sharer.choose(page.wish);
        changed();
      });
    }
    page.share.addEventListener('click', () => {
      sight.camera.expectSelf();
      sharer.share();
    });
    page.stop.addEventListener('click', () => sharer.stop());
    page.byHand.addEventListener('click', () => this.aim());
    page.placeHere.addEventListener('click', () => this.place());
    page.placeCancel.addEventListener('click', () => sharer.self.cancelPlacing());
  }

  private listenToMap(): void {
    const { page, sight, sharer } = this.parts;
    page.fit.addEventListener('click', () => sight.camera.fitEverybody(performance.now()));
    page.locate.addEventListener('click', () => {
      if (!sight.camera.locate()) page.say('Share your position to find yourself on the map.');
    });
    page.venue.addEventListener('click', () => sight.camera.goToVenue());
    page.watchArea(() => {
      sight.camera.areaChanged();
      if (sharer.self.placing) page.cross(middleOf(page.freeArea()));
    });
  }

  private listenToBrowser(): void {
    const { sharer, client } = this.parts;
    document.addEventListener('visibilitychange', () => {
      sharer.watchTime();
      sharer.announce();
      sharer.keep();
      if (document.visibilityState === 'visible') client.hurry();
    });
    window.addEventListener('online', () => client.hurry());
    window.addEventListener('pagehide', () => {
      sharer.keep();
      client.close();
    });
    window.addEventListener('pageshow', ({ persisted }) => persisted && client.connect());
    window.addEventListener('keydown', (event) => this.keyDown(event), { capture: true });
  }

  private keyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || Page.typesInto(event.target)) return;
    const { self } = this.parts.sharer;
    if (self.placing) {
      const onMap = Page.onMap(event.target) || event.target === document.body;
      if (event.key === 'Escape') {
        self.cancelPlacing();
        this.parts.page.byHand.focus();
      } else if (event.key === 'Enter' && onMap) this.place();
      else return;
      // Otherwise the button that has the focus now would be pressed as well.
      event.preventDefault();
      return;
    }
    // On the map these keys belong to the map.
    if (Page.onMap(event.target) || !self.steered || !self.key(event.key, event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Lets the user choose a place: the map moves under a cross, by finger, mouse or keys. */
  private aim(): void {
    const { page, map, sight, sharer } = this.parts;
    sharer.self.beginPlacing();
    // A flight of the map must not move what is aimed at.
    sight.camera.touched(true);
    page.cross(middleOf(page.freeArea()));
    map.focus();
  }

  private place(): void {
    const { page, map, sharer } = this.parts;
    const { at, accuracy } = map.placeAt(page.crossed);
    sharer.self.place(at, accuracy);
    sharer.keep();
    page.byHand.focus();
  }
}
