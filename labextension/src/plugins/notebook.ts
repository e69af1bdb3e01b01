import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISessionContextDialogs, SessionContextDialogs } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { addBelowIcon } from '@jupyterlab/ui-components';
import { iterationsIcon } from '../icon';
import { NotebookFlows } from '../notebook/flows';
import { COMMANDS, IWorkspace } from '../tokens';
import { Arguments, NO_ARGS, VERSION_ARGS } from './arguments';

/** What works in the notebook's kernel. The button in its toolbar is in the settings schema. */
export const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containeriter:notebook',
  description: 'Containerizes and restores models by cells that are inserted into the notebook and run.',
  autoStart: true,
  requires: [IWorkspace],
  optional: [INotebookTracker, ISessionContextDialogs],
  activate: (
    { commands }: JupyterFrontEnd,
    workspace: IWorkspace,
    tracker: INotebookTracker | null,
    dialogs: ISessionContextDialogs | null
  ): void => {
    const flows = new NotebookFlows(
      tracker,
      dialogs ?? new SessionContextDialogs(),
      name => workspace.store.model(name)?.recent.at(-1)?.version
    );
    const asked = new Arguments(workspace);

    commands.addCommand(COMMANDS.containerize, {
      label: args => (args.toolbar ? 'Containerize' : 'Containerize a Model of the Notebook…'),
      caption: 'Make a container of a model in the kernel, prove it, and record the iteration',
      icon: iterationsIcon,
      describedBy: NO_ARGS,
      execute: () => flows.containerize(workspace.preferences)
    });

    commands.addCommand(COMMANDS.restore, {
      label: 'Restore a Version into the Notebook…',
      caption: 'Insert and run a cell that brings the model of an earlier version back into the kernel',
      icon: addBelowIcon,
      describedBy: VERSION_ARGS,
      execute: async args => {
        const model = await asked.model(args, ({ total }) => total > 0, 'There is no model yet.');
        const question = { title: `Restore ${model?.name ?? ''}`, accept: 'Restore' };
        const version = model && (await asked.version(args, model, question, row => row.restorable));
        if (model && version) {
          await flows.restore(model.name, version);
        }
      }
    });
  }
};
