/** Where the parts of the small charts are; drawn by `panel/Trend.tsx` and `panel/PhasesBar.tsx`. */

import { counted, duration } from './format';
import { PHASES, type Bar, type Ended, type Phase } from './types';

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

export function rowSeconds(row: Ended): Partial<Record<Phase, number | null>> {
  return Object.fromEntries(PHASES.map(phase => [phase, row[`${phase}_seconds`] ?? null]));
}

/** The phases in words: `capture 30 ms, start 0.92 s`. */
export function phasesText(parts: Part[]): string {
  return parts.map(part => `${part.phase} ${duration(part.seconds)}`).join(', ');
}

export interface Place {
  bar: Bar;
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

/** Where the bars of what calls took stand, oldest first. */
export function trendPlaces(bars: Bar[], width: number, height: number): Place[] {
  const times = bars.map(bar => bar.seconds ?? 0);
  const top = ceiling(times);
  const step = Math.min(width / Math.max(bars.length, 1), WIDEST + GAP);
  return bars.map((bar, index) => ({
    bar,
    x: index * step,
    width: Math.max(step - GAP, 1),
    height: Math.max(LEAST, Math.min(times[index] / top, 1) * height),
    cut: times[index] > top,
    bad: isBad(bar)
  }));
}

/** The chart in words, for those who cannot see it. */
export function trendText(bars: Bar[]): string {
  if (!bars.length) {
    return 'No iterations yet';
  }
  const good = bars.filter(bar => !isBad(bar)).map(bar => bar.seconds ?? 0);
  const failed = bars.length - good.length;
  return [
    `Package to verified, last ${counted(bars.length, 'iteration')}`,
    ...(good.length ? [`newest ${duration(good[good.length - 1])}`, `median ${duration(median(good))}`] : []),
    failed ? `${failed} failed` : 'none failed'
  ].join(', ');
}

export function isBad({ status }: Bar): boolean {
  return status === 'failed' || status === 'interrupted';
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
