import { act, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import { Api } from '../../src/model/api';
import { OpenedModels } from '../../src/model/opened';
import { OverviewStore } from '../../src/model/store';
import type { Overview } from '../../src/model/types';
import { Panel } from '../../src/panel/Panel';
import { COMMANDS } from '../../src/tokens';
import { violations } from '../accessible';
import { eventStream, failedRow, live, model, overview, page, row } from '../samples';

interface Shown {
  hear: (overview: Overview) => Promise<void>;
  execute: ReturnType<typeof vi.fn>;
  requests: string[];
}

/** The panel with a server that answers as the test says; requests but for the events are answered by `answer`. */
function shown(answer: (path: string) => Response = () => new Response('{}')): Shown {
  const stream = eventStream();
  const requests: string[] = [];
  const api = new Api(path => {
    if (path.endsWith('/events')) {
      return Promise.resolve(stream.response);
    }
    requests.push(path);
    return Promise.resolve(answer(path));
  });
  const store = new OverviewStore(api);
  const execute = vi.fn();
  store.connect();
  render(<Panel store={store} opened={new OpenedModels()} api={api} execute={execute} />);
  const hear = async (heard: Overview): Promise<void> => {
    const before = store.state.overview;
    stream.send(`event: overview\ndata: ${JSON.stringify(heard)}\n\n`);
    await act(() => vi.waitFor(() => expect(store.state.overview).not.toBe(before)));
  };
  return { hear, execute, requests };
}

async function refused(status: number): Promise<void> {
  const api = new Api(() => Promise.resolve(new Response('', { status })));
  const store = new OverviewStore(api);
  render(<Panel store={store} opened={new OpenedModels()} api={api} execute={vi.fn()} />);
  store.connect();
  await act(() => vi.waitFor(() => expect(store.state.connection).toBe('refused')));
}

const open = (name: string): Promise<void> => userEvent.click(screen.getByRole('button', { name }));

describe('the panel', () => {
  it('says that it asks until it knows', () => {
    shown();
    expect(screen.getByText('Asking the server…')).toBeDefined();
  });

  it('says how to begin where there is nothing yet', async () => {
    const { hear, execute } = shown();
    await hear(overview([]));
    expect(screen.getByText('No iterations yet')).toBeDefined();
    await userEvent.click(screen.getByRole('button', { name: 'Containerize…' }));
    expect(execute).toHaveBeenCalledWith(COMMANDS.containerize);
  });

  it('says how to install the server part where it is missing', async () => {
    await refused(404);
    expect(screen.getByRole('alert').textContent).toContain('pip install jupyter_containeriter');
    expect(screen.getByRole('button', { name: 'Try now' })).toBeDefined();
  });

  it('says what to do where no engine answers, and still shows the models', async () => {
    const { hear } = shown();
    const problem = { message: 'Docker does not answer.', remedy: 'Start it, or choose the sandbox.' };
    await hear(overview([model('churn', { live: null })], { engine: null, problem }));
    expect(screen.getByRole('alert').textContent).toBe('Docker does not answer.Start it, or choose the sandbox.');
    expect(screen.getByRole('listitem', { name: 'churn' }).textContent).toContain('not known');
  });

  it('shows what serves each model and what is proven of it', async () => {
    const { hear } = shown();
    await hear(
      overview([model('churn'), model('wine', { live: null }), model('old', { live: live(1, { running: false }) })])
    );
    expect(screen.getByRole('listitem', { name: 'churn' }).textContent).toMatch(/v2 running.*exact/);
    expect(screen.getByRole('listitem', { name: 'wine' }).textContent).toContain('not deployed');
    expect(screen.getByRole('listitem', { name: 'old' }).textContent).toContain('v1 stopped');
  });

  it('tells that a later version than the one that serves came to nothing', async () => {
    const { hear } = shown();
    await hear(overview([model('churn', {}, [row(1), row(2), row(3, { status: 'interrupted' })])]));
    expect(screen.getByRole('listitem', { name: 'churn' }).textContent).toContain('v3 interrupted');
  });

  it('shows the phase of an iteration under way, and tells of it', async () => {
    const { hear } = shown();
    await hear(overview([model('churn')]));
    const working = { version: 3, phase: 'build', seconds: { capture: 1 }, since: new Date().toISOString() };
    await hear(overview([model('churn', { working })]));
    expect(screen.getByRole('list', { name: 'Phases under way' })).toBeDefined();
    expect(screen.getByText(/Version 3: build · 1 s/)).toBeDefined();
    expect(screen.getAllByRole('status').map(({ textContent }) => textContent)).toContain('churn: build.');
  });

  it('opens the iterations of a model, newest first', async () => {
    const { hear } = shown(path => page([row(1), row(2)], path));
    await hear(overview([model('churn')]));
    await open('churn');
    const rows = within(screen.getByRole('list', { name: 'Iterations of churn' })).getAllByRole('listitem');
    expect(rows.map(item => item.getAttribute('aria-label'))).toEqual(['Version 2, live', 'Version 1']);
    expect(screen.getByRole('button', { name: 'churn' }).getAttribute('aria-expanded')).toBe('true');
  });

  it('asks for older iterations only when they are wanted', async () => {
    const rows = Array.from({ length: 50 }, (_, index) => row(index + 1));
    const { hear, requests } = shown(path => page(rows, path));
    await hear(overview([model('churn', { live: null }, rows)]));
    expect(requests).toEqual([]);
    await open('churn');
    await open('Show older (40 more)');
    expect(requests).toEqual([11, 41].map(last => `containeriter/api/models/churn/iterations?last=${last}`));
    await open('Show older (10 more)');
    expect(await screen.findByRole('listitem', { name: 'Version 1' })).toBeDefined();
    expect(screen.queryByRole('button', { name: /Show older/ })).toBeNull();
  });

  it('offers what can be done with a version, and not what cannot', async () => {
    const rows = [row(1), failedRow(2), row(3)];
    const { hear, execute } = shown(path => page(rows, path));
    await hear(overview([model('churn', { live: live(3) }, rows)]));
    await open('churn');
    await open('Deploy churn:1');
    expect(execute).toHaveBeenCalledWith(COMMANDS.deploy, { name: 'churn', version: 1 });
    await open('Restore churn:3 into the notebook');
    expect(execute).toHaveBeenCalledWith(COMMANDS.restore, { name: 'churn', version: 3 });
    expect(screen.queryByRole('button', { name: 'Deploy churn:2' })).toBeNull();
    expect(screen.queryByRole('button', { name: 'Deploy churn:3' })).toBeNull();
  });

  it('offers what needs a running deployment only while one runs', async () => {
    const { hear, execute } = shown(path => page([row(1), row(2)], path));
    await hear(overview([model('churn')]));
    await open('churn');
    await open('Stop churn');
    expect(execute).toHaveBeenCalledWith(COMMANDS.stop, { name: 'churn' });
    await hear(overview([model('churn', { live: null })]));
    expect(screen.queryByRole('button', { name: 'Stop churn' })).toBeNull();
    expect(screen.getByRole('button', { name: 'Show the report of churn' })).toBeDefined();
  });

  it('tells why an iteration failed', async () => {
    const rows = [row(1), failedRow(2)];
    const { hear } = shown(path => page(rows, path));
    await hear(overview([model('churn', {}, rows)]));
    await open('churn');
    await open('Details of version 2');
    expect(screen.getByText('churn predicts something else than the notebook')).toBeDefined();
  });

  it('tells what changed since the version before', async () => {
    const rows = [row(1, { params: { max_depth: 3 } }), row(2, { params: { max_depth: 5 }, think_seconds: 42 })];
    const { hear } = shown(path => page(rows, path));
    await hear(overview([model('churn', {}, rows)]));
    await open('churn');
    await open('Details of version 2');
    expect(screen.getByText('max_depth 3 → 5')).toBeDefined();
    expect(screen.getByText('42.00 s')).toBeDefined();
  });

  it('does not say that there was no sample where a call failed before anything could be proven', async () => {
    const rows = [failedRow(1, { parity: '' }), row(2, { parity: '' })];
    const { hear } = shown(path => page(rows, path));
    await hear(overview([model('churn', {}, rows)]));
    await open('churn');
    await open('Details of version 1');
    expect(screen.queryByText('Parity')).toBeNull();
    await open('Details of version 2');
    expect(screen.getByText('No sample: nothing was proven.')).toBeDefined();
  });

  it('says why iterations cannot be had', async () => {
    const refusal = { error: 'HistoryError', message: 'The history cannot be read.', remedy: 'Give its disk back.' };
    const { hear } = shown(() => new Response(JSON.stringify(refusal), { status: 503 }));
    await hear(overview([model('churn')]));
    await open('churn');
    expect((await screen.findByRole('alert')).textContent).toContain('Give its disk back.');
  });

  it('asks again when an iteration has ended', async () => {
    const rows = [row(1), row(2)];
    const { hear, requests } = shown(path => page(rows, path));
    await hear(overview([model('churn', {}, rows)]));
    await open('churn');
    rows.push(row(3));
    await hear(overview([model('churn', { live: live(3) }, rows)]));
    expect(await screen.findByRole('listitem', { name: 'Version 3, live' })).toBeDefined();
    expect(requests).toHaveLength(2);
  });

  it('says so where nothing is found, and shows all again', async () => {
    const { hear } = shown();
    await hear(overview([model('churn')]));
    await userEvent.type(screen.getByRole('searchbox', { name: 'Search models' }), 'wine');
    expect(screen.queryByRole('listitem', { name: 'churn' })).toBeNull();
    await open('Show all models');
    expect(screen.getByRole('listitem', { name: 'churn' })).toBeDefined();
  });

  it('is accessible, opened and with an iteration under way', async () => {
    const rows = [row(1), failedRow(2)];
    const { hear } = shown(path => page(rows, path));
    const working = { version: 3, phase: 'load', seconds: {}, since: new Date().toISOString() };
    await hear(overview([model('churn', {}, rows), model('wine', { working })]));
    await open('churn');
    await open('Details of version 2');
    expect(await violations()).toEqual([]);
  });
});
