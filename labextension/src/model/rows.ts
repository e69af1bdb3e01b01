import { value } from './format';
import { PHASES, type Model, type Row, type Working } from './types';

/** Params that are not those of an earlier version, as `max_depth None → 5`; none where either has none at all. */
export function changedParams(row: Row, before: Row | undefined): string[] {
  const old = before?.params ?? {};
  if (!Object.keys(old).length || !Object.keys(row.params).length) {
    return [];
  }
  const keys = [...new Set([...Object.keys(old), ...Object.keys(row.params)])];
  return keys
    .filter(key => JSON.stringify(old[key]) !== JSON.stringify(row.params[key]))
    .map(key => `${key} ${side(old[key])} → ${side(row.params[key])}`);
}

function side(param: unknown): string {
  return param === undefined ? 'unset' : value(param);
}

/** What the status bar says: how many deployments run, and how long the last cycle took, over all models. */
export function summary(models: Model[]): { running: number; working: number; cycleSeconds: number | null } {
  const ended = models.flatMap(({ last }) => (last?.finished_at && last.cycle_seconds !== null ? [last] : []));
  const last = ended.sort((a, b) => Date.parse(b.finished_at!) - Date.parse(a.finished_at!))[0];
  return {
    running: models.filter(model => model.live?.running).length,
    working: models.filter(model => model.working).length,
    cycleSeconds: last?.cycle_seconds ?? null
  };
}

/** How long a call has been under way. */
export function elapsedSeconds(working: Working, now: number): number {
  const noted = PHASES.reduce((sum, phase) => sum + (working.seconds[phase] ?? 0), 0);
  return noted + Math.max(0, now - Date.parse(working.since)) / 1000;
}
