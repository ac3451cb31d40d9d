/** A time limit that pauses in the background, where browsers pause what it waits for. */

export interface Timeout {
  cancel(): void;
}

/** Calls back once the page has been visible for `ms` in all. */
export function visibleTimeout(call: () => void, ms: number): Timeout {
  let left = ms;
  let since = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = (): void => {
    clearTimeout(timer);
    if (document.visibilityState === 'hidden') {
      left -= timer === undefined ? 0 : performance.now() - since;
      timer = undefined;
      return;
    }
    since = performance.now();
    timer = setTimeout(() => {
      cancel();
      call();
    }, left);
  };
  const cancel = (): void => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', run);
  };
  document.addEventListener('visibilitychange', run);
  run();
  return { cancel };
}
