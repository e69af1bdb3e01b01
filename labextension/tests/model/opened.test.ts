import { expect, it, vi } from 'vitest';
import { OpenedModels } from '../../src/model/opened';

it('keeps what a person opens and closes', () => {
  const keep = vi.fn();
  const opened = new OpenedModels(keep);
  opened.toggle('churn');
  opened.toggle('wine');
  opened.toggle('churn');
  expect(keep.mock.calls).toEqual([[['churn']], [['churn', 'wine']], [['wine']]]);
});

it('opens what was kept beside what was opened meanwhile, and tells of it', () => {
  const opened = new OpenedModels();
  const told = vi.fn();
  opened.subscribe(told);
  opened.toggle('churn');
  opened.restore(['wine']);
  expect([...opened.snapshot()].sort()).toEqual(['churn', 'wine']);
  expect(told).toHaveBeenCalledTimes(2);
});
