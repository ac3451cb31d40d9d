/** People on a map. A click says where you are. */
import { join } from '@gpys/client';
import { Marker, Map as Plan, setWorkerUrl } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import { feature } from 'topojson-client';
import type { Topology } from 'topojson-specification';
import countries from 'world-atlas/countries-110m.json?url';
import 'maplibre-gl/dist/maplibre-gl.css';

setWorkerUrl(workerUrl);
const world: Topology = await (await fetch(countries)).json();
const land = { type: 'geojson', data: feature(world, world.objects.land!) } as const;
const fill = { id: 'land', type: 'fill', source: 'land', paint: { 'fill-color': '#bcd' } } as const;
const style = { version: 8, sources: { land }, layers: [fill] } as const;
const plan = new Plan({ container: 'map', center: [14, 46], zoom: 4, style: style as never });

const name = new URLSearchParams(location.search).get('name') ?? 'Somebody';
const room = await join(`${location.origin}/r/map`, { name, storage: sessionStorage });

function look(): void {
  const [[west, south], [east, north]] = plan.getBounds().toArray() as [number[], number[]];
  room.look({ south: south!, west: west!, north: north!, east: east!, width: innerWidth });
}
plan.on('move', look);
look();
plan.on('click', ({ lngLat }) => room.me.move(lngLat));

const markers = new Map<string, Marker>();
requestAnimationFrame(function draw(time) {
  for (const marker of markers.values()) marker.remove();
  for (const person of room.people.values()) {
    const at = person.at(time);
    if (!at) continue;
    const element = markers.get(person.id)?.getElement() ?? document.createElement('div');
    element.className = 'person';
    element.textContent = person.name;
    const marker = markers.get(person.id) ?? new Marker({ element });
    markers.set(person.id, marker.setLngLat(at).addTo(plan));
  }
  requestAnimationFrame(draw);
});
