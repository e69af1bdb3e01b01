import type { Problem } from './types';

/** The server side of this package answered with 404: it is not there. */
export const ABSENT: Problem = {
  message: 'The Jupyter server does not have jupyter_containeriter.',
  remedy: 'Run `pip install jupyter_containeriter` in the environment that JupyterLab runs in, then restart JupyterLab.'
};

export const UNREACHABLE: Problem = {
  message: 'The Jupyter server cannot be reached.',
  remedy: 'Check that it still runs. What was shown last stays here, and the connection is tried again by itself.'
};

/** An answer of the server that is no success. */
export class ApiError extends Error implements Problem {
  constructor(
    readonly status: number,
    readonly kind: string,
    problem: Problem
  ) {
    super(problem.message);
    this.remedy = problem.remedy;
  }

  readonly remedy: string;
}

/** Read an error from an answer; other servers and proxies in between answer with anything. */
export async function errorFrom(response: Response): Promise<ApiError> {
  const body = await response
    .json()
    .then(asRecord)
    .catch(() => ({}) as Record<string, unknown>);
  const kind = text(body.error);
  if (kind) {
    return new ApiError(response.status, kind, { message: text(body.message) || kind, remedy: text(body.remedy) });
  }
  return new ApiError(response.status, '', without(response.status, text(body.message)));
}

/** Say in words what a thrown thing means. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) {
    return { message: error.message, remedy: error.remedy };
  }
  if (error instanceof TypeError) {
    // What fetch throws, and JupyterLab's NetworkError is one.
    return UNREACHABLE;
  }
  return { message: error instanceof Error ? error.message : String(error), remedy: '' };
}

/** An answer without the words of our own server part. */
function without(status: number, message: string): Problem {
  switch (status) {
    case 404:
      return ABSENT;
    case 401:
    case 403:
      return {
        message: 'The Jupyter server does not let you see the deployments.',
        remedy: 'Log in again; if that does not help, ask who runs the server for access to `containeriter`.'
      };
    default:
      return {
        message: `The Jupyter server answered ${status}${message ? `: ${message}` : ''}.`,
        remedy: 'Its log says more.'
      };
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
