import type { Kernel } from '@jupyterlab/services';
import { answerFrom, EXPRESSIONS, type Answer } from '../model/candidates';

/** Ask a kernel what could be containerized. It answers when it is idle; nothing is kept in its history. */
export async function askKernel(kernel: Kernel.IKernelConnection): Promise<Answer> {
  try {
    const content = { code: '', silent: true, store_history: false, user_expressions: EXPRESSIONS };
    const reply = await kernel.requestExecute(content, true).done;
    const results = 'user_expressions' in reply.content ? reply.content.user_expressions : {};
    return answerFrom((results as Record<string, unknown> | undefined)?.candidates);
  } catch {
    return { kind: 'error', message: 'The kernel ended before it answered. Restart it, run the notebook, try again.' };
  }
}
