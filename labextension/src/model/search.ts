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

/** The models that a person looks for: each word in the name, a late note, the notebook or a metric of the last one. */
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
      return model.last !== null && isBad(model.last);
  }
}

function mentions(model: Model, word: string): boolean {
  const { name, last, recent } = model;
  const texts = [name, last?.notebook, ...Object.keys(last?.metrics ?? {}), ...recent.map(bar => bar.note)];
  return texts.some(text => text?.toLowerCase().includes(word));
}
