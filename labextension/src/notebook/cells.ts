import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { told } from '../views/dialogs';

/** Insert a code cell below the active one and run it: the notebook is the record of what was done. */
export async function insertAndRun(panel: NotebookPanel, source: string): Promise<void> {
  if (panel.isDisposed) {
    await told('The notebook was closed', {
      message: 'Nothing was run.',
      remedy: `Open it again and run: \`${source}\``
    });
    return;
  }
  const { content: notebook, sessionContext } = panel;
  NotebookActions.insertBelow(notebook);
  if (notebook.activeCell?.model.type !== 'code') {
    NotebookActions.changeCellType(notebook, 'code');
  }
  notebook.activeCell!.model.sharedModel.setSource(source);
  await NotebookActions.run(notebook, sessionContext);
}
