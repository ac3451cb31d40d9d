import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { rateOf, watchDisplay } from './display';

const every = (ms: number, n = 31) => Array.from({ length: n }, (_, i) => i * ms);

describe('rateOf', () => {
  it('is that of the display', () => {
    expect(rateOf(every(1000 / 60))).toBe(60);
    expect(rateOf(every(1000 / 119.88))).toBe(120);
  });

  it('is not that of a busy page, nor of no display at all', () => {
    const missed = every(1000 / 60, 120).filter((_, i) => i % 5 !== 1 && i % 7 !== 2);
    expect(rateOf(missed)).toBe(60);
    expect(rateOf(every(500))).toBe(30);
    expect(rateOf(every(0))).toBe(240);
    expect(rateOf([])).toBe(240);
  });
});

describe('watchDisplay', () => {
  let page: EventTarget & { visibilityState: string };
  let told: number[];
  let frames: ((time: number) => void)[];
  const show = (state: string): void => {
    page.visibilityState = state;
    page.dispatchEvent(new Event('visibilitychange'));
  };
  const draw = (ms: number): void => {
    for (let i = 0; i < 40; i++) for (const frame of frames.splice(0)) frame(i * ms);
  };

  beforeEach(() => {
    page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    told = [];
    frames = [];
    vi.stubGlobal('document', page);
    vi.stubGlobal('requestAnimationFrame', (frame: (time: number) => void) => frames.push(frame));
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('tells the display’s rate, less in the background, and the next display’s', () => {
    watchDisplay((hz) => told.push(hz));
    draw(1000 / 60);
    expect(told).toEqual([60]);
    expect(frames).toEqual([]);
    show('hidden');
    expect(told).toEqual([60, 1]);
    show('visible');
    draw(1000 / 144);
    expect(told).toEqual([60, 1, 144]);
  });

  it('drops a measurement that the background interrupts', () => {
    watchDisplay((hz) => told.push(hz));
    for (const frame of frames.splice(0)) frame(0);
    show('hidden');
    draw(1000);
    expect(told).toEqual([1]);
  });
});
