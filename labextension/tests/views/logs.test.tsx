import { act, render, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import { Api } from '../../src/model/api';
import { OverviewStore } from '../../src/model/store';
import type { Model } from '../../src/model/types';
import { Logs } from '../../src/views/Logs';
import { eventStream, model, overview } from '../samples';

/** The logs of churn over a server that streams them, and tells of models as the test says. */
function shown(): { tell: (model: Model) => Promise<void>; write: (text: string) => void; asked: string[] } {
  const [events, logs] = [eventStream(), eventStream()];
  const asked: string[] = [];
  const api = new Api(path => {
    asked.push(path.replace('containeriter/api/', ''));
    return Promise.resolve(path.endsWith('/events') ? events.response : logs.response);
  });
  const store = new OverviewStore(api);
  store.connect();
  render(<Logs api={api} store={store} name="churn" />);
  const tell = async (told: Model): Promise<void> => {
    const before = store.state.overview;
    events.send(`data: ${JSON.stringify(overview([told]))}\n\n`);
    await act(() => vi.waitFor(() => expect(store.state.overview).not.toBe(before)));
  };
  return { tell, write: text => logs.send(`event: logs\ndata: ${JSON.stringify({ text })}\n\n`), asked };
}

describe('the logs', () => {
  it('are shown as they are written', async () => {
    const { tell, write, asked } = shown();
    await tell(model('churn'));
    expect(asked).toContain('models/churn/logs/stream');
    write('ready');
    expect(await screen.findByText('ready')).toBeDefined();
    write('ready\none request');
    expect((await screen.findByText(/one request/)).getAttribute('aria-label')).toBe('Logs of churn');
  });

  it('stay when the deployment is stopped, and are not asked for then', async () => {
    const { tell, write, asked } = shown();
    await tell(model('churn'));
    write('ready');
    await screen.findByText('ready');
    const requests = asked.length;
    await tell(model('churn', { live: null }));
    expect(screen.getByText('churn is not deployed.')).toBeDefined();
    expect(screen.getByText('ready')).toBeDefined();
    expect(asked).toHaveLength(requests);
  });
});
