/** Ages over time, a line for each transport. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Transport } from '@gpys/client/parts';

const HEIGHT = 240;
/** The axis covers at least this many ms, so that the noise of a clean network looks like noise. */
const LEAST_MS = 100;
const TRANSPORTS: Transport[] = ['webtransport', 'websocket'];

type Points = (number | null)[];

export class Chart {
  private readonly plot: uPlot;
  private seconds: number[] = [];
  private lines: Points[] = TRANSPORTS.map(() => []);
  private span = 1;

  constructor(private readonly element: HTMLElement) {
    this.plot = new uPlot(this.options(), [[], [], []], element);
    new ResizeObserver(() => this.resize()).observe(element);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
      this.plot.redraw(false),
    );
  }

  /** Clears the chart for a run of `span` seconds. */
  clear(span: number): void {
    this.span = span;
    this.seconds = [];
    this.lines = TRANSPORTS.map(() => []);
    this.draw();
  }

  /** Adds ages in ms; a transport without one gets a gap. */
  add(seconds: number, ages: Partial<Record<Transport, number | undefined>>): void {
    this.seconds.push(seconds);
    TRANSPORTS.forEach((transport, i) => {
      this.lines[i]!.push(ages[transport] ?? null);
    });
    this.draw();
  }

  private draw(): void {
    this.plot.setData([this.seconds, ...this.lines] as uPlot.AlignedData);
  }

  private resize(): void {
    const width = this.element.clientWidth;
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  private options(): uPlot.Options {
    // Functions, so that a redraw uses the current colours, light or dark.
    const colour = (name: string) => () => getComputedStyle(this.element).getPropertyValue(name);
    const font = '12px system-ui, sans-serif';
    const axis: uPlot.Axis = {
      stroke: colour('--soft'),
      font,
      labelFont: font,
      labelSize: 18,
      grid: { stroke: colour('--grid'), width: 1 },
      ticks: { stroke: colour('--grid'), width: 1 },
    };
    const line: uPlot.Series = { width: 1.5, points: { show: false } };
    return {
      width: this.element.clientWidth || 320,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [0, this.span] },
        y: { range: (_, __, most) => [0, Math.max(LEAST_MS, (most ?? 0) * 1.05)] },
      },
      axes: [
        { ...axis, label: 'seconds', size: 32 },
        { ...axis, label: 'age, ms', size: 48 },
      ],
      series: [
        {},
        { ...line, stroke: colour('--webtransport') },
        { ...line, stroke: colour('--websocket'), dash: [5, 3] },
      ],
    };
  }
}
