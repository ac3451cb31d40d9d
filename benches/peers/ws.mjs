/** Plain `ws`: every client gets every client's bytes after the sender's number (u32, LE). */
import { WebSocket, WebSocketServer } from 'ws';
import { serve } from './serve.mjs';

const NUMBER_LEN = 4;

serve((server) => {
  const sockets = new WebSocketServer({ server });
  let next = 0;
  sockets.on('connection', (socket) => {
    const number = next++;
    socket.on('error', console.error);
    socket.on('message', (pose) => {
      const change = Buffer.allocUnsafe(NUMBER_LEN + pose.length);
      change.writeUInt32LE(number);
      pose.copy(change, NUMBER_LEN);
      for (const client of sockets.clients) {
        if (client.readyState === WebSocket.OPEN) client.send(change);
      }
    });
  });
});
