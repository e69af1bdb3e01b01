import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { insertAndRun } from '../../src/notebook/cells';
import { askNotebook } from '../../src/notebook/ask';

const dialogs = vi.hoisted(() => ({ showDialog: vi.fn() }));
vi.mock('../../src/notebook/cells', () => ({ insertAndRun: vi.fn() }));
vi.mock('@jupyterlab/apputils', () => {
  class Dialog {
    static cancelButton = (): object => ({});
    static okButton = ({ label }: { label: string }): object => ({ label });
    private close!: () => void;
    launch = (): Promise<void> => new Promise(resolve => (this.close = resolve));
    reject = (): void => this.close();
  }
  return { Dialog, showDialog: dialogs.showDialog };
});

const CANDIDATES = { format: 1, version: '0.1.0', loaded: true, models: [], samples: [], metrics: [] };
const FOUND = { status: 'ok', data: { 'application/json': CANDIDATES } };
const ABSENT = { status: 'error', ename: 'ModuleNotFoundError', evalue: "No module named 'jupyter_containeriter'" };

/** A notebook whose kernel answers so; null: it has no kernel. */
function notebook(answer: unknown, kernel: { status?: string; language?: string } | null = {}): NotebookPanel {
  const reply = Promise.resolve({ content: { user_expressions: { candidates: answer } } });
  const connection = kernel && {
    status: kernel.status ?? 'idle',
    spec: Promise.resolve({ language: kernel.language ?? 'python' }),
    requestExecute: vi.fn(() => ({ done: answer instanceof Promise ? answer : reply }))
  };
  return { sessionContext: { session: { kernel: connection } } } as unknown as NotebookPanel;
}

const sessions = { selectKernel: vi.fn(), restart: vi.fn() } as unknown as ISessionContextDialogs;
const titles = (): string[] => dialogs.showDialog.mock.calls.map(([{ title }]) => title);
const press = (accept: boolean): void => void dialogs.showDialog.mockResolvedValue({ button: { accept } });

beforeEach(() => {
  vi.clearAllMocks();
  press(false);
});

describe('asking a notebook', () => {
  it('gives what the kernel found, without a trace in its history', async () => {
    const panel = notebook(FOUND);
    expect(await askNotebook(panel, sessions)).toEqual(CANDIDATES);
    const { requestExecute } = panel.sessionContext.session!.kernel as unknown as { requestExecute: typeof vi.fn };
    expect(vi.mocked(requestExecute).mock.calls[0]).toMatchObject([
      { code: '', silent: true, store_history: false },
      true
    ]);
    expect(titles()).toEqual([]);
  });

  it('lets the person select a kernel where there is none', async () => {
    press(true);
    expect(await askNotebook(notebook(FOUND, null), sessions)).toBeNull();
    expect(titles()).toEqual(['This notebook has no kernel']);
    expect(sessions.selectKernel).toHaveBeenCalledOnce();
  });

  it('lets the person restart a kernel that died', async () => {
    press(true);
    expect(await askNotebook(notebook(FOUND, { status: 'dead' }), sessions)).toBeNull();
    expect(sessions.restart).toHaveBeenCalledOnce();
  });

  it('asks no kernel that speaks another language', async () => {
    expect(await askNotebook(notebook(FOUND, { language: 'R' }), sessions)).toBeNull();
    expect(titles()).toEqual(['This notebook is not in Python']);
  });

  it("inserts the cell that installs the package into the kernel's environment, if the person agrees", async () => {
    expect(await askNotebook(notebook(ABSENT), sessions)).toBeNull();
    expect(insertAndRun).not.toHaveBeenCalled();
    press(true);
    const panel = notebook(ABSENT);
    expect(await askNotebook(panel, sessions)).toBeNull();
    expect(insertAndRun).toHaveBeenCalledWith(panel, '%pip install jupyter_containeriter');
  });

  it('waits for a busy kernel and goes on when it answers', async () => {
    vi.useFakeTimers();
    let answer!: (reply: unknown) => void;
    const asked = askNotebook(notebook(new Promise(resolve => (answer = resolve))), sessions);
    await vi.advanceTimersByTimeAsync(5000);
    answer({ content: { user_expressions: { candidates: FOUND } } });
    vi.useRealTimers();
    expect(await asked).toEqual(CANDIDATES);
  });

  it('tells that the kernel ended before it answered', async () => {
    const canceled = Promise.reject(new Error('Canceled future'));
    expect(await askNotebook(notebook(canceled), sessions)).toBeNull();
    expect(titles()).toEqual(['The kernel could not say what can be containerized']);
  });
});
