import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { Candidates } from '../../src/model/types';
import { violations } from '../accessible';
import { ContainerizeForm } from '../../src/views/ContainerizeForm';

const CANDIDATES: Candidates = {
  format: 1,
  version: '0.1.0',
  loaded: true,
  models: [
    {
      variable: 'clf',
      type: 'RandomForestClassifier',
      library: 'sklearn',
      fitted: true,
      name: 'clf',
      samples: ['X_test[:5]']
    },
    { variable: 'fresh', type: 'Ridge', library: 'sklearn', fitted: false, name: 'fresh', samples: [] }
  ],
  samples: [
    { expression: 'X_test[:5]', type: 'DataFrame', shape: [5, 13] },
    { expression: 'X[:5]', type: 'DataFrame', shape: [5, 13] }
  ],
  metrics: [{ expression: 'acc', value: 0.93333 }]
};

function shown(candidates = CANDIDATES): { onChoice: ReturnType<typeof vi.fn>; line: () => string } {
  const onChoice = vi.fn();
  render(
    <ContainerizeForm
      candidates={candidates}
      options={{ engine: '', memory: '', cpus: 0 }}
      latest={name => (name === 'churn' ? 3 : undefined)}
      onChoice={onChoice}
    />
  );
  return { onChoice, line: () => document.querySelector('pre')!.textContent };
}

describe('the form', () => {
  it('says which version it becomes where there is a model of that name', async () => {
    shown();
    const name = screen.getByRole('textbox', { name: 'Name' });
    expect(name.getAttribute('aria-describedby')).toBeNull();
    await userEvent.clear(name);
    await userEvent.type(name, 'churn');
    expect(screen.getByText('There is a model of this name: this becomes its version 4.')).toBeDefined();
  });

  it('begins with the best model and sample, and shows the line', () => {
    expect(shown().line()).toBe('%containerize clf --name clf --sample X_test[:5]');
  });

  it('shows the line that loads the magics, where they are not loaded yet', () => {
    expect(shown({ ...CANDIDATES, loaded: false }).line()).toMatch(
      /^%load_ext jupyter_containeriter\n%containerize clf/
    );
  });

  it('writes every choice into the line and gives it on', async () => {
    const { onChoice, line } = shown();
    await userEvent.clear(screen.getByLabelText('Name'));
    await userEvent.type(screen.getByLabelText('Name'), 'wine');
    await userEvent.selectOptions(screen.getByLabelText('Sample'), 'X[:5]');
    await userEvent.click(screen.getByLabelText('acc = 0.9333'));
    await userEvent.clear(screen.getByLabelText('Name of the metric acc'));
    await userEvent.type(screen.getByLabelText('Name of the metric acc'), 'accuracy');
    await userEvent.type(screen.getByLabelText('Note'), 'first try');
    expect(line()).toBe('%containerize clf --name wine --sample X[:5] --metric accuracy=acc --note "first try"');
    expect(onChoice).toHaveBeenLastCalledWith({
      variable: 'clf',
      name: 'wine',
      sample: 'X[:5]',
      metrics: [{ key: 'accuracy', expression: 'acc' }],
      note: 'first try'
    });
  });

  it('proposes another name and sample with another model', async () => {
    const { line } = shown();
    await userEvent.selectOptions(screen.getByLabelText('Model'), 'fresh');
    expect(line()).toBe('%containerize fresh --name fresh');
    expect(screen.getByText('It does not seem to be fitted yet: fit it first.')).toBeDefined();
    expect(screen.getByText('Without a sample nothing is proven.')).toBeDefined();
  });

  it('keeps a name that was typed', async () => {
    const { line } = shown();
    await userEvent.type(screen.getByLabelText('Name'), '-2');
    await userEvent.selectOptions(screen.getByLabelText('Model'), 'fresh');
    expect(line()).toBe('%containerize fresh --name clf-2');
  });

  it('takes any other expression as a sample', async () => {
    const { line } = shown();
    await userEvent.selectOptions(screen.getByLabelText('Sample'), 'another expression…');
    await userEvent.type(screen.getByLabelText('Expression of the sample'), 'rows.head(3)');
    expect(line()).toContain('--sample rows.head(3)');
  });

  it('refuses a name that cannot be one, and proposes one', async () => {
    shown();
    const name = screen.getByLabelText<HTMLInputElement>('Name');
    await userEvent.clear(name);
    await userEvent.type(name, 'My Wine');
    expect(name.validity.valid).toBe(false);
    expect(screen.getByRole('alert').textContent).toContain('my-wine');
  });

  it('is accessible', async () => {
    shown();
    await userEvent.click(screen.getByLabelText('acc = 0.9333'));
    expect(await violations()).toEqual([]);
  });
});
