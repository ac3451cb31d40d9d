/** A page built with the SDK: joins, and leaves what happens to the test. */
import { join, plane } from '@gpys/client';
import { BadNetwork } from '@gpys/debug';
import '@gpys/debug/panel';

const asked = new URLSearchParams(location.search);
const name = asked.get('name');
const network = new BadNetwork();
const room = await join(`${asked.get('server') ?? location.origin}/r/sdk`, {
  name,
  space: plane(),
  transport: asked.get('transport') ?? 'race',
  storage: sessionStorage,
  network,
});
const happened = [];
for (const event of ['enter', 'leave', 'change']) {
  room.on(event, (person) => happened.push(`${event} ${person.name} ${person.presence}`));
}
const statuses = [];
room.status.subscribe(({ phase, transport }) => statuses.push(transport ?? phase));
const panel = document.createElement('gpys-debug');
document.body.append(panel);
Object.assign(panel, { room, network });
const inWorker = () =>
  new Promise((done) => {
    const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }) => done(data);
  });
Object.assign(window, { room, happened, statuses, inWorker });
