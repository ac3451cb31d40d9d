export * from './frame';
export * from './geo';
export * from './orientation';
export * from './text';
export * from './wire';
