/** The bytes of docs/PROTOCOL.md, both ways. */
export * from './accuracy.ts';
export { DecodeError } from './bits.ts';
export * from './codes.ts';
export * from './datagram.ts';
export * from './frame.ts';
export * from './geo.ts';
export * from './kind.ts';
export * from './motion.ts';
export * from './orientation.ts';
export * from './say.ts';
export * from './server.ts';
export * from './text.ts';
export * from './wire.ts';
