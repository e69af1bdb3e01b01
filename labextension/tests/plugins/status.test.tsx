import { act, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { Api } from '../../src/model/api';
import { OverviewStore } from '../../src/model/store';
import type { Model } from '../../src/model/types';
import { StatusItem } from '../../src/plugins/status';
import { eventStream, model, overview } from '../samples';

vi.mock('@jupyterlab/statusbar', () => ({
  IStatusBar: 'IStatusBar',
  TextItem: ({ source, ...rest }: { source: string }) => <span {...rest}>{source}</span>
}));

async function shown(models: Model[], onClick = vi.fn()): Promise<ReturnType<typeof vi.fn>> {
  const stream = eventStream();
  const store = new OverviewStore(new Api(() => Promise.resolve(stream.response)));
  store.connect();
  render(<StatusItem store={store} onClick={onClick} />);
  stream.send(`data: ${JSON.stringify(overview(models))}\n\n`);
  await act(() => vi.waitFor(() => expect(store.state.connection).toBe('live')));
  return onClick;
}

it('tells what runs and how long the last cycle took, and opens the panel by keyboard', async () => {
  const onClick = await shown([model('churn'), model('wine', { live: null })]);
  const item = screen.getByRole('button', { name: '1 model running · last cycle 2 min. Show Iterations' });
  item.focus();
  await userEvent.keyboard('{Enter}');
  expect(onClick).toHaveBeenCalledOnce();
});

it('takes no room where there is nothing to tell', async () => {
  await shown([]);
  expect(screen.queryByRole('button')).toBeNull();
});
