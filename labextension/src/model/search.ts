import type { Model } from './types';
import { isBad } from './chart';

/** Which models are shown: those in a state. */
export type Filter = 'all' | 'running' | 'working' | 'stopped' | 'failed';

export const FILTERS: Record<Filter, string> = {
  all: 'All models',
  running: 'Running',
  working: 'Under way',
  stopped: 'Not running',
  failed: 'Last one failed'
};

/** The models that a person looks for: each word in the name, or in the notes, metrics and notebooks of late iterations. */
export function found(models: Model[], query: string, filter: Filter): Model[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return models.filter(model => passes(model, filter) && words.every(word => mentions(model, word)));
}

function passes(model: Model, filter: Filter): boolean {
  const running = model.live?.running ?? false;
  switch (filter) {
    case 'all':
      return true;
    case 'running':
      return running;
    case 'stopped':
      return !running;
    case 'working':
      return model.working !== null;
    case 'failed':
      return model.recent.length > 0 && isBad(model.recent[model.recent.length - 1]);
  }
}

function mentions(model: Model, word: string): boolean {
  return (
    model.name.includes(word) ||
    model.recent.some(row =>
      [row.note, row.notebook, ...Object.keys(row.metrics)].some(text => text?.toLowerCase().includes(word))
    )
  );
}
