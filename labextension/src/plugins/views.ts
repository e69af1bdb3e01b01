import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { fileIcon, listIcon } from '@jupyterlab/ui-components';
import { TabPanel, type Widget } from '@lumino/widgets';
import { problemOf } from '../model/problem';
import { COMMANDS, IWorkspace } from '../tokens';
import { told } from '../views/dialogs';
import { LogsWidget } from '../views/Logs';
import { ReportWidget } from '../views/Report';
import { Arguments, NAME_ARGS } from './arguments';

type View = MainAreaWidget<Widget & { modelName: string }>;

/** Logs and reports in the main area; where the shell shows one document only (Notebook 7), below it. */
export const viewsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containeriter:views',
  description: 'Shows the logs and the report of a model in the main area.',
  autoStart: true,
  requires: [IWorkspace],
  optional: [ILabShell, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    { api, store }: IWorkspace,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null
  ): void => {
    const asked = new Arguments(store);
    const area = labShell ? 'main' : 'down';

    const views = (kind: string, command: string): ((name: string, make: () => View['content']) => View) => {
      const tracker = new WidgetTracker<View>({ namespace: `containeriter-${kind}` });
      const nameOf = ({ content }: View): string => content.modelName;
      void restorer?.restore(tracker, { command, args: view => ({ name: nameOf(view) }), name: nameOf });
      return (name, make) => {
        const view = tracker.find(found => nameOf(found) === name) ?? new MainAreaWidget({ content: make() });
        if (!view.isAttached) {
          view.id = `containeriter-${kind}-${name}`;
          view.content.addClass('jp-ContainerIter-view');
          view.toolbar.hide();
          app.shell.add(view, area);
          void tracker.add(view);
        }
        app.shell.activateById(view.id);
        selectTab(view);
        return view;
      };
    };
    const logs = views('logs', COMMANDS.logs);
    const reports = views('report', COMMANDS.report);
    const named = async (args: Record<string, unknown>, running: boolean): Promise<string | null> =>
      typeof args.name === 'string'
        ? args.name
        : ((await asked.model({}, ({ live }) => !running || live !== null, 'There is no model yet.'))?.name ?? null);

    app.commands.addCommand(COMMANDS.logs, {
      label: 'Show the Logs of a Deployment',
      caption: 'Show what a deployment writes, as it writes it',
      icon: listIcon,
      describedBy: NAME_ARGS,
      execute: async args => {
        const name = await named(args, true);
        if (name) {
          logs(name, () => new LogsWidget(api, name));
        }
      }
    });

    app.commands.addCommand(COMMANDS.report, {
      label: 'Show the Report of a Model',
      caption: 'Show the history of a model on one page: times, metrics, what changed',
      icon: fileIcon,
      describedBy: NAME_ARGS,
      execute: async args => {
        const name = await named(args, false);
        if (name) {
          const view = reports(name, () => new ReportWidget(name, () => api.report(name)));
          await (view.content as ReportWidget)
            .refresh()
            .catch(error => told(`The report of ${name} cannot be shown`, problemOf(error)));
        }
      }
    });
  }
};

/** Notebook 7 shows the area below the notebook, but leaves the tab that was selected there. */
function selectTab(view: Widget): void {
  const tabs = view.parent?.parent;
  if (tabs instanceof TabPanel) {
    tabs.currentWidget = view;
  }
}
