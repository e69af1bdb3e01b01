/** Where the parts of the small charts are; drawn by `panel/Trend.tsx` and `panel/PhasesBar.tsx`. */

import { callSeconds, counted, duration } from './format';
import { PHASES, type Phase, type ShortRow } from './types';

export interface Part {
  phase: Phase;
  seconds: number;
  /** Of the whole, between 0 and 1. */
  share: number;
}

/** The phases of a call, those that took time. */
export function phaseParts(seconds: Partial<Record<Phase, number | null | undefined>>): Part[] {
  const known = PHASES.map(phase => ({ phase, seconds: seconds[phase] ?? 0 })).filter(part => part.seconds > 0);
  const total = known.reduce((sum, part) => sum + part.seconds, 0);
  return known.map(part => ({ ...part, share: part.seconds / total }));
}

export function rowSeconds(row: ShortRow): Partial<Record<Phase, number | null>> {
  return Object.fromEntries(PHASES.map(phase => [phase, row[`${phase}_seconds`] ?? null]));
}

/** The phases in words: `capture 30 ms, start 0.92 s`. */
export function phasesText(parts: Part[]): string {
  return parts.map(part => `${part.phase} ${duration(part.seconds)}`).join(', ');
}

export interface Bar {
  row: ShortRow;
  x: number;
  width: number;
  height: number;
  /** It took longer than the chart is high; drawn with a cut. */
  cut: boolean;
  bad: boolean;
}

const GAP = 2;
const WIDEST = 14;
const LEAST = 2;
/** One slow first build would press all others flat, so what is this many times the median is cut. */
const CUT_ABOVE = 4;

/** Bars of what calls took, oldest first. */
export function trendBars(rows: ShortRow[], width: number, height: number): Bar[] {
  const times = rows.map(row => callSeconds(row) ?? 0);
  const top = ceiling(times);
  const step = Math.min(width / Math.max(rows.length, 1), WIDEST + GAP);
  return rows.map((row, index) => ({
    row,
    x: index * step,
    width: Math.max(step - GAP, 1),
    height: Math.max(LEAST, Math.min(times[index] / top, 1) * height),
    cut: times[index] > top,
    bad: isBad(row)
  }));
}

/** The chart in words, for those who cannot see it. */
export function trendText(rows: ShortRow[]): string {
  if (!rows.length) {
    return 'No iterations yet';
  }
  const good = rows.filter(row => !isBad(row)).map(row => callSeconds(row) ?? 0);
  const failed = rows.length - good.length;
  return [
    `Package to verified, last ${counted(rows.length, 'iteration')}`,
    ...(good.length ? [`newest ${duration(good[good.length - 1])}`, `median ${duration(median(good))}`] : []),
    failed ? `${failed} failed` : 'none failed'
  ].join(', ');
}

export function isBad(row: ShortRow): boolean {
  return row.status === 'failed' || row.status === 'interrupted';
}

function ceiling(times: number[]): number {
  const highest = Math.max(...times, 0);
  const limit = CUT_ABOVE * median(times.filter(time => time > 0));
  return (limit > 0 ? Math.min(highest, limit) : highest) || 1;
}

function median(values: number[]): number {
  if (!values.length) {
    return 0;
  }
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
