/** Socket.IO: everybody gets everybody's `pose` event. */
import { Server } from 'socket.io';
import { serve } from './serve.mjs';

serve((server) => {
  const io = new Server(server, { transports: ['websocket'], serveClient: false });
  io.on('connection', (socket) => {
    socket.on('pose', (pose) => io.emit('pose', { id: socket.id, ...pose }));
    socket.on('disconnect', () => io.emit('left', socket.id));
  });
});
