import { CommandRegistry } from '@lumino/commands';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../src/model/api';
import { OverviewStore } from '../../src/model/store';
import { deploymentsPlugin } from '../../src/plugins/deployments';
import { COMMANDS, type IWorkspace } from '../../src/tokens';
import { eventStream, failedRow, live, model, overview, page, row } from '../samples';

const lab = vi.hoisted(() => ({
  showDialog: vi.fn(),
  copyToSystem: vi.fn(),
  notified: { emit: vi.fn(() => 'id'), update: vi.fn(), dismiss: vi.fn(), success: vi.fn() }
}));
vi.mock('@jupyterlab/apputils', () => {
  const button = (options: object): object => ({ ...options });
  return {
    Dialog: { cancelButton: button, okButton: button, warnButton: button },
    Clipboard: { copyToSystem: lab.copyToSystem },
    Notification: lab.notified,
    showDialog: lab.showDialog
  };
});

const ROWS = [row(1), failedRow(2), row(3)];
const MODELS = [model('churn', { live: live(3) }, ROWS), model('idle', { live: null }, [row(1)])];

/** The commands over a server that knows the models and answers requests so. */
async function registered(
  answer: () => Response
): Promise<{ commands: CommandRegistry; requests: [string, unknown][] }> {
  const stream = eventStream();
  const requests: [string, unknown][] = [];
  const api = new Api((path, init) => {
    if (path.endsWith('/events')) {
      return Promise.resolve(stream.response);
    }
    if (path.includes('/iterations?')) {
      return Promise.resolve(page(ROWS, path));
    }
    requests.push([path.replace('containeriter/api/', ''), JSON.parse(init.body as string)]);
    return Promise.resolve(answer());
  });
  const store = new OverviewStore(api);
  store.connect();
  stream.send(`data: ${JSON.stringify(overview(MODELS))}\n\n`);
  await vi.waitFor(() => expect(store.state.connection).toBe('live'));
  const commands = new CommandRegistry();
  const workspace = { api, store, baseUrl: 'http://localhost:8888/', preferences: { diskBudget: '5g' } };
  await deploymentsPlugin.activate({ commands } as JupyterFrontEnd, workspace as unknown as IWorkspace);
  return { commands, requests };
}

const done = (): Response => new Response('{"name": "churn", "version": 1, "seconds": 0.4}');
const titles = (): string[] => lab.showDialog.mock.calls.map(([{ title }]) => title);
const press = (accept: boolean, value: unknown = null): void =>
  void lab.showDialog.mockResolvedValue({ button: { accept }, value });

beforeEach(() => {
  vi.clearAllMocks();
  press(false);
});

describe('the commands', () => {
  it('say what they are, what they do and what they take', async () => {
    const { commands } = await registered(done);
    for (const id of commands.listCommands()) {
      expect(commands.label(id)).not.toBe('');
      expect(commands.caption(id)).not.toBe('');
      expect((await commands.describedBy(id)).args).toMatchObject({ type: 'object' });
    }
  });

  it('deploy the version that is named, and tell how long it took', async () => {
    const { commands, requests } = await registered(done);
    await commands.execute(COMMANDS.deploy, { name: 'churn', version: 1 });
    expect(requests).toEqual([['models/churn/deploy', { version: 1, fresh: false }]]);
    expect(lab.notified.update.mock.calls[0][0].message).toBe('churn:1 deployed in 0.40 s.');
  });

  it('ask to which version to roll back, among those that were proven', async () => {
    const { commands, requests } = await registered(done);
    press(true, 0);
    await commands.execute(COMMANDS.rollBack, { name: 'churn' });
    expect(titles()).toEqual(['Roll churn Back']);
    expect(requests).toEqual([['models/churn/rollback', { to: 1 }]]);
  });

  it('stop nothing before the person agrees', async () => {
    const { commands, requests } = await registered(done);
    await commands.execute(COMMANDS.stop, { name: 'churn' });
    expect(titles()).toEqual(['Stop churn?']);
    expect(requests).toEqual([]);
    press(true);
    await commands.execute(COMMANDS.stop, { name: 'churn' });
    expect(requests).toEqual([['models/churn/undeploy', {}]]);
  });

  it('take the only deployment that runs where none is named', async () => {
    const { commands } = await registered(done);
    await commands.execute(COMMANDS.curl);
    expect(lab.copyToSystem.mock.calls[0][0]).toContain(
      "'http://localhost:8888/containeriter/proxy/churn/invocations'"
    );
  });

  it('say so where a name is unknown', async () => {
    const { commands, requests } = await registered(done);
    await commands.execute(COMMANDS.deploy, { name: 'nobody', version: 1 });
    expect(titles()).toEqual(['Nothing to do']);
    expect(requests).toEqual([]);
  });

  it('tell why something failed and take the progress away', async () => {
    const body = '{"error": "BusyError", "message": "churn is busy.", "remedy": "Wait for it."}';
    const { commands } = await registered(() => new Response(body, { status: 409 }));
    await commands.execute(COMMANDS.deploy, { name: 'churn', version: 1 });
    expect(titles()).toEqual(['churn:1 was not deployed']);
    expect(lab.notified.dismiss).toHaveBeenCalledWith('id');
  });

  it('show what would go before disk is given back', async () => {
    const { commands, requests } = await registered(() => new Response('{"text": "churn:1", "freed_bytes": 5000000}'));
    await commands.execute(COMMANDS.garbage);
    expect(titles()).toEqual(['Give 5.0 MB back?']);
    expect(requests).toEqual([['gc', { budget: '5g', dry_run: true }]]);
    press(true);
    await commands.execute(COMMANDS.garbage);
    expect(requests.slice(1).map(([, body]) => body)).toEqual([
      { budget: '5g', dry_run: true },
      { budget: '5g', dry_run: false }
    ]);
  });
});
