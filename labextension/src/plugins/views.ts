import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { fileIcon, listIcon } from '@jupyterlab/ui-components';
import { problemOf } from '../model/problem';
import { COMMANDS, IWorkspace } from '../tokens';
import { told } from '../views/dialogs';
import { LogsWidget } from '../views/Logs';
import { ModelViews } from '../views/ModelViews';
import { ReportWidget } from '../views/Report';
import { Arguments, NAME_ARGS } from './arguments';

/** Logs and reports in the main area; where the shell shows one document only (Notebook 7), below it. */
export const viewsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containeriter:views',
  description: 'Shows the logs and the report of a model in the main area.',
  autoStart: true,
  requires: [IWorkspace],
  optional: [ILabShell, ILayoutRestorer],
  activate: (
    { commands, shell }: JupyterFrontEnd,
    workspace: IWorkspace,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const { api, store } = workspace;
    const asked = new Arguments(workspace);
    const area = labShell ? 'main' : 'down';
    const logs = new ModelViews(shell, restorer, {
      kind: 'logs',
      command: COMMANDS.logs,
      area,
      make: name => new LogsWidget(api, store, name)
    });
    const reports = new ModelViews(shell, restorer, {
      kind: 'report',
      command: COMMANDS.report,
      area,
      make: name => new ReportWidget(name, () => api.report(name))
    });

    commands.addCommand(COMMANDS.logs, {
      label: 'Show the Logs of a Deployment',
      caption: 'Show what a deployment writes, as it writes it',
      icon: listIcon,
      describedBy: NAME_ARGS,
      execute: async args => {
        const name = await asked.name(args, ({ live }) => live !== null, 'Nothing is deployed.');
        if (name) {
          logs.show(name);
        }
      }
    });

    commands.addCommand(COMMANDS.report, {
      label: 'Show the Report of a Model',
      caption: 'Show the history of a model on one page: times, metrics, what changed',
      icon: fileIcon,
      describedBy: NAME_ARGS,
      execute: async args => {
        const name = await asked.name(args, () => true, 'There is no model yet.');
        if (name) {
          const failed = (error: unknown): Promise<void> =>
            told(`The report of ${name} cannot be shown`, problemOf(error));
          await reports.show(name).refresh().catch(failed);
        }
      }
    });
  }
};
