/** The table of figures: its rows and their words. */
import type { Transport } from '@gpys/client/parts';
import type { Percentiles } from './histogram';
import type { Ages, BenchResult, TransportResult } from './result';

type Cell = (it: TransportResult) => string;

interface Row {
  /** A stable name, for tests. */
  key: string;
  label: string;
  cell: Cell;
}

const RANKS = [
  ['p50', 'p50 (half)'],
  ['p90', 'p90'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['max', 'oldest'],
] as const;
const TRANSPORTS: Transport[] = ['webtransport', 'websocket'];
const NONE = '–';

export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  return value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en');
}

function percent(share: number | null): string {
  if (share === null) return NONE;
  const percents = share * 100;
  return `${percents === 0 ? '0' : percents < 0.1 ? percents.toFixed(3) : percents.toFixed(1)} %`;
}

function ranks(key: string, of: (it: TransportResult) => Percentiles | null | undefined): Row[] {
  return RANKS.map(([rank, label]) => ({
    key: `${key}.${rank}`,
    label,
    cell: (it) => ms(of(it)?.[rank]),
  }));
}

function fromOther(key: keyof Ages & `${string}_ms`): Row {
  const label = key === 'age_ms' ? 'on arrival, p99' : 'at any moment, p99';
  return { key: `from_other.${key}.p99`, label, cell: (it) => ms(it.from_other?.[key]?.p99) };
}

const GROUPS: { title: string; rows: Row[] }[] = [
  {
    title: 'Age on arrival, ms',
    rows: [
      {
        key: 'age_ms.count',
        label: 'positions',
        cell: (it) => (it.age_ms?.count ?? 0).toLocaleString('en'),
      },
      ...ranks('age_ms', (it) => it.age_ms),
    ],
  },
  {
    title: 'Age at any moment, ms',
    rows: [
      ...ranks('sampled_age_ms', (it) => it.sampled_age_ms),
      {
        key: 'stale_share',
        label: 'older than 100 ms',
        cell: (it) => percent(it.stale_share),
      },
    ],
  },
  {
    title: 'Sent over the other transport, ms',
    rows: [fromOther('age_ms'), fromOther('sampled_age_ms')],
  },
  {
    title: 'Joining, ms since dialling',
    rows: [
      { key: 'join_ms.open', label: 'link open', cell: (it) => ms(it.join_ms.open) },
      { key: 'join_ms.welcome', label: 'welcomed', cell: (it) => ms(it.join_ms.welcome) },
      {
        key: 'join_ms.first_frame',
        label: 'first frame',
        cell: (it) => ms(it.join_ms.first_frame),
      },
    ],
  },
  {
    title: 'Link',
    rows: [
      { key: 'state', label: 'state', cell: (it) => it.state },
      { key: 'rtt_ms', label: 'newest round trip, ms', cell: (it) => ms(it.rtt_ms) },
      {
        key: 'messages_per_second',
        label: 'messages per second',
        cell: (it) => it.messages_per_second.toFixed(1),
      },
      {
        key: 'bytes_per_second',
        label: 'bytes per second',
        cell: (it) => Math.round(it.bytes_per_second).toLocaleString('en'),
      },
      {
        key: 'ticks_missed_share',
        label: 'ticks without a frame',
        cell: (it) => percent(it.ticks_missed_share),
      },
    ],
  },
];

export class Table {
  private readonly cells: { cell: Cell; transport: Transport; element: HTMLElement }[] = [];

  constructor(table: HTMLElement) {
    for (const { title, rows } of GROUPS) {
      const body = table.appendChild(document.createElement('tbody'));
      const head = header(body.appendChild(document.createElement('tr')), 'rowgroup', title);
      head.colSpan = 1 + TRANSPORTS.length;
      for (const row of rows) this.row(body.appendChild(document.createElement('tr')), row);
    }
  }

  show(result: BenchResult | undefined): void {
    for (const { cell, transport, element } of this.cells) {
      const it = result?.transports[transport];
      const text = it ? cell(it) : NONE;
      if (element.textContent !== text) element.textContent = text;
    }
  }

  private row(element: HTMLElement, { key, label, cell }: Row): void {
    header(element, 'row', label);
    for (const transport of TRANSPORTS) {
      const td = element.appendChild(document.createElement('td'));
      td.dataset.figure = `${transport}.${key}`;
      td.textContent = NONE;
      this.cells.push({ cell, transport, element: td });
    }
  }
}

function header(row: HTMLElement, scope: string, text: string): HTMLTableCellElement {
  const th = row.appendChild(document.createElement('th'));
  th.scope = scope;
  th.textContent = text;
  return th;
}
