import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { announcements } from '../model/announce';
import type { Api } from '../model/api';
import { merged } from '../model/rows';
import { problemOf } from '../model/problem';
import type { OverviewStore, State } from '../model/store';
import type { Model, Problem, Row, ShortRow } from '../model/types';

export function useStore(store: OverviewStore): State {
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

/** The time, again every `ms` milliseconds. */
export function useNow(ms: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}

/** What changed last, in a sentence; for a live region. */
export function useAnnouncement(models: Model[]): string {
  const before = useRef(models);
  const [text, setText] = useState('');
  useEffect(() => {
    const news = announcements(before.current, models).join(' ');
    before.current = models;
    if (news) {
      setText(news);
    }
  }, [models]);
  return text;
}

const FIRST = 10;
const STEP = 30;

export interface Iterations {
  rows: ShortRow[];
  /** How many are not shown yet. */
  hidden: number;
  loading: boolean;
  problem: Problem | null;
  more(): void;
}

/** The iterations of a model, newest first: the late ones are known, older ones are asked for page by page. */
export function useIterations(api: Api, model: Model): Iterations {
  const [older, setOlder] = useState<ShortRow[]>([]);
  const [shown, setShown] = useState(FIRST);
  const [loading, setLoading] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const rows = merged(older, model.recent);
  // Rows that leave `recent` stay known: otherwise a new iteration would tear a hole above the older pages.
  useEffect(() => setOlder(known => merged(known, model.recent)), [model.recent]);

  const more = useCallback(() => {
    setShown(count => count + STEP);
    const known = rows.length;
    if (known >= model.total || known >= shown + STEP) {
      return;
    }
    setLoading(true);
    setProblem(null);
    api
      .iterations(model.name, STEP, rows[known - 1]?.version)
      .then(page => setOlder(before => merged(before, page.iterations)))
      .catch(error => setProblem(problemOf(error)))
      .finally(() => setLoading(false));
  }, [api, model.name, model.total, rows, shown]);

  const visible = rows.slice(0, shown);
  return { rows: visible, hidden: Math.max(model.total - visible.length, 0), loading, problem, more };
}

export interface RowDetails {
  /** All of the iteration; null until it is known. */
  full: Row | null;
  /** The version before it. */
  before: Row | undefined;
  problem: Problem | null;
}

/** All of an iteration, asked for again when something of it changes. */
export function useDetails(api: Api, name: string, row: ShortRow): RowDetails {
  const { version, status } = row;
  const [details, setDetails] = useState<RowDetails>({ full: null, before: undefined, problem: null });
  useEffect(() => {
    let wanted = true;
    api
      .iterations(name, 2, version + 1)
      .then(({ iterations: [full, before] }): RowDetails => ({ full: full ?? null, before, problem: null }))
      .catch((error): RowDetails => ({ full: null, before: undefined, problem: problemOf(error) }))
      .then(found => wanted && setDetails(found));
    return () => {
      wanted = false;
    };
  }, [api, name, version, status]);
  return details;
}
