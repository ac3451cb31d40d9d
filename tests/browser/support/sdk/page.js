/** A page built with the SDK: joins, and leaves what happens to the test. */
import { join, plane } from '@gpys/client';

const name = new URLSearchParams(location.search).get('name');
const room = await join(`${location.origin}/r/sdk`, {
  name,
  space: plane(),
  storage: sessionStorage,
});
const happened = [];
for (const event of ['enter', 'leave', 'change']) {
  room.on(event, (person) => happened.push(`${event} ${person.name} ${person.presence}`));
}
const statuses = [];
room.status.subscribe(({ phase, transport }) => statuses.push(transport ?? phase));
Object.assign(window, { room, happened, statuses });
