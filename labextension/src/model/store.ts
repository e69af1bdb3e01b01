import type { Api } from './api';
import { Following } from './follow';
import { ApiError, problemOf } from './problem';
import type { Model, Overview, Problem } from './types';

/**
 * `connecting`: nothing is known yet. `live`: what is shown is what is. `lost`: it will be tried again by itself.
 * `refused`: it will not (the server part is missing, or access is denied).
 */
export type Connection = 'connecting' | 'live' | 'lost' | 'refused';

export interface State {
  connection: Connection;
  /** What was heard last; null before that. */
  overview: Overview | null;
  /** Why there is no connection. */
  problem: Problem | null;
  /** What the server's clock is ahead of this browser's, in milliseconds. */
  clockOffset: number;
}

/** Of clocks that are set by the network. */
const CLOCKS_AGREE_MS = 2_000;

const START: State = { connection: 'connecting', overview: null, problem: null, clockOffset: 0 };

/** The server's overview, kept up to date while somebody may look. Immutable states, so React can compare them. */
export class OverviewStore {
  constructor(api: Api) {
    this.following = new Following(api, 'events', {
      onOpen: response => this.opened(response),
      onData: data => this.heard(JSON.parse(data) as Overview),
      onLost: (error, retryMs) => this.lost(error, retryMs)
    });
  }

  get state(): State {
    return this.current;
  }

  /** Call `listener` after every change; returns how to stop that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): State => this.current;

  /** Connect, or connect again at once. */
  connect(): void {
    this.following.start();
  }

  /** Close the connection; what was heard stays. */
  pause(): void {
    this.following.stop();
  }

  model(name: string): Model | undefined {
    return this.current.overview?.models.find(model => model.name === name);
  }

  private opened(response: Response): void {
    const date = Date.parse(response.headers.get('Date') ?? '');
    const offset = Number.isNaN(date) ? 0 : date - Date.now();
    // The header tells whole seconds, so a smaller difference is none.
    this.set({ clockOffset: Math.abs(offset) < CLOCKS_AGREE_MS ? 0 : offset });
  }

  private heard(overview: Overview): void {
    const models = shared(this.current.overview?.models ?? [], overview.models);
    this.set({ connection: 'live', problem: null, overview: { ...overview, models } });
  }

  private lost(error: unknown, retryMs: number | null): void {
    const absent = error instanceof ApiError && error.status === 404;
    this.set({
      connection: retryMs === null ? 'refused' : 'lost',
      problem: problemOf(error),
      overview: absent ? null : this.current.overview
    });
  }

  private set(change: Partial<State>): void {
    this.current = { ...this.current, ...change };
    this.listeners.forEach(listener => listener());
  }

  private current: State = START;
  private readonly listeners = new Set<() => void>();
  private readonly following: Following;
}

/** Keep the objects of models in which nothing changed, so that only the others are drawn again. */
export function shared(before: Model[], now: Model[]): Model[] {
  const known = new Map(before.map(model => [model.name, model]));
  return now.map(model => {
    const old = known.get(model.name);
    return old && JSON.stringify(old) === JSON.stringify(model) ? old : model;
  });
}
