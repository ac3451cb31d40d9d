/** Looks into a room, and makes its network bad. Only for development: pages need none of it. */
export { BadNetwork, type Traffic, type Weather } from './network.ts';
