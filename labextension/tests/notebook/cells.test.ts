import type { NotebookPanel } from '@jupyterlab/notebook';
import { expect, it, vi } from 'vitest';
import { insertAndRun } from '../../src/notebook/cells';

const lab = vi.hoisted(() => ({ insertBelow: vi.fn(), showDialog: vi.fn() }));
vi.mock('@jupyterlab/notebook', () => ({ NotebookActions: lab }));
vi.mock('@jupyterlab/apputils', () => ({ Dialog: { okButton: () => ({}) }, showDialog: lab.showDialog }));

it('says so where the notebook was closed in the meantime', async () => {
  await insertAndRun({ isDisposed: true } as NotebookPanel, '%containerize clf');
  expect(lab.insertBelow).not.toHaveBeenCalled();
  expect(lab.showDialog.mock.calls[0][0].title).toBe('The notebook was closed');
});
