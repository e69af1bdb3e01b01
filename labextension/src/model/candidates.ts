import type { Candidates } from './types';

/** What the kernel evaluates; the import reaches the package also where it is not loaded in the notebook. */
export const EXPRESSIONS = {
  candidates: "__import__('importlib').import_module('jupyter_containeriter.api').candidates()"
};

/** Why a kernel has no answer: it has not got the package, or another thing went wrong in it. */
export type Answer =
  { kind: 'candidates'; candidates: Candidates } | { kind: 'missing' } | { kind: 'error'; message: string };

/** Read the kernel's reply to `EXPRESSIONS`. */
export function answerFrom(result: unknown): Answer {
  const reply = (result ?? {}) as Record<string, unknown>;
  if (reply.status === 'ok') {
    const data = reply.data as Record<string, unknown>;
    const candidates = data['application/json'] as Candidates | undefined;
    if (candidates?.format === 1) {
      return { kind: 'candidates', candidates };
    }
    return {
      kind: 'error',
      message:
        'The jupyter_containeriter of the kernel and of JupyterLab do not fit together: install the same version.'
    };
  }
  if (reply.ename === 'ModuleNotFoundError' && String(reply.evalue).includes('jupyter_containeriter')) {
    return { kind: 'missing' };
  }
  return { kind: 'error', message: `${reply.ename ?? 'Error'}: ${reply.evalue ?? 'the kernel gave no answer'}` };
}
