import { errorFrom } from './problem';
import type { Done, GarbageReport, Page } from './types';

/** Ask the server for a path below its base URL; what `ServerConnection` does in JupyterLab. */
export type Requester = (path: string, init: RequestInit) => Promise<Response>;

const BASE = 'containeriter/api';

/** The routes of the server part, one method each. Failures are thrown as `ApiError`. */
export class Api {
  constructor(private readonly request: Requester) {}

  /** Open a stream of server-sent events: `events`, or `models/NAME/logs/stream`. */
  stream(path: string, signal: AbortSignal): Promise<Response> {
    return this.send(path, { signal, headers: { Accept: 'text/event-stream' } });
  }

  iterations(name: string, last: number, before?: number): Promise<Page> {
    const query = before === undefined ? '' : `&before=${before}`;
    return this.json(`${modelPath(name)}/iterations?last=${last}${query}`);
  }

  deploy(name: string, version: number): Promise<Done> {
    return this.post(`${modelPath(name)}/deploy`, { version, fresh: false });
  }

  /** Back to a version, or to the one before the live one. */
  rollBack(name: string, to: number | null = null): Promise<Done> {
    return this.post(`${modelPath(name)}/rollback`, { to });
  }

  stop(name: string): Promise<Done> {
    return this.post(`${modelPath(name)}/undeploy`, {});
  }

  collectGarbage(budget: string | null, dryRun: boolean): Promise<GarbageReport> {
    return this.post('gc', { budget, dry_run: dryRun });
  }

  async report(name: string): Promise<string> {
    return (await this.send(`${modelPath(name)}/report`, {})).text();
  }

  private post<T>(path: string, body: object): Promise<T> {
    return this.json(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body)
    });
  }

  private async json<T>(path: string, init: RequestInit = {}): Promise<T> {
    return (await this.send(path, init)).json() as Promise<T>;
  }

  private async send(path: string, init: RequestInit): Promise<Response> {
    const response = await this.request(`${BASE}/${path}`, init);
    if (!response.ok) {
      throw await errorFrom(response);
    }
    return response;
  }
}

/** The path of a model's own routes. */
export function modelPath(name: string): string {
  return `models/${encodeURIComponent(name)}`;
}
