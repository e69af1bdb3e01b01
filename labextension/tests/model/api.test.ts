import { describe, expect, it } from 'vitest';
import { Api } from '../../src/model/api';
import { ABSENT, ApiError, problemOf, UNREACHABLE } from '../../src/model/problem';

function answering(status: number, body: string): { api: Api; calls: [string, RequestInit][] } {
  const calls: [string, RequestInit][] = [];
  const api = new Api((path, init) => {
    calls.push([path, init]);
    return Promise.resolve(new Response(body, { status }));
  });
  return { api, calls };
}

async function failure(call: Promise<unknown>): Promise<ApiError> {
  return call.then(
    () => expect.fail('it should have failed'),
    error => error as ApiError
  );
}

describe('the client', () => {
  it('sends a deployment as JSON to the model that is meant', async () => {
    const { api, calls } = answering(200, '{"name": "churn", "version": 3, "seconds": 0.4}');
    expect(await api.deploy('churn', 3)).toEqual({ name: 'churn', version: 3, seconds: 0.4 });
    const [path, init] = calls[0];
    expect(path).toBe('containeriter/api/models/churn/deploy');
    expect(init.method).toBe('POST');
    expect(JSON.parse(init.body as string)).toEqual({ version: 3, fresh: false });
  });

  it('rolls back to the version before where none is named', async () => {
    const { api, calls } = answering(200, '{}');
    await api.rollBack('churn');
    expect(JSON.parse(calls[0][1].body as string)).toEqual({ to: null });
  });

  it('asks for the page before a version', async () => {
    const { api, calls } = answering(200, '{"iterations": [], "total": 0}');
    await api.iterations('churn', 30, 12);
    expect(calls[0][0]).toBe('containeriter/api/models/churn/iterations?last=30&before=12');
  });

  it('gives on what the server says is wrong, with its remedy', async () => {
    const { api } = answering(409, '{"error": "BusyError", "message": "churn is busy.", "remedy": "Wait for it."}');
    const error = await failure(api.stop('churn'));
    expect([error.kind, error.message, error.remedy]).toEqual(['BusyError', 'churn is busy.', 'Wait for it.']);
  });

  it('takes 404 without our own words for a missing server part', async () => {
    const { api } = answering(404, '<html>Not Found</html>');
    expect(problemOf(await failure(api.stop('churn')))).toEqual(ABSENT);
  });

  it('says what to do where access is denied', async () => {
    const { api } = answering(403, '{"message": "Forbidden"}');
    expect(problemOf(await failure(api.stop('churn'))).remedy).toContain('Log in again');
  });

  it('takes what fetch throws for a server that cannot be reached', () => {
    expect(problemOf(new TypeError('Failed to fetch'))).toEqual(UNREACHABLE);
  });
});
