import type { Model, Row } from './types';

/** Iterations newest first: what was read before, and on top of it what the overview says now. */
export function merged(known: Row[], recent: Row[]): Row[] {
  const rows = new Map(known.map(row => [row.version, row]));
  recent.forEach(row => rows.set(row.version, row));
  return [...rows.values()].sort((a, b) => b.version - a.version);
}

/** What the status bar says: how many deployments run, and how long the last cycle took, over all models. */
export function summary(models: Model[]): { running: number; working: number; cycleSeconds: number | null } {
  const ended = models
    .flatMap(model => model.recent.slice(-5))
    .filter(row => row.finished_at !== null && row.cycle_seconds !== null);
  const last = ended.sort((a, b) => Date.parse(b.finished_at!) - Date.parse(a.finished_at!))[0];
  return {
    running: models.filter(model => model.live?.running).length,
    working: models.filter(model => model.working).length,
    cycleSeconds: last?.cycle_seconds ?? null
  };
}
