/** Socket.IO: every client gets every `pose` event, its own included. */
import { Server } from 'socket.io';
import { serve } from './serve.mjs';

serve((server) => {
  const io = new Server(server, { transports: ['websocket'], serveClient: false });
  io.on('connection', (socket) => {
    socket.on('pose', (pose) => io.emit('pose', { id: socket.id, ...pose }));
    socket.on('disconnect', () => io.emit('left', socket.id));
  });
});
