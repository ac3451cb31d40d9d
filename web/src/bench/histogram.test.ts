import { expect, it } from 'vitest';
import { Histogram } from './histogram';

function of(times: number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of times) histogram.add(ms);
  return histogram;
}

it('ranks like sorting', () => {
  // 0.0 to 99.9 ms in steps of 0.1, shuffled.
  const times = Array.from({ length: 1000 }, (_, i) => ((i * 387) % 1000) / 10);
  const sorted = times.toSorted((a, b) => a - b);
  const ranked = of(times);
  for (const share of [0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
    expect(ranked.percentile(share)).toBe(sorted[Math.ceil(share * 1000) - 1]);
  }
  expect(ranked.percentiles()).toEqual({
    count: 1000,
    p50: 49.9,
    p90: 89.9,
    p99: 98.9,
    p999: 99.8,
    max: 99.9,
  });
});

it('rounds up to a tenth of a millisecond, but never above the largest', () => {
  expect(of([1.01, 5.55]).percentile(0.5)).toBe(1.1);
  expect(of([1.01]).percentile(0.5)).toBe(1.01);
  expect(of([-3]).percentile(1)).toBe(0);
});

it('knows the largest of the times that are too long for it', () => {
  const ranked = of([1, 2, 45_000, 70_000.5]);
  expect(ranked.percentile(0.5)).toBe(2);
  expect(ranked.percentile(1)).toBe(70_000.5);
});

it('gives the share above a limit, excluding the limit', () => {
  expect(of([50, 99.9, 100, 100.1]).shareAbove(100)).toBe(0.25);
  expect(of([100, 100]).shareAbove(100)).toBe(0);
  expect(of([40_000]).shareAbove(100)).toBe(1);
});

it('has no figures without times', () => {
  const empty = new Histogram();
  expect(empty.percentile(0.5)).toBeUndefined();
  expect(empty.percentiles()).toBeNull();
  expect(empty.shareAbove(100)).toBeNull();
});
