import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { announcements } from '../model/announce';
import type { Api } from '../model/api';
import { problemOf } from '../model/problem';
import type { OverviewStore, State } from '../model/store';
import type { Model, Problem, Row } from '../model/types';

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
  /** Null until they are known. */
  rows: Row[] | null;
  /** So many of `rows` are wanted; one more tells what changed since. */
  wanted: number;
  problem: Problem | null;
  more(): void;
}

/** The iterations of a model, newest first; asked for again when more are wanted, and when one begins or ends. */
export function useIterations(api: Api, model: Model): Iterations {
  const { name } = model;
  const [wanted, setWanted] = useState(FIRST);
  const [known, setKnown] = useState<Pick<Iterations, 'rows' | 'problem'>>({ rows: null, problem: null });
  const changes = JSON.stringify([model.recent, model.last]);
  useEffect(() => {
    let current = true;
    api
      .iterations(name, wanted + 1)
      .then(({ iterations }) => current && setKnown({ rows: iterations, problem: null }))
      .catch(error => current && setKnown(({ rows }) => ({ rows, problem: problemOf(error) })));
    return () => {
      current = false;
    };
  }, [api, name, wanted, changes]);
  return { ...known, wanted, more: () => setWanted(wanted + STEP) };
}
