/** Numbers and states in words, the same as on the cards in notebooks. */

import type { Bar, Parity, Status } from './types';

const STEPS: [string, number, string, number][] = [
  ['d', 86400, 'h', 3600],
  ['h', 3600, 'min', 60],
  ['min', 60, 's', 1]
];

/** A time of any length: `12 ms`, `0.95 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) {
    return '–';
  }
  if (seconds < 60) {
    return seconds >= 0.1 ? `${seconds.toFixed(2)} s` : `${Math.round(seconds * 1000)} ms`;
  }
  const whole = Math.round(seconds);
  const [unit, size, smaller, less] = STEPS.find(step => whole >= step[1])!;
  const rest = Math.floor((whole % size) / less);
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${smaller}` : ''}`;
}

/** A time that still runs, in whole seconds: `4 s`, `1 min 5 s`. */
export function ticking(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : duration(whole);
}

/** How long ago something was: `just now`, `3 min ago`, `2 days ago`. */
export function ago(then: string | null, now: number): string {
  if (!then) {
    return '';
  }
  const passed = (now - Date.parse(then)) / 1000;
  if (passed < 60) {
    return 'just now';
  }
  if (passed < 3600) {
    return `${Math.floor(passed / 60)} min ago`;
  }
  if (passed < 86400) {
    return `${Math.floor(passed / 3600)} h ago`;
  }
  const days = Math.floor(passed / 86400);
  return `${days} day${days > 1 ? 's' : ''} ago`;
}

/** A metric; what was no finite number is told as null. */
export function metric(number: number | null): string {
  return number === null ? 'not finite' : value(number);
}

/** A param as people write it: at most four digits that count. */
export function value(item: unknown): string {
  if (item === null) {
    return 'None';
  }
  if (typeof item !== 'number') {
    return typeof item === 'string' ? item : JSON.stringify(item);
  }
  return Number.isInteger(item) ? String(item) : String(Number(item.toPrecision(4)));
}

/** A size in decimal units: `289 MB`. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const scaled = bytes / 1000 ** power;
  return `${power > 2 || (power && scaled < 10) ? scaled.toFixed(1) : Math.round(scaled)} ${units[power]}`;
}

/** `1 model`, `3 models`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A state in a word with a mark (colour alone tells nothing to many) and a tone that the style sheet colours. */
export interface Mark {
  sign: string;
  word: string;
  tone: 'good' | 'bad' | 'doubtful' | 'busy' | 'quiet';
}

const STATUS: Record<Status, Mark> = {
  verified: { sign: '✓', word: 'verified', tone: 'good' },
  deployed: { sign: '·', word: 'deployed', tone: 'doubtful' },
  built: { sign: '▫', word: 'built', tone: 'quiet' },
  running: { sign: '…', word: 'running', tone: 'busy' },
  failed: { sign: '✗', word: 'failed', tone: 'bad' },
  interrupted: { sign: '⊘', word: 'interrupted', tone: 'quiet' }
};

export function statusMark(status: Status): Mark {
  return STATUS[status] ?? { sign: '·', word: status, tone: 'quiet' };
}

const PARITY: Record<string, Mark & { long: string }> = {
  exact: { sign: '✓', word: 'exact', tone: 'good', long: 'Predicts exactly what the notebook predicted.' },
  close: {
    sign: '≈',
    word: 'close',
    tone: 'good',
    long: 'Predicts what the notebook predicted, within float tolerance.'
  },
  failed: { sign: '✗', word: 'differs', tone: 'bad', long: 'Does not predict what the notebook predicted.' },
  nondeterministic: {
    sign: '~',
    word: 'nondeterministic',
    tone: 'doubtful',
    long: 'The model contradicts itself in the notebook, so only shape, type and range were checked.'
  }
};
const UNPROVEN = { sign: '·', word: 'not proven', tone: 'quiet' as const, long: 'No sample: nothing was proven.' };

export function parityMark(parity: Parity): Mark & { long: string } {
  return PARITY[parity ?? ''] ?? UNPROVEN;
}

const UNTIL: Record<Status, string> = {
  verified: 'to verified',
  deployed: 'to deployed',
  built: 'to built',
  failed: 'until failed',
  interrupted: 'until interrupted',
  running: 'so far'
};

/** What the seconds of an iteration are the time of. */
export function callUntil(row: Bar): string {
  return UNTIL[row.status] ?? '';
}
