import { Dialog, showDialog, type ISessionContextDialogs } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import type { Answer } from '../model/candidates';
import { INSTALL } from '../model/line';
import type { Candidates } from '../model/types';
import { told } from '../views/dialogs';
import { insertAndRun } from './cells';
import { askKernel } from './kernel';

/** A kernel that is busy for longer is told of. */
const PATIENCE_MS = 1_000;

/**
 * Get what the notebook's kernel could containerize. Whatever is in the way is said with what to do about it.
 *
 * @returns null where there is no answer; the person knows why.
 */
export async function askNotebook(panel: NotebookPanel, dialogs: ISessionContextDialogs): Promise<Candidates | null> {
  const kernel = await pythonKernel(panel, dialogs);
  const answer = kernel && (await patiently(kernel));
  switch (answer?.kind) {
    case 'candidates':
      return answer.candidates;
    case 'missing':
      await offerInstall(panel);
      return null;
    case 'error':
      await told('The kernel could not say what can be containerized', { message: answer.message, remedy: '' });
      return null;
    default:
      return null;
  }
}

async function pythonKernel(
  panel: NotebookPanel,
  dialogs: ISessionContextDialogs
): Promise<Kernel.IKernelConnection | null> {
  const { sessionContext } = panel;
  if (!sessionContext.session?.kernel && (await agreed(NO_KERNEL, 'Select Kernel…'))) {
    await dialogs.selectKernel(sessionContext);
  }
  const kernel = sessionContext.session?.kernel;
  if (!kernel) {
    return null;
  }
  if (kernel.status === 'dead' || kernel.status === 'terminating') {
    if (await agreed(DEAD, 'Restart Kernel…')) {
      await dialogs.restart(sessionContext);
    }
    return null;
  }
  // What the kernel itself says of its language would wait for the cell it runs.
  const language = (await kernel.spec)?.language ?? PYTHON;
  if (language !== PYTHON) {
    await told('This notebook is not in Python', {
      message: `Its kernel speaks ${language}; models are containerized from Python kernels.`,
      remedy: 'Open a Python notebook, or change the kernel of this one.'
    });
    return null;
  }
  return kernel;
}

const PYTHON = 'python';
const NO_KERNEL = {
  title: 'This notebook has no kernel',
  message: 'The model lives in a kernel. Select one, run the cells that fit the model, and press Containerize again.'
};
const DEAD = {
  title: 'The kernel died',
  message: 'The model went with it. Restart the kernel, run the cells that fit the model, and press Containerize again.'
};

async function agreed({ title, message }: { title: string; message: string }, label: string): Promise<boolean> {
  const buttons = [Dialog.cancelButton(), Dialog.okButton({ label })];
  return (await showDialog({ title, body: message, buttons })).button.accept;
}

/** Wait for the kernel; where that takes long, say so and let the person give up. */
async function patiently(kernel: Kernel.IKernelConnection): Promise<Answer | null> {
  let answer: Answer | null = null;
  const asked = askKernel(kernel).then(given => (answer = given));
  await Promise.race([asked, new Promise(resolve => setTimeout(resolve, PATIENCE_MS))]);
  if (answer) {
    return answer;
  }
  const dialog = new Dialog({
    title: 'The kernel is busy',
    body: 'It runs a cell. The dialog opens as soon as that is done; interrupt the kernel if you do not want to wait.',
    buttons: [Dialog.cancelButton({ label: 'Do Not Wait' })]
  });
  void asked.then(() => dialog.reject());
  await dialog.launch();
  return answer;
}

async function offerInstall(panel: NotebookPanel): Promise<void> {
  const question = {
    title: 'The kernel does not have jupyter_containeriter',
    message: `JupyterLab has it, but this notebook runs in another environment. Insert and run a cell with: ${INSTALL}`
  };
  if (await agreed(question, 'Install It There')) {
    await insertAndRun(panel, INSTALL);
  }
}
