import { duration, parityMark, statusMark } from './format';
import type { Model } from './types';

/** What changed between two overviews, in sentences for screen readers: phases, ends, what serves. */
export function announcements(before: Model[], now: Model[]): string[] {
  const known = new Map(before.map(model => [model.name, model]));
  return now.flatMap(model => {
    const old = known.get(model.name);
    return old === model ? [] : [work(old, model), ended(old, model), serving(old, model)].filter(Boolean);
  });
}

function work(old: Model | undefined, model: Model): string {
  const phase = model.working?.phase;
  return phase && phase !== old?.working?.phase ? `${model.name}: ${phase}.` : '';
}

function ended(old: Model | undefined, model: Model): string {
  const row = model.last;
  if (!old?.working || model.working || !row) {
    return '';
  }
  const parity = row.status === 'verified' ? `, ${parityMark(row.parity).word}` : '';
  return `${model.name} version ${row.version} ${statusMark(row.status).word}${parity} in ${duration(row.seconds)}.`;
}

function serving(old: Model | undefined, model: Model): string {
  if (!old || (old.live?.version === model.live?.version && old.live?.running === model.live?.running)) {
    return '';
  }
  return model.live?.running
    ? `${model.name} now serves version ${model.live.version}.`
    : `${model.name} does not run.`;
}
