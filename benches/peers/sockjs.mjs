/**
 * The first GPyS, of 2012, rebuilt on sockjs-node: three handlers that pass JSON around.
 *
 * Every client gets each change as `[lat, lng, uuid, sampleTime, [alpha, beta, gamma]]`, each
 * leave as `[null, null, uuid, 0]`, and the number of people as `{online}`. A new client gets
 * every location.
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
  // By default it logs a line to stdout for each connection.
  const live = sockjs.createServer({ log: () => {} });
  live.on('connection', open);
  live.installHandlers(server, { prefix: '/live' });
});
