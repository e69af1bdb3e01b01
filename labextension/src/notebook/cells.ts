import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

/** Insert a code cell below the active one and run it: the notebook is the record of what was done. */
export async function insertAndRun(panel: NotebookPanel, source: string): Promise<void> {
  const { content: notebook, sessionContext } = panel;
  NotebookActions.insertBelow(notebook);
  if (notebook.activeCell?.model.type !== 'code') {
    NotebookActions.changeCellType(notebook, 'code');
  }
  notebook.activeCell!.model.sharedModel.setSource(source);
  await NotebookActions.run(notebook, sessionContext);
}
