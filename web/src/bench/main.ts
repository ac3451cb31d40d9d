/** The page `/bench`: controls, words, and results for programs to read. */
import { fetchConfig, messageOf, type Transport } from '@gpys/client/parts';
import { byId, setText } from '../panel/dom';
import { Chart } from './chart';
import { type BenchResult, clockResolution, type Options } from './result';
import { Run } from './run';
import { ms, Table } from './table';
import { limited, NAMES, verdict } from './verdict';

const TRANSPORTS: Record<string, Transport[]> = {
  both: ['webtransport', 'websocket'],
  wt: ['webtransport'],
  ws: ['websocket'],
};
/** Interval of the table's updates during a run, in ms. */
const TABLE_MS = 1000;

declare global {
  interface Window {
    /** The newest run's result, also during the run. */
    gpysBench?: Promise<BenchResult>;
  }
}

const rate = byId<HTMLSelectElement>('rate');
const seconds = byId<HTMLInputElement>('seconds');
const transports = byId<HTMLSelectElement>('transports');
const start = byId<HTMLButtonElement>('start');
const progress = byId<HTMLProgressElement>('progress');
const summary = byId('summary');
const decision = byId('verdict');
const copy = byId<HTMLButtonElement>('copy');
const download = byId<HTMLButtonElement>('download');
const chart = new Chart(byId('chart'));
const table = new Table(byId('figures'));

let run: Run | undefined;
let busy = false;
let latest: BenchResult | undefined;
let tableShownAt = 0;

async function measure(options: Options): Promise<BenchResult> {
  setText(summary, 'Connecting.');
  setText(decision, '');
  chart.clear(options.seconds);
  table.show(undefined);
  progress.value = 0;
  const config = await fetchConfig(location);
  run = new Run(options, config, { changed, looked });
  const result = await run.done;
  finished(result);
  return result;
}

function changed(it: Run): void {
  if (it.phase === 'hidden') {
    setText(
      summary,
      'This page is hidden, and browsers slow it down, so this time does not count.',
    );
  } else if (it.phase === 'counting') {
    showRate(it.rate);
    const troubles = it.peers.filter(({ error }) => error).map(trouble);
    const words = ['Measuring.', limited(it.options.rate, it.rate), ...troubles];
    setText(summary, words.filter(Boolean).join(' '));
  }
}

/** Shows the actual rate in the form. */
function showRate(hz: number): void {
  const text = String(hz);
  if (![...rate.options].some((option) => option.value === text)) rate.add(new Option(text));
  rate.value = text;
}

function trouble({ transport, error }: { transport: Transport; error: string | null }): string {
  return `${NAMES[transport]}: ${error?.replace(/\.$/, '')}.`;
}

function looked(it: Run, at: number, peaks: (number | undefined)[]): void {
  progress.value = Math.min(1, at / it.options.seconds);
  chart.add(at, Object.fromEntries(it.peers.map(({ transport }, i) => [transport, peaks[i]])));
  const now = performance.now();
  if (now - tableShownAt < TABLE_MS) return;
  tableShownAt = now;
  table.show(it.result());
}

function finished(result: BenchResult): void {
  latest = result;
  table.show(result);
  byId('result').textContent = JSON.stringify(result);
  copy.disabled = false;
  download.disabled = false;
  const words = (
    Object.entries(result.transports) as [Transport, typeof result.transports.websocket][]
  )
    .map(([transport, it]) => {
      if (it?.error) return trouble({ transport, error: it.error });
      const picture = it?.sampled_age_ms;
      if (!picture) return `${NAMES[transport]}: nothing was measured.`;
      return `${NAMES[transport]}: the picture was ${ms(picture.p50)} ms old half of the time, and at most ${ms(picture.p99)} ms for 99 % of it.`;
    })
    .join(' ');
  const time = result.measured_seconds;
  setText(decision, verdict(result));
  const limit = limited(result.asked_rate_hz, result.rate_hz);
  const all = [time > 0 ? `Measured for ${time.toFixed(1)} s.` : '', limit, words];
  setText(summary, all.filter(Boolean).join(' '));
}

function toggle(): void {
  if (busy) {
    run?.stop();
    return;
  }
  setBusy(true);
  const options = {
    rate: Number(rate.value),
    seconds: seconds.valueAsNumber,
    transports: TRANSPORTS[transports.value]!,
  };
  const result = measure(options);
  window.gpysBench = result;
  result
    .catch((error) => setText(summary, `It could not start: ${messageOf(error)}.`))
    .finally(() => setBusy(false));
}

function setBusy(now: boolean): void {
  busy = now;
  run = undefined;
  for (const control of [rate, seconds, transports]) control.disabled = now;
  setText(start, now ? 'Stop' : 'Start');
}

/**
 * Reads `?rate=60&seconds=10&transports=both&auto=1`; values that are not valid choices are
 * ignored.
 */
function readAddress(): void {
  const asked = new URLSearchParams(location.search);
  for (const control of [rate, seconds, transports]) {
    const usual = control.value;
    control.value = asked.get(control.id) ?? usual;
    if (control.value === '' || !control.checkValidity()) control.value = usual;
  }
  if (asked.get('auto') === '1') toggle();
}

byId<HTMLFormElement>('controls').addEventListener('submit', (event) => {
  event.preventDefault();
  toggle();
});
// Only pages opened over HTTPS or on this computer have a clipboard.
copy.hidden = navigator.clipboard === undefined;
copy.addEventListener('click', async () => {
  await navigator.clipboard.writeText(JSON.stringify(latest, null, 2));
  setText(summary, 'Copied.');
});
download.addEventListener('click', () => {
  const file = new Blob([JSON.stringify(latest, null, 2)], { type: 'application/json' });
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = `gpys-bench-${latest?.started_at.replaceAll(/[:.]/g, '-')}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
});
window.addEventListener('pagehide', () => run?.stop());
setText(byId('clock'), `This page's clock has steps of ${clockResolution()} ms.`);
readAddress();
