import type { Api } from '../model/api';
import { size } from '../model/format';
import { carriedOut, confirmed, told } from './dialogs';

/** Show what would go, then let it go if the person agrees. */
export async function giveDiskBack(api: Api, budget: string | null): Promise<void> {
  const words = {
    doing: 'Looking at what may go…',
    done: () => 'Looked at what may go; nothing was removed yet.',
    failed: 'What may go could not be found out'
  };
  const plan = await carriedOut(words, () => api.collectGarbage(budget, true));
  if (!plan) {
    return;
  }
  if (!plan.freed_bytes) {
    await told('Nothing to give back', { message: plan.text, remedy: '' });
    return;
  }
  const body = <pre className="jp-ContainerIter-plan">{plan.text}</pre>;
  if (await confirmed(`Give ${size(plan.freed_bytes)} back?`, body, 'Remove')) {
    await carriedOut(
      {
        doing: 'Giving disk back…',
        done: ({ freed_bytes }) => `${size(freed_bytes)} given back.`,
        failed: 'The disk was not given back'
      },
      () => api.collectGarbage(budget, false)
    );
  }
}
