import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Api } from '../model/api';
import { OverviewStore } from '../model/store';
import { whileVisible } from '../model/visibility';
import { IWorkspace, type Preferences } from '../tokens';

const ID = 'jupyter-containeriter:plugin';

const DEFAULTS: Preferences = { engine: '', memory: '', cpus: 0, diskBudget: '', statusItem: true };

/** Connects to the server part and reads the settings. */
export const workspacePlugin: JupyterFrontEndPlugin<IWorkspace> = {
  id: ID,
  description: 'Knows the models in containers: what runs, and the iterations that made it.',
  autoStart: true,
  provides: IWorkspace,
  optional: [ISettingRegistry],
  activate: (app: JupyterFrontEnd, registry: ISettingRegistry | null): IWorkspace => {
    const server = app.serviceManager.serverSettings;
    const api = new Api((path, init) => ServerConnection.makeRequest(server.baseUrl + path, init, server));
    const store = new OverviewStore(api);
    const workspace = new Workspace(api, store, server.baseUrl);
    void app.restored.then(() => {
      store.connect();
      whileVisible(
        document,
        () => store.connect(),
        () => store.pause()
      );
    });
    if (registry) {
      void workspace.follow(registry);
    }
    return workspace;
  }
};

class Workspace implements IWorkspace {
  constructor(
    readonly api: Api,
    readonly store: OverviewStore,
    readonly baseUrl: string
  ) {}

  get preferences(): Preferences {
    return this.current;
  }

  onPreferences(listener: (preferences: Preferences) => void): void {
    this.listeners.push(listener);
    listener(this.current);
  }

  async follow(registry: ISettingRegistry): Promise<void> {
    try {
      const settings = await registry.load(ID);
      const read = (): void => {
        this.current = { ...DEFAULTS, ...(settings.composite as Partial<Preferences>) };
        this.listeners.forEach(listener => listener(this.current));
      };
      settings.changed.connect(read);
      read();
    } catch (reason) {
      console.error(`The settings of ${ID} cannot be read; the defaults are used.`, reason);
    }
  }

  private current = DEFAULTS;
  private readonly listeners: ((preferences: Preferences) => void)[] = [];
}
