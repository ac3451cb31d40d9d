/** The bytes of docs/PROTOCOL.md, both ways. */
export * from './accuracy';
export { DecodeError } from './bits';
export * from './codes';
export * from './datagram';
export * from './frame';
export * from './geo';
export * from './kind';
export * from './motion';
export * from './orientation';
export * from './say';
export * from './server';
export * from './text';
export * from './wire';
