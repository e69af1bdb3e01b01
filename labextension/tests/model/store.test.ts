import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../src/model/api';
import { SILENCE_MS } from '../../src/model/events';
import { backoff } from '../../src/model/follow';
import { OverviewStore, shared } from '../../src/model/store';
import { HIDDEN_MS, whileVisible } from '../../src/model/visibility';
import { eventStream, model, overview } from '../samples';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A store whose requests are answered by the test, one after the other. */
function watched(...answers: (() => Promise<Response>)[]): { store: OverviewStore; requests: RequestInit[] } {
  const requests: RequestInit[] = [];
  const api = new Api((_, init) => {
    requests.push(init);
    return answers[Math.min(requests.length, answers.length) - 1]();
  });
  return { store: new OverviewStore(api), requests };
}

function event(data: unknown): string {
  return `event: overview\ndata: ${JSON.stringify(data)}\n\n`;
}

describe('the overview store', () => {
  it('is live with what the first event tells', async () => {
    const stream = eventStream();
    const { store } = watched(() => Promise.resolve(stream.response));
    store.connect();
    stream.send(event(overview([model('churn')])));
    await vi.waitFor(() => expect(store.state.connection).toBe('live'));
    expect(store.model('churn')?.live?.version).toBe(2);
  });

  it('reads an event that comes in pieces, between comments', async () => {
    const stream = eventStream();
    const { store } = watched(() => Promise.resolve(stream.response));
    store.connect();
    const text = event(overview([model('naïve')]));
    stream.send(': nothing new\n\n' + text.slice(0, 40));
    stream.send(text.slice(40));
    await vi.waitFor(() => expect(store.model('naïve')).toBeDefined());
  });

  it('keeps what was heard and connects again where the stream ends', async () => {
    const streams = [eventStream(), eventStream()];
    const { store, requests } = watched(
      ...streams.map(
        ({ response }) =>
          () =>
            Promise.resolve(response)
      )
    );
    store.connect();
    streams[0].send(event(overview([model('churn')])));
    await vi.waitFor(() => expect(store.state.connection).toBe('live'));
    streams[0].end();
    await vi.waitFor(() => expect(store.state.connection).toBe('lost'));
    expect(store.model('churn')).toBeDefined();
    await vi.advanceTimersByTimeAsync(backoff(1));
    expect(requests).toHaveLength(2);
    streams[1].send(event(overview([])));
    await vi.waitFor(() => expect(store.state.connection).toBe('live'));
  });

  it('ends a connection on which nothing comes for long', async () => {
    const { store, requests } = watched(() => Promise.resolve(eventStream().response));
    store.connect();
    await vi.advanceTimersByTimeAsync(SILENCE_MS);
    expect(requests[0].signal?.aborted).toBe(true);
  });

  it('does not try again what the server refuses', async () => {
    const { store, requests } = watched(() => Promise.resolve(new Response('', { status: 404 })));
    store.connect();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(requests).toHaveLength(1);
    expect(store.state.connection).toBe('refused');
    expect(store.state.problem?.remedy).toContain('pip install jupyter_containeriter');
  });

  it('waits longer after each failure, at most half a minute', async () => {
    const { store, requests } = watched(() => Promise.reject(new TypeError('Failed to fetch')));
    store.connect();
    await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000 + 100);
    expect(requests).toHaveLength(4);
    expect(backoff(20)).toBe(30_000);
  });

  it('asks nothing while it is paused', async () => {
    const { store, requests } = watched(() => Promise.reject(new TypeError('Failed to fetch')));
    store.connect();
    await vi.advanceTimersByTimeAsync(10);
    store.pause();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(requests).toHaveLength(1);
  });

  it('keeps the objects of models in which nothing changed', () => {
    const before = [model('churn'), model('wine')];
    const now = shared(before, [model('churn'), model('wine', { total: 3 })]);
    expect(now[0]).toBe(before[0]);
    expect(now[1]).not.toBe(before[1]);
  });
});

describe('a hidden tab', () => {
  const visibility = (state: DocumentVisibilityState): void => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: state });
    document.dispatchEvent(new Event('visibilitychange'));
  };
  afterEach(() => visibility('visible'));

  it('pauses after a while and goes on when it is seen again', () => {
    const [resume, pause] = [vi.fn(), vi.fn()];
    const stop = whileVisible(document, resume, pause);
    visibility('hidden');
    vi.advanceTimersByTime(HIDDEN_MS);
    expect(pause).toHaveBeenCalledOnce();
    visibility('visible');
    expect(resume).toHaveBeenCalledOnce();
    stop();
  });

  it('goes on as it was where it is hidden for a moment only', () => {
    const [resume, pause] = [vi.fn(), vi.fn()];
    const stop = whileVisible(document, resume, pause);
    visibility('hidden');
    vi.advanceTimersByTime(HIDDEN_MS / 2);
    visibility('visible');
    vi.advanceTimersByTime(HIDDEN_MS);
    expect(pause).not.toHaveBeenCalled();
    expect(resume).not.toHaveBeenCalled();
    stop();
  });
});
