import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStateDB } from '@jupyterlab/statedb';
import { ReactWidget } from '@jupyterlab/ui-components';
import { iterationsIcon } from '../icon';
import { OpenedModels } from '../model/opened';
import { Panel } from '../panel/Panel';
import { COMMANDS, IWorkspace } from '../tokens';

const PANEL_ID = 'containeriter-panel';
const OPENED = 'jupyter-containeriter:opened';

/** The panel on the left. */
export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containeriter:panel',
  description: 'Shows models, their deployments and their iterations beside the notebook.',
  autoStart: true,
  requires: [IWorkspace],
  optional: [ILayoutRestorer, IStateDB],
  activate: (
    app: JupyterFrontEnd,
    workspace: IWorkspace,
    restorer: ILayoutRestorer | null,
    state: IStateDB | null
  ): void => {
    const opened = new OpenedModels(names => void state?.save(OPENED, names));
    void state?.fetch(OPENED).then(names => Array.isArray(names) && opened.restore(names.map(String)));
    const panel = ReactWidget.create(
      <Panel
        store={workspace.store}
        opened={opened}
        api={workspace.api}
        execute={(command, args) => void app.commands.execute(command, args)}
      />
    );
    panel.id = PANEL_ID;
    panel.addClass('jp-ContainerIter');
    panel.title.icon = iterationsIcon;
    panel.title.caption = 'Iterations';
    panel.node.setAttribute('role', 'region');
    panel.node.setAttribute('aria-label', 'Iterations');
    app.shell.add(panel, 'left', { rank: 500, type: 'Iterations' });
    restorer?.add(panel, PANEL_ID);

    app.commands.addCommand(COMMANDS.show, {
      label: args => (args.launcher ? 'Iterations' : 'Show Iterations'),
      caption: 'Show models, their deployments and their iterations.',
      icon: iterationsIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(PANEL_ID)
    });
  }
};
