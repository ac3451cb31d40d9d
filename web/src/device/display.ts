/** How often the page can use news of others: as often as its display draws. */

/** Pictures to measure by. */
const PICTURES = 30;
/** A display at rest may draw rarely; one that draws people does not. */
const LEAST_HZ = 30;
const MOST_HZ = 240;
/** In the background nothing is drawn; the picture is only kept up to date. */
const HIDDEN_HZ = 1;

/**
 * The rate of a display that drew at these times, in ms. A busy page misses pictures, so most of
 * the longer intervals say nothing of the display.
 */
export function rateOf(times: readonly number[]): number {
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  const typical = gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 4)] ?? 0;
  return Math.max(LEAST_HZ, Math.min(MOST_HZ, Math.round(1000 / typical)));
}

/** Tells how many pictures a second the page can draw, now and whenever that changes. */
export function watchDisplay(tell: (hz: number) => void): void {
  let turn = 0;
  const measure = (): void => {
    const mine = ++turn;
    if (document.visibilityState === 'hidden') {
      tell(HIDDEN_HZ);
      return;
    }
    const times: number[] = [];
    const draw = (time: number): void => {
      if (mine !== turn) return;
      times.push(time);
      if (times.length <= PICTURES) requestAnimationFrame(draw);
      else tell(rateOf(times));
    };
    requestAnimationFrame(draw);
  };
  document.addEventListener('visibilitychange', measure);
  measure();
}
