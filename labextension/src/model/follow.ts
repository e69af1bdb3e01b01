import type { Api } from './api';
import { readEvents } from './events';
import { ApiError } from './problem';

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** How long to wait before the next try: doubled each time, up to half a minute. */
export function backoff(failures: number): number {
  return Math.min(FIRST_MS * 2 ** Math.max(failures - 1, 0), LONGEST_MS);
}

export interface Follower {
  /** The answer is there: events will come. */
  onOpen?(response: Response): void;
  onData(data: string): void;
  /** It broke; `retryMs` is how long until the next try, null where none will be made. */
  onLost(error: unknown, retryMs: number | null): void;
}

/**
 * One stream of events, opened again whenever it breaks, until it is closed.
 *
 * Pausing closes the request: browsers allow six to one server, over all tabs, and each stream holds one of them.
 */
export class Following {
  constructor(
    private readonly api: Api,
    private readonly path: string,
    private readonly follower: Follower
  ) {}

  /** Open the stream now, whatever is waited for. */
  start(): void {
    this.stop();
    const controller = new AbortController();
    this.controller = controller;
    void this.run(controller);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.controller?.abort();
    this.controller = null;
  }

  private async run(controller: AbortController): Promise<void> {
    let error: unknown = new TypeError('The stream ended.');
    try {
      const response = await this.api.stream(this.path, controller.signal);
      this.follower.onOpen?.(response);
      await readEvents(
        response,
        data => {
          this.failures = 0;
          this.follower.onData(data);
        },
        () => controller.abort()
      );
    } catch (thrown) {
      error = controller.signal.aborted ? error : thrown;
    }
    if (this.controller === controller) {
      this.again(error);
    }
  }

  private again(error: unknown): void {
    this.failures += 1;
    // What the server refused it will refuse again; only what may be temporary is tried again.
    const refused = error instanceof ApiError && error.status < 500;
    const wait = refused ? null : backoff(this.failures);
    if (wait !== null) {
      this.timer = setTimeout(() => this.start(), wait);
    }
    this.follower.onLost(error, wait);
  }

  private controller: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
}
