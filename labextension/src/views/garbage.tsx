import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { Api } from '../model/api';
import { size } from '../model/format';
import { carriedOut, confirmed } from './dialogs';

/** Show what would go, then let it go if the person agrees. */
export async function giveDiskBack(api: Api, budget: string | null): Promise<void> {
  const looking = { doing: 'Looking at what may go…', failed: 'What may go could not be found out' };
  const plan = await carriedOut(looking, () => api.collectGarbage(budget, true));
  if (!plan) {
    return;
  }
  const body = <pre className="jp-ContainerIter-plan">{plan.text}</pre>;
  if (!plan.freed_bytes) {
    await showDialog({ title: 'Nothing to Give Back', body, buttons: [Dialog.okButton({ label: 'Close' })] });
    return;
  }
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
