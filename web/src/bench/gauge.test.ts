import { expect, it } from 'vitest';
import { Gauge } from './gauge';

it('counts each arrival once, and the picture every millisecond', () => {
  const gauge = new Gauge();
  gauge.start(1000);
  gauge.show(1000, 1010);
  gauge.show(1000, 1015);
  gauge.show(1020, 1030);
  gauge.stop(1130);
  expect(gauge.arrivals.count).toBe(2);
  expect(gauge.arrivals.percentiles()!.max).toBe(10);
  // At 1010 to 1030 it is 10 to 30 ms old, from 1031 to 1130 it is 11 to 110.
  expect(gauge.looks.count).toBe(21 + 100);
  expect(gauge.looks.percentiles()!.max).toBe(110);
  expect(gauge.looks.shareAbove(100)).toBeCloseTo(10 / 121, 12);
});

it('ignores an older sample', () => {
  const gauge = new Gauge();
  gauge.start(0);
  gauge.show(20, 25);
  gauge.show(10, 26);
  gauge.stop(30);
  expect(gauge.arrivals.count).toBe(1);
  expect(gauge.looks.percentiles()!.max).toBe(10);
});

it('leaves out the time between a stop and a start, and samples from it', () => {
  const gauge = new Gauge();
  gauge.start(0);
  gauge.show(1, 2);
  gauge.stop(4);
  gauge.show(5, 6);
  gauge.start(60_000);
  gauge.show(59_000, 60_001);
  gauge.show(60_002, 60_004);
  gauge.stop(60_005);
  expect(gauge.arrivals.count).toBe(2);
  expect(gauge.looks.count).toBe(3 + 2);
  expect(gauge.looks.percentiles()!.max).toBe(3);
});

it('keeps the peak since the last call', () => {
  const gauge = new Gauge();
  gauge.start(0);
  expect(gauge.takePeak(5)).toBeUndefined();
  gauge.show(5, 10);
  gauge.show(45, 50);
  expect(gauge.takePeak(52)).toBe(45);
  expect(gauge.takePeak(53)).toBe(8);
});
