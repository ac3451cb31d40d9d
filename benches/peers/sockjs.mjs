/**
 * The shape of the first GPyS, of 2012, on sockjs-node: three handlers that pass JSON around.
 *
 * Everybody is told of a change as `[lat, lng, uuid, sampleTime, [alpha, beta, gamma]]`, of
 * somebody's end as `[null, null, uuid, 0]`, and of how many people are there as `{online}`.
 * Whoever comes is told the location of everybody.
 */
import sockjs from 'sockjs';
import { serve } from './serve.mjs';

const people = new Set();
const locations = new Map();

function tell(what) {
  const text = JSON.stringify(what);
  for (const connection of people) connection.write(text);
}

function open(connection) {
  people.add(connection);
  connection.write(JSON.stringify([...locations.values()]));
  tell({ online: people.size });
  connection.on('data', (text) => {
    const [lat, lng, sampleTime, angles] = JSON.parse(text);
    const location = [lat, lng, connection.id, sampleTime, angles];
    locations.set(connection.id, location);
    tell(location);
  });
  connection.on('close', () => {
    people.delete(connection);
    locations.delete(connection.id);
    tell([null, null, connection.id, 0]);
    tell({ online: people.size });
  });
}

serve((server) => {
  // Its own log goes to stdout, a line for each connection.
  const live = sockjs.createServer({ log: () => {} });
  live.on('connection', open);
  live.installHandlers(server, { prefix: '/live' });
});
