/** Joins from a worker, and says how. */
import { join, plane } from '@gpys/client';

try {
  const room = await join(`${location.origin}/r/worker`, { space: plane(), name: 'Worker' });
  postMessage({ transport: room.status.value.transport });
} catch (error) {
  postMessage({ error: String(error) });
}
