/** What the server says; the same words as in `docs/jupyterlab.md`. Times are ISO 8601 in UTC, sizes bytes. */

export const PHASES = ['capture', 'build', 'load', 'start', 'verify'] as const;
export type Phase = (typeof PHASES)[number];

export type Status = 'running' | 'verified' | 'deployed' | 'built' | 'failed' | 'interrupted';
export type Parity = 'exact' | 'close' | 'failed' | 'nondeterministic' | '' | null;

/** What is wrong, and what to do about it. */
export interface Problem {
  message: string;
  remedy: string;
}

export interface Engine {
  name: string;
  version: string;
  endpoint: string;
  isolation: string;
}

/** What serves a name now. */
export interface Live {
  version: number;
  status: Status;
  parity: Parity;
  engine: string;
  running: boolean;
  hot: boolean;
  started_at: string | null;
  url: string;
  /** Where Jupyter's own server forwards to it, below its base URL. */
  proxy: string;
  /** A body for `/invocations`; empty where there was no sample. */
  example: string;
}

/** An iteration under way. */
export interface Working {
  version: number | null;
  /** Empty before the first one. */
  phase: string;
  /** What the phases took until `since`. */
  seconds: Partial<Record<string, number>>;
  since: string;
}

export type PhaseSeconds = { [phase in Phase as `${phase}_seconds`]?: number | null };

/** What a chart shows of an iteration. */
export interface Bar {
  version: number;
  status: Status;
  /** What the call took; as far as it got where it was not verified. */
  seconds: number | null;
  note: string;
}

/** An iteration without its params. */
export interface Ended extends Bar, PhaseSeconds {
  parity: Parity;
  started_at: string | null;
  finished_at: string | null;
  cycle_seconds: number | null;
  package_to_verified_seconds: number | null;
  lead_seconds: number | null;
  think_seconds: number | null;
  run_seconds: number | null;
  engine: string;
  method: string;
  hot: boolean;
  /** Null where it was no finite number. */
  metrics: Record<string, number | null>;
  notebook: string;
  error: string;
  /** It has an image that may be run again. */
  deployable: boolean;
  /** That image is still in the cache. */
  restorable: boolean;
}

/** All of an iteration. */
export interface Row extends Ended {
  params: Record<string, unknown>;
}

export interface Model {
  name: string;
  /** How many iterations there are. */
  total: number;
  live: Live | null;
  working: Working | null;
  /** The last one that has ended. */
  last: Ended | null;
  /** The last ones, oldest first. */
  recent: Bar[];
}

export interface Overview {
  engine: Engine | null;
  problem: Problem | null;
  remarks: string[];
  models: Model[];
}

export interface Page {
  iterations: Row[];
  total: number;
}

export interface Done {
  name: string;
  version: number;
  seconds?: number | null;
}

export interface GarbageReport {
  text: string;
  freed_bytes: number;
}

/** What a call to containerize may be made of, as the kernel sees its variables. */
export interface Candidates {
  format: number;
  version: string;
  /** Whether the magics are loaded. */
  loaded: boolean;
  models: ModelCandidate[];
  samples: SampleCandidate[];
  metrics: MetricCandidate[];
}

export interface ModelCandidate {
  variable: string;
  type: string;
  library: string;
  fitted: boolean | null;
  /** A name it could be served under. */
  name: string;
  /** Expressions, best first. */
  samples: string[];
}

export interface SampleCandidate {
  expression: string;
  type: string;
  shape: number[] | null;
}

export interface MetricCandidate {
  expression: string;
  value: number;
}
