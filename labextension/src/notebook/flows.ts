import { Dialog, showDialog, type ISessionContextDialogs } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { cell, containerizeLine, restoreLine, type CellOptions } from '../model/line';
import { ContainerizeBody, type Latest } from '../views/ContainerizeForm';
import { told } from '../views/dialogs';
import { askNotebook } from './ask';
import { insertAndRun } from './cells';

/** What is done in the notebook that a person works in: by cells, so that the notebook tells what was done. */
export class NotebookFlows {
  constructor(
    private readonly tracker: INotebookTracker | null,
    private readonly dialogs: ISessionContextDialogs,
    private readonly latest: Latest
  ) {}

  /** Ask what to containerize, then insert the cell that does it. */
  async containerize(options: CellOptions): Promise<void> {
    const panel = await this.notebook('Containerize');
    const candidates = panel && (await askNotebook(panel, this.dialogs));
    if (!candidates) {
      return;
    }
    if (!candidates.models.length) {
      await told('No models found in this notebook', {
        message: 'No variable of the kernel has a `predict` method or can be called with data.',
        remedy: 'Run the cells that make and fit the model, then press Containerize again.'
      });
      return;
    }
    const { button, value } = await showDialog({
      title: 'Containerize a Model',
      body: new ContainerizeBody(candidates, options, this.latest),
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Insert and Run' })],
      focusNodeSelector: 'select'
    });
    if (button.accept && value) {
      await insertAndRun(panel, cell(containerizeLine(value, options), candidates.loaded));
    }
  }

  /** Bring a version back into the kernel. */
  async restore(name: string, version: number): Promise<void> {
    const panel = await this.notebook('Restore');
    const candidates = panel && (await askNotebook(panel, this.dialogs));
    if (candidates) {
      await insertAndRun(panel, cell(restoreLine(name, version), candidates.loaded));
    }
  }

  private async notebook(doing: string): Promise<NotebookPanel | null> {
    const panel = this.tracker?.currentWidget ?? null;
    if (!panel) {
      await told('No notebook is open', {
        message: `${doing} works in the kernel of a notebook.`,
        remedy: 'Open the notebook, or a new one with a Python kernel, and try again.'
      });
    }
    return panel;
  }
}
