/** Where a client keeps what it needs to come back: a part of the browser's `Storage`. */
export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
