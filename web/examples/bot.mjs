/** Walks about among the cursors, and greets whoever comes: `node bot.mjs http://localhost:8080`. */
import { join, plane } from '@gpys/client';
import { WebSocket } from 'ws';

const url = `${process.argv[2]}/r/cursors`;
const profile = { colour: 'tomato' };
const room = await join(url, { name: 'Bot', profile, space: plane(), WebSocket });

room.on('enter', (person) => {
  console.log(`${person.name} is here`);
  room.say('greeting', `Hello, ${person.name}!`, { to: person });
});
room.on('leave', (person) => console.log(`${person.name} has left`));

const walk = setInterval(() => {
  const angle = performance.now() / 1000;
  room.me.move({ x: 300 + 200 * Math.cos(angle), y: 300 + 200 * Math.sin(angle) });
}, 33);

process.once('SIGTERM', async () => {
  clearInterval(walk);
  await room.leave();
});
